// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"strconv"
	"strings"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

var (
	// gap parts the columns of kubectl's tables, which are at least two blanks apart.
	gap = regex.New(`\s{2,}|\t+`)
	// eventType is how a row of Events begins.
	eventType = regex.New(`^\s*(Normal|Warning)\s`)
	// oldEvent is a row before 1.6: FirstSeen LastSeen Count From SubObjectPath Type Reason Message.
	oldEvent = regex.New(`^\s*(\S+)\s{2,}(\S+)\s{2,}(\d+)\s{2,}(.*?)\s{2,}(?:(spec\.\S+)\s+)?(Normal|Warning)\s+(\S+)\s+(.*)$`)
	// fieldPath is how kubectl 1.36 puts the container before the message.
	fieldPath = regex.New(`^(?:spec\.)?(?:initContainers|containers|ephemeralContainers)\{([^}]+)\}(?:: |$)`)
)

// describedEvents reads the Events below a description. A line that begins no Event goes on with the message before it.
func describedEvents(s *section, about evidence.Ref, p *part) {
	begun := false
	for _, line := range s.body {
		e, ok := eventRow(line)
		trimmed := strings.TrimSpace(line)
		switch {
		case ok:
			e.about = inContainer(about, &e)
			p.event(e)
			begun = true
		case trimmed == "" || strings.HasPrefix(trimmed, "Type ") || strings.HasPrefix(trimmed, "----") ||
			strings.HasPrefix(trimmed, "FirstSeen") || strings.HasPrefix(trimmed, "Message  ----"):
		case begun:
			last := &p.events[len(p.events)-1]
			last.message = strings.TrimPrefix(last.message+"\n"+trimmed, "\n")
		}
	}
}

// eventRow reads one row. The columns are Type, Reason, Age, From and Message; From may be empty.
func eventRow(line string) (textEvent, bool) {
	if !eventType.MatchString(line) {
		m := oldEvent.FindStringSubmatch(line)
		if m == nil {
			return textEvent{}, false
		}
		e := textEvent{kind: m[6], reason: m[7], message: m[8], first: parseAge(m[1]), last: parseAge(m[2])}
		e.count, _ = strconv.Atoi(m[3])
		e.from(m[4])
		if m[5] != "" {
			e.message = m[5] + ": " + e.message
		}
		return e, e.last.known
	}
	cells := gap.Split(strings.TrimSpace(line), 5)
	if len(cells) < 4 {
		return textEvent{}, false
	}
	e := textEvent{kind: cells[0], reason: cells[1]}
	e.last, e.first, e.count = parseSpan(cells[2])
	switch {
	case len(cells) == 5:
		e.from(cells[3])
		e.message = cells[4]
	case strings.ContainsAny(cells[3], " :"):
		e.message = cells[3]
	default:
		e.from(cells[3])
	}
	return e, true
}

// from reads who reported: "kubelet", and before 1.19 "kubelet, node-1".
func (e *textEvent) from(s string) {
	e.reporter, e.host, _ = strings.Cut(s, ", ")
	if none(e.reporter) {
		e.reporter = ""
	}
}

// inContainer moves the container from before the message of an Event into what it is about.
func inContainer(about evidence.Ref, e *textEvent) evidence.Ref {
	m := fieldPath.FindStringSubmatch(e.message)
	if m == nil {
		return about
	}
	e.message = e.message[len(m[0]):]
	return about.InContainer(m[1])
}
