// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"strings"

	"github.com/kubeinquest/inquest/internal/regex"
)

// openers are the ways in which a line without a level begins when it reports an error.
var openers = []string{
	"error ", "error:", "errors:", "fatal ", "fatal:", "failed ", "failed:", "failure:", "could not ", "couldn't ", "cannot ", "can't ", "can not ",
	"unable to ", "exception:", "uncaught ", "unhandled ", "panic:", "abort:", "aborting:", "invalid ", "missing ", "unknown ", "syntax error", "exception in ", "exception ignored ", "task exception ",
}

// trouble holds the words of trouble, in lower case.
var trouble = set(`abort aborted aborting bad broken busy cannot conflict corrupt corrupted crash crashed denied died
	error errors exceeded exception exhausted expired fail failed failing fails failure failures fatal forbidden illegal
	incompatible inaccessible insufficient invalid killed malformed mismatch missing mandatory panic refused rejected required
	timeout unable unauthorized unavailable undefined unexpected unhandled uncaught unknown unreachable unrecognized
	unbound unresolved unsupported violation wrong abnormal abnormally deadlock eacces eaddrinuse econnrefused enoent erofs`)

// afterNot are the words that are trouble after "not", and afterNo those after "no".
var (
	afterNot = set("found set defined exist exists allowed permitted supported available reachable valid recognized enough specified provided implemented writable readable executable configured installed resolve open connect find read write load start parse match")
	afterNo  = set("such space route response module manifest")
)

// negated are the words that, before or after a word of trouble, make it harmless: "0 errors", "errors=0".
var (
	harmlessBefore = set("no 0 without zero non ignore ignored ignoring on if handle handled handles any recovered expected t")
	harmlessAfter  = set("0 nil null none false handler handlers log logs page pages reporting rate count handling budget code messages ignored recovered")
	nouns          = set("error errors exception exceptions panic failure failures")
)

func set(words string) map[string]bool {
	m := map[string]bool{}
	for w := range strings.FieldsSeq(words) {
		m[w] = true
	}
	return m
}

// complaint judges a line that carries no level by its words: claim when it opens like an error, doubt when it
// speaks of trouble anywhere, unknown otherwise.
func complaint(body string) level {
	found := false
	var prev, prev2 string
	words(body, func(word, rest string) bool {
		found = phrase(prev, word) || troubled(word) && !harmlessBefore[prev] && !harmlessBefore[prev2] && !calmed(word, rest)
		prev, prev2 = word, prev
		return !found
	})
	switch {
	case !found && perlDeath.MatchString(body):
		return doubt
	case !found:
		return unknown
	case opens(body), shellError(body):
		return claim
	}
	return doubt
}

// perlDeath is how Perl ends the message of die, whatever it is.
var perlDeath = regex.New(` at \S+ line \d+\.$`)

// calmed says whether what follows a word of trouble makes it harmless: "errors=0", "failed jobs: 0".
func calmed(word, rest string) bool {
	next, rest := nextWord(rest)
	after, _ := nextWord(rest)
	return next == "0" || after == "0" || nouns[word] && harmlessAfter[next]
}

// phrase says whether two words in a row tell of trouble that neither tells alone.
func phrase(prev, word string) bool {
	switch prev {
	case "not":
		return afterNot[word]
	case "no":
		return afterNo[word]
	case "timed":
		return word == "out"
	case "in":
		return word == "use"
	case "out":
		return word == "of"
	case "too":
		return word == "many"
	case "must":
		return true
	case "read":
		return word == "only"
	case "could":
		return word == "not"
	case "can", "couldn":
		return word == "t"
	}
	return false
}

func troubled(word string) bool {
	return trouble[word] || (strings.HasSuffix(word, "error") || strings.HasSuffix(word, "exception")) && strings.IndexByte(word, '_') < 0
}

// opens says whether a line begins as a report of an error does, with or without the program's name before it.
func opens(body string) bool {
	if exceptionHead(body) > 0 {
		return true
	}
	body = strings.TrimLeft(body, "#*!>- │✗✘✖❌")
	for range 3 {
		for _, o := range openers {
			if len(body) >= len(o) && strings.EqualFold(body[:len(o)], o) {
				return true
			}
		}
		name, rest, ok := strings.Cut(body, ": ")
		if !ok || strings.ContainsAny(name, " \t") {
			return false
		}
		body = rest
	}
	return false
}

// exceptionHead is the length of the name of an exception at the start of a line, "java.io.IOException" or
// "ValueError", when a colon or nothing follows; 0 when there is none.
func exceptionHead(s string) int {
	n := 0
	for n < len(s) && n < 200 && (letter(s[n]) || digit(s[n]) || strings.IndexByte("._$:", s[n]) >= 0) {
		if s[n] == ':' && (n+1 == len(s) || s[n+1] == ' ') {
			break
		}
		n++
	}
	name := s[:n]
	short := name[strings.LastIndexAny(name, ".:$")+1:]
	if short == "" || short[0] < 'A' || short[0] > 'Z' || n < len(s) && s[n] != ':' && !coded.MatchString(s[n:]) {
		return 0
	}
	if strings.Contains(name, "::") { // PG::ConnectionBad
		return n
	}
	for _, suffix := range []string{"Error", "Exception", "Throwable", "Interrupt", "Exit", "Warning", "Failure", "Fault"} {
		if strings.HasSuffix(short, suffix) && len(short) > 4 {
			return n
		}
	}
	return 0
}

// coded is the number that .NET puts behind the name of some exceptions.
var coded = regex.New(`^ \((?:0x[0-9A-F]{8}|\d{1,5})\)(?:: |$)`)

// words calls f with each word of a line, or of its first 2 KiB, in lower case, and with what follows it, until f
// says no.
func words(s string, f func(word, rest string) bool) {
	word, rest := nextWord(strings.ToLower(clip(s, maxLine)))
	for word != "" && f(word, rest) {
		word, rest = nextWord(rest)
	}
}

func nextWord(s string) (word, rest string) {
	i := 0
	for i < len(s) && !inWord(s[i]) {
		i++
	}
	end := i
	for end < len(s) && inWord(s[end]) {
		end++
	}
	return s[i:end], s[end:]
}

func inWord(c byte) bool { return letter(c) || digit(c) || c == '_' }
