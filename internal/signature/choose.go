// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"strings"
	"time"
)

// How much normal operation may follow a block that is the reason, in lines. A crash may be followed by the words of
// a supervisor, an error by those of an orderly shutdown; neither is followed by a page of business as usual.
var patience = map[level]int{warning: 3, doubt: 5, failure: 20, fatal: 20, crash: 50}

const (
	mostPatience = 50
	together     = 10 * time.Second // errors further apart are not one failure
	mostTogether = 8                // errors looked back over to find the first of a failure
)

// choose returns the candidate that explains the end, nil when none does.
func choose(lines []line, found []candidate) *candidate {
	calm, from := calmAfter(lines)
	stop := stopLine(lines, from)
	var pool []*candidate
	best, parting := unknown, true
	for k := range found {
		c := &found[k]
		if c.last() < from || calm[c.last()-from] > patience[c.level.tier()] || c.first() > stop && c.level < crash {
			continue
		}
		bye := farewell(c, lines)
		switch lv := c.level.tier(); {
		case bye && !parting, bye == parting && lv < best:
		case bye == parting && lv == best:
			pool = append(pool, c)
		default:
			pool, best, parting = append(pool[:0], c), lv, bye
		}
	}
	if len(pool) == 0 {
		return nil
	}
	return earliest(lines, pool, func(a, b *candidate) int { return calm[a.last()-from] - calm[b.last()-from] })
}

// earliest walks back from the last candidate over those that came with it, and returns the first. A message that
// is repeated counts as one, and its last occurrence stands for it.
func earliest(lines []line, pool []*candidate, calmBetween func(a, b *candidate) int) *candidate {
	k := len(pool) - 1
	best := pool[k]
	seen := map[string]bool{pattern(best, lines): true}
	for range mostTogether {
		if k == 0 || calmBetween(pool[k-1], pool[k]) > 1 || apart(lines, pool[k-1], pool[k]) {
			break
		}
		k--
		if p := pattern(pool[k], lines); !seen[p] {
			seen[p] = true
			best = pool[k]
		}
	}
	return best
}

// apart says whether a came so long before b that it belongs to another failure.
func apart(lines []line, a, b *candidate) bool {
	from, to := lines[a.last()].time(), lines[b.first()].time()
	return !from.IsZero() && !to.IsZero() && to.Sub(from) > together
}

// pattern is what a message has in common with its repetitions: the text without the numbers.
func pattern(c *candidate, lines []line) string {
	l := &lines[c.head]
	text := l.body
	if e, ok := structured(l.body); ok {
		text = e.text()
	}
	var b strings.Builder
	for i := range len(clip(text, 200)) {
		if !digit(text[i]) {
			b.WriteByte(text[i])
		} else if i == 0 || !digit(text[i-1]) {
			b.WriteByte('#')
		}
	}
	return b.String()
}

// calmAfter counts, for each line from the one returned on, the lines of normal operation after it. Lines before
// that one have more after them than any candidate may have.
func calmAfter(lines []line) (calm []int, from int) {
	usage := usageLines(lines)
	n := 0
	from = len(lines)
	for from > 0 && n <= mostPatience {
		from--
		if normal(&lines[from]) && !usage[from] {
			n++
		}
	}
	calm = make([]int, len(lines)-from)
	n = 0
	for i := len(lines) - 1; i >= from; i-- {
		calm[i-from] = n
		if normal(&lines[i]) && !usage[i] {
			n++
		}
	}
	return calm, from
}

// usageLines marks the lines of a usage text, which programs print after a bad flag.
func usageLines(lines []line) []bool {
	marked := make([]bool, len(lines))
	in := false
	for i := range lines {
		l := &lines[i]
		if l.stamped || l.level == info || l.used {
			in = false
		}
		in = in || begins(l.body, "Usage", "usage:", "USAGE")
		marked[i] = in
	}
	return marked
}

// normal says whether a line shows that the process went on with its work.
func normal(l *line) bool {
	if l.used || l.blank() || l.level != info && (l.level != unknown || l.indented()) {
		return false
	}
	return !hasAny(strings.ToLower(clip(l.body, 200)), aftermath)
}

// aftermath are the words of lines that follow a failure, or come between its repetitions.
var aftermath = []string{"shutting down", "shutdown", "shut down", "stopping", "stopped", "exiting", "exited", "exit code", "exit status",
	"terminat", "closing", "closed", "goodbye", "retry", "retrying", "reconnect", "backoff", "back-off", "attempt", "waiting for", "flush",
	"cleanup", "cleaning up", "draining", "drained", "core dump", "npm err", "sleeping", "stack trace", "errno", "giving up", "reason:", "note:"}

// farewells begin the messages that announce the end and do not say why.
var farewells = []string{"exiting", "exited", "exit ", "exit code", "shutting down", "shutdown", "giving up", "terminating", "aborting", "stopping",
	"process exited", "command failed with exit code", "command failed", "npm err", "npm error", "application startup failed",
	"application run failed", "startup failed", "failed to start", "start failed", "worker failed to boot", "main process exited", "reason: worker failed",
	"make: ***", "elifecycle", "container terminated", "lifecycle script", "server stopped", "bye", "unable to start", "program exited", "child exited",
	"could not create the java virtual machine", "a fatal exception has occurred"}

// farewell says whether a candidate only announces the end.
func farewell(c *candidate, lines []line) bool {
	if c.kind != Message && c.kind != Tail {
		return false
	}
	l := &lines[c.head]
	text := l.body
	if e, ok := structured(l.body); ok {
		text = e.text()
	} else if _, rest := levelPrefix(l.body, true); rest != "" {
		text = rest
	}
	text = strings.ToLower(strings.TrimLeft(clip(text, 200), " -*!["))
	if begins(text, "npm err", "npm error") {
		return true
	}
	return len(text) <= 80 && begins(text, farewells...) && (!strings.Contains(text, ": ") || strings.Contains(text, "exit code"))
}

// stopLine is the line that tells of a signal to stop: errors after it are its consequence. It is past the end when
// there is none.
func stopLine(lines []line, from int) int {
	for i := from; i < len(lines); i++ {
		l := &lines[i]
		if l.used && l.level >= claim || l.blank() {
			continue
		}
		low := strings.ToLower(clip(l.body, 200))
		if hasAny(low, []string{"sigterm", "sigint", "signal", "shutdown request"}) && hasAny(low, []string{"receiv", "caught", "got ", "handling", "captured"}) {
			return i
		}
	}
	return len(lines)
}
