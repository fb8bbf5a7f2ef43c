// SPDX-License-Identifier: Apache-2.0

package eviction

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// NodeGone recognises a pod that was cleaned up because its node no longer exists or does not answer.
var NodeGone = &diagnosis.Rule{
	ID:    "EVC008",
	Title: "Pod was cleaned up because its node is gone",
	Doc: `
The node that the pod ran on was deleted or has not answered for long: the pod garbage collector, or in old clusters the
node controller, removed the pod without hearing from its kubelet. Whether its containers have ended nobody knows; it is
replaced and not restarted.

**How it is told from its look-alikes.** The condition DisruptionTarget has the reason DeletionByPodGC, or the pod's status
the reason NodeLost. A node that is not ready and still exists deletes its pods by a taint (EVC005). Nobody saw the
containers end (EXT008), and their exit codes are made up.

**What to do.** Find out who deleted the node: an autoscaler, a spot instance that was taken back, a person. If the machine
is still there, its containers may still run, beside their replacements.

The condition is set in kubernetes pkg/controller/podgc/gc_controller.go, NodeLost in pkg/util/node and
pkg/controller/util/node of versions before 1.37; recorded from Kubernetes 1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Pod,
	Needs:    evidence.Status,
	Also:     evidence.Node,
	Effect:   diagnosis.Evicted,
	CausedBy: []diagnosis.Effect{diagnosis.NodeLost},
	Run: func(p *diagnosis.Pass) {
		d, gone := disrupted(p, "DeletionByPodGC")
		lost, isLost := failedFor(p, "NodeLost")
		if !gone && !isLost {
			return
		}
		f := diagnosis.Finding{
			At: d.at, Confidence: diagnosis.Certain, Facts: d.facts,
			Message: fmt.Sprintf("pod %s was cleaned up because its node %s no longer exists", p.About().Name, p.NodeName()),
			Fixes:   []diagnosis.Fix{{Title: fmt.Sprintf("Find out who deleted node %s, and whether the machine still runs", p.NodeName())}},
		}
		if !gone {
			f.At, f.Facts = lost.at, lost.facts
			f.Message = fmt.Sprintf("pod %s is given up because its node %s does not answer", p.About().Name, p.NodeName())
			f.Fixes = []diagnosis.Fix{{Title: fmt.Sprintf("Bring node %s back, or delete its Node object if it is gone for good", p.NodeName()), Command: describe(p)}}
		}
		if p.Absent(evidence.RefTo("Node", "", p.NodeName())) {
			f.Facts = append(f.Facts, evidence.Fact{
				Kind: evidence.Node, Source: evidence.FromStatus, About: evidence.RefTo("Node", "", p.NodeName()), At: p.Now(), Where: "nodes", Text: "does not exist",
			})
		}
		p.Report(f)
	},
}
