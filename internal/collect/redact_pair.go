// SPDX-License-Identifier: Apache-2.0

package collect

import "strings"

// pair looks at the ":" or "=" at i, masks the value after it if the name before it says so, and returns where to go on.
func (r *redactor) pair(i int) int {
	s, c := r.in, r.in[i]
	if rest := s[i:]; strings.HasPrefix(rest, "://") || strings.HasPrefix(rest, `:\/\/`) {
		return r.url(i)
	}
	after := i + 1
	if after < len(s) {
		switch two := s[i : i+2]; two {
		case "::", "==": // a scope, a comparison
			return i + 2
		case ":=", "=>":
			c, after = '=', i+2
		}
	}
	name, spaced := nameBefore(s, i)
	kind := classify(name)
	from := skipBlanks(s, after)
	if c == '=' && spaced != (from > after) {
		return after // no value follows: "password= host=db"
	}
	kind = r.byName(name, kind, from)
	if kind == ordinary || from >= len(s) {
		return after
	}
	if s[from] == '[' && !strings.HasPrefix(s[from:], masked) {
		from++
	}
	switch kind {
	case header:
		return max(after, r.header(from, c))
	case cookie:
		return max(after, r.cookie(from, c))
	}
	return max(after, r.value(from, c, name, kind))
}

// nameBefore returns the name that ends before i, without its quotes, and whether blanks follow it. What a path ends
// with is no name, but example.com/name is one.
func nameBefore(s string, i int) (name string, spaced bool) {
	end := i
	for end > 0 && i-end < 8 && (s[end-1] == ' ' || s[end-1] == '\t') {
		end--
	}
	spaced = end < i
	if end > 0 && (isQuote(s[end-1]) || s[end-1] == ']') {
		end--
	}
	for end > 0 && i-end < 16 && s[end-1] == '\\' {
		end--
	}
	start := end
	for start > 0 && end-start < maxName && isNameByte(s[start-1]) {
		start--
	}
	if start > 0 && s[start-1] == '/' && !isDomain(s, start-1) {
		return "", spaced
	}
	return s[start:end], spaced
}

// isDomain says whether what ends at i is a domain with nothing before it, as in the name of an annotation.
func isDomain(s string, i int) bool {
	start := i
	for start > 0 && i-start < maxName && isNameByte(s[start-1]) {
		start--
	}
	return strings.Contains(s[start:i], ".") && isAlnum(s[start]) && (start == 0 || s[start-1] != '/')
}

// byName carries a name over to its value where they are two pairs: {"name":"DB_PASSWORD","value":"…"}.
func (r *redactor) byName(name string, kind nameClass, from int) nameClass {
	switch {
	case len(name) < 3 || len(name) > 5:
	case strings.EqualFold(name, "name") || strings.EqualFold(name, "key"):
		v := readValue(r.in, from, maxName)
		r.named = 0
		if k := classify(r.in[v.from:v.to]); k == strong || k == header || k == cookie {
			r.named = v.to
		}
	case strings.EqualFold(name, "value") && r.named > 0 && from-r.named < maxName:
		r.named = 0
		return strong
	}
	return kind
}

// value masks the value at from unless it is none.
func (r *redactor) value(from int, sep byte, name string, kind nameClass) int {
	s := r.in
	limit := len(s)
	if kind == weak {
		limit = maxWeak
	}
	if hasScheme(s[from:]) {
		return from
	}
	v := readValue(s, from, limit)
	text := s[v.from:v.to]
	if kind == weak {
		if !looksRandom(text) && !(isSignature(name) && isHex(text)) {
			return from
		}
		v = readValue(s, from, len(s))
	}
	open := sep == ':' && !v.quoted
	switch {
	case len(text) < 2, isPlaceholder(text), !v.quoted && strings.HasPrefix(text, "--"),
		kind == bare && (open || text[0] == '/'),
		open && isProse(s, v), !v.quoted && isCall(s, v),
		strings.EqualFold(name, "secret") && isObjectName(text):
		return from
	}
	r.mask(v.from, v.to)
	return v.to
}

// isSignature says whether a name stands for a signature, which may be in hex.
func isSignature(name string) bool {
	return len(name) >= 9 && strings.EqualFold(name[len(name)-9:], "signature")
}

