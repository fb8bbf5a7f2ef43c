// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"strings"

	"github.com/kubeinquest/inquest/internal/regex"
)

var (
	pythonFile   = regex.New(`^([^"]+)", line (\d+)(?:, in (.+))?$`)
	pythonRaised = regex.New(`^[A-Za-z_][\w.]*(?:: |:?$)`)
)

// pythonChains join the traceback of an exception to that of the one it came from.
var pythonChains = []string{"During handling of the above exception", "The above exception was the direct cause"}

// pythonBegins takes a traceback, or the report of a syntax error, which has no such head.
func pythonBegins(lines []line, i int) bool {
	body := lines[i].body
	if strings.Contains(body, "Traceback (most recent call last)") {
		return i+1 == len(lines) || !strings.HasPrefix(lines[i+1].body, "\t")
	}
	if !strings.HasPrefix(body, `  File "`) || strings.Contains(body, ", in ") {
		return false
	}
	for j := i + 1; j < min(len(lines), i+6); j++ {
		if begins(lines[j].body, "SyntaxError: ", "IndentationError: ", "TabError: ") {
			return true
		}
	}
	return false
}

// pythonBody is a line without what the first line had before "Traceback": "[rank0]: " or the bars of a group.
func pythonBody(c *candidate, lines []line, i int) string {
	head, _, found := strings.Cut(lines[c.first()].body, "Traceback (most")
	if !found {
		return lines[i].body
	}
	if margin, ok := strings.CutSuffix(head, "+ Exception Group "); ok {
		head = margin + "| "
	}
	return strings.TrimPrefix(lines[i].body, head)
}

func pythonBelongs(c *candidate, lines []line, i int) bool {
	body := pythonBody(c, lines, i)
	chained := begins(body, pythonChains...)
	if c.head == c.first() { // the exception itself has not come yet
		if pythonRaised.MatchString(body) && (lines[i].level == unknown || lines[i].level >= doubt) {
			c.head = i
			return true
		}
		return begins(body, " ", "\t") || body != "" && strings.Trim(body, "^~ ") == ""
	}
	if chained {
		return true
	}
	if strings.Contains(body, "Traceback (most recent") {
		if last := pythonBody(c, lines, lastText(c, lines)); begins(last, pythonChains...) {
			c.head = c.first()
			return true
		}
		return false
	}
	// the rest of a message of several lines
	return i == c.last()+1 && (begins(body, " ", "\t") && i-c.head <= ahead || i-c.head <= 3 && lines[i].level == unknown && !lines[i].stamped && body != "")
}

func lastText(c *candidate, lines []line) int {
	for k := len(c.own) - 1; k > 0; k-- {
		if !lines[c.own[k]].blank() {
			return c.own[k]
		}
	}
	return c.first()
}

// pythonHead falls back on the last line when the log ends before the exception. An interrupt is how a signal to stop
// shows itself, and not the reason.
func pythonHead(c *candidate, lines []line) {
	if c.head == c.first() {
		c.head = c.last()
	}
	if begins(pythonBody(c, lines, c.head), "KeyboardInterrupt", "SystemExit", "asyncio.exceptions.CancelledError") {
		c.level = warning
	}
}

// pythonHeadline is the exception. Pydantic says on the next two lines what it is about.
func pythonHeadline(c *candidate, lines []line) string {
	text := strings.TrimSpace(pythonBody(c, lines, c.head))
	if strings.Contains(text, " validation error") && c.last() >= c.head+2 {
		text += ": " + strings.TrimSpace(lines[c.head+1].body) + ": " + strings.TrimSpace(lines[c.head+2].body)
	}
	return text
}

// pythonFrame is the innermost frame of the last traceback that is not in a library.
func pythonFrame(lines []string) string {
	frame := ""
	for _, s := range lines {
		if strings.Contains(s, "Traceback (most recent") {
			frame = ""
		}
		_, file, found := strings.Cut(s, `File "`)
		if !found {
			continue
		}
		m := pythonFile.FindStringSubmatch(file)
		switch {
		case m == nil || hasAny(m[1], []string{"-packages/", "/lib/python", "<frozen"}):
		case m[3] == "":
			frame = m[1] + ":" + m[2]
		default:
			frame = m[3] + " (" + m[1] + ":" + m[2] + ")"
		}
	}
	return frame
}
