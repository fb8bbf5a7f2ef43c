// SPDX-License-Identifier: Apache-2.0

package scheduling

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// NoScaleUp recognises a pod without a node for which the autoscaler can add none.
var NoScaleUp = &diagnosis.Rule{
	ID:    "SCH015",
	Title: "The autoscaler cannot add a node for the pod",
	Doc: `
The cluster autoscaler looks at every pod that fits nowhere and asks of each node group whether one more node of it would
help. It says that none would: the groups are as large as they may be, or a new node would have the same obstacle. Karpenter
says the same of its node pools.

**How it is told from its look-alikes.** The Event is NotTriggerScaleUp, or FailedScheduling of karpenter, of a pod that has no
node. It counts only while it is the last word: after TriggeredScaleUp a node is on its way. "max node group size reached" or
"max cluster … limit" is a limit that somebody set; a reason as of the scheduler means that no group has such nodes. Why the
nodes that are there do not take the pod is told by the scheduler's own verdict, under which this finding then hangs.

**What to do.** Raise the maximum of the group, or add a group (a node pool) whose nodes would take the pod.

The Events are written in cluster-autoscaler processors/status/eventing_scale_up_processor.go and karpenter
pkg/controllers/provisioning/scheduling.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Pod,
	Needs:    evidence.Events | evidence.Status,
	Effect:   diagnosis.NotScheduled,
	CausedBy: []diagnosis.Effect{diagnosis.NotScheduled},
	Run: func(p *diagnosis.Pass) {
		if p.NodeName() != "" || p.PodMeta().DeletionTimestamp != nil {
			return
		}
		var last evidence.Event
		for _, e := range p.Events("NotTriggerScaleUp", "TriggeredScaleUp", "FailedScheduling", "Nominated") {
			if e.Reason != "FailedScheduling" || strings.Contains(e.Reporter, "karpenter") {
				last = e
			}
		}
		if last.Reason != "NotTriggerScaleUp" && last.Reason != "FailedScheduling" {
			return
		}
		said := strings.TrimSpace(declined.ReplaceAllString(last.Message, ""))
		message := fmt.Sprintf("the autoscaler adds no node for pod %s: %s", p.About().Name, said)
		fix := diagnosis.Fix{Title: "Add a node group, or node pool, whose nodes would take the pod"}
		switch {
		case limited.MatchString(said):
			fix.Title = "Raise the limit of the node group that would take the pod"
		case said == "":
			message = fmt.Sprintf("the autoscaler adds no node for pod %s and does not say why", p.About().Name)
		}
		fix.Command = "kubectl get configmap -n kube-system cluster-autoscaler-status -o yaml"
		if last.Reason == "FailedScheduling" {
			fix.Command = "kubectl describe nodepools"
		}
		p.Report(diagnosis.Finding{Confidence: diagnosis.Likely, Message: message, Facts: append([]evidence.Fact{last.Fact()}, unplaced(p)...), Fixes: []diagnosis.Fix{fix}})
	},
}

// unplaced cites that the pod has no node as its status has it: the condition, or that it is pending.
func unplaced(p *diagnosis.Pass) []evidence.Fact {
	if fact, ok := p.CitePodCondition(corev1.PodScheduled); ok {
		return []evidence.Fact{fact}
	}
	if p.PodStatus().Phase != corev1.PodPending {
		return nil // nothing is known of its status
	}
	return []evidence.Fact{{Kind: evidence.Status, Source: evidence.FromStatus, About: p.About(), Where: "status.phase", Text: "phase Pending"}}
}

// limited is how it speaks of a size that somebody has set.
var limited = regex.New(`max node group size reached|max cluster|limit`)

// declined is how the autoscaler begins its message, by version.
var declined = regex.New(`^pod didn't trigger scale-up(?: \(it wouldn't fit if a new node is added\))?:? *|^Failed to schedule pod, *`)

// coming returns the autoscaler's word that it is adding a node for the pod: the newest of what it said, and not so long
// ago that a machine would have joined by now.
func coming(p *diagnosis.Pass) (evidence.Event, bool) {
	said := p.Events("TriggeredScaleUp", "NotTriggerScaleUp", "Nominated")
	if len(said) == 0 {
		return evidence.Event{}, false
	}
	last := said[len(said)-1]
	return last, last.Reason != "NotTriggerScaleUp" && p.Now().Sub(last.Last) < joins
}

// joins is how long a machine may take to join: by default Cluster Autoscaler waits as long (max-node-provision-time).
const joins = 15 * time.Minute
