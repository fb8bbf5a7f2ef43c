// SPDX-License-Identifier: Apache-2.0

// Package workload holds the rules about controllers of pods: those that cannot finish what they began, that were told to
// want nothing, or whose work failed for good. What is wrong with a single pod is for other families to say; where that is
// known, the controller's trouble follows from it.
package workload

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Rules are the rules of this family in order of id.
var Rules = []*diagnosis.Rule{
	NoProgress,
	ScaledToZero,
	JobFailed,
	JobDeadline,
	CronJobIdle,
	CronJobSkips,
	StuckRevision,
	Misscheduled,
	AutoscalerBlind,
	AutoscalerAtMaximum,
	Paused,
	ReadinessGate,
	PodDeadline,
}

// Manifests are the rules of this family about what is written before anything has run, in order of id.
var Manifests = []*diagnosis.Rule{
	SelectorMismatch,
	RestartPolicy,
	NoDeadline,
}

// podTrouble are the effects by which a pod comes to nothing, so that its controller has fewer than it wants.
var podTrouble = []diagnosis.Effect{
	diagnosis.NotAdmitted, diagnosis.NotScheduled, diagnosis.VolumeFailed, diagnosis.SandboxFailed, diagnosis.ConfigMissing,
	diagnosis.ImageUnavailable, diagnosis.Evicted, diagnosis.DeadlinePassed, diagnosis.HookFailed, diagnosis.StartupFailed,
	diagnosis.LivenessFailed, diagnosis.OutOfMemory, diagnosis.NotStarted, diagnosis.ProcessFailed, diagnosis.ProcessCompleted,
	diagnosis.Terminated, diagnosis.Killed, diagnosis.EndLost, diagnosis.NotReady, diagnosis.InitBlocked, diagnosis.StuckTerminating,
	diagnosis.RolledOut, diagnosis.ConfigChanged, diagnosis.NodeLost, diagnosis.NodePressure, diagnosis.RuntimeFailed,
}

// status makes a fact of a field of the status of the pass's thing.
func status(p *diagnosis.Pass, at time.Time, where, format string, args ...any) evidence.Fact {
	return evidence.Fact{
		Kind: evidence.Status, Source: evidence.FromStatus, About: p.About(), At: at, Where: where, Text: fmt.Sprintf(format, args...),
	}
}

// spec makes a fact of a field of the spec of the pass's thing.
func spec(p *diagnosis.Pass, where string, value any) evidence.Fact {
	return evidence.Fact{Kind: evidence.Spec, Source: evidence.FromSpec, About: p.About(), Where: where, Text: fmt.Sprint(value)}
}

// troubled returns the pods that are so, and whose end or state accounts for their controller's.
func troubled(p *diagnosis.Pass, pods []*corev1.Pod) []evidence.Ref {
	var refs []evidence.Ref
	for _, pod := range pods {
		if evidence.Troubled(pod, p.Now()) {
			refs = append(refs, evidence.RefOf(pod))
		}
	}
	return refs
}

// own returns the pods that the pass's controller makes itself.
func own(p *diagnosis.Pass) []*corev1.Pod {
	return slices.DeleteFunc(p.Siblings(), func(pod *corev1.Pod) bool { return controller(pod) != p.About().Name })
}

// controller returns the name of the controller that made a pod of a workload.
func controller(pod *corev1.Pod) string { return metav1.GetControllerOf(pod).Name }

// since is when a state is said to have begun: now, where pods are known to bring it about, so that their trouble comes
// first; else when its condition turned.
func since(p *diagnosis.Pass, turned time.Time, through []evidence.Ref) time.Time {
	if len(through) > 0 {
		return p.Now()
	}
	return turned
}

// writer returns who last wrote a field of the spec of an object, as far as the API server kept it, with the fact that
// says so.
func writer(o evidence.Object, field string) (by string, fact evidence.Fact) {
	for _, e := range o.GetManagedFields() {
		var fields map[string]map[string]any
		if e.Time == nil || json.Unmarshal(e.FieldsV1.GetRawBytes(), &fields) != nil {
			continue
		}
		if _, ok := fields["f:spec"][field]; ok && e.Time.After(fact.At) {
			by, fact = e.Manager, wrote(o, e)
			if by == "kube-controller-manager" { // what it writes to what it owns is not kept, so this is a scale
				by = "a HorizontalPodAutoscaler"
			}
		}
	}
	return by, fact
}

// wrote cites that an object was written, at the time of one of its managed fields: by its generation, for a manager may
// have several.
func wrote(o evidence.Object, e metav1.ManagedFieldsEntry) evidence.Fact {
	return evidence.Fact{
		Kind: evidence.Status, Source: evidence.FromStatus, About: evidence.RefOf(o), At: e.Time.UTC(),
		Where: "metadata.generation", Text: fmt.Sprintf("generation %d", o.GetGeneration()),
	}
}

// newest returns the pods that the ReplicaSet of the newest revision has, of those that a Deployment has.
func newest(p *diagnosis.Pass, pods []*corev1.Pod) []*corev1.Pod {
	const revision = "deployment.kubernetes.io/revision"
	now := p.Object(p.About()).GetAnnotations()[revision]
	return slices.DeleteFunc(pods, func(pod *corev1.Pod) bool {
		rs := p.Object(evidence.RefTo("ReplicaSet", pod.Namespace, controller(pod)))
		return rs == nil || rs.GetAnnotations()[revision] != now
	})
}

// kubectl writes a command about the pass's thing.
func kubectl(p *diagnosis.Pass, verb string) string {
	return fmt.Sprintf("kubectl %s -n %s %s", verb, p.About().Namespace, p.About())
}

// patch merges fields into the pass's workload.
func patch(p *diagnosis.Pass, fields string) *diagnosis.Patch {
	return &diagnosis.Patch{Target: p.About(), Type: diagnosis.Strategic, Data: fields}
}

// pods counts pods in words.
func pods(n int32) string {
	if n == 1 {
		return "1 pod"
	}
	return fmt.Sprintf("%d pods", n)
}

// conditionText writes a condition as facts do.
func conditionText(status, reason, message string) string {
	text := "status " + status
	if reason != "" {
		text += ", reason " + reason
	}
	if message != "" {
		text += ", message " + message
	}
	return text
}
