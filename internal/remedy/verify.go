// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

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
	// glimpse is how long one look may take, and one diagnosis.
	glimpse = time.Minute
)

// A Watch tells whether a change has cured a thing: a pod, or a workload with all its pods.
type Watch struct {
	Cluster  *Cluster
	Subject  evidence.Ref
	Since    time.Time     // when it was changed: what ended before does not count; zero: when it was last written
	Act      *Record       // the act whose change must stand; nil: it is not known
	Rule     string        // the cause that must not come back; "": any cause
	Lived    time.Duration // the longest that an attempt lived which that cause ended; 0: none is known
	Diagnose func(context.Context) ([]diagnosis.Cause, error)
	Tell     func(string) // what is waited for, whenever that changes

	object   *unstructured.Unstructured // as it was seen last
	hash     string                     // of the revision that is to live
	revision int64                      // the generation that it is of
	standing time.Time                  // since when all is as it should be; zero: it is not
	died     time.Time                  // when a container ended last, after the change
	asked    time.Time                  // when it was last diagnosed
	others   int                        // how many diagnoses in a row found another cause
	failed   error                      // why it was not seen the last time, or not diagnosed where it had to be
	ill      error                      // why the last diagnosis failed
	said     string
	until    time.Time // when it is given up; zero: that is not known yet
}

// An Outcome is what a change came to.
type Outcome string

// The outcomes.
const (
	Cured Outcome = "cured" // proven, as far as was said before
	Back  Outcome = "back"  // the cause came back
	Other Outcome = "other" // another cause keeps it from living
	Moot  Outcome = "moot"  // somebody has changed again what the change had set
	Open  Outcome = "open"  // neither was proven within the time there was
	Blind Outcome = "blind" // the cluster could not be asked at the end of it
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
	return w.proof(s)
}

// Foresee says what will be waited for after a plan is applied.
func (w *Watch) Foresee(ctx context.Context, plan *Plan) (Proof, error) {
	s, err := w.look(ctx)
	if err != nil {
		return Proof{}, err
	}
	if refTo(plan.Would) == w.Subject {
		if s, err = w.foreseen(plan, s); err != nil {
			return Proof{}, err
		}
	}
	w.Since = time.Time{}
	return w.proof(s)
}

func (w *Watch) proof(s sight) (Proof, error) {
	if s.hopeless {
		return Proof{}, refuse(Nothing, "%s", s.reason).err()
	}
	// An attempt may live half as long again by chance alone.
	lived := w.Lived + w.Lived/2
	p := Proof{Stand: max(lived, s.probing, s.beside, least)}
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
	switch {
	case s.runs && w.Subject.Kind == "CronJob":
		first = w.Subject.String() + " makes its next job, and the pods of that are ready, or it is complete"
	case s.runs:
		first = "the pods of " + w.Subject.String() + " are ready, or it is complete"
	case s.rolls:
		first = "the rollout of " + w.Subject.String() + " is complete and all its pods are ready"
	}
	second := fmt.Sprintf("for %s after it no container ends", stand.Round(time.Second))
	if s.runs {
		second = fmt.Sprintf("for %s after it no container fails", stand.Round(time.Second))
	}
	switch stand {
	case lived:
		second += fmt.Sprintf(": earlier attempts lived for %s at most", round(w.Lived))
	case s.probing, s.beside:
		second += ": twice the longest period of its probes"
	}
	return []string{first, second}
}

// Run watches until there is an answer or the context ends. That the cluster cannot be asked is said, and tried again.
func (w *Watch) Run(ctx context.Context, proof Proof) Verdict {
	tick := time.NewTicker(looking)
	defer tick.Stop()
	w.until, _ = ctx.Deadline()
	var s sight
	for {
		v, done, err := w.glance(ctx, &s, proof)
		if done && err == nil {
			return v
		}
		if ctx.Err() == nil {
			w.trouble(ctx, err)
		}
		select {
		case <-ctx.Done():
			return w.late(ctx, s)
		case <-tick.C:
		}
	}
}

// glance looks once, and tells whether there is an answer.
func (w *Watch) glance(ctx context.Context, s *sight, proof Proof) (Verdict, bool, error) {
	ctx, cancel := context.WithTimeout(ctx, glimpse)
	defer cancel()
	seen, err := w.look(ctx)
	if err != nil {
		return Verdict{}, false, err
	}
	*s = seen
	if seen.hopeless {
		return Verdict{Outcome: Open, Why: "by waiting nothing can be proven: " + seen.reason}, true, nil
	}
	if why, err := w.undone(ctx); why != "" || err != nil {
		return Verdict{Outcome: Moot, Why: why}, true, err
	}
	return w.judge(ctx, seen, proof)
}

