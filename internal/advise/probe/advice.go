// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/advise"
	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Few is the number of starts of which it must be known how long they took, below which nothing is proposed.
const Few = 5

// A Tally is what advice rests on.
type Tally struct {
	Starts     int // recorded
	Healthy    int // of which it is known when they became healthy
	Cut        int // that a probe ended before they were
	Hung       int // that a liveness probe ended after they had been
	Pods       int
	Revisions  int
	From, To   time.Time // of the beginnings
	Shortest   time.Duration
	Median     time.Duration
	Longest    time.Duration
	Cold       time.Duration // the longest first start of a pod
	LongestCut time.Duration // that a probe let a start live which it then ended
	Throttled  int           // in which a CPU limit held them back in a quarter of their periods or more
}

// throttled is the share of periods from which on a start counts as held back: where the alert CPUThrottlingHigh of
// kubernetes-mixin is.
const throttled = 0.25

func tally(starts []Start) Tally {
	t := Tally{Starts: len(starts)}
	pods, revisions := map[string]bool{}, map[string]bool{}
	var took []time.Duration
	for i := range starts {
		s := &starts[i]
		pods[s.Pod], revisions[s.Revision] = true, true
		switch {
		case s.cut():
			t.Cut, t.LongestCut = t.Cut+1, max(t.LongestCut, s.Lived)
		case s.hung():
			t.Hung++
		}
		if s.Throttled >= throttled {
			t.Throttled++
		}
		if !s.measured() {
			continue
		}
		took = append(took, s.Lives)
		if s.Of.Attempt == 0 {
			t.Cold = max(t.Cold, s.Lives)
		}
	}
	t.Pods, t.Revisions, t.Healthy = len(pods), len(revisions), len(took)
	if len(starts) > 0 {
		t.From, t.To = starts[0].Began, starts[len(starts)-1].Began
	}
	if slices.Sort(took); len(took) > 0 {
		t.Shortest, t.Median, t.Longest = took[0], took[len(took)/2], took[len(took)-1]
	}
	return t
}

// An Effect is what a set of probes does, replayed.
type Effect struct {
	Patience time.Duration // how long a start may take
	Notices  time.Duration // the longest until a hang is noticed
	GivesUp  time.Duration // the longest until a start that hangs is
	Ends     int           // of the starts that became healthy, how many it ends at some tick of the kubelet
	Early    int           // and how many are sent requests at some tick before they answer
	Hangs    int           // of the runs that hung, how many it does not end
}

// effect replays the starts that became healthy.
func effect(p Probes, starts []Start) Effect {
	e := Effect{Patience: p.Patience(), Notices: p.Notices(), GivesUp: p.GivesUp()}
	hung, _ := uncaught(starts)
	for i := range hung {
		c := hung[i].course()
		c.Lives, c.Ready, c.Mute = 0, 0, []Span{{hung[i].Hang.From, Never}}
		if p.Latest(c) == Never {
			e.Hangs++
		}
	}
	for i := range starts {
		if !starts[i].measured() {
			continue
		}
		c := starts[i].course()
		ends, early := false, false
		p.each(c, func(o Outcome) { ends, early = ends || o.Killed != Never, early || o.Ready < c.Lives })
		if ends {
			e.Ends++
		}
		if early {
			e.Early++
		}
	}
	return e
}

// Advice is what to do about the probes of one container.
type Advice struct {
	About             evidence.Ref
	Tally             Tally      // of the starts that it rests on
	Revisions         []Revision // the present one first
	Older             bool       // starts of older revisions count, as the present one has too few
	Present, Proposed Probes
	Before, After     Effect
	Enough            string // why the numbers of its probes stay as they are; "" where the record is enough
	More              bool   // a longer record would be
	Answers           Answers
	Pauses            []Pause // that answers are to bear, the longest first
	Reasons           []string
	Checks            []Check
	Fix               *diagnosis.Fix // nil where nothing is to change
}

// Advise says what to do about the probes of one container.
func Advise(o Subject) Advice {
	present := Of(&o.Spec)
	a := Advice{About: o.About, Revisions: o.revisions(), Present: present, Answers: o.Answers, Checks: check(&o)}
	starts, older := o.basis(a.Revisions[0].Tally)
	a.Tally, a.Older, a.Pauses = tally(starts), older, o.Answers.pauses(starts)
	a.Before = effect(present, starts)
	a.After = a.Before
	p := proposal{Probes: present}
	if a.Enough = a.tooFew(&o); a.Enough == "" {
		p = propose(present, a.Tally, starts, a.Answers.Slowest, a.Pauses)
	}
	if why := p.addReadiness(&o, starts, a.Pauses); why != "" && (len(o.Spec.Ports) > 0 || len(o.Pod.Containers) < 2) {
		a.Checks = append(a.Checks, Check{"readinessProbe", "there is none: it is sent requests before it can answer, or while it cannot, and none is proposed, as " + why, "add one that asks whether it can serve"})
	}
	if says := withoutLiveness(present, a.Tally, starts); p.Liveness == nil && says != "" {
		p.reasons = append(p.reasons, says)
	}
	a.Proposed, a.Reasons = p.Probes, p.reasons
	if t := a.Tally; a.Enough == "" && t.Throttled > 0 {
		a.Reasons = append(a.Reasons, fmt.Sprintf("in %d of %d starts its CPU limit held it back: a higher limit, or none, makes them shorter", t.Throttled, t.Starts))
	}
	if !p.same(present) {
		a.After = effect(p.Probes, starts)
		a.Fix = o.Fix(title(&o, present, &p), Fields(present, p.Probes))
	}
	return a
}

