// SPDX-License-Identifier: Apache-2.0

package storage

import (
	"cmp"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// mountEvidence is what the rules about a pod's volumes need.
const mountEvidence = evidence.Spec | evidence.Status | evidence.Events

// causes are what can keep a pod from its volumes.
var causes = []diagnosis.Effect{
	diagnosis.NodeLost, diagnosis.NetworkFailed, diagnosis.NodeSaturated, diagnosis.RuntimeFailed, diagnosis.ConfigChanged, diagnosis.RolledOut,
}

// reasons are those of Events about volumes that cannot be had.
var reasons = []string{"FailedMount", "FailedAttachVolume", "FailedMapVolume", "FailedMountOnFilesystemMismatch"}

// beyond are the Events of what a kubelet does only when it has mounted everything. One before 1.29 has no condition that
// says so, and its containers wait as ContainerCreating while their images are pulled.
var beyond = []string{"FailedCreatePodSandBox", "AddedInterface", "Pulling", "Pulled", "Created", "Started"}

// A failure is the newest Event about one volume of a pod.
type failure struct {
	evidence.Event
	sort   sort
	volume string // as the message has it: the name in the pod, or that of the PersistentVolume
}

var (
	quoted = regex.New(`for volume "?([^" ]+)"?`)
	moded  = regex.New(`volume (\S+) has volumeMode`)
)

// failures returns what keeps the pod from its volumes now: the newest Event of each volume and sort, unless the volume
// has been attached since, or the pod has got past mounting.
func failures(p *diagnosis.Pass, wanted ...sort) []failure {
	if !mounting(p) {
		return nil
	}
	var list []failure
	seen, well := map[string]bool{}, map[string]bool{}
	for _, e := range slices.Backward(p.Events(slices.Concat(reasons, beyond, []string{"SuccessfulAttachVolume"})...)) {
		if slices.Contains(beyond, e.Reason) {
			break
		}
		f := failure{Event: e, sort: sortOf(e.Message)}
		for _, words := range []*regex.Expr{quoted, moded} {
			if m := words.FindStringSubmatch(e.Message); m != nil {
				f.volume = m[1]
			}
		}
		key := fmt.Sprint(f.volume, f.sort)
		switch {
		case e.Reason == "SuccessfulAttachVolume":
			well[f.volume] = true
		case seen[key] || well[f.volume] || !slices.Contains(wanted, f.sort):
		default:
			seen[key] = true
			list = append(list, f)
		}
	}
	return list
}

// mounting tells whether a pod that has a node still waits for its volumes: its sandbox is not made (KEP-3085, since
// 1.28), none of its containers is made, and it is not being deleted.
func mounting(p *diagnosis.Pass) bool {
	st := p.PodStatus()
	if p.PodMeta().DeletionTimestamp != nil || st.Phase != corev1.PodPending && st.Phase != corev1.PodRunning {
		return false
	}
	for _, c := range st.Conditions {
		if c.Type == corev1.PodReadyToStartContainers && c.Status == corev1.ConditionTrue {
			return false
		}
	}
	return !slices.ContainsFunc(slices.Concat(st.InitContainerStatuses, st.ContainerStatuses), func(c corev1.ContainerStatus) bool {
		w := cmp.Or(c.State.Waiting, &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}) // as without any state
		return c.State.Running != nil || c.State.Terminated != nil || w.Reason != "ContainerCreating" && w.Reason != "PodInitializing"
	})
}

// name says in words which volume of the pod it is: a message has the name of the PersistentVolume where there is one.
func (f *failure) name(p *diagnosis.Pass) string {
	if c := f.claim(p); c != nil {
		return fmt.Sprintf("volume %s of claim %s", f.volume, c.Name)
	}
	return "volume " + f.volume
}

// claim returns the pod's claim that is bound to the volume, or nil.
func (f *failure) claim(p *diagnosis.Pass) *corev1.PersistentVolumeClaim {
	pod := p.Object(p.About()).(*corev1.Pod)
	for _, ref := range evidence.ClaimsOf(pod) {
		if c, ok := p.Object(ref).(*corev1.PersistentVolumeClaim); ok && c.Spec.VolumeName == f.volume {
			return c
		}
	}
	return nil
}

// report reports the failure as likely: an Event says so, and the status that the pod still waits.
func (f *failure) report(p *diagnosis.Pass, message string, fixes ...diagnosis.Fix) {
	p.Report(diagnosis.Finding{At: f.First, Confidence: diagnosis.Likely, Message: message, Facts: []evidence.Fact{f.Fact(), waits(p)}, Fixes: fixes})
}

// waits cites that the pod is not ready, or, where it has no such condition, in which phase it is.
func waits(p *diagnosis.Pass) evidence.Fact {
	if fact, ok := p.CitePodCondition(corev1.PodReady); ok {
		return fact
	}
	return evidence.Fact{
		Kind: evidence.Status, Source: evidence.FromStatus, About: p.About(), Where: "status.phase", Text: "phase " + string(p.PodStatus().Phase),
	}
}

// describe is the command that shows what was said about the pod.
func describe(p *diagnosis.Pass) string {
	return fmt.Sprintf("kubectl describe pod -n %s %s", p.About().Namespace, p.About().Name)
}
