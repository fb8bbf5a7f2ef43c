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
	n := name{body: body, bracket: begins(body, "[", "<", "("), stamped: stamped}
	if n.bracket && !stamped {
		_, length := stampAt(body[1:])
		n.stamped = length > 0
	}
	for n.next() && n.start < 120 && n.words < 3 {
		if lv := levelNamed(body[n.start:n.end]); lv != unknown && n.marks(lv) {
			return lv, n.after()
		}
		if n.end-n.start > 1 && !n.within() && n.before() != '.' { // a.b.C counts as one
			n.words++
		}
	}
	return unknown, ""
}

// A name goes over the words of a line that may be the name of its level: the letters with which identifiers begin.
type name struct {
	body       string
	start, end int  // of the word
	tail       int  // end of the identifier that it begins
	words      int  // words passed, outside brackets
	bracket    bool // the line begins with a bracket
	stamped    bool // the line has a time stamp before
}

func (n *name) next() bool {
	for at := n.tail; at < len(n.body); at = n.tail {
		n.start = at
		for at < len(n.body) && letter(n.body[at]) {
			at++
		}
		n.end = at
		for at < len(n.body) && inWord(n.body[at]) {
			at++
		}
		n.tail = max(at, n.start+1)
		if n.end > n.start {
			return true
		}
	}
	return false
}

func (n *name) before() byte {
	if n.start == 0 {
		return ' '
	}
	return n.body[n.start-1]
}

// within says whether the word is inside square brackets.
func (n *name) within() bool {
	return strings.LastIndexByte(n.body[:n.start], '[') > strings.LastIndexByte(n.body[:n.start], ']')
}

// after is the text after the word, and after the bracket that it stands in.
func (n *name) after() string {
	end := n.end
	if n.within() {
		end += max(0, strings.IndexByte(n.body[end:min(len(n.body), end+60)], ']'))
	}
	return strings.TrimLeft(n.body[end:], "]>):-|= \t")
}

// marks says whether the word, the name of level lv, is meant as one.
func (n *name) marks(lv level) bool {
	before, after := n.before(), byte(' ')
	if n.end < len(n.body) {
		after = n.body[n.end]
	}
	if strings.IndexByte(" \t[<(:|-.", before) < 0 || strings.IndexByte(" \t]>):|-[,/", after) < 0 {
		return false
	}
	word := n.body[n.start:n.end]
	capital := strings.ToUpper(word) == word
	switch {
	case !capital && (lv == detail || strings.EqualFold(word, "log")):
		return false // PostgreSQL's levels are common words
	case before == '.': // Monolog: "production.ERROR: text"
		return capital && n.stamped && after == ':'
	case before == '\t' && after == '\t':
		return true
	case strings.IndexByte("]>|", after) >= 0 || n.within():
		return n.stamped || n.bracket
	}
	return n.words == 0 && (capital || after == ':') || capital && (n.stamped || clocked(n.body[:n.start]))
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
