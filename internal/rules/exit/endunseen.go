// SPDX-License-Identifier: Apache-2.0

package exit

import (
	"cmp"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// EndUnseen recognises a container whose end nobody saw.
var EndUnseen = &diagnosis.Rule{
	ID:    "EXT008",
	Title: "Nobody saw the container end",
	Doc: `
The container ran, and when the kubelet or the runtime looked again it was gone. The exit code is made up: containerd
reports 255 with the reason Unknown for a container whose shim it lost, the kubelet 137 with ContainerStatusUnknown for
one that the runtime no longer knows. It happens when a node loses power or reboots, when the runtime is restarted with
its state lost, or when somebody removes the container behind the kubelet's back.

**How it is told from its look-alikes.** By the reason. 137 here is not SIGKILL and not memory; 255 with the reason Error is
a code that the program returned. A Rebooted Event of the node after the attempt began makes it likely that the restart of
the node ended it, and that finding is the cause; otherwise who ended it stays open.

**What to do.** Look at the node: when it booted, and whether the runtime or the kubelet restarted in that minute.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Attempt,
	Needs:  evidence.Status,
	Also:   evidence.Events,
	Effect: diagnosis.EndLost,
	CausedBy: []diagnosis.Effect{
		diagnosis.NodeRestarted, diagnosis.NodeLost, diagnosis.Evicted, diagnosis.PodDeleted, diagnosis.RuntimeFailed, diagnosis.SandboxFailed,
		diagnosis.RestartIntended,
	},
	Run: func(p *diagnosis.Pass) {
		a := p.Attempt()
		if !unseen(a) {
			return
		}
		f := diagnosis.Finding{
			At: a.Finished, Confidence: diagnosis.Possible, Facts: []evidence.Fact{a.Fact()},
			Message: fmt.Sprintf("nobody saw %s end: exit code %d with the reason %s is made up", who(a), a.ExitCode, a.Reason),
			Fixes:   []diagnosis.Fix{{Title: "Look at when the node, the runtime and the kubelet last started", Command: fmt.Sprintf("kubectl describe node %s", p.NodeName())}},
		}
		for _, e := range p.NodeEvents("Rebooted") {
			if (e.Reporter == "" || e.Reporter == "kubelet") && e.Last.After(began(p, a)) && (a.Finished.IsZero() || e.Last.Before(a.Finished.Add(back))) {
				f.Confidence = diagnosis.Likely
				f.Facts = append(f.Facts, e.Fact())
			}
		}
		p.Report(f)
	},
}

// began is when a run began at the earliest: when its pod did where its own start was lost.
func began(p *diagnosis.Pass, a evidence.Attempt) time.Time {
	if a.Started.IsZero() {
		return cmp.Or(p.PodStatus().StartTime, &metav1.Time{}).Time
	}
	return a.Started
}

// back is by how much a node's kubelet may report the restart later than its runtime writes the end of what ran before.
const back = time.Minute
