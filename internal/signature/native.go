// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"strings"

	"github.com/kubeinquest/inquest/internal/regex"
)

// aborts are what C and C++ run time libraries print before they end the process.
var aborts = []string{"double free or corruption", "free(): ", "malloc(): ", "malloc_consolidate(): ", "corrupted size vs. prev_size",
	"munmap_chunk(): ", "realloc(): ", "*** stack smashing detected ***", "*** buffer overflow detected ***", "terminate called ",
	"terminating due to uncaught exception", "terminating with uncaught exception", "pure virtual method called", "Assertion `",
	"Assertion failed: ", "Fatal Python error: ", "memory allocation of ", "fatal runtime error: ", "init terminating in do_boot"}

func abortBelongs(c *candidate, lines []line, i int) bool {
	return i == c.last()+1 && strings.HasPrefix(lines[i].body, "  what():") ||
		begins(lines[c.first()].body, "Fatal Python error: ") && begins(lines[i].body, "Python runtime state", "Current thread ", "  File ")
}

// abortWhat is what the exception says that ended a C++ program, with a colon before it.
func abortWhat(lines []string) string {
	for _, s := range lines {
		if _, what, ok := strings.Cut(s, "what():"); ok {
			return ": " + strings.TrimSpace(what)
		}
	}
	return ""
}

// signalBegins takes what a shell prints for a child that a signal ended, with or without the shell's name and line.
func signalBegins(lines []line, i int) bool {
	body := lines[i].body
	if at := strings.Index(body, ": line "); at > 0 {
		_, body, _ = strings.Cut(body[at+2:], ": ")
		body = strings.TrimLeft(body, "0123456789 ")
	}
	for _, s := range signals {
		rest, ok := strings.CutPrefix(body, s)
		if ok && (rest == "" || len(rest) > 1 && rest[0] == ' ' && (rest[1] == ' ' || rest[1] == '(')) {
			return true
		}
	}
	return false
}

var signals = []string{"Segmentation fault", "Aborted", "Illegal instruction", "Bus error", "Floating point exception", "Trace/breakpoint trap", "Killed"}

// signalKind tells what a process did itself, and has said more about, from what came over it.
func signalKind(c *candidate, lines []line) {
	body := lines[c.head].body
	if strings.Contains(body, ": line ") {
		c.kind = Shell
	}
	if hasAny(body, []string{"Aborted", "Illegal instruction", "Trace/breakpoint trap"}) {
		c.level = claim
	}
}

// execBegins takes the word of a shell or a runtime that could not execute the program at all.
func execBegins(lines []line, i int) bool {
	body := strings.ToLower(clip(lines[i].body, maxLine))
	return strings.Contains(body, "exec user process caused") || strings.HasPrefix(body, "exec ") && hasReason(body)
}

// reasons are the ends of lines with which shells and tools say what went wrong: strerror(3) and a few of their own.
var reasons = []string{"not found", "no such file or directory", "permission denied", "operation not permitted", "read-only file system",
	"no space left on device", "is a directory", "not a directory", "exec format error", "cannot allocate memory", "connection refused",
	"input/output error", "parameter not set", "unbound variable", "text file busy", "resource temporarily unavailable", "file exists",
	"device or resource busy", "invalid argument", "bad interpreter", "too many open files", "connection timed out", "bad substitution"}

func hasReason(low string) bool {
	low = strings.TrimRight(low, " .")
	for _, r := range reasons {
		if strings.HasSuffix(low, r) {
			return true
		}
	}
	return false
}

var shellLine = regex.New(`^[\w./+-]+: (?:line )?\d+: `)

// shellError says whether a line is the complaint of a shell or a tool: its name, a colon, and a reason at the end.
func shellError(body string) bool {
	name, rest, ok := strings.Cut(body, ": ")
	if !ok || name == "" || strings.ContainsAny(name, " \t\"'(){}=,;") || len(name) > 200 || !strings.Contains(name, "/") && strings.ToLower(name) != name {
		return false
	}
	return hasReason(strings.ToLower(clip(rest, maxLine))) || shellLine.MatchString(body)
}

var rubyRaised = regex.New("^(\\S+:\\d+):in [`'](.+?)': (.+) \\(([A-Z][\\w:]*)\\)$")

func rubyBegins(lines []line, i int) bool { return rubyRaised.MatchString(lines[i].body) }

func rubyBelongs(_ *candidate, lines []line, i int) bool {
	return begins(lines[i].body, "\tfrom ", "\t ... ", "        from ")
}

var rubyAt = regex.New("^(?:\\s+from )?(\\S+:\\d+):in [`'](.+?)'")

