// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"strings"

	"github.com/kubeinquest/inquest/internal/regex"
)

// The stacks of Java, Node.js and .NET are alike: a head, then lines "at …".

var (
	javaAt   = regex.New(`^\s*at (?:\S+/)?([\w$.<>]+)\(([^()]*)\)`)
	nodeAt   = regex.New(`^\s*at (?:(.+?) \()?([^()]+:\d+:\d+)\)?[,{ ]*$`)
	dotNetAt = regex.New(`^\s*at ([\w.<>\x60\[\],+|]+)\(.*?\)(?: in (.+):line (\d+))?$`)
)

// isFrame says whether a line is a frame of a stack.
func isFrame(body string) bool {
	t := strings.TrimLeft(body, " \t")
	return len(t) < len(body) && strings.HasPrefix(t, "at ") && len(t) > 3 && t[3] != ' '
}

func frameBegins(lines []line, i int) bool {
	return isFrame(lines[i].body) && language(lines[i].body) != ""
}

// language tells by a frame what wrote the stack.
func language(frame string) Kind {
	if m := javaAt.FindStringSubmatch(frame); m != nil {
		if hasAny(m[2], []string{".java", ".kt", ".scala", ".groovy", ".clj", "Native Method", "Unknown Source", "<generated>"}) {
			return JavaException
		}
	}
	switch {
	case nodeAt.MatchString(frame), hasAny(frame, []string{"(<anonymous>)", "node:internal", "(native)"}):
		return NodeError
	case dotNetAt.MatchString(frame):
		return DotNet
	}
	return ""
}

// atBelongs takes the lines of a stack: frames, what is indented under the head, and the heads of causes.
func atBelongs(c *candidate, lines []line, i int) bool {
	l := &lines[i]
	if l.stamped || l.level == info {
		return false
	}
	if isFrame(l.body) || begins(l.body, "Caused by: ", "Wrapped by: ", "\t... ", "\tSuppressed: ", "\tCaused by: ", "Node.js v", "}",
		"Emitted '", "Require stack:", "- /", " ---> ", "   --- ", "[cause]: ", "[UnhandledPromiseRejection") {
		return true
	}
	if l.indented() && i == c.last()+1 {
		return true
	}
	return frameWithin(lines, i, 0)
}

// frameWithin says whether line i belongs to a head: the next few lines lead to a frame, with at most so many foreign
// ones between.
func frameWithin(lines []line, i, foreign int) bool {
	for j := i; j < min(len(lines), i+ahead/4); j++ {
		l := &lines[j]
		if isFrame(l.body) {
			return true
		}
		if l.stamped || l.used || l.level == info || l.level == warning {
			foreign--
		}
		if foreign < 0 {
			return false
		}
	}
	return false
}

// stackKind tells the kind of a stack by its first frame and its headline by its causes.
func stackKind(c *candidate, lines []line) {
	for _, i := range c.own {
		if isFrame(lines[i].body) {
			if k := language(lines[i].body); k != "" {
				c.kind = k
				break
			}
		}
	}
	switch c.kind {
	case JavaException:
		javaHead(c, lines)
	case DotNet:
		dotNetHead(c, lines)
	case NodeError:
		nodeHead(c, lines)
	}
}

// javaHead takes the last cause, the one that the others came from, else the line that names the exception.
func javaHead(c *candidate, lines []line) {
	named := false
	for _, i := range c.own {
		body := lines[i].body
		switch {
		case strings.HasPrefix(body, "Caused by: "):
			c.head, named = i, true
		case !named && exceptionHead(body) > 0:
			c.head, named = i, true
		}
	}
}

// javaThread tells the thread whose end is the end of the process from the others.
func javaThread(c *candidate, lines []line) {
	body := lines[c.first()].body
	if !hasAny(body, []string{`thread "main"`, "OutOfMemoryError"}) {
		c.level = failure
	}
	for _, i := range c.own[1:] {
		if strings.HasPrefix(lines[i].body, "Caused by: ") {
			c.head = i
		}
	}
}

func dotNetBegins(lines []line, i int) bool {
	return begins(lines[i].body, "Unhandled exception. ", "Unhandled Exception: ", "Process terminated. ", "Fatal error. ")
}

// dotNetHead takes the innermost exception.
func dotNetHead(c *candidate, lines []line) {
	for _, i := range c.own {
		if body := strings.TrimSpace(lines[i].body); strings.HasPrefix(body, "---> ") {
			c.head = i
		} else if c.head == c.first() && exceptionHead(body) > 0 {
			c.head = i
		}
	}
}

