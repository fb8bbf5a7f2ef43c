// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"strconv"
	"strings"
	"time"

	"github.com/kubeinquest/inquest/internal/regex"
)

// An age is how long ago something was, as kubectl prints it: "45s", "5m10s", "3d4h", "2y10d". The unit is what it is
// rounded down by (apimachinery pkg/util/duration, HumanDuration).
type age struct {
	d, unit time.Duration
	known   bool
}

var ageUnits = map[byte]time.Duration{
	's': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour, 'y': 365 * 24 * time.Hour,
}

// maxAge keeps the sums of ages and times within what a time can hold.
const maxAge = 200 * 365 * 24 * time.Hour

// parseAge reads an age. What is no age, as <unknown> and <invalid> are not, is not known.
func parseAge(s string) age {
	s = strings.TrimSuffix(strings.TrimSpace(s), " ago")
	var a age
	for s != "" {
		digits := 0
		for digits < len(s) && isDigit(s[digits]) {
			digits++
		}
		if digits == 0 || digits > 9 || digits == len(s) {
			return age{}
		}
		n, err := strconv.Atoi(s[:digits])
		unit, ok := ageUnits[s[digits]]
		if err != nil || !ok || time.Duration(n) > maxAge/unit {
			return age{}
		}
		a.d += time.Duration(n) * unit
		a.unit, a.known = unit, true
		s = s[digits+1:]
	}
	if a.d > maxAge {
		return age{}
	}
	return a
}

// repeated is how an Event's age is printed when it happened more than once: "13s (x2 over 15s)".
var repeated = regex.New(`^(\S+) \(x(\d+)(?: over (\S+))?\)$`)

// parseSpan reads the age of an Event: when it was seen last and first, and how often.
func parseSpan(s string) (last, first age, count int) {
	s = strings.TrimSpace(s)
	m := repeated.FindStringSubmatch(s)
	if m == nil {
		last = parseAge(s)
		return last, last, 1
	}
	last, first = parseAge(m[1]), parseAge(m[3])
	if !first.known {
		first = last
	}
	count, err := strconv.Atoi(m[2])
	if err != nil {
		count = 1
	}
	return last, first, count
}

// timeForms are the ways in which kubectl and other tools write a time.
var timeForms = []string{
	time.RFC3339Nano, time.RFC1123Z, "Mon, 2 Jan 2006 15:04:05 -0700", time.RFC1123,
	"2006-01-02 15:04:05 -0700 MST", "2006-01-02 15:04:05Z07:00", "2006-01-02T15:04:05", "2006-01-02 15:04:05",
}

// parseTime reads an absolute time. What is none, and the year 1 that kubectl prints for no time, is zero.
func parseTime(s string) time.Time {
	s = strings.TrimSpace(s)
	if len(s) < 19 || len(s) > 64 {
		return time.Time{}
	}
	for _, form := range timeForms {
		if t, err := time.Parse(form, s); err == nil {
			if t.Year() <= 1 || t.Year() > 9000 {
				return time.Time{}
			}
			return t.UTC()
		}
	}
	return time.Time{}
}
