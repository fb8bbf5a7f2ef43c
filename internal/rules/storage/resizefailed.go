// SPDX-License-Identifier: Apache-2.0

package storage

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// ResizeFailed recognises a claim that was to grow and did not.
var ResizeFailed = &diagnosis.Rule{
	ID:    "STO020",
	Title: "Volume could not be made larger",
	Doc: `
The claim asks for more than its volume has, and making it larger has failed, in the storage system or on the node. Processes go on
with the old size, and run full where the new one was meant to prevent that.

**How it is told from its look-alikes.** The request is above the capacity in the claim's status, and a condition
(ControllerResizeError, NodeResizeError), a status of the resource that ends in Infeasible, or the Event VolumeResizeFailed or
FileSystemResizeFailed says so. The condition FileSystemResizePending is no failure: the file system grows when a pod that uses
the claim is started. Once the capacity has reached the request, old Events mean nothing.

**What to do.** Read the error: a quota, a size that the storage system does not offer, a driver that grows volumes only while
no pod uses them. A request that cannot be met can be lowered again, though not below the capacity (since Kubernetes 1.34).

Conditions and Events are described in KEP-1790 and set by the external resizer and the kubelet.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Claim,
	Needs:    evidence.Spec,
	Also:     evidence.Events,
	Effect:   diagnosis.VolumeFailed,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged},
	Run: func(p *diagnosis.Pass) {
		c := p.Object(p.About()).(*corev1.PersistentVolumeClaim)
		if c.Status.Phase != corev1.ClaimBound {
			return
		}
		asked, has := c.Spec.Resources.Requests[corev1.ResourceStorage], c.Status.Capacity[corev1.ResourceStorage]
		if asked.Cmp(has) <= 0 {
			return
		}
		facts, said := resizeErrors(p, c)
		if len(facts) == 0 {
			return
		}
		f := diagnosis.Finding{
			Confidence: diagnosis.Likely, Facts: facts,
			Message: fmt.Sprintf("claim %s has %s and asks for %s, and its volume could not be made larger: %s", c.Name, has.String(), asked.String(), reason(said)),
			Fixes: []diagnosis.Fix{
				{Title: "Mend what the storage system complains about; it tries again by itself", Command: fmt.Sprintf("kubectl describe pvc -n %s %s", c.Namespace, c.Name)},
			},
		}
		if facts[0].Source >= evidence.FromStatus {
			f.Confidence = diagnosis.Certain
		}
		f.Facts = append(f.Facts, evidence.Fact{
			Kind: evidence.Status, Source: evidence.FromStatus, About: p.About(), Where: "status.capacity.storage", Text: "storage " + has.String(),
		})
		if strings.Contains(said, "offline expansion") {
			f.Fixes = append(f.Fixes, diagnosis.Fix{Title: fmt.Sprintf("End the pods that use claim %s for a while: its driver grows only volumes that are not in use", c.Name), Risk: diagnosis.Restart})
		}
		p.Report(f)
	},
}

// resizeErrors returns what says that growing failed, best first, and its words.
func resizeErrors(p *diagnosis.Pass, c *corev1.PersistentVolumeClaim) (facts []evidence.Fact, said string) {
	for _, cond := range c.Status.Conditions {
		if strings.HasSuffix(string(cond.Type), "ResizeError") && cond.Status == corev1.ConditionTrue {
			facts = append(facts, evidence.Fact{
				Kind: evidence.Status, Source: evidence.FromStatus, About: p.About(), At: cond.LastTransitionTime.Time,
				Where: "status.conditions[" + string(cond.Type) + "]", Text: conditionText(string(cond.Status), cond.Reason, cond.Message),
			})
			said = cond.Message
		}
	}
	if st := c.Status.AllocatedResourceStatuses[corev1.ResourceStorage]; strings.HasSuffix(string(st), "Infeasible") {
		facts = append(facts, evidence.Fact{
			Kind: evidence.Status, Source: evidence.FromStatus, About: p.About(), Where: "status.allocatedResourceStatuses", Text: "storage " + string(st),
		})
	}
	for _, e := range slices.Backward(p.Events("VolumeResizeFailed", "FileSystemResizeFailed")) {
		facts = append(facts, e.Fact())
		if said == "" {
			said = e.Message
		}
		break
	}
	if said == "" && len(facts) > 0 {
		said = facts[0].Text
	}
	return facts, said
}
