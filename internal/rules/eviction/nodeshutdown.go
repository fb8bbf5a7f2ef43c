// SPDX-License-Identifier: Apache-2.0

package eviction

import (
	"fmt"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// NodeShutdown recognises a pod that its kubelet ended, or turned away, because the node shuts down.
var NodeShutdown = &diagnosis.Rule{
	ID:    "EVC006",
	Title: "Pod was ended because its node shut down",
	Doc: `
The node was told to shut down or to reboot, and its kubelet, which delays that for a while, ended the pods first: this
one failed for good and is replaced. A pod that arrives meanwhile is turned away.

**How it is told from its look-alikes.** The kubelet gives the pod the reason Terminated, in older versions Shutdown, and
says that the node shuts down; a pod turned away has the reason NodeShutdown. A power cut says nothing: then the containers' ends are lost (EXT008) and the node restarted (NOD002). TerminationByKubelet
with other words is an eviction for pressure (EVC001) or a preemption (EVC007).

**What to do.** Look at who shut the node down: maintenance, an upgrade, a spot instance that was taken back. Failed pods
of this kind stay in the list until they are deleted; they need no repair.

The wordings are in kubernetes pkg/kubelet/nodeshutdown.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Pod,
	Needs:    evidence.Status,
	Also:     evidence.Events,
	Effect:   diagnosis.Evicted,
	CausedBy: []diagnosis.Effect{diagnosis.NodeLost, diagnosis.NodeRestarted},
	Run: func(p *diagnosis.Pass) {
		d, _ := failedFor(p, "Terminated", "Shutdown", "NodeShutdown")
		if !shutsDown(d.message) {
			return
		}
		f := diagnosis.Finding{
			At: d.at, Confidence: diagnosis.Certain, Facts: d.facts,
			Message: fmt.Sprintf("pod %s was ended by its kubelet because node %s was shutting down", p.About().Name, p.NodeName()),
			Fixes: []diagnosis.Fix{
				{Title: fmt.Sprintf("Find out who shut node %s down, if nobody meant to", p.NodeName()), Command: describe(p)},
				{Title: "Delete the failed pod: its controller has made another one", Command: fmt.Sprintf("kubectl delete -n %s %s", p.About().Namespace, p.About())},
			},
		}
		if p.PodStatus().Reason == "NodeShutdown" {
			f.Message = fmt.Sprintf("pod %s was turned away by node %s, which was shutting down", p.About().Name, p.NodeName())
		}
		for _, e := range p.NodeEvents("Shutdown", "NodeShutdown", "Rebooted") {
			f.Facts = append(f.Facts, e.Fact())
		}
		p.Report(f)
	},
}

// shutsDown tells whether a kubelet's message is about its node's shutdown, in the words of any version.
func shutsDown(message string) bool {
	for _, words := range []string{"imminent node shutdown", "node is shutting down", "Node is shutting", "progress of shutting down"} {
		if strings.Contains(message, words) {
			return true
		}
	}
	return false
}
