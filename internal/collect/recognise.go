// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"bytes"
	"encoding/json"
	"strings"
	"unicode/utf8"

	"github.com/kubeinquest/inquest/internal/hostlog"
	"github.com/kubeinquest/inquest/internal/regex"
)

// A form is what a file holds, told by its content.
type form uint8

const (
	formNothing form = iota // no text, or blank
	formBinary
	formJSON
	formYAML
	formPaste   // what kubectl printed for people
	formHost    // a log of the kernel or of a node's services
	formLog     // the log of a container
	formRefusal // an error of kubectl instead of what was asked for
	formOther   // text that nothing is known about
)

// headBytes is how much of the beginning of a file is looked at to tell what it is.
const headBytes = 32 << 10

// recognise tells what a file is by its first bytes. The name only decides what its content leaves open: whether text
// of any kind is a log.
func recognise(name string, head []byte) form {
	if bytes.IndexByte(head, 0) >= 0 {
		return formBinary
	}
	head = bytes.TrimPrefix(head, []byte("\xef\xbb\xbf"))
	text := string(head)
	start := strings.TrimLeft(text, " \t\r\n")
	switch {
	case start == "":
		return formNothing
	case !mostlyText(head):
		return formBinary
	case start[0] == '{' || start[0] == '[':
		if f, ok := recogniseJSON(start); ok {
			return f
		}
	case isRefusal(start):
		return formRefusal
	}
	switch {
	case strings.HasPrefix(start, dumpedLog):
		return formLog
	case looksPasted(text):
		return formPaste
	case looksYAML(start):
		return formYAML
	case hostlog.Recognise(text):
		return formHost
	case looksLogged(name, start):
		return formLog
	}
	return formOther
}

func mostlyText(head []byte) bool {
	if !utf8.Valid(head[:max(0, len(head)-utf8.UTFMax)]) && bytes.Count(head, []byte("\xef\xbf\xbd")) == 0 {
		bad := 0
		for rest := head; len(rest) > 0; {
			r, n := utf8.DecodeRune(rest)
			if r == utf8.RuneError && n == 1 {
				bad++
			}
			rest = rest[n:]
		}
		return bad*20 < len(head)
	}
	return true
}

// isRefusal tells whether all there is is that kubectl had no answer.
func isRefusal(text string) bool {
	return serverError.MatchString(text) && strings.Count(strings.TrimSpace(text), "\n") < 3
}

// recogniseJSON tells documents from logs whose lines are JSON, and from lines that begin with a bracket.
func recogniseJSON(text string) (form, bool) {
	dec := json.NewDecoder(strings.NewReader(text))
	first, err := dec.Token()
	if err != nil {
		return 0, false
	}
	if first == json.Delim('[') {
		next, err := dec.Token()
		_, isDelim := next.(json.Delim)
		_, isText := next.(string)
		return formJSON, err == nil && (isDelim || isText)
	}
	keys, whole := keysIn(dec)
	if len(keys) == 0 {
		return formJSON, whole
	}
	line, rest, _ := strings.Cut(text, "\n")
	next := strings.TrimSpace(rest)
	alone := strings.HasSuffix(strings.TrimSpace(line), "}") && (next == "" || next[0] == '{')
	if alone && isLogLine(keys) {
		return formLog, true
	}
	return formJSON, true
}

// keysIn returns the keys of the object that the decoder is in, as far as its text goes, and whether that is all of it.
func keysIn(dec *json.Decoder) (keys map[string]bool, whole bool) {
	keys = map[string]bool{}
	for depth, key := 0, true; ; {
		token, err := dec.Token()
		if err != nil {
			return keys, false
		}
		switch token := token.(type) {
		case json.Delim:
			if token == '{' || token == '[' {
				depth++
			} else {
				depth--
			}
			if depth < 0 {
				return keys, true
			}
			key = depth == 0 && (token == '}' || token == ']')
			continue
		case string:
			if depth == 0 && key {
				keys[plainKey(token)] = true
				key = false
				continue
			}
		}
		key = depth == 0
	}
}

// isLogLine tells a line of a log from an object: it has a message, and a level or a time or a stream.
func isLogLine(keys map[string]bool) bool {
	if keys["apiversion"] || keys["kind"] || keys["items"] || keys["object"] || keys["involvedobject"] {
		return false
	}
	message := keys["msg"] || keys["message"] || keys["log"] || keys["event"] || keys["error"]
	return message && (keys["level"] || keys["severity"] || keys["time"] || keys["ts"] || keys["timestamp"] || keys["stream"] || keys["@timestamp"] || keys["logger"])
}

var (
	yamlKey = regex.New(`(?m)^(?:- )?(?:apiVersion|kind|items): ?|^(?:- )?(?:metadata|items|pods|events|nodes|deployments):\s*$`)
	// logLine is how lines of logs begin: a time in any of the usual forms, a level, or klog's header.
	logLine = regex.New(`(?m)^[\[(]?(?:\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d|\d\d:\d\d:\d\d|[IWEF]\d{4} \d\d:|[A-Z][a-z]{2} +\d+ \d\d:\d\d:\d\d|(?i:trace|debug|info|warn|warning|error|fatal|panic|critical)\b|level=|time=|ts=|Traceback |Exception |panic: |goroutine )`)
	logName = regex.New(`(?i)(?:^|[/._-])(?:logs?|previous|prev|current|stdout|stderr|crash)(?:$|[/._-])`)
)

func looksYAML(text string) bool {
	return strings.HasPrefix(text, "---") && yamlKey.MatchString(text) || yamlKey.MatchString(firstLines(text, 12))
}

// firstLines returns the beginning of a text, up to a number of lines.
func firstLines(text string, n int) string {
	at := 0
	for range n {
		i := strings.IndexByte(text[at:], '\n')
		if i < 0 {
			return text
		}
		at += i + 1
	}
	return text[:at]
}

// looksLogged tells whether a text may be a log: by its lines, else by its name.
func looksLogged(name, text string) bool {
	return logName.MatchString(name) || logLine.MatchString(firstLines(text, 5)) || prefixed.MatchString(text)
}