// tooFew says why the record is not enough to say what the numbers should be; "" where it is.
func (a *Advice) tooFew(o *Subject) string {
	t := a.Tally
	if t.Healthy >= Few && a.Present != (Probes{}) {
		return ""
	}
	if a.Present == (Probes{}) {
		if !o.lasts() {
			return "it has no probes, and as it runs to its end it needs none"
		}
		return fmt.Sprintf("it has no probes, so how it starts was not measured: with a readiness probe it is, and after %d starts there is more to say", Few)
	}
	for _, c := range a.Checks {
		if c.Field != field("Readiness") && strings.HasSuffix(c.Says, hopeless) {
			return c.Says
		}
	}
	a.More = true
	says := fmt.Sprintf("not enough: of %s it is known how long it took, and advice needs %d", advise.Count(t.Healthy, "start"), Few)
	if t.Cut > 0 {
		says += fmt.Sprintf("; a probe ended %d more too early to tell, the longest after %s: give it more time first, and ask again then", t.Cut, advise.Round(t.LongestCut))
	}
	return says
}

func title(o *Subject, present Probes, p *proposal) string {
	name := o.Spec.Name
	var says []string
	if q := p.Startup; q != nil && (present.Startup == nil || q.FailureThreshold != present.Startup.FailureThreshold) {
		says = append(says, fmt.Sprintf("give %s up to %s to start", name, advise.Round(p.Patience())))
	}
	if q := p.Liveness; changed(present.Liveness, q) && present.Liveness != nil && (q.PeriodSeconds != present.Liveness.PeriodSeconds || q.FailureThreshold != present.Liveness.FailureThreshold) {
		says = append(says, fmt.Sprintf("let its liveness probe act on %d failures every %ds", q.FailureThreshold, q.PeriodSeconds))
	}
	if n := longerAnswers(present, p.Probes); n > 0 {
		says = append(says, fmt.Sprintf("give answers %ds", n))
	}
	for _, kind := range []string{"Liveness", "Readiness"} {
		if present.of(kind) == nil && p.of(kind) != nil {
			says = append(says, fmt.Sprintf("give %s a %s probe", name, strings.ToLower(kind)))
		}
	}
	if len(says) == 0 {
		says = append(says, "change the readiness probe of "+name)
	}
	text := strings.Join(says, ", and ")
	return strings.ToUpper(text[:1]) + text[1:]
}

// longerAnswers is the longest time that an answer gets which had less before, in seconds; 0 where none gets more.
func longerAnswers(present, proposed Probes) (longest int32) {
	for _, kind := range kinds {
		if a, b := present.of(kind), proposed.of(kind); a != nil && b != nil && b.TimeoutSeconds > a.TimeoutSeconds {
			longest = max(longest, b.TimeoutSeconds)
		}
	}
	return longest
}

func changed(a, b *corev1.Probe) bool {
	return !Probes{Startup: a}.same(Probes{Startup: b})
}

// Fields are the fields of a container that differ: of a probe that is there the numbers, and of a new one everything.
func Fields(present, proposed Probes) map[string]any {
	fields := map[string]any{}
	for _, f := range []struct {
		name string
		a, b *corev1.Probe
	}{
		{"startupProbe", present.Startup, proposed.Startup},
		{"livenessProbe", present.Liveness, proposed.Liveness},
		{"readinessProbe", present.Readiness, proposed.Readiness},
	} {
		if !changed(f.a, f.b) {
			continue
		}
		was, is := asMap(f.a), asMap(f.b)
		for name, value := range is {
			if before, ok := was[name]; ok && fmt.Sprint(before) == fmt.Sprint(value) {
				delete(is, name)
			}
		}
		for name := range was { // left out as it is zero now
			if _, ok := asMap(f.b)[name]; !ok {
				is[name] = 0
			}
		}
		fields[f.name] = is
	}
	return fields
}

func asMap(p *corev1.Probe) map[string]any {
	m := map[string]any{}
	if data, err := json.Marshal(p); p == nil || err != nil || json.Unmarshal(data, &m) != nil {
		return map[string]any{}
	}
	return m
}

// Basis says in a sentence what advice rests on.
func Basis(t Tally) string {
	text := fmt.Sprintf("it rests on %s of %s", advise.Count(t.Starts, "start"), advise.Count(t.Pods, "pod"))
	if t.Revisions > 1 {
		text += fmt.Sprintf(" in %d revisions", t.Revisions)
	}
	if from, to := t.From.UTC().Format(advise.Minute), t.To.UTC().Format(advise.Minute); t.Starts > 1 && from != to {
		text += fmt.Sprintf(", between %s and %s", from, to)
	}
	if t.Healthy == 1 {
		text += "; 1 became healthy within " + advise.Round(t.Longest)
	} else if t.Healthy > 1 {
		text += fmt.Sprintf("; %d became healthy within %s to %s, half of them within %s", t.Healthy, advise.Round(t.Shortest), advise.Round(t.Longest), advise.Round(t.Median))
	}
	if t.Cut > 0 {
		text += fmt.Sprintf("; a probe ended %d before that", t.Cut)
	}
	if t.Hung > 0 {
		text += fmt.Sprintf("; the liveness probe ended %d later", t.Hung)
	}
	return text
}