// trouble keeps why the cluster could not be asked, and says it once.
func (w *Watch) trouble(ctx context.Context, err error) {
	if w.failed = err; err == nil {
		return
	}
	until := ""
	if end, limited := ctx.Deadline(); limited {
		until = " until " + end.UTC().Format("15:04:05Z")
	}
	if text := "it cannot be seen: " + err.Error(); text != w.said {
		w.said = text
		w.Tell(w.Cluster.Now().UTC().Format("15:04:05Z") + " " + text + "; trying again" + until)
	}
}

// late is the verdict when the time is over.
func (w *Watch) late(ended context.Context, s sight) Verdict {
	if !errors.Is(ended.Err(), context.DeadlineExceeded) {
		return Verdict{Outcome: Open, Why: "it was stopped before anything was proven: " + w.said}
	}
	v := Verdict{Outcome: Open, Why: "the time is over and nothing is proven: " + w.said}
	if w.failed != nil {
		v = Verdict{Outcome: Blind, Why: fmt.Sprintf("the time is over, and it could not be seen whether it has helped: %v", w.failed)}
	}
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
	if c := w.other(causes, s, w.Since.Truncate(time.Second)); c != nil && w.Rule == "" {
		return Verdict{Other, "the time is over, and a diagnosis finds a cause of trouble: " + c.Rule.ID + ", " + c.Message, causes}
	}
	return v
}

// other returns a cause that bears on what is watched, and came up since: what is only possible may be a slow start.
func (w *Watch) other(causes []diagnosis.Cause, s sight, since time.Time) *diagnosis.Cause {
	for i := range causes {
		if c := &causes[i]; c.Confidence >= diagnosis.Likely && w.bears(c, s, since) {
			return c
		}
	}
	return nil
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
	cured := well && now.Sub(w.standing) >= proof.Stand
	if !cured && !s.troubled {
		w.ill = nil // nothing is asked
	}
	if w.ill == nil {
		w.tell(s, now, proof)
	}
	if !cured && !s.troubled || now.Sub(w.asked) < asking && (!cured || w.ill != nil) {
		return Verdict{}, false, w.ill
	}
	w.asked = now
	causes, err := w.Diagnose(ctx)
	if err != nil {
		w.ill = fmt.Errorf("diagnose %s: %w", named(w.Subject), err)
		return Verdict{}, false, w.ill
	}
	w.ill = nil
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
	if cured && w.Rule != "" {
		return w.stood(causes, proof), true
	}
	if s.reason == "" && !cured { // it lives, and has to stand for a while
		return Verdict{}, false
	}
	if cured { // and any cause counts, of what has come since it stands
		since = w.standing.Truncate(time.Second)
	}
	other := w.other(causes, s, since)
	switch {
	case other == nil && cured:
		return w.stood(causes, proof), true
	case other == nil:
		w.others = 0
		return Verdict{}, false
	}
	if w.others++; w.others < sure {
		return Verdict{}, false
	}
	says := "another cause keeps it from living: "
	if cured {
		says = "no container ended, and a diagnosis finds a cause of trouble: "
	}
	return Verdict{Other, says + other.Rule.ID + ", " + other.Message, causes}, true
}

// stood is the verdict of what has stood for as long as the proof takes.
func (w *Watch) stood(causes []diagnosis.Cause, proof Proof) Verdict {
	why := fmt.Sprintf("%s has stood for %s: no container ended and all pods are ready", named(w.Subject), proof.Stand.Round(time.Second))
	if w.Subject.Kind == "Job" || w.Subject.Kind == "CronJob" {
		why = fmt.Sprintf("%s has stood for %s: no container failed, and all pods are ready or complete", named(w.Subject), proof.Stand.Round(time.Second))
	}
	return Verdict{Cured, why, causes}
}

// ofBare makes a verdict of a thing without pods to watch: only what a diagnosis says of it now is known. Whatever pod it finds the cause
// in, and whenever that began, it is still there.
func (w *Watch) ofBare(causes []diagnosis.Cause) Verdict {
	for i := range causes {
		switch c := &causes[i]; {
		case w.Rule == "":
			return Verdict{Other, "a diagnosis finds a cause of trouble: " + c.Rule.ID + ", " + c.Message, causes}
		case w.has(c):
			return Verdict{Back, "the same cause is still there: " + c.Message, causes}
		}
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
