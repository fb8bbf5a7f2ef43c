// SPDX-License-Identifier: Apache-2.0

package signature

import "strings"

// A level is how bad a line says it is.
type level uint8

const (
	unknown level = iota
	info          // and everything below it
	detail        // belongs to the line before: PostgreSQL's DETAIL, HINT and the like
	warning
	doubt   // no level, but words of trouble: "connection refused"
	claim   // no level, but it opens like an error: "cannot open …"
	failure // an error level
	fatal
	crash // the last words of a runtime: the process cannot have gone on
)

// levelWords are the names of levels in the usual loggers, in lower case. Short forms are those of logrus, log15,
// zerolog, Serilog and the .NET console.
var levelWords = map[string]level{
	"trace": info, "trc": info, "trce": info, "debug": info, "dbg": info, "debu": info, "dbug": info, "verbose": info, "fine": info,
	"info": info, "inf": info, "information": info, "notice": info, "log": info,
	"detail": detail, "hint": detail, "context": detail, "statement": detail,
	"warn": warning, "warning": warning, "wrn": warning,
	"error": failure, "err": failure, "erro": failure, "eror": failure, "fail": failure, "severe": failure, "alert": failure,
	"fatal": fatal, "ftl": fatal, "fata": fatal, "critical": fatal, "crit": fatal, "crt": fatal, "emerg": fatal,
	"emergency": fatal, "panic": fatal, "dpanic": fatal,
}

const longestLevel = len("information")

func levelNamed(word string) level {
	if len(word) > longestLevel {
		return unknown
	}
	var low [longestLevel]byte
	for i := range len(word) {
		low[i] = word[i] | 0x20
	}
	return levelWords[string(low[:len(word)])]
}

// levelOf says how bad a line is. Stamped says that a time stamp was removed from its start.
func levelOf(body string, stamped bool) level {
	if e, ok := structured(body); ok {
		return e.severity()
	}
	if strings.HasPrefix(body, "+ ") { // the trace of a shell
		return info
	}
	if lv, _ := levelPrefix(body, stamped); lv != unknown {
		if lv == failure && strings.Contains(body, ", client: ") { // nginx: the fault of one request
			return warning
		}
		return lv
	}
	return complaint(body)
}

// levelPrefix finds the level that a plain line carries near its start, and the text after it. A level is the first
// word, or stands in brackets, or is in capitals behind a time stamp with at most two words between.
func levelPrefix(body string, stamped bool) (level, string) {
	if lv, rest := klog(body); lv != unknown {
		return lv, rest
	}
	open := begins(body, "[", "<", "(")
	if open {
		_, n := stampAt(body[1:])
		stamped = stamped || n > 0
	}
	words := 0
	for i := 0; i < min(len(body), 120) && words < 3; {
		if !letter(body[i]) || i > 0 && (digit(body[i-1]) || body[i-1] == '_') {
			i++
			continue
		}
		end := endOf(body, i, letter)
		if lv := levelNamed(body[i:end]); lv != unknown && marked(lv, body, i, end, words == 0, stamped, open) {
			return lv, afterLevel(body, i, end)
		}
		if end-i > 1 && !within(body, i) && (i == 0 || body[i-1] != '.') { // a.b.C counts as one
			words++
		}
		i = endOf(body, end, wordByte)
	}
	return unknown, ""
}

// endOf is where the bytes of a sort end that begin at i.
func endOf(s string, i int, sort func(byte) bool) int {
	for i < len(s) && sort(s[i]) {
		i++
	}
	return i
}

// wordByte says whether a byte belongs to a word.
func wordByte(c byte) bool { return letter(c) || digit(c) || c == '_' }

// afterLevel is the text after the level body[i:end], and after the bracket that it stands in.
func afterLevel(body string, i, end int) string {
	if within(body, i) {
		if n := strings.IndexByte(body[end:min(len(body), end+60)], ']'); n >= 0 {
			end += n
		}
	}
	return strings.TrimLeft(body[end:], "]>):-|= \t")
}

// marked says whether body[i:end], the name of a level, is meant as one.
func marked(lv level, body string, i, end int, first, stamped, open bool) bool {
	before, after := around(body, i, end)
	if strings.IndexByte(" \t[<(:|-.", before) < 0 || strings.IndexByte(" \t]>):|-[,/", after) < 0 {
		return false
	}
	capital := strings.ToUpper(body[i:end]) == body[i:end]
	switch {
	case !capital && (lv == detail || strings.EqualFold(body[i:end], "log")):
		return false // PostgreSQL's levels are common words
	case before == '.': // Monolog: "production.ERROR: text"
		return capital && stamped && after == ':'
	case before == '\t' && after == '\t':
		return true
	case strings.IndexByte("]>|", after) >= 0 || within(body, i):
		return stamped || open
	case first && !stamped && i == 0:
		return after == ':' || capital
	case first && after == ':':
		return true
	}
	return capital && (stamped || first || clocked(body[:i]))
}

// around is what stands before and after body[i:end]: blanks at the ends of a line.
func around(body string, i, end int) (before, after byte) {
	before, after = ' ', ' '
	if i > 0 {
		before = body[i-1]
	}
	if end < len(body) {
		after = body[end]
	}
	return before, after
}

// clocked says whether a time of day is in the text before a level: "postgresql 18:01:02.12 ERROR ==> text".
func clocked(head string) bool {
	for k := range head {
		if shaped(head[k:], "dd:dd:dd") {
			return true
		}
	}
	return false
}

// within says whether position i of a line is inside square brackets.
func within(body string, i int) bool {
	return strings.LastIndexByte(body[:i], '[') > strings.LastIndexByte(body[:i], ']')
}

// klog reads the head that Kubernetes' programs write, "E1123 18:01:02.123456       1 main.go:42] text", and glog's
// with the year in it. It is the only form in which one letter is a level.
func klog(body string) (level, string) {
	if len(body) < len("E1123 18:01:02.1 1 a:1] ") || !shaped(body[1:], "dddd dd:dd:dd.") && !shaped(body[1:], "dddddddd dd:dd:dd.") {
		return unknown, ""
	}
	_, rest, ok := strings.Cut(body, "] ")
	if !ok {
		return unknown, ""
	}
	switch body[0] {
	case 'I':
		return info, rest
	case 'W':
		return warning, rest
	case 'E':
		return failure, rest
	case 'F', 'C':
		return fatal, rest
	}
	return unknown, ""
}

// labelled says whether the line carries a level, as log lines do and the lines of a stack do not.
func (l *line) labelled() bool {
	return l.level == info || l.level == detail || l.level == warning || l.level == failure || l.level == fatal
}

// tier puts the levels in classes of equal weight.
func (l level) tier() level {
	if l == claim {
		return failure
	}
	return l
}
