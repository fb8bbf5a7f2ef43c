// SPDX-License-Identifier: Apache-2.0

package scheduling

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Spread recognises a pod that would make the spread of its workload over zones or nodes too uneven.
var Spread = &diagnosis.Rule{
	ID:    "SCH009",
	Title: "Topology spread constraints leave the pod no node",
	Doc: `
A constraint with whenUnsatisfiable DoNotSchedule allows the pods of a workload to be at most maxSkew apart between zones (or
nodes). The domain that should get the next pod has no node that can take it, so the pod waits although other nodes have
room. Or nodes lack the label that the constraint counts by.

**How it is told from its look-alikes.** The scheduler says "didn't match pod topology spread constraints", with "(missing
required label)" for nodes without the label. Anti-affinity is SCH008. The nodes that have room break the constraint; those
that would keep it are ruled out for another reason, which the finding names and which is the one to remedy. A constraint
with ScheduleAnyway keeps no pod from a node.

**What to do.** Make room in the domain that has the fewest pods; label the nodes; raise maxSkew, or set ScheduleAnyway.

The words are written in kubernetes pkg/scheduler/framework/plugins/podtopologyspread/filtering.go; recorded from
Kubernetes 1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Pod,
	Needs:    evidence.Spec | evidence.Status,
	Also:     evidence.Node | evidence.Events,
	Effect:   diagnosis.NotScheduled,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		v := read(p)
		if v.decided != spread {
			return
		}
		name, keys := p.About().Name, []string{}
		var facts []evidence.Fact
		for i, c := range p.PodSpec().TopologySpreadConstraints {
			if c.WhenUnsatisfiable != corev1.DoNotSchedule {
				continue
			}
			keys = append(keys, c.TopologyKey)
			where := fmt.Sprintf("spec.topologySpreadConstraints[%d]", i)
			facts = append(facts, evidence.Fact{
				Kind: evidence.Spec, Source: evidence.FromSpec, About: p.About(), Where: where,
				Text: fmt.Sprintf("maxSkew %d, topologyKey %s, whenUnsatisfiable %s", c.MaxSkew, c.TopologyKey, c.WhenUnsatisfiable),
			})
			facts = append(facts, citeSelector(p, where, c.LabelSelector)...)
		}
		over := strings.Join(keys, ", ")
		message := fmt.Sprintf("one more pod on %s would make the spread of %s too uneven, so pod %s waits for another domain", v.on(spread), cmp.Or(over, "its workload"), name)
		fixes := []diagnosis.Fix{{Title: "Make room in the domain with the fewest pods, or raise maxSkew", Command: edit(p)}}
		if patch := anyway(p); patch != nil {
			fixes = slices.Insert(fixes, 0, diagnosis.Fix{
				Title: "Prefer the spread over " + over + " instead of demanding it (whenUnsatisfiable ScheduleAnyway)", Risk: diagnosis.Restart, Patch: patch,
			})
		}
		if unlabelled(v) {
			message = fmt.Sprintf("%s lack the label %s, by which pod %s is to be spread", v.on(spread), cmp.Or(over, "of its topology spread constraint"), name)
			fixes[len(fixes)-1] = diagnosis.Fix{Title: "Label the nodes, or correct the topologyKey", Command: strings.TrimSuffix("kubectl get nodes -L "+strings.Join(keys, ","), " -L ")}
		}
		v.report(p, spread, message, facts, fixes...)
	},
}

// anyway lets the pods be placed where their spread cannot be had.
func anyway(p *diagnosis.Pass) *diagnosis.Patch {
	list := []any{}
	for _, c := range p.PodSpec().TopologySpreadConstraints {
		if c.WhenUnsatisfiable == corev1.DoNotSchedule {
			list = append(list, map[string]any{"topologyKey": c.TopologyKey, "whenUnsatisfiable": string(corev1.ScheduleAnyway)})
		}
	}
	if len(list) == 0 {
		return nil
	}
	return p.PatchPodSpec(map[string]any{"topologySpreadConstraints": list})
}

// unlabelled tells whether every node that breaks the constraint does so for want of the label.
func unlabelled(v verdict) bool {
	return !slices.ContainsFunc(v.of(spread), func(r reason) bool { return !strings.Contains(r.text, "missing required label") })
}
