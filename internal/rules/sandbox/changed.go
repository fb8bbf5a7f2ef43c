// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Changed recognises a pod whose containers all ended because their sandbox was replaced.
var Changed = &diagnosis.Rule{
	ID:    "SBX008",
	Title: "Sandbox of a running pod was replaced",
	Doc: `
The kubelet found that the sandbox of a pod that ran is gone or changed, ended what was left of its containers and made
all anew. Nothing is wrong with any of them. The runtime was restarted in a way that lost its sandboxes, the node was
rebooted, somebody killed the pause process, or the cgroup driver was changed. Usually it is all pods of a node in the
same minute.

**How it is told from its look-alikes.** By the Event SandboxChanged, and containers that had run before it and ended at
about that time. The same Event follows every failed try to make the first sandbox: then no container has ever run. A
single container that restarts leaves its sandbox alone. It is told only where the end of a container follows from it.

**What to do.** Find what happened on the node: its other pods, its boot time, the runtime's log of that minute.

The Event is written in kubernetes pkg/kubelet/kuberuntime/kuberuntime_manager.go (SyncPod); recorded from Kubernetes
1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Pod,
	Needs:    evidence.Status | evidence.Events,
	Also:     evidence.Spec,
	Effect:   diagnosis.SandboxFailed,
	CausedBy: []diagnosis.Effect{diagnosis.NodeRestarted, diagnosis.RuntimeFailed, diagnosis.NodeLost, diagnosis.KernelFailed},
	Change:   true,
	Run: func(p *diagnosis.Pass) {
		for _, e := range p.Events("SandboxChanged") {
			ended := endedBy(p, e)
			if len(ended) == 0 {
				continue
			}
			f := diagnosis.Finding{
				At: ended[0].Finished, Confidence: diagnosis.Likely, Facts: []evidence.Fact{e.Fact(), ended[0].Fact()},
				Message: fmt.Sprintf("the sandbox of pod %s was replaced on node %s, which ended all its containers", p.About().Name, p.NodeName()),
				Fixes: []diagnosis.Fix{{
					Title:   fmt.Sprintf("Look at what happened to the runtime of node %s at %s", p.NodeName(), e.Last.UTC().Format("15:04")),
					Command: onNode(p),
				}},
			}
			if others := changedTogether(p, e); others > 0 {
				f.Message += fmt.Sprintf(", as were those of %d other pods there within minutes", others)
			}
			p.Report(f)
			return
		}
	},
}

// A kubelet that was down notices only when it is back, so the containers may have ended well before its Event; those that
// still ran it ends after. Pods of a node whose sandboxes are replaced within the same minutes share the reason.
const (
	before   = 10 * time.Minute
	after    = time.Minute
	together = 5 * time.Minute
)

// endedBy returns the runs of the pod that had begun before the Event and ended about then, the earliest end first.
func endedBy(p *diagnosis.Pass, e evidence.Event) []evidence.Attempt {
	list := slices.DeleteFunc(p.Attempts(), func(a evidence.Attempt) bool {
		return a.Expected != "" || a.Started.IsZero() || a.Started.Truncate(time.Second).After(e.Last) || a.Finished.Before(e.First.Add(-before)) || a.Finished.After(e.Last.Add(after))
	})
	slices.SortStableFunc(list, func(a, b evidence.Attempt) int { return a.Finished.Compare(b.Finished) })
	return list
}

// changedTogether counts the other pods of the node whose sandbox was replaced about then.
func changedTogether(p *diagnosis.Pass, e evidence.Event) int {
	n := 0
	for _, pod := range diagnosis.List[*corev1.Pod](p, evidence.RefTo("Node", "", p.NodeName())) {
		ref := evidence.RefOf(pod)
		if ref == p.About() {
			continue
		}
		for _, other := range p.EventsOf(ref, "SandboxChanged") {
			if d := other.Last.Sub(e.Last); d < together && d > -together {
				n++
				break
			}
		}
	}
	return n
}
