// SPDX-License-Identifier: Apache-2.0

package storage

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// betaClass is the annotation that named the class of a claim before the field storageClassName, and still counts.
const betaClass = "volume.beta.kubernetes.io/storage-class"

// selectedNode is the annotation by which the scheduler tells a provisioner of a class that waits for the first
// consumer where to make the volume (kubernetes component-helpers storage/volume).
const selectedNode = "volume.kubernetes.io/selected-node"

// A pending is a claim that has no volume yet.
type pending struct {
	*corev1.PersistentVolumeClaim
	class  string // the StorageClass that it names; empty: none
	open   bool   // names none at all, so that a default class would have been filled in
	began  time.Time
	events []evidence.Event
	fact   evidence.Fact // its phase
}

// waiting returns the pass's claim if it has no volume and that is not in order: a claim whose class binds when a pod
// has been scheduled waits for that.
func waiting(p *diagnosis.Pass) (pending, bool) {
	c := p.Object(p.About()).(*corev1.PersistentVolumeClaim)
	if c.DeletionTimestamp != nil || c.Status.Phase != corev1.ClaimPending {
		return pending{}, false
	}
	w := pending{PersistentVolumeClaim: c, class: c.Annotations[betaClass], began: began(p, c)}
	if name := c.Spec.StorageClassName; name != nil {
		w.class = *name
	}
	w.open = c.Spec.StorageClassName == nil && c.Annotations[betaClass] == ""
	w.events = p.Events()
	w.fact = evidence.Fact{
		Kind: evidence.Status, Source: evidence.FromStatus, About: p.About(), At: w.began, Where: "status.phase", Text: "phase Pending",
	}
	return w, !w.inOrder(p)
}

// inOrder tells whether the claim waits for its first consumer, as its class has it or its newest Event says. The
// scheduler has chosen a node where selectedNode is set, and what is late after that is the volume.
func (w *pending) inOrder(p *diagnosis.Pass) bool {
	if w.Annotations[selectedNode] != "" || noneFree(p, w.PersistentVolumeClaim) {
		return false
	}
	if class, ok := diagnosis.Get[*storagev1.StorageClass](p, "", w.class); ok && class.VolumeBindingMode != nil {
		return *class.VolumeBindingMode == storagev1.VolumeBindingWaitForFirstConsumer
	}
	if n := len(w.events); n > 0 {
		return slices.Contains([]string{"WaitForFirstConsumer", "WaitForPodScheduled"}, w.events[n-1].Reason)
	}
	return false
}

// noneFree tells whether the scheduler found no volume for the claim among those that there are (kubernetes pkg/
// scheduler/framework/plugins/volumebinding, ErrReasonBindConflict).
func noneFree(p *diagnosis.Pass, c *corev1.PersistentVolumeClaim) bool {
	return slices.ContainsFunc(users(p, c), func(pod *corev1.Pod) bool {
		return strings.Contains(unscheduled(pod).Message, "didn't find available persistent volumes to bind")
	})
}

// unscheduled returns the pod's condition PodScheduled, whose message says what keeps it from a node; the zero one where it
// has none.
func unscheduled(pod *corev1.Pod) corev1.PodCondition {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodScheduled {
			return c
		}
	}
	return corev1.PodCondition{}
}

// users returns the pods that use a claim and have not ended.
func users(p *diagnosis.Pass, c *corev1.PersistentVolumeClaim) []*corev1.Pod {
	return slices.DeleteFunc(diagnosis.List[*corev1.Pod](p, evidence.RefOf(c)), func(pod *corev1.Pod) bool {
		return pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed
	})
}

// began is since when a claim holds something up: since it or the first pod that uses it was made.
func began(p *diagnosis.Pass, c *corev1.PersistentVolumeClaim) time.Time {
	at := c.CreationTimestamp.Time
	for _, pod := range users(p, c) {
		if t := pod.CreationTimestamp.Time; !t.IsZero() && t.Before(at) {
			at = t
		}
	}
	return at
}

// newest returns the newest of the claim's Events with one of the reasons and a part of the message.
func (w *pending) newest(part string, reasons ...string) (evidence.Event, bool) {
	for _, e := range slices.Backward(w.events) {
		if slices.Contains(reasons, e.Reason) && strings.Contains(e.Message, part) {
			return e, true
		}
	}
	return evidence.Event{}, false
}

// citeClass makes a fact of the field, or the annotation, by which the claim names its class.
func (w *pending) citeClass() evidence.Fact {
	f := evidence.Fact{
		Kind: evidence.Spec, Source: evidence.FromSpec, About: evidence.RefOf(w.PersistentVolumeClaim), Where: "spec.storageClassName", Text: "storageClassName " + w.class,
	}
	if w.Spec.StorageClassName == nil {
		f.Where, f.Text = "metadata.annotations["+betaClass+"]", betaClass+" "+w.class
	}
	return f
}

// again is how to give a claim another spec: most of it cannot be changed.
func again(p *diagnosis.Pass, title, command string) diagnosis.Fix {
	return diagnosis.Fix{Title: title + "; a claim's spec cannot be changed, so delete the claim and make it anew", Command: fmt.Sprintf(command, p.About().Namespace)}
}
