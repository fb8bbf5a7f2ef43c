// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"bytes"
	"strings"
	"time"

	"github.com/kubeinquest/inquest/internal/regex"
)

// A Waiver says in a comment of a manifest that a finding is accepted: why, and until when.
//
//	# inquest:ignore PRB101 the sidecar answers for it, until 2027-01-31
//
// It stands at the end of a line or on lines of its own above it, and holds for that line and what lies deeper; above the
// first line of a document, for all of it.
type Waiver struct {
	Rules  []string // "*" for all
	Reason string
	Until  time.Time // the last day on which it holds; zero where none is said
	Line   int       // of the comment
	First  int       // the lines that it holds for
	Last   int
}

const (
	// maxWaivers bounds the waivers of one document, and maxWaiverLooks how many of its lines are looked at for what they hold for.
	maxWaivers     = 1000
	maxWaiverLooks = 5_000_000
)

var (
	waiverMark = []byte("inquest:ignore")
	waiverText = regex.New(`#.*?inquest:ignore[ \t]+([A-Za-z0-9_*,/.-]+)[ \t]*(.*)$`)
	untilDay   = regex.New(`[ \t,;(-]*\buntil[ \t:]+(\d{4}-\d{2}-\d{2})\)?[ \t]*$`)
)

// waiversIn returns the waivers of a document that begins in a line.
func waiversIn(doc []byte, first int) []Waiver {
	if !bytes.Contains(doc, waiverMark) {
		return nil
	}
	var all []Waiver
	lines := bytes.Split(doc, []byte("\n"))
	looks := maxWaiverLooks
	for i, line := range lines {
		if !bytes.Contains(line, waiverMark) {
			continue
		}
		m := waiverText.FindSubmatch(bytes.TrimRight(line, "\r"))
		if m == nil {
			continue
		}
		w := Waiver{Rules: strings.Split(string(m[1]), ","), Reason: strings.TrimSpace(string(m[2])), Line: first + i}
		if day := untilDay.FindStringSubmatch(w.Reason); day != nil {
			w.Reason = strings.TrimSpace(strings.TrimSuffix(w.Reason, day[0]))
			if until, err := time.Parse(time.DateOnly, day[1]); err == nil {
				w.Until = until
			}
		}
		from, to := waived(lines, i)
		if looks -= 1 + to; looks < 0 || len(all) == maxWaivers {
			break // what is not read waives nothing
		}
		w.First, w.Last = first+from, first+to
		all = append(all, w)
	}
	return all
}

// waived returns the lines that a comment in line i is about.
func waived(lines [][]byte, i int) (from, to int) {
	from = i
	alone := bytes.HasPrefix(bytes.TrimSpace(lines[i]), []byte("#"))
	for alone && from < len(lines)-1 && silent(lines[from]) {
		from++
	}
	above := 0
	for above < from && silent(lines[above]) {
		above++
	}
	if alone && above == from {
		return 0, len(lines)
	}
	for to = from + 1; to < len(lines) && (silent(lines[to]) || partOf(lines[from], lines[to])); to++ {
		continue
	}
	return from, to - 1
}

// partOf tells whether a line is of what the first begins: it lies deeper, or is an element of a list that is indented as its key is.
func partOf(first, line []byte) bool {
	item := func(line []byte) bool { return bytes.HasPrefix(bytes.TrimLeft(line, " "), []byte("- ")) }
	deeper := indent(line) - indent(first)
	return deeper > 0 || deeper == 0 && item(line) && !item(first)
}

// silent tells whether a line is blank or a comment alone.
func silent(line []byte) bool {
	line = bytes.TrimSpace(line)
	return len(line) == 0 || line[0] == '#'
}

func indent(line []byte) int { return len(line) - len(bytes.TrimLeft(line, " ")) }
