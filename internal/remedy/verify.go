// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

const (
	// looking is how often the pods are looked at, and asking how often they are diagnosed where something is wrong with them.
	looking = 2 * time.Second
	asking  = 10 * time.Second
	// least is the shortest time that pods have to stand: what crashes at once, crashes within it.
	least = 15 * time.Second
	// sure is how many diagnoses in a row must find another cause until that is the answer: a pod that starts may fail once.
	sure = 3
)

// A Watch tells whether a change has cured a thing: a pod, or a workload with all its pods.
type Watch struct {
	Cluster  *Cluster
	Subject  evidence.Ref
	Since    time.Time     // when it was changed: what ended before does not count; zero: when it was last written
	Rule     string        // the cause that must not come back; "": any cause
	Lived    time.Duration // the longest that an attempt lived which that cause ended; 0: none is known
	Diagnose func(context.Context) ([]diagnosis.Cause, error)
	Tell     func(string) // what is waited for, whenever that changes

	hash     string    // of the revision that is to live
	revision int64     // the generation that it is of
	standing time.Time // since when all is as it should be; zero: it is not
	died     time.Time // when a container ended last, after the change
	asked    time.Time // when it was last diagnosed
	others   int       // how many diagnoses in a row found another cause
	said     string
}

// An Outcome is what a change came to.
type Outcome string

// The outcomes.
const (
	Cured Outcome = "cured" // proven, as far as was said before
	Back  Outcome = "back"  // the cause came back
	Other Outcome = "other" // another cause keeps it from living
	Open  Outcome = "open"  // neither was proven within the time there was
)

// A Verdict is what a Watch found.
type Verdict struct {
	Outcome Outcome
	Why     string            // a sentence
	Found   []diagnosis.Cause // what is wrong now, whatever the outcome
}

// A Proof is what has to be seen until a change counts as a cure.
type Proof struct {
	Stand time.Duration
	Terms []string // sentences
}

// Proof says what will be waited for.
func (w *Watch) Proof(ctx context.Context) (Proof, error) {
	s, err := w.look(ctx)
	if err != nil {
		return Proof{}, err
	}
	if s.reason != "" && s.hopeless {
		return Proof{}, refuse(Nothing, "%s", s.reason).err()
	}
	// An attempt may live half as long again by chance alone.
	lived := w.Lived + w.Lived/2
	p := Proof{Stand: max(lived, s.probing, least)}
	if !s.bare {
		p.Terms = w.terms(s, p.Stand, lived)
	}
	if w.Rule != "" {
		return Proof{p.Stand, append(p.Terms, "then a diagnosis does not find "+w.Rule+" again")}, nil
	}
	return Proof{p.Stand, append(p.Terms, "then a diagnosis finds nothing new")}, nil
}

// terms says what pods have to be seen to do.
func (w *Watch) terms(s sight, stand, lived time.Duration) []string {
	first := w.Subject.String() + " is ready"
	if s.rolls {
		first = "the rollout of " + w.Subject.String() + " is complete and all its pods are ready"
	}
	second := fmt.Sprintf("for %s after it no container ends", stand.Round(time.Second))
	switch stand {
	case lived:
		second += fmt.Sprintf(": earlier attempts lived for %s at most", round(w.Lived))
	case s.probing:
		second += ": twice the longest period of its probes"
	}
	return []string{first, second}
}

// Run watches until there is an answer or the context ends. An error says that the cluster could not be asked.
func (w *Watch) Run(ctx context.Context, proof Proof) (Verdict, error) {
	tick := time.NewTicker(looking)
	defer tick.Stop()
	for {
		s, err := w.look(ctx)
		if ctx.Err() != nil {
			return w.late(ctx, s), nil
		}
		if err != nil {
			return Verdict{}, err
		}
		if v, done, err := w.judge(ctx, s, proof); done || err != nil {
			return v, err
		}
		select {
		case <-ctx.Done():
			return w.late(ctx, s), nil
		case <-tick.C:
		}
	}
}

// late is the verdict when the time is over.
func (w *Watch) late(ended context.Context, s sight) Verdict {
	if !errors.Is(ended.Err(), context.DeadlineExceeded) {
		return Verdict{Outcome: Open, Why: "it was stopped before anything was proven: " + w.said}
	}
	v := Verdict{Outcome: Open, Why: "the time is over and nothing is proven: " + w.said}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ended), asking)
	defer cancel()
	causes, err := w.Diagnose(ctx)
	if err != nil {
		return v
	}
	v.Found = causes
	if c := w.again(causes, s, time.Time{}); c != nil {
		return Verdict{Back, "the same cause is still there: " + c.Message, causes}
	}
	return v
}

