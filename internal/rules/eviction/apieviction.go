// SPDX-License-Identifier: Apache-2.0

package eviction

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// APIEviction recognises a pod that was evicted through the API, and says by whom where that can be known.
var APIEviction = &diagnosis.Rule{
	ID:    "EVC003",
	Title: "Pod was evicted through the API",
	Doc: `
Somebody asked the API server to evict the pod: kubectl drain, the vertical pod autoscaler, the descheduler, the cluster
autoscaler or Karpenter when they remove a node. The API server lets it through where no PodDisruptionBudget forbids it,
and the pod is then deleted with its grace period. It is replaced by another pod and not restarted: nothing is wrong with
its containers, whatever they end with.

**How it is told from its look-alikes.** The condition DisruptionTarget has the reason EvictionByEvictionAPI, which nobody
but the API server's eviction sets; before Kubernetes 1.26 only an Event of the one who evicts tells of it, and the
finding is likely. Evictions by the kubelet (EVC001, EVC002), preemption (EVC004) and taints (EVC005) have other reasons.
Who asked is read from the Events that these programs write and from the taints they set; a node that is closed to new
pods is most likely drained (EVC011). A pod that nobody has begun to delete was not evicted after all, and one that still
ends in order, while another of its workload is ready in its place, is not reported.

**What to do.** Nothing, if the node was to be drained or the pod to be resized. Where evictions cost availability, run
more than one replica with a PodDisruptionBudget, and handle SIGTERM.

The condition is set in kubernetes pkg/registry/core/pod/storage/eviction.go; recorded from Kubernetes 1.37.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Pod,
	Needs:  evidence.Status,
	Also:   evidence.Events | evidence.Node | evidence.Spec,
	Effect: diagnosis.Evicted,
	CausedBy: []diagnosis.Effect{
		diagnosis.NodeLost, diagnosis.NodeDrained, diagnosis.NodePressure, diagnosis.NodeSaturated, diagnosis.ConfigChanged,
	},
	Run: func(p *diagnosis.Pass) {
		d, sure := disrupted(p, "EvictionByEvictionAPI")
		confidence := diagnosis.Certain
		if !sure {
			confidence = diagnosis.Likely
			var ok bool
			if d, ok = announced(p, func(e evidence.Event) bool { return evictorOf(e) != "" }); !ok {
				return
			}
		}
		if replaced(p, d.at) {
			return
		}
		f := diagnosis.Finding{At: d.at, Confidence: confidence, Facts: d.facts}
		f.Message = fmt.Sprintf("pod %s was evicted through the API%s", p.About().Name, by(p, &f))
		f.Fixes = []diagnosis.Fix{
			{Title: "Let it be, if this was meant: the pod's controller makes another one elsewhere"},
			{Title: fmt.Sprintf("Look in the API server's audit log for who created the eviction of pod %s, if nobody meant to", p.About().Name)},
		}
		p.Report(f)
	},
}

// evictors are the Events by which programs that evict pods say so about the pod. VPA: autoscaler
// vertical-pod-autoscaler/pkg/updater/priority; descheduler: pkg/descheduler/evictions; cluster autoscaler:
// core/scaledown/actuation/drain.go; Karpenter: pkg/controllers/node/termination/terminator/events.
var evictors = []struct{ reason, reporter, says string }{
	{"EvictedByVPA", "", "by the vertical pod autoscaler, which gives it other requests"},
	{"Descheduled", "", "by the descheduler, which wants it on another node"},
	{"ScaleDown", "", "by the cluster autoscaler, which removes its node"},
	{"Evicted", "karpenter", "by Karpenter, which replaces or removes its node"},
	{"Disrupted", "karpenter", "by Karpenter, which replaces or removes its node"},
	{"Drain", "", "by a drain of its node"},
}

// evictorOf says who evicts by an Event about the pod, or "".
func evictorOf(e evidence.Event) string {
	for _, k := range evictors {
		if e.Reason == k.reason && (k.reporter == "" || e.Reporter == k.reporter) {
			return k.says
		}
	}
	return ""
}

// drainers are the taints by which programs close a node that they are about to take away.
var drainers = map[string]string{
	"ToBeDeletedByClusterAutoscaler":              "by the cluster autoscaler, which removes its node",
	"karpenter.sh/disrupted":                      "by Karpenter, which replaces or removes its node",
	"karpenter.sh/disruption":                     "by Karpenter, which replaces or removes its node",
	"aws-node-termination-handler/spot-itn":       "because its node, a spot instance, is taken back",
	"cloud.google.com/impending-node-termination": "because its node is about to be taken back",
	"node.cloudprovider.kubernetes.io/shutdown":   "because its node is shut down",
}

// by says who evicted the pod, as far as that can be known, and adds the facts that say so.
func by(p *diagnosis.Pass, f *diagnosis.Finding) string {
	for _, e := range p.Events() {
		if says := evictorOf(e); says != "" {
			if !slices.Contains(f.Facts, e.Fact()) {
				f.Facts = append(f.Facts, e.Fact())
			}
			return " " + says
		}
	}
	if t, fact, ok := taintOf(p, func(t corev1.Taint) bool { return drainers[t.Key] != "" }); ok {
		f.Facts = append(f.Facts, fact)
		return " " + drainers[t.Key]
	}
	if _, fact, ok := taintOf(p, func(t corev1.Taint) bool { return t.Key == corev1.TaintNodeUnschedulable }); ok {
		f.Facts = append(f.Facts, fact)
		return fmt.Sprintf(", most likely by a drain of node %s, which is closed to new pods", p.NodeName())
	}
	return ", as a drain of its node does"
}
