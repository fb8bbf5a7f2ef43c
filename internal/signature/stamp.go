// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"strings"
	"time"
)

// A stamp is one way in which programs write the time at the start of a line. In the shape d is a digit, a is a
// letter, _ is a digit or a blank, and ? is any byte. Without a layout the time cannot be known: it lacks the date.
var stamps = []struct{ shape, layout string }{
	{"dddd-dd-ddTdd:dd:dd", "2006-01-02T15:04:05"},
	{"dddd-dd-dd dd:dd:dd", "2006-01-02 15:04:05"},
	{"dddd/dd/dd dd:dd:dd", "2006/01/02 15:04:05"},
	{"dddd.dd.dd dd:dd:dd", "2006.01.02 15:04:05"},
	{"dd/aaa/dddd:dd:dd:dd", "02/Jan/2006:15:04:05"},
	{"dd-aaa-dddd dd:dd:dd", "02-Jan-2006 15:04:05"},
	{"dd aaa dddd dd:dd:dd", "02 Jan 2006 15:04:05"},
	{"aaa aaa _d dd:dd:dd dddd", "Mon Jan _2 15:04:05 2006"},
	{"aaa aaa _d dd:dd:dd", ""},
	{"aaa _d dd:dd:dd", ""},
	{"dd:dd:dd", ""},
	{"d:dd:dd", ""},
	{"dd:ddaM", ""},
	{"d:ddaM", ""},
}

func shaped(s, shape string) bool {
	if len(s) < len(shape) {
		return false
	}
	for i := range len(shape) {
		c := s[i]
		switch shape[i] {
		case 'd':
			if c < '0' || c > '9' {
				return false
			}
		case 'a':
			if !letter(c) {
				return false
			}
		case '_':
			if c != ' ' && (c < '0' || c > '9') {
				return false
			}
		case '?':
		default:
			if c != shape[i] {
				return false
			}
		}
	}
	return true
}

func letter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

func digit(c byte) bool { return c >= '0' && c <= '9' }

// stampLen is the length of the time stamp at the start of a line, with the bracket round it when that holds
// nothing else; 0 when there is none.
func stampLen(s string) int {
	open := 0
	if strings.HasPrefix(s, "[") {
		open = 1
	}
	_, n := stampAt(s[open:])
	if n == 0 {
		return 0
	}
	n += open
	if open == 1 && n < len(s) && s[n] == ']' {
		n++
	} else if open == 1 {
		return 0 // "[18:01:02 ERR] text": the bracket holds more
	}
	return n
}

// stampAt reads the time stamp at the start of s: the time, zero when it lacks the date, and its length, 0 when
// there is none. A stamp without a zone is taken as UTC, which is what nearly every container runs in.
func stampAt(s string) (time.Time, int) {
	if len(s) < 6 || !digit(s[0]) && !letter(s[0]) {
		return time.Time{}, 0
	}
	for _, f := range stamps {
		if !shaped(s, f.shape) {
			continue
		}
		base := s[:len(f.shape)]
		frac := fraction(s[len(base):])
		zone, n := zoneAt(s[len(base)+frac:])
		if f.layout == "" {
			return time.Time{}, len(base) + frac + n
		}
		at, err := time.Parse(f.layout+"Z07:00", base+strings.Replace(s[len(base):len(base)+frac], ",", ".", 1)+zone)
		if err != nil {
			return time.Time{}, 0
		}
		return at, len(base) + frac + n
	}
	return time.Time{}, 0
}

// redisHead is the length of the process and role that Redis and Valkey write first: "1:M 23 Nov 2026 18:01:02.123 # text".
func redisHead(s string) int {
	n := 0
	for n < len(s) && n < 8 && digit(s[n]) {
		n++
	}
	if n > 0 && len(s) > n+6 && s[n] == ':' && letter(s[n+1]) && s[n+2] == ' ' && shaped(s[n+3:], "dd aaa dddd") {
		return n + 3
	}
	return 0
}

// fraction is the length of ".123" or ",123" at the start of s.
func fraction(s string) int {
	if len(s) < 2 || s[0] != '.' && s[0] != ',' {
		return 0
	}
	n := 1
	for n < len(s) && n < 10 && digit(s[n]) {
		n++
	}
	if n == 1 {
		return 0
	}
	return n
}

// zoneAt reads a zone in the forms Z, +02:00, +0200, and the names UTC and GMT. Other names stay in the text.
func zoneAt(s string) (zone string, n int) {
	t := strings.TrimPrefix(s, " ")
	gap := len(s) - len(t)
	switch {
	case strings.HasPrefix(s, "Z"):
		return "Z", 1
	case strings.HasPrefix(t, "UTC"), strings.HasPrefix(t, "GMT"):
		return "Z", gap + 3
	case len(t) > 0 && (t[0] == '+' || t[0] == '-') && shaped(t[1:], "dd:dd"):
		return t[:6], gap + 6
	case len(t) > 0 && (t[0] == '+' || t[0] == '-') && shaped(t[1:], "dddd"):
		return t[:3] + ":" + t[3:5], gap + 5
	}
	return "Z", 0
}
