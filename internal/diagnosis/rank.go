// SPDX-License-Identifier: Apache-2.0

package diagnosis

import (
	"cmp"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// A Cause is a finding that no other finding explains, with what follows from it. Leads have the same shape: each is
// a finding that its parent explains.
type Cause struct {
	Finding
	Leads []Cause
}

// Explains returns how many findings hang below the cause.
func (c *Cause) Explains() int {
	n := len(c.Leads)
	for i := range c.Leads {
		n += c.Leads[i].Explains()
	}
	return n
}

// lag is by how much a finding of a scope is reported later than the thing happened. The node controller gives a
// kubelet 50 s (node-monitor-grace-period) and looks every 5 s; the API server stamps whole seconds.
func lag(s Scope) time.Duration {
	switch s {
	case Node, Cluster:
		return time.Minute
	case Workload, Claim, Pod:
		return 2 * time.Second
	default:
		return 0
	}
}

// Rank links findings into causes. A finding explains another when its effect is among what can cause the other, its
// thing covers the other's or one that the other goes through, and it comes first in a strict total order; so the links cannot form a cycle. Each
// finding hangs under its strongest explainer and one with none is a cause. There are no weights.
func Rank(s *evidence.Snapshot, findings []Finding) []Cause {
	fs := slices.Clone(findings)
	slices.SortStableFunc(fs, earlier)
	about := map[evidence.Ref][]int{} // the findings before the one at hand, by object
	parent := make([]int, len(fs))
	for i := range fs {
		parent[i] = -1
		for _, j := range candidates(s, about, &fs[i]) {
			if explains(s, &fs[j], &fs[i]) && (parent[i] < 0 || stronger(&fs[j], &fs[parent[i]])) {
				parent[i] = j
			}
		}
		about[fs[i].About.Object()] = append(about[fs[i].About.Object()], i)
	}
	through(s, fs, about, parent)
	leads := map[int][]int{}
	for i, above := range parent {
		leads[above] = append(leads[above], i)
	}
	causes := tree(fs, leads, -1)
	slices.SortStableFunc(causes, func(a, b Cause) int {
		return cmp.Or(
			-cmp.Compare(a.Confidence, b.Confidence),
			-cmp.Compare(a.Explains(), b.Explains()),
			a.At.Compare(b.At),
			cmp.Compare(a.Rule.ID, b.Rule.ID),
			a.About.Compare(b.About),
		)
	})
	return causes
}

// through hangs findings whose trouble came through other things below what is known of those. Time says nothing here:
// what stands for the many ends of a pod behind a Service is the newest, and comes after the trouble that it made. A link
// that would close a circle, of two that depend on each other, is left out.
func through(s *evidence.Snapshot, fs []Finding, about map[evidence.Ref][]int, parent []int) {
	for i := range fs {
		if len(fs[i].Through) == 0 {
			continue
		}
		for _, j := range candidates(s, about, &fs[i]) {
			circle := false
			for k := j; k >= 0; k = parent[k] {
				circle = circle || k == i
			}
			if !circle && explains(s, &fs[j], &fs[i]) && (parent[i] < 0 || stronger(&fs[j], &fs[parent[i]])) {
				parent[i] = j
			}
		}
	}
}

// candidates returns the findings about what can reach the thing of f, in order.
func candidates(s *evidence.Snapshot, about map[evidence.Ref][]int, f *Finding) []int {
	var list []int
	for _, thing := range append([]evidence.Ref{f.About}, f.Through...) {
		for _, above := range s.Above(thing) {
			list = append(list, about[above]...)
		}
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// earlier is the strict total order that makes the links acyclic: time less the reporting lag, then the wider scope,
// then the order of effects, because the API writes whole seconds, then id, thing and words.
func earlier(a, b Finding) int {
	return cmp.Or(
		a.At.Add(-lag(a.Rule.Scope)).Compare(b.At.Add(-lag(b.Rule.Scope))),
		-cmp.Compare(a.Rule.Scope, b.Rule.Scope),
		cmp.Compare(slices.Index(effects, a.Rule.Effect), slices.Index(effects, b.Rule.Effect)),
		cmp.Compare(a.Rule.ID, b.Rule.ID),
		a.About.Compare(b.About),
		cmp.Compare(a.Message, b.Message),
	)
}

func explains(s *evidence.Snapshot, a, b *Finding) bool {
	return slices.Contains(b.Rule.CausedBy, a.Rule.Effect) && reaches(s, a, b) && !spared(s, a, b) &&
		(a.Until.IsZero() || !b.At.After(a.Until) && // the API has whole seconds, and a node is short of memory before its kernel kills
			(a.Rule.Effect == NodePressure || !b.At.Before(a.At.Truncate(time.Second))))
}

// reaches tells whether the trouble of a is trouble for what b is about: as a part of it, or through something else. What is wrong with a
// container is not brought about by the end of a run that may follow from it.
func reaches(s *evidence.Snapshot, a, b *Finding) bool {
	follows := a.Rule.Scope < b.Rule.Scope && slices.Contains(a.Rule.CausedBy, b.Rule.Effect)
	return s.Covers(a.About, b.About) && !follows || slices.ContainsFunc(b.Through, func(t evidence.Ref) bool {
		return s.Covers(a.About, t) || s.Covers(t, a.About)
	})
}

// afterRestart is how long after a node's restart what goes wrong on it may follow from it: its network, its volumes and
// its pods come back one after the other.
const afterRestart = 10 * time.Minute

// spared tells whether the node restart a came too early for b: the run that b is about, or those that a change ended, began after it, the
// container that it is about is of a pod that was made after it, or it is long over.
func spared(s *evidence.Snapshot, a, b *Finding) bool {
	runs := s.Attempts(b.About)
	began := (b.Rule.Scope == Attempt || b.Rule.Change) && len(runs) > 0 && runs[0].Started.After(a.At)
	pod, ok := s.Object(b.About.Object()).(*corev1.Pod)
	made := ok && b.Rule.Scope <= Container && pod.CreationTimestamp.After(a.At)
	return a.Rule.Effect == NodeRestarted && (began || made || b.At.Sub(a.At) > afterRestart)
}

// stronger prefers the surer explainer, then the one closer to what it explains, then the later one: of two orders to
// stop a container the last one counts.
func stronger(a, b *Finding) bool {
	if a.Confidence != b.Confidence {
		return a.Confidence > b.Confidence
	}
	if a.Rule.Scope != b.Rule.Scope {
		return a.Rule.Scope < b.Rule.Scope
	}
	return a.At.After(b.At)
}

func tree(fs []Finding, leads map[int][]int, of int) []Cause {
	var causes []Cause
	for _, i := range leads[of] {
		causes = append(causes, Cause{Finding: fs[i], Leads: tree(fs, leads, i)})
	}
	return causes
}
