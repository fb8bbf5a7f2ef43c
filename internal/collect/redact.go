// SPDX-License-Identifier: Apache-2.0

package collect

import "strings"

// masked stands where a secret was.
const masked = "[masked]"

const (
	// maxLook bounds how far ahead or back is looked to decide about one place, so that the time is linear in the text.
	maxLook = 256
	// maxWeak is how much of a value is looked at to tell whether it is random.
	maxWeak = 128
	// maxPasses bounds how often a text is gone over again after something in it was masked.
	maxPasses = 4
)

// Redact masks what looks like a secret in text from a cluster: tokens of known shapes, private keys, the password in
// a URL, and values whose name says that they are secret. It returns the text and how many spans it masked. Names,
// users, hosts, line breaks and the words of an error stay. A masked text is not changed by a second call.
//
// It errs towards masking after "name=" and in quotes, and towards the words of an error after "name: ". A secret
// without a known shape and without a telling name passes: nothing tells it from a digest.
func Redact(s string) (string, int) { return redact(s, false) }

// redactScript does so in a text that a shell or a program is given: a word after a flag is its value there, and not the next of a sentence.
func redactScript(s string) (string, int) { return redact(s, true) }

func redact(s string, script bool) (string, int) {
	s, spans := maskPrivateKeys(s)
	// Masking one value can bring another to light, as in "secret=a,token=b" where the first comma may belong to a.
	for range maxPasses {
		r := redactor{in: s, script: script}
		r.scan()
		if r.spans == 0 {
			break
		}
		s = r.out.String() + s[r.done:]
		spans += r.spans
	}
	return s, spans
}

// A redactor goes over a text once, left to right.
type redactor struct {
	in     string
	script bool // it is a command line
	out    strings.Builder
	done   int // everything before this is in out
	spans  int
	named  int // where the value of a "name" ended that names a secret; 0 for none
}

// mask replaces a span, unless it lies before what is already written or is masked already.
func (r *redactor) mask(from, to int) {
	if from < r.done || from >= to || r.in[from:to] == masked {
		return
	}
	r.out.WriteString(r.in[r.done:from])
	r.out.WriteString(masked)
	r.done = to
	r.spans++
}

func (r *redactor) scan() {
	for i := 0; i < len(r.in); {
		next := i + 1
		switch c := r.in[i]; {
		case isAlnum(c):
			next = r.word(i)
		case c == ':' || c == '=':
			next = r.pair(i)
		case c == '@':
			r.login(i)
		case c == '\'' || c == '"':
			if next = r.quotedImage(i); next == 0 {
				next = r.quote(i)
			}
		case c == '$':
			next = r.crypt(i)
		case c == '-':
			next = r.flag(i)
		}
		i = max(next, i+1, r.done)
	}
}

// word looks at the word that starts at i, and returns where to go on.
func (r *redactor) word(i int) int {
	end := i + 1
	for end < len(r.in) && isAlnum(r.in[end]) {
		end++
	}
	// In JSON a line break before a word is written as a letter: "\nAKIA…".
	if i > 0 && r.in[i-1] == '\\' && strings.IndexByte("nrt", r.in[i]) >= 0 && i+1 < end {
		i++
	}
	if from, to := tokenAt(r.in, i); to > from {
		r.mask(from, to)
		return to
	}
	r.command(i, end)
	return end
}

// passwordFlag returns the flag after which a client program takes a password, with a blank where one comes between.
func passwordFlag(program string) string {
	switch program {
	case "mysql", "mysqladmin", "mysqldump", "mariadb":
		return "-p"
	case "cli": // redis-cli
		return "-a "
	case "curl":
		return "-u "
	}
	return ""
}

// command masks the password on the command line of a client program.
func (r *redactor) command(start, end int) {
	word := r.in[start:end]
	flag := passwordFlag(word)
	if flag == "" || word == "cli" && !strings.HasSuffix(r.in[:start], "redis-") {
		return
	}
	line := r.in[end:min(len(r.in), end+maxLook)]
	if i := strings.IndexAny(line, "\r\n"); i >= 0 {
		line = line[:i]
	}
	for at := 1; at+2 < len(line); at++ {
		if line[at:at+2] != flag[:2] || !isBlank(line[at-1]) && !isQuote(line[at-1]) {
			continue
		}
		from := at + 2
		if len(flag) > 2 {
			from = skipBlanks(line, from)
		}
		to := valueEnd(line, from, maxLook)
		if word == "curl" {
			colon := strings.IndexByte(line[from:to], ':')
			if colon < 0 {
				return
			}
			from += colon + 1
		}
		if to-from > 1 && !isReference(line[from:to]) {
			r.mask(end+from, end+to)
		}
		return
	}
}

