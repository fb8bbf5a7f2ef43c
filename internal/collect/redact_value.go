// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"bytes"
	"encoding/base64"
	"strings"
)

// A value is the span of one value in a text.
type value struct {
	from, to int
	quoted   bool
}

// readValue reads the value that starts at i, quoted or not, but no more than limit bytes of it and never past the
// line. The quotes may be escaped, as in JSON inside JSON. A quote that is not closed reaches to the end of the line.
func readValue(s string, i, limit int) value {
	quote := i
	for quote < len(s) && s[quote] == '\\' {
		quote++
	}
	if quote >= len(s) || !isQuote(s[quote]) {
		return value{from: i, to: valueEnd(s, i, limit)}
	}
	from := quote + 1
	for to := from; ; to++ {
		if to >= len(s) || to-from >= limit || s[to] == '\n' || s[to] == '\r' {
			return value{from, to, true}
		}
		if s[to] != s[quote] {
			continue
		}
		escapes := 0
		for to-escapes > from && s[to-escapes-1] == '\\' {
			escapes++
		}
		// As many backslashes as before the opening quote close it; so do fewer, which end an outer string.
		// An even number of them in a string that was not escaped itself is its own end.
		switch level := quote - i; {
		case level == 0 && escapes%2 == 0:
			return value{from, to, true}
		case level > 0 && escapes <= level:
			return value{from, to - escapes, true}
		}
	}
}

// valueEnd returns where a value without quotes ends that starts at i: at a blank, a quote, a closing bracket that it
// did not open, or a separator that more names or nothing follow, so that a comma inside a password does not end it.
func valueEnd(s string, i, limit int) int {
	end, open := min(len(s), i+limit), 0
	for ; i < end; i++ {
		c := s[i]
		if !marks[c] {
			continue
		}
		switch {
		case isBlank(c), isQuote(c), c == '<':
			return i
		case c == '[' && strings.HasPrefix(s[i:], masked):
			i += len(masked) - 1
		case c == '\\' && i+1 < len(s) && (isQuote(s[i+1]) || strings.IndexByte("nrt", s[i+1]) >= 0):
			return i
		case strings.IndexByte(",;&|", c) >= 0 && (endsHere(s, i+1) || nameFollows(s, i+1)):
			return i
		case strings.IndexByte("([{", c) >= 0:
			open++
		case strings.IndexByte(")]}", c) >= 0 && open > 0:
			open--
		case strings.IndexByte(")]}>", c) >= 0 && (endsHere(s, i+1) || strings.IndexByte(",;.:)]}>", s[i+1]) >= 0):
			return i
		}
	}
	return i
}

// marks are the bytes that may end a value.
var marks = func() (set [256]bool) {
	for c := range set {
		set[c] = isBlank(byte(c)) || strings.IndexByte("\"'`<>\\()[]{},;&|", byte(c)) >= 0
	}
	return set
}()

// endsHere says whether nothing that belongs to the same word is at i.
func endsHere(s string, i int) bool {
	return i >= len(s) || isBlank(s[i]) || isQuote(s[i]) || s[i] == '\\'
}

// nameFollows says whether "name=" or "name:" is at i.
func nameFollows(s string, i int) bool {
	start := i
	for i < len(s) && i-start < maxName && isNameByte(s[i]) {
		i++
	}
	return i > start && i < len(s) && (s[i] == '=' || s[i] == ':')
}

// plainWords are values that are no secret, whatever their name: what programs print in place of one, and the first
// or only words of an error about one.
var plainWords = wordSet(`
	true false yes no on off null nil none undefined unset set empty default ok eof
	required optional missing invalid expired incorrect wrong malformed mismatch unknown unauthorized unauthenticated
	password token forbidden denied rejected accepted failed failure success error timeout canceled cancelled exceeded unavailable unsupported
	disabled enabled changed updated created deleted provided expected found valid revoked redacted hidden masked
	removed omitted filtered protected encrypted secret(s) not is was are must has have had cannot can can't could
	should and or to the a an in for from with of by if when while at it this that no such
	string strings stringarray file int bool bearer basic digest`)

func wordSet(list string) map[string]bool {
	set := make(map[string]bool)
	for w := range strings.FieldsSeq(list) {
		set[w] = true
	}
	return set
}

// isPlaceholder says whether a value is none: a word in its place, a reference to it, stars, or a place where it lies.
func isPlaceholder(v string) bool {
	if v == masked || isReference(v) || isPath(v) || hasScheme(v) {
		return true
	}
	v = strings.Trim(v, "(),.;:!?")
	if len(v) <= 16 && plainWords[strings.ToLower(v)] {
		return true
	}
	if strings.Trim(v, "*") == "" || strings.Trim(v, "xX") == "" || strings.Trim(v, "•") == "" {
		return true
	}
	if len(v) <= 3 && strings.Trim(v, "0123456789") == "" {
		return true // a count or an HTTP status: "token: 401"
	}
	return len(v) <= 3 && strings.IndexFunc(v, func(r rune) bool { return r > 0x7f || isAlnum(byte(r)) }) < 0
}