// isHex says whether v is 32 hexadecimal digits or more.
func isHex(v string) bool {
	return len(v) >= 32 && strings.Trim(v, "0123456789abcdefABCDEF") == ""
}

// authSchemes are the words that come before the secret in an Authorization header.
var authSchemes = wordSet("basic bearer digest token apikey negotiate ntlm aws4-hmac-sha256 hawk hmac oauth bot jwt splunk geniekey sharedkey")

// header masks the secret in the value of an Authorization header and keeps the scheme.
func (r *redactor) header(from int, sep byte) int {
	s := r.in
	v := readValue(s, from, len(s))
	end := v.from
	for end < len(s) && end-v.from < 20 && (isAlnum(s[end]) || s[end] == '-') {
		end++
	}
	secret := v
	if end < len(s) && s[end] == ' ' && authSchemes[strings.ToLower(s[v.from:end])] {
		secret.from = skipBlanks(s, end)
		if !v.quoted {
			secret.to = valueEnd(s, secret.from, len(s))
		}
		if secret.from >= secret.to || !v.quoted && !isTokenish(s[secret.from:secret.to]) {
			return from
		}
	} else if !v.quoted && sep == ':' && isProse(s, v) {
		return from
	}
	if secret.to-secret.from < 6 || isPlaceholder(s[secret.from:secret.to]) {
		return from
	}
	r.mask(secret.from, secret.to)
	return secret.to
}

// isTokenish tells a token from a word and from the name of a parameter: "Basic dXNlcjpwdw==" from "Basic auth" and
// "Digest username=".
func isTokenish(v string) bool {
	if strings.HasSuffix(v, "=") && strings.Trim(v, letters+"=") == "" && len(v) < 20 {
		return false
	}
	return len(v) >= 20 || strings.Trim(v, "abcdefghijklmnopqrstuvwxyz-_.,;:") != ""
}

// cookie masks the value of a Cookie or Set-Cookie header: all of "a=b; c=d".
func (r *redactor) cookie(from int, sep byte) int {
	s := r.in
	v := readValue(s, from, len(s))
	if v.to-v.from < 2 || isPlaceholder(s[v.from:v.to]) || !v.quoted && sep == ':' && isProse(s, v) {
		return from
	}
	for !v.quoted && v.to+1 < len(s) && s[v.to] == ';' && s[v.to+1] == ' ' {
		next := skipBlanks(s, v.to+1)
		to := valueEnd(s, next, len(s))
		if !nameFollows(s, next) || to == next {
			break
		}
		v.to = to
	}
	r.mask(v.from, v.to)
	return v.to
}

// url masks the password in scheme://user:password@host, where ":" is at i. User and host stay.
func (r *redactor) url(i int) int {
	s := r.in
	from := i + 1
	for from < len(s) && (s[from] == '/' || s[from] == '\\') {
		from++
	}
	end := from
	for end < len(s) && end-from < maxLook && !isBlank(s[end]) && !isQuote(s[end]) && s[end] != '<' && s[end] != '>' {
		end++
	}
	colon := strings.IndexByte(s[from:end], ':')
	host := end
	if j := strings.IndexAny(s[from:end], "/?#"); j >= 0 {
		host = from + j
	}
	at := strings.LastIndexByte(s[from:host], '@')
	if at < 0 && colon >= 0 && from+colon < host && !isPort(s[from+colon+1:host]) {
		at = strings.LastIndexByte(s[from:end], '@') // a slash in the password
	}
	if at < 0 || i == 0 || !isAlnum(s[i-1]) || strings.HasPrefix(s[from+at:], "@sha256:") {
		return from
	}
	if colon < 0 || colon > at {
		if looksRandom(s[from : from+at]) {
			r.mask(from, from+at)
		}
		return from
	}
	password := s[from+colon+1 : from+at]
	if len(password) < 2 || isReference(password) || strings.Trim(password, "*") == "" || strings.Trim(password, "x") == "" {
		return from
	}
	r.mask(from+colon+1, from+at)
	return from + at
}

// isPort says whether what follows the colon after a host is a port, or part of an IPv6 address.
func isPort(v string) bool { return strings.Trim(v, "0123456789abcdefABCDEF:]") == "" }