// login masks the password in a data source name that is no URL: user:password@tcp(host) and :thin:user/password@host.
func (r *redactor) login(at int) {
	start := at
	for start > max(r.done, at-maxLook) && !isBlank(r.in[start-1]) && !isQuote(r.in[start-1]) {
		start--
	}
	user, rest := r.in[start:at], r.in[at+1:]
	split := -1
	switch {
	case strings.HasPrefix(rest, "tcp("), strings.HasPrefix(rest, "unix("), strings.HasPrefix(rest, "("):
		split = strings.IndexByte(user, ':')
	case strings.Contains(user, ":thin:"):
		split = strings.LastIndexByte(user, '/')
	}
	if split >= 0 && at-start-split > 2 && !isReference(user[split+1:]) {
		r.mask(start+split+1, at)
	}
}

// quote masks what is quoted right after the word password, or after IDENTIFIED BY, as in an SQL statement.
func (r *redactor) quote(i int) int {
	end := i
	for end > 0 && r.in[end-1] == ' ' {
		end--
	}
	start := end
	for start > max(0, end-16) && isAlnum(r.in[start-1]) {
		start--
	}
	if end == i || start == end {
		return i + 1
	}
	switch strings.ToLower(r.in[start:end]) {
	case "by":
		if !strings.HasSuffix(strings.ToLower(r.in[max(0, start-11):start]), "identified ") {
			return i + 1
		}
	case "password", "passwd", "passphrase":
	default:
		return i + 1
	}
	v := readValue(r.in, i, maxLook)
	if v.to-v.from < 2 || isPlaceholder(r.in[v.from:v.to]) {
		return i + 1
	}
	r.mask(v.from, v.to)
	return v.to + 1
}

// crypt masks a password hash in the form $id$salt$hash.
func (r *redactor) crypt(i int) int {
	rest := r.in[i:]
	for _, id := range [...]string{"$2a$", "$2b$", "$2y$", "$argon2", "$y$", "$6$", "$5$", "$1$", "$apr1$", "$scrypt$"} {
		if !strings.HasPrefix(rest, id) {
			continue
		}
		n := len(id)
		for n < len(rest) && (isAlnum(rest[n]) || strings.IndexByte("./$,=+-", rest[n]) >= 0) {
			n++
		}
		if n >= 28 {
			r.mask(i, i+n)
		}
		return i + n
	}
	return i + 1
}

// flag masks the value in "--password value"; "--password=value" is a pair.
func (r *redactor) flag(i int) int {
	if i > 0 && isAlnum(r.in[i-1]) {
		return i + 1
	}
	start := i
	for start < len(r.in) && r.in[start] == '-' {
		start++
	}
	end := start
	for end < len(r.in) && end-start < maxName && isNameByte(r.in[end]) {
		end++
	}
	if start-i > 2 || end == start || end >= len(r.in) || !isBlank(r.in[end]) || classify(r.in[start:end]) != strong {
		return start
	}
	v := readValue(r.in, r.afterFlag(end), len(r.in))
	text := r.in[v.from:v.to]
	if v.to-v.from < 2 || text[0] == '-' || isPlaceholder(text) || !v.quoted && (!r.script && isProse(r.in, v) || isMetavar(text)) {
		return end
	}
	r.mask(v.from, v.to)
	return v.to
}

// afterFlag returns where the word after a flag begins: in a script it may be on the next line.
func (r *redactor) afterFlag(end int) int {
	from := skipBlanks(r.in, end)
	if rest, ok := strings.CutPrefix(r.in[from:], "\\\n"); r.script && ok {
		from = skipBlanks(r.in, len(r.in)-len(rest))
	}
	return from
}

// isMetavar says whether a text is what stands for a value in a usage message: TOKEN_FILE.
func isMetavar(v string) bool { return strings.Trim(v, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_") == "" }

func isAlnum(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
}

func isLetter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// isNameByte says whether c may be part of the name of a value.
func isNameByte(c byte) bool { return isAlnum(c) || c == '_' || c == '-' || c == '.' }

func isQuote(c byte) bool { return c == '"' || c == '\'' || c == '`' }

// isBlank says whether c separates words. Control characters do.
func isBlank(c byte) bool { return c <= ' ' }

// skipBlanks returns where the next word of the line starts, or where the line ends.
func skipBlanks(s string, i int) int {
	for i < len(s) && isBlank(s[i]) && s[i] != '\n' && s[i] != '\r' {
		i++
	}
	return i
}