func rubyFrame(lines []string) string {
	for _, s := range lines {
		m := rubyAt.FindStringSubmatch(s)
		if m != nil && !hasAny(m[1], []string{"/gems/", "/lib/ruby/", "<internal:"}) {
			return m[2] + " (" + m[1] + ")"
		}
	}
	return ""
}

var (
	rustPlace = regex.New(`panicked at (?:'.*', )?([^\s']+:\d+:\d+)`)
	rustOld   = regex.New(`panicked at '(.*)', \S+:\d+:\d+$`)
)

func rustBelongs(c *candidate, lines []line, i int) bool {
	l := &lines[i]
	if i == c.first()+1 && strings.HasSuffix(lines[c.first()].body, ":") {
		return true
	}
	return begins(l.body, "note: ", "stack backtrace:", "fatal runtime error: ", "   ", "  left: ", " right: ")
}

// rustHead takes the message, which is on the second line since Rust 1.73. Only the main thread's panic ends the process.
func rustHead(c *candidate, lines []line) {
	if body := lines[c.first()].body; strings.HasPrefix(body, "thread '") && !strings.HasPrefix(body, "thread 'main'") {
		c.level = failure
	}
	if len(c.own) > 1 && strings.HasSuffix(lines[c.first()].body, ":") {
		c.head = c.own[1]
	}
}

func rustFrame(lines []string) string {
	if m := rustPlace.FindStringSubmatch(lines[0]); m != nil && !strings.HasPrefix(m[1], "/rustc/") {
		return m[1]
	}
	return ""
}

func phpBegins(lines []line, i int) bool {
	return begins(lines[i].body, "Fatal error: ", "Parse error: ") && strings.Contains(lines[i].body, ".php")
}

func phpBelongs(_ *candidate, lines []line, i int) bool {
	return begins(lines[i].body, "Stack trace:", "#", "  thrown in ", "PHP Stack trace:", "PHP   ", "Next ")
}

var phpPlace = regex.New(` in (/\S+?)(?::| on line )(\d+)`)

func phpFrame(lines []string) string {
	for _, s := range lines {
		if m := phpPlace.FindStringSubmatch(s); m != nil {
			return m[1] + ":" + m[2]
		}
	}
	return ""
}

var undefinedBehaviour = regex.New(`^\S+:\d+:\d+: runtime error: `)

func sanitizerBegins(lines []line, i int) bool {
	body := lines[i].body
	return strings.HasPrefix(body, "==") && hasAny(body, []string{"ERROR: ", "WARNING: "}) || undefinedBehaviour.MatchString(body)
}

func sanitizerBelongs(_ *candidate, lines []line, i int) bool {
	l := &lines[i]
	return l.indented() || begins(l.body, "SUMMARY: ", "==", "READ of ", "WRITE of ", "freed by ", "previously allocated", "0x", "Shadow", "=>", "Direct leak")
}

var sanitizerAt = regex.New(`^\s*#\d+ 0x[0-9a-f]+ in (\S+).* (/\S+:\d+(?::\d+)?)$`)

func sanitizerFrame(lines []string) string {
	for _, s := range lines {
		m := sanitizerAt.FindStringSubmatch(s)
		if m != nil && !hasAny(m[2], []string{"/compiler-rt/", "/libsanitizer/", "/glibc", "/sysdeps/"}) {
			return m[1] + " (" + m[2] + ")"
		}
	}
	return ""
}

// springBelongs takes the report of Spring Boot's failure analysers up to and with the advice.
func springBelongs(c *candidate, lines []line, i int) bool {
	l := &lines[i]
	return i-c.first() < ahead/2 && !l.stamped
}

// springHead takes the description.
func springHead(c *candidate, lines []line) {
	for k, i := range c.own {
		if strings.HasPrefix(lines[i].body, "Description:") {
			for _, j := range c.own[k+1:] {
				if !lines[j].blank() {
					c.head = j
					return
				}
			}
		}
	}
}

func redisBelongs(c *candidate, lines []line, i int) bool {
	return i == c.last()+1 && i-c.first() <= 3 && !lines[i].stamped
}

// nextBelongs takes one line more.
func nextBelongs(c *candidate, _ []line, i int) bool { return i == c.first()+1 }

func lastHead(c *candidate, _ []line) { c.head = c.last() }

func hashBelongs(_ *candidate, lines []line, i int) bool {
	return strings.HasPrefix(lines[i].body, "#")
}

// hashHead takes the line that names the signal.
func hashHead(c *candidate, lines []line) {
	for _, i := range c.own[1:] {
		if strings.Trim(lines[i].body, "# ") != "" {
			c.head = i
			return
		}
	}
}
