// SPDX-License-Identifier: Apache-2.0

package diagnosis

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// A Result is what Run found, and what it could not look at.
type Result struct {
	Findings []Finding
	Skipped  []Skip
	Used     evidence.Kind         // the kinds of evidence that passes looked at
	things   [Cluster + 1][]target // that it looked at, by scope
}

// Run applies each rule to each thing in its scope. It is a pure function of its arguments. A rule that panics or
// reports an invalid finding is broken: that is a Skip with the reason, and the others go on. All rules look at one thing
// before the next one, because of many things a processor's cache holds only a few; the result is in the order of rules.
func Run(s *evidence.Snapshot, rules []*Rule) Result {
	result := Result{things: targets(s)}
	everywhere := missingEverywhere(s)
	p := &Pass{snapshot: s, memo: map[string]any{}, once: map[string]any{}}
	for scope, things := range result.things {
		for i := range things {
			clear(p.memo)
			for _, r := range rules {
				if r.Scope == Scope(scope) && r.Stage != Retired {
					p.apply(r, &things[i], everywhere, &result)
				}
			}
		}
	}
	slices.SortStableFunc(result.Skipped, func(a, b Skip) int { return slices.Index(rules, a.Rule) - slices.Index(rules, b.Rule) })
	slices.SortStableFunc(result.Findings, func(a, b Finding) int { return slices.Index(rules, a.Rule) - slices.Index(rules, b.Rule) })
	return result
}

// apply applies a rule to a thing.
func (p *Pass) apply(r *Rule, t *target, everywhere evidence.Kind, result *Result) {
	if missing := r.Needs & t.lacks; missing != 0 {
		if missing&^everywhere != 0 {
			result.Skipped = append(result.Skipped, Skip{r, t.about, missing, why(p.snapshot, missing, t.about)})
		}
		return
	}
	p.rule, p.target, p.used, p.found = r, t, 0, p.found[:0]
	if err := p.run(); err != nil {
		result.Skipped = append(result.Skipped, Skip{Rule: r, About: t.about, Why: err.Error()})
		return
	}
	result.Used |= p.used
	result.Findings = append(result.Findings, p.found...)
}

// missingEverywhere returns the kinds of which a gap says that they are missing everywhere. Then the gap says it all, and
// which rules would have looked there does not matter.
func missingEverywhere(s *evidence.Snapshot) evidence.Kind {
	var missing evidence.Kind
	for _, g := range s.Gaps {
		if g.About == evidence.Cluster {
			missing |= g.Kind
		}
	}
	return missing
}

// run is the one place where a panic is recovered: a bug in one rule must not cost the answers of the others.
func (p *Pass) run() (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("the rule is broken: %v", v)
		}
	}()
	p.rule.Run(p)
	for i := range p.found {
		if err := p.found[i].validate(); err != nil {
			return fmt.Errorf("the rule is broken: finding %q: %w", p.found[i].Message, err)
		}
		if f := &p.found[i]; f.Confidence == Likely && alone(f.Facts) {
			f.Confidence = Possible
		}
	}
	return nil
}

// why joins the reasons that the snapshot gives for missing evidence.
func why(s *evidence.Snapshot, missing evidence.Kind, about evidence.Ref) string {
	if g, lacks := s.Missing(missing, about); lacks != 0 {
		return g.Why
	}
	return "not part of this evidence"
}

type target struct {
	about   evidence.Ref
	attempt *evidence.Attempt
	lacks   evidence.Kind
	of      *corev1.Pod      // that it is or is part of
	events  []evidence.Event // about it
}

// targets returns what there is to look at in each scope, in a fixed order.
func targets(s *evidence.Snapshot) (t [Cluster + 1][]target) {
	t[Cluster] = []target{{about: evidence.Cluster}}
	var nodes, workloads, claims []evidence.Ref
	for _, ref := range slices.Concat(asked(s), besides(s)) {
		switch ref.Kind {
		case "Pod":
			pod := s.Object(ref).(*corev1.Pod)
			podTargets(s, &t, ref, pod)
			claims = append(claims, evidence.ClaimsOf(pod)...)
			if pod.Spec.NodeName != "" {
				nodes = append(nodes, evidence.RefTo("Node", "", pod.Spec.NodeName))
			}
			if owner, ok := s.Owner(ref); ok && owner.Kind != "Node" {
				workloads = append(workloads, owner, s.TopOwner(ref))
			}
		case "Node":
			nodes = append(nodes, ref)
		case "PersistentVolumeClaim":
			claims = append(claims, ref)
		default:
			workloads = append(workloads, ref)
		}
	}
	t[Node] = present(s, nodes)
	t[Claim] = present(s, claims)
	t[Workload] = present(s, workloads)
	for _, list := range t {
		for i := range list {
			about := list[i].about
			list[i].lacks, list[i].events = s.Lacks(^evidence.Kind(0), about), s.EventsAbout(about)
		}
	}
	return t
}

// podTargets adds a pod and what is in it, or of that only one container.
func podTargets(s *evidence.Snapshot, t *[Cluster + 1][]target, ref evidence.Ref, pod *corev1.Pod) {
	only := ref.Container
	ref = ref.Object()
	t[Pod] = append(t[Pod], target{about: ref, of: pod})
	for _, list := range [][]corev1.Container{pod.Spec.InitContainers, pod.Spec.Containers} {
		for i := range list {
			if name := list[i].Name; only == "" || only == name {
				t[Container] = append(t[Container], target{about: ref.InContainer(name), of: pod})
			}
		}
	}
	for _, a := range s.Deaths(ref) {
		if only == "" || only == a.Of.Container {
			t[Attempt] = append(t[Attempt], target{about: a.Of, attempt: &a, of: pod})
		}
	}
}

// asked returns what the snapshot was asked about and holds; without a question, everything.
func asked(s *evidence.Snapshot) []evidence.Ref {
	if len(s.Asked) > 0 {
		return slices.DeleteFunc(slices.Clone(s.Asked), func(ref evidence.Ref) bool { return !s.Knows(ref) })
	}
	var refs []evidence.Ref
	for _, f := range s.Facts {
		if f.About.Kind == "Node" {
			refs = append(refs, f.About)
		}
	}
	for _, o := range s.Objects {
		switch ref := evidence.RefOf(o); ref.Kind {
		case "Pod", "Node", "Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "CronJob", "ReplicationController", "PersistentVolumeClaim":
			refs = append(refs, ref)
		}
	}
	return refs
}

// besides returns what is looked at beside what was asked about.
func besides(s *evidence.Snapshot) []evidence.Ref {
	var refs []evidence.Ref
	for _, ref := range s.Context {
		if len(s.Asked) > 0 && s.Object(ref) != nil && !slices.Contains(s.Asked, ref) {
			refs = append(refs, ref)
		}
	}
	return refs
}

func present(s *evidence.Snapshot, refs []evidence.Ref) []target {
	slices.SortFunc(refs, evidence.Ref.Compare)
	var list []target
	for _, ref := range slices.Compact(refs) {
		if s.Knows(ref) {
			list = append(list, target{about: ref})
		}
	}
	return list
}
