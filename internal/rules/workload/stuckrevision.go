// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"fmt"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// StuckRevision recognises a StatefulSet whose newest template does not reach a broken pod.
var StuckRevision = &diagnosis.Rule{
	ID:    "WRK007",
	Title: "Newest revision does not reach a broken pod",
	Doc: `
The template was changed, and a pod that does not work still is of an older revision. A StatefulSet whose pods are started
in order waits for each pod to become ready before it goes on, also for one that cannot: a pod of a bad revision is not
replaced although the template was mended since. With the update strategy OnDelete no pod is
replaced at all until somebody deletes it.

**How it is told from its look-alikes.** The pod's label controller-revision-hash differs from the set's updateRevision, and
the pod is not ready. A pod of the newest revision that does not become ready is held up by its own trouble and nothing
here. A partition keeps pods at the revision before on purpose. A rollout on its way replaces ready pods one by one; those are not looked at.

**What to do.** Delete the pod: its successor is of the newest revision.

How the controller waits is in kubernetes pkg/controller/statefulset/stateful_set_control.go (processReplica); recorded from
Kubernetes 1.37.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Pod,
	Needs:  evidence.Spec | evidence.Status,
	Effect: diagnosis.RolledOut,
	Run: func(p *diagnosis.Pass) {
		meta := p.PodMeta()
		revision := meta.Labels[appsv1.ControllerRevisionHashLabelKey]
		owners := p.Owners()
		if revision == "" || len(owners) == 0 || meta.DeletionTimestamp != nil || isReady(p.PodStatus()) {
			return
		}
		update, waits := updateOf(p.Object(owners[0]))
		if update == "" || update == revision || waits == "" {
			return
		}
		pod := p.About()
		p.Report(diagnosis.Finding{
			At: meta.CreationTimestamp.Time, Confidence: diagnosis.Certain,
			Message: fmt.Sprintf("pod %s is of revision %s and not of the newest, %s: %s", pod.Name, revision, update, waits),
			Facts: []evidence.Fact{
				{Kind: evidence.Status, Source: evidence.FromStatus, About: pod, At: meta.CreationTimestamp.UTC(), Where: "metadata.labels", Text: appsv1.ControllerRevisionHashLabelKey + " " + revision},
				{Kind: evidence.Status, Source: evidence.FromStatus, About: owners[0], Where: "status.updateRevision", Text: "updateRevision " + update},
			},
			Fixes: []diagnosis.Fix{{
				Title: fmt.Sprintf("Delete pod %s: its successor gets the newest template", pod.Name), Risk: diagnosis.Evict,
				Command: fmt.Sprintf("kubectl delete -n %s %s", pod.Namespace, pod),
			}},
		})
	},
}

// updateOf returns the newest revision of a StatefulSet and why it does not come to a pod that is not ready; "" where it
// would.
func updateOf(o evidence.Object) (revision, waits string) {
	set, ok := o.(*appsv1.StatefulSet)
	if !ok || set.Status.ObservedGeneration < set.Generation {
		return "", ""
	}
	strategy := set.Spec.UpdateStrategy
	switch {
	case strategy.Type == appsv1.OnDeleteStatefulSetStrategyType:
		waits = "the update strategy OnDelete replaces no pod until somebody deletes it"
	case strategy.RollingUpdate != nil && strategy.RollingUpdate.Partition != nil && *strategy.RollingUpdate.Partition > 0:
		return "", "" // a pod below it is of the older revision again when it is deleted
	case set.Spec.PodManagementPolicy != appsv1.ParallelPodManagement:
		waits = fmt.Sprintf("statefulset %s starts its pods in order and waits for this one to become ready", set.Name)
	}
	return set.Status.UpdateRevision, waits
}

func isReady(st *corev1.PodStatus) bool {
	for _, c := range st.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}
