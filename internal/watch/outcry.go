// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
)

// Where the probes of so many workloads of one node end containers within that time, it may be the node's doing: its own report tells, as
// the rules of failed probes have it (internal/rules/probe/storm.go), which see more than the pods of one workload there alone.
const (
	outcryOf   = 3
	outcryLast = 2 * time.Minute
	// mostCrying is of how many nodes is kept what was told.
	mostCrying = 8
	// mostRevised is how many deaths of a node are judged anew by what is told of the node.
	mostRevised = 500
)

// An outcry is when probes ended containers last, by node and workload, and what was told of the node then. Its methods may be called from
// many goroutines.
type outcry struct {
	mu   sync.Mutex
	on   map[string]map[evidence.Ref]time.Time
	told map[string]telling // without what is written of it
}

func newOutcry() *outcry {
	return &outcry{on: map[string]map[evidence.Ref]time.Time{}, told: map[string]telling{}}
}

// add notes an end by a probe, and tells whether the node is to be looked at.
func (o *outcry) add(node string, workload evidence.Ref, at time.Time) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.on[node] == nil {
		o.on[node] = map[evidence.Ref]time.Time{}
	}
	if cries := o.on[node]; at.After(cries[workload]) {
		cries[workload] = at
	}
	return o.isOf(node, at)
}

// isOf tells whether there are enough of them at that time on a node, and not as many elsewhere: then it would be what they all talk to.
func (o *outcry) isOf(node string, at time.Time) bool {
	here, elsewhere := 0, map[evidence.Ref]bool{}
	for name, cries := range o.on {
		for workload, cried := range cries {
			switch {
			case at.Sub(cried).Abs() > outcryLast:
			case name == node:
				here++
			default:
				elsewhere[workload] = true
			}
		}
	}
	return here >= outcryOf && len(elsewhere) < here
}

// lasts tells whether there were enough of them lately.
func (o *outcry) lasts(node string) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return len(o.on[node]) >= outcryOf
}

// learn keeps what is told of a node on which they are, and forgets what was told of one before on which they are no more.
func (o *outcry) learn(at evidence.Ref, told telling) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if at.Kind != "Node" {
		return
	}
	if delete(o.told, at.Name); len(o.told) < mostCrying && o.isOf(at.Name, told.s.Taken) {
		o.told[at.Name] = telling{s: told.s, report: told.report}
	}
}

// of returns what was told of a node last, while that is no older than what is told of trouble.
func (o *outcry) of(node string, now time.Time) (telling, bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	told, known := o.told[node]
	return told, known && now.Sub(told.s.Taken) <= again
}

// disperse forgets what is long over.
func (o *outcry) disperse(now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for node, cries := range o.on {
		for workload, at := range cries {
			if now.Sub(at) > again {
				delete(cries, workload)
			}
		}
		if len(cries) == 0 {
			delete(o.on, node)
		}
	}
	maps.DeleteFunc(o.told, func(_ string, told telling) bool { return now.Sub(told.s.Taken) > again })
}

// ofProbe tells whether a verdict is that a probe ended a container, and no more than that.
func (r *Recorder) ofProbe(v *history.Verdict) bool {
	return v != nil && v.Settled && slices.ContainsFunc(r.Rules, func(rule *diagnosis.Rule) bool {
		return rule.ID == v.Rule && (rule.Effect == diagnosis.LivenessFailed || rule.Effect == diagnosis.StartupFailed)
	})
}

// hark has a node looked at on which probes end containers of several workloads: each death by itself is that of its workload.
func (r *Recorder) hark(deaths []unsettled) {
	for _, d := range deaths {
		if d.Kind == history.Died && r.ofProbe(d.Verdict) {
			r.cry(&d)
		}
	}
}

func (r *Recorder) cry(d *unsettled) {
	if n := r.nodeOf(d.Node); n != nil && r.outcry.add(d.Node, d.Workload, cmp.Or(d.Finished, d.Seen)) {
		r.lookAt(subject{evidence.RefOf(n), n.UID}, patience)
	}
}

// inherit gives deaths by probes the verdict that the last look at their node had of their container: it goes on. The next look tells whether
// it does.
func (r *Recorder) inherit(deaths []unsettled) {
	if r.outcry == nil { // it replays what was recorded, and looks at no node
		return
	}
	for i := range deaths {
		d := &deaths[i]
		told, known := r.outcry.of(d.Node, r.Now())
		if !known || d.Kind != history.Died || !r.ofProbe(d.Verdict) {
			continue
		}
		if v, ok := told.ofNode(d, d.run.Of.InAttempt(evidence.NoAttempt)); ok {
			d.Verdict.Rule, d.Verdict.Confidence, d.Verdict.Message, d.Verdict.Names, d.Verdict.Thing = v.Rule, v.Confidence, v.Message, v.Names, v.Thing
			r.cry(d)
		}
	}
}

// isOf tells whether a snapshot has the pod of a death, and not another of its name.
func isOf(d *history.Death, s *evidence.Snapshot) bool {
	pod := s.Object(d.Of.Object())
	return pod != nil && string(pod.GetUID()) == d.PodUID
}

// ofNode returns what is told of a run of a death, or of all of its container, where it follows from what its node is in.
func (t telling) ofNode(d *unsettled, run evidence.Ref) (v history.Verdict, found bool) {
	if !isOf(&d.Death, t.s) {
		return v, false
	}
	a := t.answerFor(run, d.Workload)
	return history.Verdict{Rule: a.rule, Confidence: a.confidence, Message: a.message, Names: named(t.s, a.message), Thing: a.thing}, a.rule != "" && a.thing == evidence.RefTo("Node", "", d.Node)
}

// doubted returns the deaths on a node that are put down to their probes, of pods that are in a snapshot of it; none for what is no node.
func (r *Recorder) doubted(ctx context.Context, at evidence.Ref, s *evidence.Snapshot) ([]unsettled, error) {
	if at.Kind != "Node" {
		return nil, nil
	}
	var page history.Deaths
	err := r.insist(ctx, "read what died on a node", func() (err error) {
		page, err = r.Store.Deaths(ctx, history.Filter{Cluster: r.Cluster, Node: at.Name, From: r.Now().Add(-2 * again), Limit: mostRevised})
		return err
	})
	var all []unsettled
	for _, d := range page.Items {
		if d.Kind == history.Died && r.ofProbe(d.Verdict) && isOf(&d, s) {
			all = append(all, unsettled{Death: d, run: runOf(d)})
		}
	}
	return all, err
}

// revise gives deaths on a node the verdict that its report has of them, where they follow from what the node is in. The evidence of each
// stays its own. What died since the node was looked at is judged as its container was.
func (r *Recorder) revise(ctx context.Context, at evidence.Ref, told telling) error {
	if _, known := r.outcry.of(at.Name, r.Now()); !known || at.Kind != "Node" {
		return nil
	}
	doubted, err := r.doubted(ctx, at, told.s)
	if err != nil {
		return err
	}
	var deaths []unsettled
	for _, d := range doubted {
		run := d.run.Of
		if cmp.Or(d.Finished, d.Seen).After(told.s.Taken) {
			run = run.InAttempt(evidence.NoAttempt)
		}
		if v, ok := told.ofNode(&d, run); ok {
			v.Settled, v.Revised, v.Version = true, true, r.Version
			d.Verdict = &v
			deaths = append(deaths, d)
		}
	}
	return r.record(ctx, deaths)
}
