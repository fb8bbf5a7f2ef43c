// SPDX-License-Identifier: Apache-2.0

package tell

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kubeinquest/inquest/internal/report"
)

// mostListed is how many incidents a digest names.
const mostListed = 10

// mostText is how many bytes a chat takes at once. What is longer Telegram, Lark, WeCom and Pushover refuse, however often it is tried;
// ntfy makes a file of it, and PagerDuty cuts it off.
func mostText(scheme string) int {
	switch scheme {
	case schemeMail:
		return 64 << 10
	case "pushover", "pagerduty": // 1024
		return 1000
	case "wecom": // 2048
		return 2000
	}
	return 4000 // 4096
}

// digest puts messages into one, the widest first, of so many bytes at most.
func digest(messages []*message, most int) (title string, lines []string) {
	if len(messages) == 1 {
		title = cut(tame(messages[0].headline()), most/2)
		return title, shortened(messages[0].tamedBody(), most-len(title))
	}
	sorted := slices.Clone(messages)
	slices.SortStableFunc(sorted, func(a, b *message) int { return b.in.Pods - a.in.Pods })
	ended := 0
	for _, m := range sorted {
		if m.what == closed {
			ended++
		}
	}
	title = fmt.Sprintf("%s: %d opened or grew, %d closed", report.Plural(len(sorted), "incident"), len(sorted)-ended, ended)
	if name := sorted[0].cluster; name != "" {
		title = tame(name) + ": " + title
	}
	left := most - len(title) - len("\nand 1000000 more")
	for _, m := range sorted[:min(len(sorted), mostListed)] {
		l := m.listed()
		if left -= len(l) + 1; left < 0 {
			break
		}
		lines = append(lines, l)
	}
	if more := len(sorted) - len(lines); more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	return title, lines
}

// listed is a message as one line of a digest.
func (m *message) listed() string {
	l := fmt.Sprintf("- %s (%s)", m.headline(), report.Plural(m.in.Pods, "pod"))
	if m.link != "" {
		l += " " + m.link
	}
	return m.tamed(l)
}

// shortened leaves out lines until the others fit: the last first, as they can be looked up, except for the link by which they can.
func shortened(lines []string, most int) []string {
	size := 0
	for _, l := range lines {
		size += len(l) + 1
	}
	for size > most && len(lines) > 0 {
		i := len(lines) - 1
		if i > 0 && strings.HasPrefix(lines[i], linkWord) {
			i--
		}
		size -= len(lines[i]) + 1
		lines = slices.Delete(lines, i, i+1)
	}
	return lines
}

func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most-len("…")], "") + "…"
}

func (m *message) tamedBody() []string {
	lines := m.body()
	for i, l := range lines {
		lines[i] = m.tamed(l)
	}
	return lines
}

// tamed tames a line except for the link in it, which is ours.
func (m *message) tamed(l string) string {
	before, found := strings.CutSuffix(l, m.link)
	if m.link == "" || !found {
		return tame(l)
	}
	return tame(before) + m.link
}
