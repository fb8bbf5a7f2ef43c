// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// restore fills in what kubectl leaves out of a status and an Event repeats: the message of a container that cannot be
// created, and that of a pod that cannot be scheduled. The kubelet and the scheduler write one text to both places
// (kubernetes pkg/kubelet/kuberuntime/kuberuntime_container.go, startContainer; pkg/kubelet/images/image_manager.go,
// EnsureImageExists; pkg/scheduler/schedule_one.go, handleSchedulingFailure).
func (g *gathering) restore(pods []*corev1.Pod) {
	about := map[evidence.Ref][]evidence.Event{}
	for _, e := range g.events {
		ev := evidence.EventOf(e)
		about[ev.About.Object()] = append(about[ev.About.Object()], ev)
	}
	for _, pod := range pods {
		ref := evidence.RefOf(pod)
		if g.held[ref].rank == whole {
			continue
		}
		events := slices.Clone(about[ref])
		slices.SortStableFunc(events, func(a, b evidence.Event) int { return b.Last.Compare(a.Last) }) // the newest first
		for _, list := range [][]corev1.ContainerStatus{pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses} {
			for i := range list {
				restoreWaiting(pod, &list[i], events)
			}
		}
		restoreScheduling(pod, events)
	}
}

// createReasons are the reasons of a waiting container whose message an Event of reason Failed has, after "Error: ".
var createReasons = []string{"CreateContainerConfigError", "CreateContainerError", "RunContainerError", "InvalidImageName", "ErrImageNeverPull"}

func restoreWaiting(pod *corev1.Pod, st *corev1.ContainerStatus, events []evidence.Event) {
	w := st.State.Waiting
	if w == nil || w.Message != "" || !slices.Contains(createReasons, w.Reason) && w.Reason != "ErrImagePull" {
		return
	}
	for _, e := range events {
		message, ok := strings.CutPrefix(e.Message, "Error: ")
		if w.Reason == "ErrImagePull" {
			message, ok = strings.CutPrefix(e.Message, fmt.Sprintf("Failed to pull image %q: ", st.Image))
		}
		mine := e.About.Container == st.Name || e.About.Container == "" && len(pod.Spec.Containers)+len(pod.Spec.InitContainers) == 1
		if ok && mine && e.Reason == "Failed" && message != w.Reason {
			w.Message = message
			return
		}
	}
}

func restoreScheduling(pod *corev1.Pod, events []evidence.Event) {
	if pod.Spec.NodeName != "" || pod.DeletionTimestamp != nil {
		return
	}
	i := slices.IndexFunc(events, func(e evidence.Event) bool { return e.Reason == "FailedScheduling" })
	if i < 0 {
		return
	}
	j := slices.IndexFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool { return c.Type == corev1.PodScheduled })
	if j < 0 {
		pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{Type: corev1.PodScheduled, Status: corev1.ConditionFalse})
		j = len(pod.Status.Conditions) - 1
	}
	if c := &pod.Status.Conditions[j]; c.Status == corev1.ConditionFalse && c.Message == "" {
		c.Reason, c.Message = corev1.PodReasonUnschedulable, events[i].Message
	}
}

// wordsOfContainer finds the container that an Event of the kubelet is about in its words, where the text has no field for it.
var wordsOfContainer = regex.New(`(?:failed container |container "|Container )([a-z0-9](?:[-a-z0-9]*[a-z0-9])?)\b`)

// containerOf returns the container of the pod that the message of an Event names.
func containerOf(pod *corev1.Pod, message string) string {
	for _, m := range wordsOfContainer.FindAllStringSubmatch(message, 4) {
		if evidence.ContainerSpec(pod, m[1]) != nil {
			return m[1]
		}
	}
	if len(pod.Spec.Containers) == 1 && len(pod.Spec.InitContainers) == 0 {
		return pod.Spec.Containers[0].Name
	}
	return ""
}

// aboutContainers gives Events of the kubelet the container that they are about: kubectl describe before 1.36 and
// kubectl get events do not print it. That of a pod with one container can be no other.
func (g *gathering) aboutContainers() {
	for _, e := range g.events {
		if e.InvolvedObject.Kind != "Pod" || e.Source.Component != "kubelet" || e.ResourceVersion != "" {
			continue
		}
		h := g.held[evidence.RefTo("Pod", e.InvolvedObject.Namespace, e.InvolvedObject.Name)]
		if h == nil || !slices.Contains(containerReasons, e.Reason) {
			continue
		}
		if pod, ok := h.object.(*corev1.Pod); ok {
			if e.Source.Host == "" { // no other kubelet reports about it
				e.Source.Host = pod.Spec.NodeName
			}
			if name := containerOf(pod, e.Message); e.InvolvedObject.FieldPath == "" && name != "" && name != unnamed {
				e.InvolvedObject.FieldPath = "spec.containers{" + name + "}"
			}
		}
	}
}

// containerReasons are the reasons of the kubelet's Events that are always about a container (kubernetes
// pkg/kubelet/events).
var containerReasons = []string{"Pulling", "Pulled", "Created", "Started", "Failed", "BackOff", "Killing", "Unhealthy", "InspectFailed", "ErrImageNeverPull", "ExceededGracePeriod", "FailedPostStartHook", "FailedPreStopHook"}
