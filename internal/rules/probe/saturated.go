// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Saturated recognises a node that was saturated first, and on which probes timed out then.
var Saturated = &diagnosis.Rule{
	ID:    "PRB011",
	Title: "Node was saturated before its probes timed out",
	Doc: `
The node ran out of processors, of memory that is quickly had, of its disk's speed or of room for connections, or its kubelet became slow, and after that probes of containers on it timed out. The programs are late with
everything, and their probes with them.

**How it is told from its look-alikes.** By what rose first: the node's agent looks every few seconds and tells when a mark is passed, and that was before the first of these probes timed out. Probes that had timed out before have another reason, of which the
load may be a consequence, as restarts cost much. What failed in another way than by a time-out, or after the node had eased, does not count. A container that was at its own CPU limit is slow on an idle node as well. A full disk
or a lack of process ids makes programs fail and not slow, and does not count here.

**What to do.** The largest consumers are named where the reader may see them. Limit or move them, or give those that matter the request that they need.

The marks are those of the node's agent (inquest node NODE saturation).
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Node,
	Needs:    evidence.Usage | evidence.Events | evidence.Status | evidence.Spec,
	Also:     evidence.Host,
	Effect:   diagnosis.NodeSaturated,
	CausedBy: []diagnosis.Effect{diagnosis.KernelFailed, diagnosis.DeviceFailed, diagnosis.NodePressure, diagnosis.NodeBusy, diagnosis.StorageFull},
	Change:   true,
	Run: func(p *diagnosis.Pass) {
		for _, s := range strains(p) {
			victims := lateIn(p, s)
			if len(victims) == 0 {
				continue
			}
			first := s.facts[0]
			f := diagnosis.Finding{
				At: s.from, Until: s.to.Add(easing), Confidence: diagnosis.Likely, Facts: s.facts[:min(len(s.facts), 3)],
				Message: fmt.Sprintf("%s %s before probes of %s there began to time out: %s",
					what(p, first), max(victims[0].event.First.Sub(s.from), 0).Round(time.Second), counted(victims), strings.TrimRight(first.Text, ".")),
				Fixes: []diagnosis.Fix{{
					Title: "Limit or move what used most of node " + p.About().Name + " at that time", Command: "inquest node " + p.About().Name + " saturation",
				}},
			}
			for _, v := range victims[:min(len(victims), 3)] {
				f.Facts = append(f.Facts, v.event.Fact())
			}
			p.Report(f)
		}
	},
}

// what says what was wrong with the node.
func what(p *diagnosis.Pass, first evidence.Fact) string {
	if first.Name == kubeletSlow {
		return "the kubelet of node " + p.About().Name + " was slow"
	}
	return "node " + p.About().Name + " was saturated"
}

// easing is how long after a node has eased what was late may still time out, as a probe has a time limit and a period.
const easing = 30 * time.Second

// A strain is a time during which a node had too little of something that makes programs slow, with what says so: what rose
// first comes first.
type strain struct {
	from, to time.Time
	facts    []evidence.Fact
}

// slows are the marks of which passing makes programs slow.
var slows = []string{"usage.cpu", "usage.memory", "psi.", "disk.latency", "conntrack"}

// strains returns when the node was strained, oldest first. What overlaps is one.
func strains(p *diagnosis.Pass) []strain {
	var list []strain
	open := map[string]int{}
	for _, f := range levels(p) {
		which, _, _ := strings.Cut(f.Text, ": ")
		began := strings.HasPrefix(f.Name, "saturated.") || f.Name == kubeletSlow
		n := len(list)
		switch _, lasts := open[which]; {
		case began && !lasts:
			if n == 0 || len(open) == 0 && f.At.Sub(list[n-1].to) > easing {
				list = append(list, strain{from: f.At})
				n++
			}
			open[which] = n - 1
			list[n-1].to, list[n-1].facts = p.Now(), append(list[n-1].facts, f)
		case !began && lasts:
			delete(open, which)
			if len(open) == 0 {
				list[n-1].to = f.At
			}
		}
	}
	return list
}

const kubeletSlow, kubeletPrompt = "kubelet-slow", "kubelet-prompt"

// levels returns what the agent tells of marks that were passed or left, oldest first.
func levels(p *diagnosis.Pass) []evidence.Fact {
	facts := slices.DeleteFunc(p.Facts(evidence.Usage), func(f evidence.Fact) bool {
		sort, name, _ := strings.Cut(f.Name, ".")
		slow := slices.ContainsFunc(slows, func(s string) bool { return strings.HasPrefix(name, s) })
		return f.About != p.About() || sort != "saturated" && sort != "eased" || !slow
	})
	facts = append(facts, p.Facts(evidence.Host, kubeletSlow, kubeletPrompt)...)
	slices.SortStableFunc(facts, func(a, b evidence.Fact) int { return a.At.Compare(b.At) })
	return facts
}

// earlier is how long before a strain a probe that timed out shows that the trouble was older.
const earlier = 5 * time.Minute

// lateIn returns the probes of the node that began to time out in the strain, the first one first, without those of containers of
// which one had timed out shortly before.
func lateIn(p *diagnosis.Pass, s strain) []*failed {
	var victims []*failed
	before := map[evidence.Ref]bool{}
	for _, f := range outcryOf(p).on[p.About().Name] {
		switch at := f.event.First; {
		case f.way != timedOut:
		case at.Before(s.from.Truncate(time.Second)):
			before[f.event.About] = before[f.event.About] || s.from.Sub(f.event.Last) < earlier
		case !at.After(s.to.Add(easing)):
			victims = append(victims, f)
		}
	}
	victims = slices.DeleteFunc(victims, func(f *failed) bool { return before[f.event.About] })
	slices.SortStableFunc(victims, func(a, b *failed) int { return a.event.First.Compare(b.event.First) })
	return victims
}

// counted says of how many pods the probes are.
func counted(victims []*failed) string {
	var pods []*corev1.Pod
	for _, v := range victims {
		if !slices.Contains(pods, v.pod) {
			pods = append(pods, v.pod)
		}
	}
	if len(pods) == 1 {
		return "pod " + pods[0].Name
	}
	return fmt.Sprintf("%d pods", len(pods))
}
