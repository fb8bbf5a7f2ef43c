// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"strings"
	"time"
)

// How much normal operation may follow a block that is the reason, in lines. A crash may be followed by the words of
// a supervisor, an error by those of an orderly shutdown; neither is followed by a page of business as usual.
var patience = map[level]int{warning: 3, doubt: 5, failure: mostPatience, fatal: mostPatience, crash: mostPatience}

const (
	mostPatience = 20
	together     = 10 * time.Second // errors further apart are not one failure
	mostTogether = 8                // errors looked back over to find the first of a failure
)

// choose returns the candidate that explains the end, nil when none does: the gravest, where one that only announces
// the end weighs less than any that says more.
func choose(lines []line, found []candidate) *candidate {
	const says = int(crash) + 1
	calm, from := calmAfter(lines)
	stop := stopLine(lines, from)
	var pool []*candidate // the last one first, all of weight best
	best := 0
	for k := len(found) - 1; k >= 0; k-- {
		c := &found[k]
		weight := int(c.level.tier()) + says
		if weight < best || weight == best && len(pool) > mostTogether {
			continue
		}
		if c.last() < from || calm[c.last()] > patience[c.level.tier()] || excused(c, stop, len(lines)) {
			continue
		}
		if farewell(c, lines) {
			weight -= says
		}
		switch {
		case weight > best:
			pool, best = []*candidate{c}, weight
		case weight == best:
			pool = append(pool, c)
		}
	}
	if pool == nil {
		return nil
	}
	return earliest(lines, pool, calm)
}

// excused says whether a candidate cannot be the reason because of a signal to stop at line stop: what follows such a
// signal follows from it, and mere signs of trouble do not explain an end that was ordered.
func excused(c *candidate, stop, end int) bool {
	return stop < end && (c.first() > stop && c.level < crash || c.level < claim)
}

// earliest walks back from the last candidate over those that came with it, with nothing normal between, and returns
// the first. A message that is repeated counts as one, and its last occurrence stands for it.
func earliest(lines []line, pool []*candidate, calm []int) *candidate {
	best := pool[0]
	seen := map[string]bool{pattern(best, lines): true}
	for k := 1; k < min(len(pool), mostTogether); k++ {
		if calm[pool[k].last()] != calm[pool[k-1].last()] || apart(lines, pool[k], pool[k-1]) {
			break
		}
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
	text := clip(c.message(lines), 200)
	var b strings.Builder
	for i := range len(text) {
		if !digit(text[i]) {
			b.WriteByte(text[i])
		} else if i == 0 || !digit(text[i-1]) {
			b.WriteByte('#')
		}
	}
	return b.String()
}

// calmAfter counts, for each line from line from on, the lines of normal operation after it. Lines before that have
// more after them than any candidate may have.
func calmAfter(lines []line) (calm []int, from int) {
	calm = make([]int, len(lines))
	n := 0
	for from = len(lines); from > 0 && n <= mostPatience; {
		from--
		calm[from] = n
		if normal(&lines[from]) {
			n++
		}
	}
	return calm, from
}

// normal says whether a line shows that the process went on with its work.
func normal(l *line) bool {
	if l.used || l.usage || l.blank() || l.level != info && (l.level != unknown || l.indented()) {
		return false
	}
	return !strings.HasPrefix(l.body, "+ ") && complaint(l.body) == unknown && !hasAny(strings.ToLower(clip(l.body, 200)), aftermath)
}

// aftermath are the words of lines that follow a failure, or come between its repetitions.
var aftermath = []string{"shutting down", "shutdown", "shut down", "stopping", "stopped", "exiting", "exited", "exit code", "exit status",
	"terminat", "closing", "closed", "goodbye", "retry", "retrying", "reconnect", "backoff", "back-off", "attempt", "waiting for", "flush",
	"cleanup", "cleaning up", "draining", "drained", "core dump", "npm err", "sleeping", "stack trace", "errno", "giving up", "reason:", "note:"}

// farewells begin the messages that announce the end and do not say why.
var farewells = []string{"exiting", "exited", "exit ", "exit code", "shutting down", "shutdown", "giving up", "terminating", "aborting", "stopping",
	"process exited", "command failed with exit code", "command failed", "application startup failed",
	"application run failed", "startup failed", "failed to start", "start failed", "worker failed to boot", "main process exited", "reason: worker failed",
	"elifecycle", "container terminated", "lifecycle script", "server stopped", "bye", "unable to start", "program exited", "child exited",
	"could not create the java virtual machine", "a fatal exception has occurred", "fatal assertion"}

// alwaysFarewell begin messages that say nothing, whatever follows.
var alwaysFarewell = []string{"npm err", "npm error", "make: ***", "the hostoptions.backgroundserviceexceptionbehavior"}

// farewell says whether a candidate only announces the end.
func farewell(c *candidate, lines []line) bool {
	if c.kind != Message && c.kind != Tail {
		return false
	}
	text := c.message(lines)
	if lv, rest := levelPrefix(text, true); lv != unknown {
		text = rest
	}
	text = strings.ToLower(strings.TrimLeft(clip(text, 200), " -*![\n"))
	if begins(text, alwaysFarewell...) {
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
