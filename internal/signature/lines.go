// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"strings"
	"time"
	"unicode/utf8"
)

// What is looked at and what is kept, so that no log costs more than a fixed amount of time and memory.
const (
	maxLog   = 512 << 10 // bytes looked at, from the end
	maxMatch = 16 << 10  // bytes of one line that are matched: a JSON line may carry a whole stack trace
	maxLine  = 2 << 10   // bytes of one line that are kept
	maxLines = 40        // lines of a block that are kept
)

// A line is one line of the log as the matcher sees it.
type line struct {
	raw   string // as given, cut to maxMatch
	text  string // raw without the runtime's time stamp
	body  string // text without colour and without its own time stamp
	level level

	stamped bool // carries a time stamp of its own
	usage   bool // part of a command's usage text, which speaks of errors that might be
	used    bool // part of a block
}

// Parse splits a log line at the time stamp that `kubectl logs --timestamps` puts before it. The time is zero,
// and the text is the line, when there is none. The kubelet prints nine digits of a second; any number is accepted.
func Parse(s string) (at time.Time, text string) {
	if len(s) < len("2006-01-02T15:04:05Z") || s[4] != '-' || s[10] != 'T' {
		return time.Time{}, s
	}
	head := s[:min(len(s), len("2006-01-02T15:04:05.000000000+00:00 "))]
	stamp, text := s, ""
	if i := strings.IndexByte(head, ' '); i >= 0 {
		stamp, text = s[:i], s[i+1:]
	} else if len(head) < len(s) {
		return time.Time{}, s
	}
	at, err := time.Parse(time.RFC3339Nano, stamp)
	if err != nil {
		return time.Time{}, s
	}
	return at, text
}

// window is the end of a log, at most maxLog bytes and a line, and the number of lines before it.
func window(log string) (string, int) {
	log = strings.TrimRight(log, "\r\n")
	if len(log) <= maxLog {
		return log, 0
	}
	cut := len(log) - maxLog
	start := strings.LastIndexByte(log[:cut], '\n') + 1
	skipped := strings.Count(log[:start], "\n")
	if cut-start <= maxMatch {
		return log[start:], skipped
	}
	long, rest := log[start:start+maxMatch], ""
	if end := strings.IndexByte(log[cut:], '\n'); end >= 0 {
		rest = log[cut+end:]
	}
	return long + rest, skipped
}

// split cuts a log into lines.
func split(log string) []line {
	if log == "" {
		return nil
	}
	lines := make([]line, 0, strings.Count(log, "\n")+1)
	for more := true; more; {
		var s string
		s, log, more = strings.Cut(log, "\n")
		lines = append(lines, newLine(s))
	}
	markUsage(lines)
	return lines
}

// markUsage marks the lines of a usage text, which programs print after a bad flag.
func markUsage(lines []line) {
	in := false
	for i := range lines {
		l := &lines[i]
		if l.stamped || l.labelled() || l.level == claim && !l.indented() {
			in = false
		}
		in = in || begins(l.body, "Usage", "usage:", "USAGE")
		l.usage = in
	}
}

func newLine(s string) line {
	l := bodyOf(s)
	if l.body != "" {
		l.level = levelOf(l.body, l.stamped)
	}
	return l
}

// bodyOf is a line without its level.
func bodyOf(s string) line {
	s = unwrap(strings.TrimSuffix(clip(s, maxMatch), "\r"))
	at, text := Parse(s)
	if !at.IsZero() && len(text) >= len("stdout F ") && hasAny(text[:len("stdout F ")], []string{"stdout F ", "stderr F ", "stdout P ", "stderr P "}) {
		text = text[len("stdout F "):] // as the runtime keeps it on the node
	}
	body := plain(text)
	body = body[strings.LastIndexByte(body, '\r')+1:] // what a terminal would show of a progress bar
	body = body[redisHead(body):]
	stamp := stampLen(body)
	if stamp > 0 {
		body = strings.TrimPrefix(body[stamp:], " ")
	}
	return line{raw: s, text: text, body: body, stamped: stamp > 0 || ownStamp(len(s)-len(text))}
}

// unwrap takes a line out of the object in which Docker keeps it on the node, and puts its time before it.
func unwrap(s string) string {
	_, text := Parse(s)
	if !strings.HasPrefix(text, `{"log":"`) {
		return s
	}
	fields := map[string]string{}
	jsonFields(text, func(key, raw string) { fields[key] = raw })
	if fields["stream"] == "" || fields["time"] == "" {
		return s
	}
	text = strings.TrimRight(unquote(fields["log"]), "\r\n")
	return unquote(fields["time"]) + " " + clip(strings.ReplaceAll(text, "\n", " "), maxMatch)
}

// ownStamp says whether what Parse took off, of n bytes, must be the program's own time stamp: the kubelet always
// writes nine digits of a second.
func ownStamp(n int) bool {
	return n > 0 && n != len("2006-01-02T15:04:05.000000000Z ") && n != len("2006-01-02T15:04:05.000000000+00:00 ")
}

// blank says whether the line shows nothing.
func (l *line) blank() bool { return strings.TrimLeftFunc(l.body, unseen) == "" }

func unseen(r rune) bool { return r <= ' ' || r == 0x7f }

// indented says whether the line hangs under the one before it.
func (l *line) indented() bool { return l.text != "" && (l.text[0] == ' ' || l.text[0] == '\t') }

// clip cuts s to at most n bytes, not inside a character.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for i := 0; i < utf8.UTFMax && n > 0 && !utf8.RuneStart(s[n]); i++ {
		n--
	}
	return s[:n]
}

// plain removes the escape sequences that terminals read as colour.
func plain(s string) string {
	if strings.IndexByte(s, 0x1b) < 0 {
		return s
	}
	var b strings.Builder
	for {
		before, after, found := strings.Cut(s, "\x1b")
		b.WriteString(before)
		if !found {
			return b.String()
		}
		s = after
		if strings.HasPrefix(s, "[") {
			end := strings.IndexFunc(s[1:], func(r rune) bool { return r >= '@' && r <= '~' })
			s = s[1+end+1:]
			if end < 0 {
				return b.String()
			}
		}
	}
}

// valid makes text valid UTF-8 of at most maxLine bytes.
func valid(s string) string {
	return clip(strings.ToValidUTF8(clip(s, maxLine), "\uFFFD"), maxLine)
}

// oneLine makes text fit for a headline: valid, without control characters or runs of blanks, not too long.
func oneLine(s string) string {
	fields := strings.FieldsFunc(valid(s), unseen)
	return clip(strings.Join(fields, " "), 512)
}
