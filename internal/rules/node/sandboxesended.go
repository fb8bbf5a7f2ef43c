// SPDX-License-Identifier: Apache-2.0

package node

import (
	"fmt"
	"slices"
	"time"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// SandboxesEnded recognises sandboxes of several pods that ended together.
var SandboxesEnded = &diagnosis.Rule{
	ID:    "NOD023",
	Title: "Sandboxes of several pods ended together",
	Doc: `
The sandboxes of at least three pods on the node ended within seconds of each other while the pods were to go on, and all containers in them ended with them. It is one thing that happened on
the node, and not one in each pod: a runtime that was restarted with its state lost, a program or a person that killed the shims or the pause processes, a change of the cgroup driver.

**How it is told from its look-alikes.** By the runtime, of which the node's agent heard that each sandbox ended and its pod goes on. A pod that is deleted or done takes its sandbox with it and counts not. One or two sandboxes that end have a reason of
their own. Where the node booted within minutes of it, that is why.

**What to do.** Look at what happened on the node in that second: the log of the runtime, who worked there, what else was stopped.

The sandboxes are those of CRI (ListPodSandbox).
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Node,
	Needs:    evidence.Host,
	Also:     evidence.Events,
	Effect:   diagnosis.RuntimeFailed,
	CausedBy: []diagnosis.Effect{diagnosis.KernelFailed},
	Change:   true,
	Run: func(p *diagnosis.Pass) {
		var facts []evidence.Fact
		for _, f := range heard(p, "sandbox-ended") {
			if n := len(facts); n > 0 && f.At.Sub(facts[n-1].At) > atOnce {
				endedTogether(p, facts)
				facts = nil
			}
			if !slices.ContainsFunc(facts, func(g evidence.Fact) bool { return g.About == f.About }) {
				facts = append(facts, f)
			}
		}
		endedTogether(p, facts)
	},
}

// atOnce is how far apart ends are that one thing brought about: an agent asks each second, and a runtime that ends many
// takes its time.
const atOnce = 5 * time.Second

// endedTogether reports sandboxes that ended together, unless they are few or the node booted.
func endedTogether(p *diagnosis.Pass, facts []evidence.Fact) {
	if len(facts) < manyPods {
		return
	}
	near := func(at time.Time) bool { return at.Sub(facts[0].At).Abs() <= reboots }
	booted := slices.ContainsFunc(p.NodeEvents("Rebooted"), func(e evidence.Event) bool { return near(e.Last) }) ||
		slices.ContainsFunc(heard(p, "boot"), func(f evidence.Fact) bool { return near(f.At) })
	if booted {
		return
	}
	p.Report(diagnosis.Finding{
		Until: facts[len(facts)-1].At.Add(reboots), Confidence: diagnosis.Certain, Facts: few(facts),
		Message: fmt.Sprintf("the sandboxes of %d pods on %s ended within %s, and their containers with them: one thing happened there, not %d",
			len(facts), nodeName(p), max(facts[len(facts)-1].At.Sub(facts[0].At), time.Second).Round(time.Second), len(facts)),
		Fixes: look("Look at what happened to the runtime of "+nodeName(p)+" in that second", fmt.Sprintf("journalctl --since %q -n 100 --no-pager", facts[0].At.UTC().Format("2006-01-02 15:04:05 UTC"))),
	})
}
