// SPDX-License-Identifier: Apache-2.0

package node

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Restarted recognises a node that booted again.
var Restarted = &diagnosis.Rule{
	ID:    "NOD002",
	Title: "Node restarted",
	Doc: `
The node booted again, and every container on it ended with it: in order where the node was shut down gracefully, else
without a word. Containers that nobody saw end have exit code 255 with the reason Unknown, or 137 with
ContainerStatusUnknown; their pods stay on the node and start anew there.

**How it is told from its look-alikes.** The kubelet writes a Rebooted Event when it finds another boot id than the one in
the node's status. It comes when the node is back, so the deaths seem to lie a little before it. If the node's status has
the boot id that the Event names, that is proof; without it the finding is likely where a container on the node ended
unseen then, else possible. A restart of the kubelet or of the runtime changes no boot id and leaves containers running. A node that lost its network comes back with its old boot id
(NOD001).

**What to do.** Find out why it restarted: maintenance, a kernel panic, power, the hypervisor or the cloud provider, an
agent that reboots nodes for updates. Spread the replicas over nodes.

The Event is written in kubernetes pkg/kubelet/nodestatus/setters.go; recorded from Kubernetes 1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Node,
	Needs:    evidence.Events,
	Also:     evidence.Node | evidence.Spec | evidence.Status,
	Effect:   diagnosis.NodeRestarted,
	CausedBy: []diagnosis.Effect{diagnosis.KernelFailed},
	Change:   true,
	Run: func(p *diagnosis.Pass) {
		for _, e := range slices.Backward(p.NodeEvents("Rebooted")) {
			if e.Reporter != "" && e.Reporter != "kubelet" {
				continue // whoever may write Events can write this one
			}
			f := diagnosis.Finding{
				At: e.Last, Confidence: diagnosis.Likely, Facts: []evidence.Fact{e.Fact()},
				Message: fmt.Sprintf("node %s restarted, and everything that ran on it ended", p.About().Name),
				Fixes: []diagnosis.Fix{{
					Title:   fmt.Sprintf("Find out why node %s restarted: its console, its journal of the last boot, who maintains it", p.About().Name),
					Command: "kubectl describe node " + p.About().Name,
				}},
			}
			if node := p.Node(); node != nil && strings.HasSuffix(e.Message, "boot id: "+node.Status.NodeInfo.BootID) {
				f.Confidence = diagnosis.Certain
				f.Facts = append(f.Facts, evidence.Fact{
					Kind: evidence.Node, Source: evidence.FromStatus, About: p.About(),
					Where: "status.nodeInfo.bootID", Text: "bootID " + node.Status.NodeInfo.BootID,
				})
			} else {
				f.Facts = append(f.Facts, ended(p, e.Last)...)
			}
			p.Report(f)
			return
		}
	},
}

// reboots is how long a node may take from its containers' ends to the kubelet's word that it is back.
const reboots = 10 * time.Minute

// ended cites a container on the node of which nobody saw the end, around the restart: the status of its pod agrees.
func ended(p *diagnosis.Pass, at time.Time) []evidence.Fact {
	for _, pod := range podsOn(p) {
		for _, a := range p.AttemptsOf(evidence.RefOf(pod)) {
			if (a.Reason == "Unknown" || a.Reason == "ContainerStatusUnknown") && a.Finished.Sub(at).Abs() <= reboots {
				return []evidence.Fact{a.Fact()}
			}
		}
	}
	return nil
}
