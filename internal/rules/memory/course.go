// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// What tells a burst from memory that grows, and both from a limit that is too small for what is always needed.
const (
	burst     = 30 * time.Second // in which a burst fills the memory: some samples
	steadily  = 2 * time.Minute  // for which a leak grows at least
	calm      = 5 * time.Minute  // that a run lived before a burst, so that it is none of its start
	fullShare = 0.8              // of the limit, that a run has all the time where that is too small
	someShare = 0.1              // of the limit, that a run gained where that matters
)

// usedBy returns the fact of that name that a node's agent tells of the end of a run, false without one.
func usedBy(p *diagnosis.Pass, run evidence.Ref, name string) (evidence.Fact, bool) {
	for _, f := range slices.Backward(p.Facts(evidence.Usage, name)) {
		if f.About == run {
			return f, true
		}
	}
	return evidence.Fact{}, false
}

// course adds to a finding about a limit what the run used in its last minutes, and says what that looks like; how long runs take
// where nobody knows.
func (d *death) course(p *diagnosis.Pass, f *diagnosis.Finding) {
	peak, known := usedBy(p, d.Of, "memory.peak")
	if known {
		f.Facts = append(f.Facts, peak)
	}
	says, of := d.shape(p)
	if says == "" {
		says = rhythm(p, d.Attempt)
	} else {
		f.Facts = append(f.Facts, of)
	}
	f.Message += says
}

// shape says how the memory came to be used up, by the samples of the run, and by which fact that is known.
func (d *death) shape(p *diagnosis.Pass) (says string, by evidence.Fact) {
	if d.limit == nil || d.Started.IsZero() {
		return "", by
	}
	limit, lived := d.limit.AsApproximateFloat64(), d.Finished.Sub(d.Started)
	rose, rises := usedBy(p, d.Of, "began.memory")
	took := d.Finished.Sub(rose.At)
	rises = rises && rose.Value >= someShare*limit
	least, held := usedBy(p, d.Of, "memory.least")
	switch {
	case held && least.Value >= fullShare*limit && lived >= steadily:
		return fmt.Sprintf("; it never held less than %s in its last minutes, so the limit may be too small for what it always needs", bytes(least.Value)), least
	case rises && took <= burst && lived >= calm:
		return fmt.Sprintf("; it took %s more within %s, which may be one large piece of work and no leak", bytes(rose.Value), took.Round(time.Second)), rose
	case rises && took >= steadily:
		return fmt.Sprintf("; it grew by %s over %s, as with a leak or a cache without a bound", bytes(rose.Value), took.Round(time.Second)), rose
	}
	return "", by
}

func bytes(n float64) string { return mebibytes(int64(n) >> 10) }

// counted returns the count of a container's control group that says that the kernel killed a process of it for memory in the seconds
// of the end.
func counted(p *diagnosis.Pass, a evidence.Attempt) (evidence.Fact, bool) {
	for _, f := range slices.Backward(p.Facts(evidence.Usage, "memory.oom-kill")) {
		if f.About == a.Of && f.At.Sub(a.Finished).Abs() <= 2*around { // as often as it is read
			return f, true
		}
	}
	return evidence.Fact{}, false
}

// byCount says what a kill makes of the end of which nothing is known but that it was in its seconds.
func (d *death) byCount(p *diagnosis.Pass) class {
	peak, known := usedBy(p, d.Of, "memory.peak")
	known = known && strings.HasPrefix(peak.Text, "memory.peak ") // the kernel's own: a burst may lie between two samples
	switch {
	case d.ExitCode != 137:
		return childKilled
	case d.limit == nil, known && peak.Value < nearLimit*d.limit.AsApproximateFloat64():
		return machine
	}
	return ownLimit
}

// nearLimit is how much of its limit a container has had at least that was killed at it.
const nearLimit = 0.9

// citeCount cites the count of kills in a finding that rests on it.
func (d *death) citeCount(f *diagnosis.Finding) {
	if d.count != nil {
		f.Confidence, f.Facts = min(f.Confidence, diagnosis.Likely), append(f.Facts, *d.count)
	}
}

// grew returns the fact of which containers of a node grew most in the minute before the kernel killed for all of them.
func grew(p *diagnosis.Pass, at time.Time) (evidence.Fact, bool) {
	for _, f := range slices.Backward(p.Facts(evidence.Usage, "memory.grew")) {
		if f.At.Sub(at).Abs() <= 2*around {
			return f, true
		}
	}
	return evidence.Fact{}, false
}

// victimOf says in a finding about a kill for all of a node that the victim had not grown itself, and who had, where that is known.
func (d *death) victimOf(p *diagnosis.Pass, f *diagnosis.Finding) {
	rose, rises := usedBy(p, d.Of, "began.memory")
	if least, known := usedBy(p, d.Of, "memory.least"); known && !rises {
		f.Message += "; it had not grown itself in its last minutes"
		f.Facts = append(f.Facts, least)
	} else if rises {
		f.Message += fmt.Sprintf("; it had grown by %s itself", bytes(rose.Value))
		f.Facts = append(f.Facts, rose)
	}
	if others, known := grew(p, d.Finished); known {
		f.Message += "; most had grown: " + others.Text
		f.Facts = append(f.Facts, others)
	}
}
