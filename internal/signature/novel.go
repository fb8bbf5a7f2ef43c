// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"slices"
	"strings"
)

// What Novel keeps and gives.
const (
	mostTemplates = 8192
	mostNovel     = 20
)

// Novel returns the lines of the log of an attempt that died whose like is in no other log: those of earlier attempts
// and of healthy siblings. Of lines of one template it gives the last, and of all those nearest the end, in order, at
// most 20. It is nil when there is nothing to compare with, or more kinds of lines than can be kept. Only the last
// 512 KiB of each log are looked at. That a line is new says that it may have to do with the death, and no more.
func Novel(dying string, others []string) []string {
	t := NewTemplates(mostTemplates)
	for _, log := range others {
		eachLine(log, func(s string, _ int) {
			if g, _ := t.add(essence(s)); g != nil {
				g.elsewhere = true
			}
		})
	}
	if t.Len() == 0 || t.forgot > 0 {
		return nil
	}
	return valids(t.unheard(dying))
}

// unheard gives the lines with templates that only this log has, by the last line of each.
func (t *Templates) unheard(log string) []string {
	var lines []string
	var groups []*group
	eachLine(log, func(s string, i int) {
		lines = append(lines, s)
		g, _ := t.add(essence(s))
		if g.elsewhere || !telling(s) {
			return
		}
		if !g.own {
			g.own = true
			groups = append(groups, g)
		}
		g.last = i
	})
	slices.SortFunc(groups, func(a, b *group) int { return a.last - b.last })
	var found []string
	for _, g := range groups[max(0, len(groups)-mostNovel):] {
		if !g.elsewhere {
			found = append(found, lines[g.last])
		}
	}
	return found
}

// eachLine calls f with the lines of a log, without the runtime's time stamps and without those that are blank.
func eachLine(log string, f func(line string, i int)) {
	log, _ = window(log)
	n := 0
	for s := range strings.Lines(log) {
		if s = plain(bodyOf(strings.TrimSuffix(s, "\n")).text); strings.TrimSpace(s) == "" {
			continue
		}
		f(s, n)
		n++
	}
}

// essence is the part of a line that makes its template: of a structured one what it says, and how bad that is.
func essence(s string) string {
	if e, ok := structured(strings.TrimLeft(s[stampLen(s):], " ")); ok {
		return unquote(e.level) + " " + e.text()
	}
	return s
}

// telling says whether a line says something by itself: the frames of a stack and lone brackets do not.
func telling(s string) bool {
	letters := 0
	for i := range len(s) {
		if letter(s[i]) {
			letters++
		}
	}
	return letters >= 4 && s[0] != '\t' && !strings.HasPrefix(s, "  ") && !isFrame(s)
}

func valids(lines []string) []string {
	for i, s := range lines {
		lines[i] = valid(s)
	}
	return lines
}
