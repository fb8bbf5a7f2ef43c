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
one that the runtime no longer knows. Of a shim that was killed containerd says 255 with the reason Error, and in
that minute the kubelet finds the sandbox gone. It happens when a node loses power or reboots, when the runtime is restarted with
its state lost, or when somebody removes the container behind the kubelet's back.

**How it is told from its look-alikes.** By the reason. 137 here is not SIGKILL and not memory; 255 with the reason Error is
a code that the program returned, unless the sandbox went with it. A Rebooted Event of the node after the attempt began makes it likely that the restart of
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
		lost, with := lostWithSandbox(p, a)
		if !unseen(a) && !with {
			return
		}
		f := diagnosis.Finding{
			At: a.Finished, Confidence: diagnosis.Possible, Facts: []evidence.Fact{a.Fact()},
			Message: fmt.Sprintf("nobody saw %s end: exit code %d with the reason %s is made up", who(a), a.ExitCode, a.Reason),
			Fixes:   []diagnosis.Fix{{Title: "Look at when the node, the runtime and the kubelet last started", Command: fmt.Sprintf("kubectl describe node %s", p.NodeName())}},
		}
		if with {
			f.Facts = append(f.Facts, lost.Fact())
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

// lostWithSandbox tells whether the code of an attempt is the one that containerd makes up for a container whose shim was
// lost, which has a reason like any other: the kubelet found in that minute that the sandbox was gone, and had ordered nothing.
func lostWithSandbox(p *diagnosis.Pass, a evidence.Attempt) (evidence.Event, bool) {
	if _, ordered := p.Order(); a.ExitCode != 255 || ordered || unseen(a) {
		return evidence.Event{}, false
	}
	for _, e := range p.EventsOf(a.Of.Object(), "SandboxChanged") {
		for _, at := range []time.Time{e.First, e.Last} { // of those between the two an Event keeps no time
			if since := at.Sub(a.Finished); since > -tracedSlack && since < back {
				return e, true
			}
		}
	}
	return evidence.Event{}, false
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