// isReference says whether a value names where the secret comes from: $(NAME), ${NAME}, {{ .Values.x }}, <none>,
// or the words in which kubectl describe shows a reference. "$(NAME)" is what Kubernetes leaves of an unknown name.
func isReference(v string) bool {
	if len(v) > maxLook {
		return false
	}
	inner, ok := between(v, "$(", ")")
	if !ok {
		inner, ok = between(v, "${", "}")
	}
	if ok {
		return strings.Trim(inner, nameBytes) == ""
	}
	if strings.HasPrefix(v, "{{") || strings.HasPrefix(v, "<set to the key") {
		return true
	}
	inner, ok = between(v, "<", ">")
	return ok && strings.Trim(inner, letters+" /|_-") == ""
}

const (
	letters   = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	nameBytes = letters + "0123456789_.-"
	pathBytes = "abcdefghijklmnopqrstuvwxyz0123456789_.-/"
)

func between(v, open, end string) (string, bool) {
	if len(v) < len(open)+len(end) || !strings.HasPrefix(v, open) || !strings.HasSuffix(v, end) {
		return "", false
	}
	return v[len(open) : len(v)-len(end)], true
}

// isPath says whether a value is an absolute path in lower case with two parts at least. Base64 may start with a
// slash too, but is not in lower case.
func isPath(v string) bool {
	return len(v) <= maxLook && strings.HasPrefix(v, "/") && strings.Count(v, "/") > 1 && strings.Trim(v, pathBytes) == ""
}

// hasScheme says whether a value starts as a URL does; the password in it is looked for by itself.
func hasScheme(v string) bool {
	i := strings.IndexByte(v[:min(len(v), 16)], ':')
	return i > 0 && strings.HasPrefix(v[i:], "://") && strings.Trim(v[:i], letters+"+-.0123456789") == ""
}

// isObjectName says whether a value is namespace/name, as Kubernetes logs a Secret: secret="shop/db".
func isObjectName(v string) bool {
	return len(v) <= maxLook && strings.Count(v, "/") == 1 && v[0] != '/' && strings.Trim(v, pathBytes) == "" && strings.Trim(v, "-.0123456789/") != ""
}

// isProse says whether a value without quotes after "name: " is the next word of a message: a link of an error chain,
// or a plain word with more words after it.
func isProse(s string, v value) bool {
	text := s[v.from:v.to]
	if len(text) > maxName {
		return false
	}
	if strings.HasSuffix(text, ":") {
		return true
	}
	if strings.Trim(text, letters+"'.,;!?()") != "" {
		return false
	}
	next := skipBlanks(s, v.to)
	if next == v.to || next >= len(s) || strings.IndexByte("\r\n-#&|\\", s[next]) >= 0 {
		return false
	}
	name := next
	for next < len(s) && next-name < 16 && isNameByte(s[next]) {
		next++
	}
	return next >= len(s) || s[next] != '=' && (s[next] != ':' || !companions[strings.ToLower(s[name:next])])
}

// companions are the names beside a password in "password: x host: y"; other words before a colon belong to an error.
var companions = wordSet("user username login email host hostname server port db database url")

// isCall says whether a value without quotes is an expression of a program: os.Getenv("X"), os.environ["X"].
func isCall(s string, v value) bool {
	text := s[v.from:v.to]
	if len(text) > maxName || v.to >= len(s) || !isQuote(s[v.to]) {
		return false
	}
	name := strings.TrimRight(text, "([")
	return name != text && strings.Trim(name, nameBytes) == ""
}

// looksRandom says whether a value of a weak name is a key: long, of all kinds of characters in quick change. UUIDs,
// digests in hex, names and words are not.
func looksRandom(v string) bool {
	if len(v) < 20 {
		return len(v) >= 8 && isBasic(v)
	}
	var kinds [3]int
	changes, last := 0, -1
	for i := range len(v) {
		kind := 0
		switch c := v[i]; {
		case isDigit(c):
			kind = 1
		case isLetter(c) && c < 'a':
			kind = 2
		case isLetter(c):
		case strings.IndexByte("+/=_-%.", c) >= 0:
			continue
		default:
			return false
		}
		kinds[kind]++
		if kind != last {
			changes++
		}
		last = kind
	}
	if strings.HasSuffix(v, "=") || strings.HasSuffix(v, "%3D") { // base64 to its end, as a shared access signature is, may have hardly a digit
		return kinds[0] > 1 && kinds[2] > 1
	}
	return kinds[0] > 1 && kinds[1] > 1 && kinds[2] > 1 && changes*5 >= len(v)*2
}

// isBasic says whether v is the base64 of "user:password", as in HTTP basic authentication and Docker's auth.
func isBasic(v string) bool {
	if len(v) > maxLook || len(v)%4 != 0 {
		return false
	}
	text, err := base64.StdEncoding.DecodeString(v)
	if err != nil {
		return false
	}
	for _, c := range text {
		if c < ' ' || c > '~' {
			return false
		}
	}
	return bytes.IndexByte(text, ':') > 0
}