// judge looks at one sight of the pods and tells whether there is an answer.
func (w *Watch) judge(ctx context.Context, s sight, proof Proof) (Verdict, bool, error) {
	now := w.Cluster.Now()
	well := s.reason == ""
	switch {
	case !well:
		w.standing = time.Time{}
	case w.standing.IsZero(), s.died.After(w.died):
		w.standing = now
	}
	w.died = s.died
	w.tell(s, now, proof)
	cured := well && now.Sub(w.standing) >= proof.Stand
	if !cured && !s.troubled {
		return Verdict{}, false, nil
	}
	if !cured && now.Sub(w.asked) < asking {
		return Verdict{}, false, nil
	}
	w.asked = now
	causes, err := w.Diagnose(ctx)
	if err != nil {
		return Verdict{}, ctx.Err() == nil, err
	}
	v, done := w.conclude(causes, s, cured, proof)
	return v, done, nil
}

// conclude makes a verdict of a diagnosis.
func (w *Watch) conclude(causes []diagnosis.Cause, s sight, cured bool, proof Proof) (Verdict, bool) {
	if s.bare {
		return w.ofBare(causes), true
	}
	since := w.Since.Truncate(time.Second)
	if c := w.again(causes, s, since); c != nil {
		return Verdict{Back, "the same cause is back: " + c.Message, causes}, true
	}
	if cured {
		why := fmt.Sprintf("%s has stood for %s: no container ended and all pods are ready", named(w.Subject), proof.Stand.Round(time.Second))
		return Verdict{Cured, why, causes}, true
	}
	if s.reason == "" { // it lives, and has to stand for a while
		return Verdict{}, false
	}
	other := slices.IndexFunc(causes, func(c diagnosis.Cause) bool { // what is only possible may be a slow start
		return c.Confidence >= diagnosis.Likely && w.bears(&c, s, since)
	})
	if other < 0 {
		w.others = 0
		return Verdict{}, false
	}
	if w.others++; w.others < sure {
		return Verdict{}, false
	}
	return Verdict{Other, "another cause keeps it from living: " + causes[other].Rule.ID + ", " + causes[other].Message, causes}, true
}

// ofBare makes a verdict of a thing without pods to watch: only what a diagnosis says of it now is known. Whatever pod it finds the cause
// in, and whenever that began, it is still there; what runs now and then is proven by its next run alone.
func (w *Watch) ofBare(causes []diagnosis.Cause) Verdict {
	for i := range causes {
		switch c := &causes[i]; {
		case w.Rule == "":
			return Verdict{Other, "a diagnosis finds a cause of trouble: " + c.Rule.ID + ", " + c.Message, causes}
		case w.has(c):
			return Verdict{Back, "the same cause is still there: " + c.Message, causes}
		}
	}
	if w.Subject.Kind == "Job" || w.Subject.Kind == "CronJob" {
		return Verdict{Open, "a diagnosis does not find it any more, and only its next run can prove that it is cured", causes}
	}
	return Verdict{Cured, fmt.Sprintf("a diagnosis of %s does not find it any more", named(w.Subject)), causes}
}

// has tells whether a cause, or something that follows from it, is what was to be remedied.
func (w *Watch) has(c *diagnosis.Cause) bool {
	return c.Rule.ID == w.Rule || slices.ContainsFunc(c.Leads, func(lead diagnosis.Cause) bool { return w.has(&lead) })
}

// again returns the finding of the cause that was to be remedied, where it bears on what is watched.
func (w *Watch) again(causes []diagnosis.Cause, s sight, since time.Time) *diagnosis.Cause {
	for i := range causes {
		c := &causes[i]
		if w.Rule != "" && c.Rule.ID == w.Rule && about(c, s, since) {
			return c
		}
		if lead := w.again(c.Leads, s, since); lead != nil {
			return lead
		}
	}
	return nil
}

// bears tells whether a cause, or something that follows from it, is about what is watched, after it was changed.
func (w *Watch) bears(c *diagnosis.Cause, s sight, since time.Time) bool {
	return about(c, s, since) || slices.ContainsFunc(c.Leads, func(lead diagnosis.Cause) bool { return w.bears(&lead, s, since) })
}

// about: of pods those that are to live count, of all else what happened after the change.
func about(c *diagnosis.Cause, s sight, since time.Time) bool {
	if c.About.Kind == "Pod" && !slices.Contains(s.pods, c.About.Object()) {
		return false
	}
	return !c.At.Before(since)
}

// tell says what is waited for, where that is not what was said last.
func (w *Watch) tell(s sight, now time.Time, proof Proof) {
	text := s.reason
	switch {
	case s.reason != "" && s.death != "":
		text += "; " + s.death
	case s.reason == "":
		text = fmt.Sprintf("all is as it should be since %s; it is proven at %s", w.standing.UTC().Format("15:04:05Z"), w.standing.Add(proof.Stand).UTC().Format("15:04:05Z"))
	}
	if text = strings.TrimSpace(text); text != w.said {
		w.said = text
		w.Tell(now.UTC().Format("15:04:05Z") + " " + text)
	}
}
