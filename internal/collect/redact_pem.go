// SPDX-License-Identifier: Apache-2.0

package collect

import "strings"

const (
	keyBegin = "-----BEGIN "
	keyEnd   = "-----END "
	keyKind  = "PRIVATE KEY"
	keyDash  = "-----"
	// maxStray is how many lines of other writers may lie inside a private key before it is taken to be cut off.
	maxStray = 5
)

// maskPrivateKeys masks private keys in PEM form: over many lines, each behind a time stamp or not, cut off at either
// end of the text, or on one line with the line breaks escaped. The number of lines stays. Certificates and public
// keys stay too.
func maskPrivateKeys(s string) (string, int) {
	if !strings.Contains(s, keyKind) {
		return s, 0
	}
	lines := strings.SplitAfter(s, "\n")
	spans := 0
	for i := 0; i < len(lines); i++ {
		begin, end := keyMark(lines[i], keyBegin), keyMark(lines[i], keyEnd)
		switch {
		case begin >= 0:
			n, inline := maskInline(&lines[i], begin)
			if !inline {
				i, n = maskBelow(lines, i, begin)
			}
			spans += n
		case end >= 0:
			spans += maskAbove(lines, i, end)
		}
	}
	if spans == 0 {
		return s, 0
	}
	return strings.Join(lines, ""), spans
}

// keyMark returns where the mark of a private key starts in the line, or -1.
func keyMark(line, mark string) int {
	for from := 0; ; {
		i := strings.Index(line[from:], mark)
		if i < 0 {
			return -1
		}
		from += i
		kind, _, ok := strings.Cut(line[from+len(mark):], keyDash)
		if ok && len(kind) <= 40 && strings.Contains(kind, keyKind) {
			return from
		}
		from += len(mark)
	}
}

// maskInline masks a key that goes on behind its first mark on the same line, and says whether this one does.
func maskInline(line *string, begin int) (spans int, inline bool) {
	from := begin + len(keyBegin)
	from += strings.Index((*line)[from:], keyDash) + len(keyDash)
	body := strings.TrimRight((*line)[from:], "\r\n")
	if strings.HasPrefix(body, masked) {
		return 0, true
	}
	if i := strings.Index(body, keyEnd); i >= 0 {
		body = body[:i]
	} else {
		body = body[:len(body)-len(strings.TrimLeft(body, setBase64+`\ `))]
	}
	if longestRun(body) < 20 {
		return 0, false
	}
	*line = (*line)[:from] + masked + (*line)[from+len(body):]
	return 1, true
}

// longestRun returns the length of the longest run of base64 in the text.
func longestRun(text string) int {
	longest := 0
	for _, run := range strings.FieldsFunc(text, func(r rune) bool { return r > 'z' || strings.IndexByte(setBase64, byte(r)) < 0 }) {
		longest = max(longest, len(run))
	}
	return longest
}

// maskBelow masks the lines below the first mark of a key, and returns the last of them. They have as many fields
// before the key as the mark has: a time stamp, a stream.
func maskBelow(lines []string, first, begin int) (last, spans int) {
	fields := len(strings.Fields(lines[first][:begin]))
	last = first
	for i, stray := first+1, 0; i < len(lines) && stray <= maxStray; i++ {
		if keyMark(lines[i], keyEnd) >= 0 || keyMark(lines[i], keyBegin) >= 0 {
			return i - 1, spans
		}
		from, to := keyBody(lines[i], fields)
		switch body := lines[i][from:to]; {
		case body == masked:
		case body == "" || strings.Contains(body, ": "): // "DEK-Info: AES-256-CBC,…"
		case strings.Trim(body, setBase64) != "":
			stray++
			continue
		case spans == 0:
			lines[i] = lines[i][:from] + masked + lines[i][to:]
			spans++
		default:
			lines[i] = lines[i][:from] + lines[i][to:]
		}
		last = i
	}
	return last, spans
}

// maskAbove masks the lines above the last mark of a key whose first mark was cut off.
func maskAbove(lines []string, last, end int) int {
	fields := len(strings.Fields(lines[last][:end]))
	first := last
	for first > 0 {
		from, to := keyBody(lines[first-1], fields)
		body := lines[first-1][from:to]
		if body == "" || strings.Trim(body, setBase64) != "" || len(body) < 16 && first != last {
			break
		}
		first--
	}
	for i := first; i < last; i++ {
		from, to := keyBody(lines[i], fields)
		text := ""
		if i == first {
			text = masked
		}
		lines[i] = lines[i][:from] + text + lines[i][to:]
	}
	return min(1, last-first)
}

// keyBody returns the span of a line after its first fields, without blanks around it.
func keyBody(line string, fields int) (from, to int) {
	to = len(strings.TrimRight(line, "\r\n\t "))
	for ; fields > 0; fields-- {
		from = skipBlanks(line, from)
		for from < to && !isBlank(line[from]) {
			from++
		}
	}
	from = skipBlanks(line, from)
	return min(from, to), to
}