// nodeBegins takes the place that Node.js prints before an uncaught error: "/app/index.js:3", the source, a caret.
func nodeBegins(lines []line, i int) bool {
	body := lines[i].body
	if len(body) == 0 || !digit(body[len(body)-1]) || strings.IndexByte(body, ' ') >= 0 {
		return false
	}
	for j := i + 1; j < min(len(lines), i+5); j++ {
		if t := strings.TrimSpace(lines[j].body); t != "" && strings.Trim(t, "^") == "" {
			return true
		}
	}
	return false
}

// nodeBelongs takes the source, the caret and what follows it, which may be no error but any value that was thrown.
func nodeBelongs(c *candidate, lines []line, i int) bool {
	return i-c.first() <= 5 && !lines[i].stamped && !lines[i].blank() && !begins(lines[i].body, "(Use `node") || atBelongs(c, lines, i)
}

// nodeHead takes the cause, or the first line that names an error, or what follows the caret.
func nodeHead(c *candidate, lines []line) {
	caret, named := false, false
	for _, i := range c.own {
		t := strings.TrimSpace(lines[i].body)
		switch {
		case lines[i].blank():
		case strings.HasPrefix(t, "[cause]: "):
			c.head = i
			return
		case strings.HasPrefix(t, "Node.js v"):
			c.level = crash
		case !named && (exceptionHead(t) > 0 || errorCode(t)):
			c.head, named = i, true
		case caret && !named:
			c.head, caret = i, false
		}
		caret = caret || strings.Trim(t, "^") == "" && t != ""
	}
}

// errorCode says whether a line is the head of a Node.js error with a code: "TypeError [ERR_X]: text".
func errorCode(s string) bool {
	name, _, ok := strings.Cut(s, " [")
	return ok && exceptionHead(name) == len(name) && strings.Contains(s, "]: ") || strings.HasPrefix(s, "[UnhandledPromiseRejection: ")
}

// libraries are the packages whose frames say less than those of the program itself.
var libraries = []string{"java.", "javax.", "jakarta.", "jdk.", "sun.", "com.sun.", "kotlin.", "kotlinx.", "scala.", "clojure.", "groovy.",
	"org.springframework.", "org.apache.", "org.hibernate.", "org.eclipse.", "org.jboss.", "org.postgresql.", "org.slf4j.", "org.glassfish.",
	"io.netty.", "io.grpc.", "io.micronaut.", "io.quarkus.", "io.vertx.", "reactor.", "akka.", "com.zaxxer.", "com.mysql.", "com.fasterxml.",
	"com.google.", "ch.qos.", "feign.", "okhttp3.", "redis.clients.", "oracle.", "System.", "Microsoft.", "Npgsql.", "StackExchange.", "MySql."}

func javaFrame(lines []string) string { return lastSection(lines, "Caused by: ", javaPlace) }

func javaPlace(s string) string {
	m := javaAt.FindStringSubmatch(s)
	if m == nil || begins(m[1], libraries...) {
		return ""
	}
	return m[1] + " (" + m[2] + ")"
}

// lastSection gives the first place in the last of the sections that a separator makes, or in the one before.
func lastSection(lines []string, separator string, place func(string) string) string {
	for end := len(lines); end > 0; {
		start := end - 1
		for start > 0 && !strings.HasPrefix(lines[start], separator) {
			start--
		}
		for _, s := range lines[start:end] {
			if p := place(s); p != "" {
				return p
			}
		}
		end = start
	}
	return ""
}

func nodeFrame(lines []string) string {
	for _, s := range lines {
		m := nodeAt.FindStringSubmatch(s)
		if m == nil || hasAny(m[2], []string{"node:", "internal/", "node_modules/", "<anonymous>", "ext:"}) || strings.HasPrefix(m[2], "events.js") {
			continue
		}
		if m[1] == "" {
			return strings.TrimPrefix(m[2], "async ")
		}
		return m[1] + " (" + m[2] + ")"
	}
	if len(lines) > 0 && strings.HasPrefix(lines[0], "/") && nodePlace.MatchString(lines[0]) {
		return lines[0]
	}
	return ""
}

var nodePlace = regex.New(`^/\S+:\d+$`)

func dotNetFrame(lines []string) string {
	for _, s := range lines {
		m := dotNetAt.FindStringSubmatch(s)
		if m == nil || begins(m[1], libraries...) {
			continue
		}
		if m[2] == "" {
			return m[1]
		}
		return m[1] + " (" + m[2] + ":" + m[3] + ")"
	}
	return ""
}
