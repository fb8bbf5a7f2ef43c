// SPDX-License-Identifier: Apache-2.0

package scheduling

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// unseenFor is how long a pod may be without a word from a scheduler. It takes a few milliseconds to look at a pod and some
// seconds in a long queue (kubernetes scheduler_pod_scheduling_sli_duration_seconds).
const unseenFor = 30 * time.Second

// NoScheduler recognises a pod that no scheduler has looked at.
var NoScheduler = &diagnosis.Rule{
	ID:    "SCH014",
	Title: "No scheduler has looked at the pod",
	Doc: `
A pod without a node gets the condition PodScheduled from the scheduler that it names, within seconds, whether it fits or not.
This one has been there for half a minute and longer and has neither a node nor a word about it: the scheduler that its
schedulerName asks for does not exist, or the cluster's own scheduler does not run.

**How it is told from its look-alikes.** There is no condition PodScheduled and no Event of a scheduler. A pod that fits nowhere
has both; a gated pod (SCH013) has the condition; one with a ResourceClaim may wait for that (SCH018). With a schedulerName other than default-scheduler it is most likely that no
such scheduler runs; with the default one the pods of the whole cluster that are without a node wait the same way.

**What to do.** Correct schedulerName, or install that scheduler; otherwise look at the pods of kube-scheduler in kube-system,
and at its lease there. A managed control plane is its provider's to repair.

The condition is written in kubernetes pkg/scheduler/schedule_one.go, handleSchedulingFailure; recorded from Kubernetes 1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Pod,
	Needs:    evidence.Spec | evidence.Status,
	Also:     evidence.Events,
	Effect:   diagnosis.NotScheduled,
	CausedBy: []diagnosis.Effect{diagnosis.ControlPlaneSlow, diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		spec := p.PodSpec()
		if !unseen(p) || len(spec.ResourceClaims) > 0 || spec.SchedulingGroup != nil {
			return
		}
		name, scheduler := p.About().Name, cmp.Or(spec.SchedulerName, corev1.DefaultSchedulerName)
		facts := untold(p)
		if scheduler == corev1.DefaultSchedulerName {
			p.Report(diagnosis.Finding{
				Confidence: diagnosis.Likely, Facts: facts,
				Message: fmt.Sprintf("no scheduler has looked at pod %s: the cluster's scheduler does not run or is stuck", name),
				Fixes:   []diagnosis.Fix{{Title: "Look whether the scheduler runs", Command: "kubectl get pods,leases -n kube-system | grep -i scheduler"}},
			})
			return
		}
		facts = append(facts, p.CiteSpec("schedulerName", scheduler))
		fix := diagnosis.Fix{Title: "Let the cluster's own scheduler place the pods", Command: edit(p)}
		if _, template := p.Workload(); template != nil && template.Spec.SchedulerName == scheduler {
			fix.Risk, fix.Patch, fix.Command = diagnosis.Restart, p.PatchPodSpec(map[string]any{"schedulerName": corev1.DefaultSchedulerName}), ""
		}
		p.Report(diagnosis.Finding{
			Confidence: diagnosis.Likely, Facts: facts,
			Message: fmt.Sprintf("no scheduler has looked at pod %s: none of the name %s runs", name, scheduler),
			Fixes:   []diagnosis.Fix{fix, {Title: "Start the scheduler " + scheduler, Command: "kubectl get pods -A | grep -i " + strings.Split(scheduler, "/")[0]}},
		})
	},
}

// unseen tells whether the pod waits without a word from anybody. The API server sets the class of service when it creates a
// pod: a status without it is not what the API server has, but what somebody left of it.
func unseen(p *diagnosis.Pass) bool {
	meta, status := p.PodMeta(), p.PodStatus()
	_, told := p.CitePodCondition(corev1.PodScheduled)
	waits := !meta.CreationTimestamp.IsZero() && p.Now().Sub(meta.CreationTimestamp.Time) >= unseenFor
	return waits && !told && p.NodeName() == "" && status.Phase == corev1.PodPending && meta.DeletionTimestamp == nil &&
		status.QOSClass != "" && len(status.ContainerStatuses) == 0 && len(p.Events()) == 0
}

// untold cites that the pod waits and that its conditions, if there are any, say nothing of it.
func untold(p *diagnosis.Pass) []evidence.Fact {
	waits := evidence.Fact{
		Kind: evidence.Status, Source: evidence.FromStatus, About: p.About(), At: p.PodMeta().CreationTimestamp.UTC(),
		Where: "status.phase", Text: "phase " + string(p.PodStatus().Phase),
	}
	told := waits
	told.Where, told.Text = "status.conditions", fmt.Sprintf("conditions %d", len(p.PodStatus().Conditions))
	return []evidence.Fact{waits, told}
}
