// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// NodeOutOfMemory recognises a node that had no memory left, so that its kernel killed processes.
var NodeOutOfMemory = &diagnosis.Rule{
	ID:    "MEM010",
	Title: "Node ran out of memory",
	Doc: `
The whole machine was out of memory, or all of its pods together were at what the node has for them, and the kernel killed
processes on it. No single container's limit was the reason.

**How it is told from its look-alikes.** The kernel's record has no cgroup limit, or that of all pods; the kubelet tells of the
first in a SystemOOM Event of the node, which it also sends for kills in cgroups that are not a pod's. A kill at the limit of
one container or pod is that one's affair. The condition MemoryPressure is the kubelet's, comes earlier, and leads to
evictions. The Event alone makes it possible, and an end of a container by SIGKILL in its seconds likely. What goes wrong on the node from two minutes after the last kill on does not follow from it: what the kernel killed has given its memory back. A kill older than a quarter of an hour is history. Where a pod is asked about, one counts
that was in the pod, or came with an end of it by SIGKILL, or, of a pod that never got so far, that may be why.

**What to do.** Look for the process that held most, which the kernel lists. Give pods requests near to what they take, reserve memory for
the system, and let the kubelet evict earlier than the kernel kills.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Node,
	Needs:    evidence.Node,
	Also:     evidence.Events | evidence.Host | evidence.Status | evidence.Spec,
	Effect:   diagnosis.NodePressure,
	CausedBy: []diagnosis.Effect{diagnosis.NodeSaturated},
	Run: func(p *diagnosis.Pass) {
		facts, victims := nodeKills(p)
		node := p.Node()
		if len(facts) == 0 || node == nil {
			return
		}
		last := facts[len(facts)-1]
		f := diagnosis.Finding{
			At: facts[0].At, Confidence: diagnosis.Likely, Facts: facts[max(0, len(facts)-3):],
			Message: fmt.Sprintf("node %s ran out of memory, and its kernel killed %s", node.Name, strings.Join(slices.Compact(victims), ", ")),
			Fixes: []diagnosis.Fix{{
				Title: "Give its pods memory requests near to what they take, and reserve memory for the system (kubelet systemReserved, evictionHard)", Command: "kubectl top pods -A --sort-by=memory",
			}},
		}
		if slices.ContainsFunc(facts, func(f evidence.Fact) bool { return f.Source >= evidence.FromStatus }) {
			f.Confidence = diagnosis.Certain
		} else if end, ok := endNear(p, last.At); ok {
			f.Facts = append(f.Facts, end.Fact())
		} else {
			f.Confidence = diagnosis.Possible
		}
		if !last.At.IsZero() {
			f.Until = last.At.Add(relieved)
		}
		name(&f, grower(p, last.At))
		p.Report(f)
	},
}

// relieved is how long after the kernel's last kill what goes wrong on a node may follow from its want of memory: what was killed has given its
// memory back, and probes fail after three periods of 10 s as a rule.
const relieved = 2 * time.Minute

// endNear returns an end of a container of the node by SIGKILL in the seconds of an Event.
func endNear(p *diagnosis.Pass, at time.Time) (evidence.Attempt, bool) {
	for _, pod := range diagnosis.List[*corev1.Pod](p, p.About()) {
		for _, a := range p.AttemptsOf(evidence.RefOf(pod)) {
			if a.ExitCode == 137 && a.Finished.Sub(at).Abs() <= around {
				return a, true
			}
		}
	}
	return evidence.Attempt{}, false
}

// asksPods tells whether what was asked about is a pod, or a workload that stands for its pods.
func asksPods(subject evidence.Ref) bool {
	return !slices.Contains([]string{"", "Node", "Namespace", "ControlPlane"}, subject.Kind)
}

// bearsOnPods tells whether a kill at that time may be what is wrong with the pods of the node that are known.
func bearsOnPods(p *diagnosis.Pass, at time.Time) bool {
	if _, ok := endNear(p, at); ok {
		return true
	}
	for _, pod := range diagnosis.List[*corev1.Pod](p, p.About()) {
		if len(p.AttemptsOf(evidence.RefOf(pod))) == 0 && evidence.Troubled(pod, p.Now()) {
			return true
		}
	}
	return false
}

// nodeKills returns the kernel's records of kills that were not for one container's or pod's limit, or the kubelet's
// Events of them, oldest first, and who was killed.
func nodeKills(p *diagnosis.Pass) (facts []evidence.Fact, victims []string) {
	bears := func(f evidence.Fact) bool {
		return f.At.IsZero() || p.Now().Sub(f.At) <= 15*time.Minute && (!asksPods(p.Subject()) || f.About.Kind == "Pod" && p.Object(f.About) != nil || bearsOnPods(p, f.At))
	}
	for _, f := range p.Facts(evidence.Host, "oom-kill") {
		k := parseKill(f)
		if l := k.level(); (l == ofNode || l == ofPods) && bears(f) {
			facts = append(facts, f)
			victims = append(victims, fmt.Sprintf("process %s (%d)", k.task, k.pid))
		}
	}
	if len(facts) > 0 {
		return facts, victims
	}
	for _, e := range systemEvents(p) {
		if bears(e.Fact()) {
			facts = append(facts, e.Fact())
			_, victim, _ := strings.Cut(e.Message, "victim process: ")
			if m := quotedVictim.FindStringSubmatch(e.Message); m != nil {
				victim = fmt.Sprintf("%s (%s)", m[2], m[1])
			}
			victims = append(victims, "process "+victim)
		}
	}
	return facts, victims
}
