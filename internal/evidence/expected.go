// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// settledAfter is how long a container must have run since its only restart before that restart is history: the time
// after which the kubelet itself forgets its crash back-off (twice the greatest back-off of 5 min, kubernetes
// pkg/kubelet/kubelet.go).
const settledAfter = 10 * time.Minute

// expected says why the end of attempt a needs no explaining, or "". A main container that ended with exit code 0 under
// OnFailure and was started again had been ended by an order: a kubelet does not restart what completed.
func expected(pod *corev1.Pod, a Attempt, taken time.Time) string {
	st := ContainerStatus(pod, a.Of.Container)
	switch {
	case !a.Ended() || st == nil:
		return ""
	case strings.HasPrefix(a.Where, "status.ephemeral"):
		return "a debugging session"
	case a.ExitCode == 0 && a.Reason == "Completed" && !a.Sidecar &&
		(a.Init || a.Of.Attempt == int(st.RestartCount) && st.State.Terminated != nil && mayComplete(pod, a.Of.Container)):
		return "completed"
	case a.Sidecar && endedAfterMain(pod, a):
		return "stopped because the pod's main containers had completed"
	case st.RestartCount == 1 && a.Of.Attempt == 0 && st.Ready && st.State.Running != nil &&
		taken.Sub(st.State.Running.StartedAt.Time) > settledAfter:
		return "one restart, and running well ever since"
	}
	return ""
}

// mayComplete tells whether exit 0 is a proper end for a main container: not under restartPolicy Always.
func mayComplete(pod *corev1.Pod, container string) bool {
	if c := ContainerSpec(pod, container); c != nil && c.RestartPolicy != nil {
		return *c.RestartPolicy != corev1.ContainerRestartPolicyAlways
	}
	return pod.Spec.RestartPolicy == corev1.RestartPolicyNever || pod.Spec.RestartPolicy == corev1.RestartPolicyOnFailure
}

// endedAfterMain tells whether every main container had ended when sidecar attempt a did: the kubelet stops native
// sidecars then, and what they exit with does not count (KEP-753).
func endedAfterMain(pod *corev1.Pod, a Attempt) bool {
	for i := range pod.Status.ContainerStatuses {
		t := pod.Status.ContainerStatuses[i].State.Terminated
		if t == nil || t.FinishedAt.After(a.Finished) {
			return false
		}
	}
	return len(pod.Status.ContainerStatuses) > 0
}

// ContainerSpec returns the container of that name from any of a pod's lists, or nil. Ephemeral containers are not
// returned: they have no probes, resources or restarts.
func ContainerSpec(pod *corev1.Pod, name string) *corev1.Container {
	for _, list := range [][]corev1.Container{pod.Spec.Containers, pod.Spec.InitContainers} {
		if i := slices.IndexFunc(list, func(c corev1.Container) bool { return c.Name == name }); i >= 0 {
			return &list[i]
		}
	}
	return nil
}

// StatusPath returns the field path of the status of the container of that name, in whichever of a pod's lists it is.
func StatusPath(pod *corev1.Pod, name string) string {
	list := "containerStatuses"
	if slices.ContainsFunc(pod.Spec.InitContainers, func(c corev1.Container) bool { return c.Name == name }) {
		list = "initContainerStatuses"
	}
	return "status." + list + "[" + name + "]"
}

// ContainerStatus returns the status of the container of that name from any of a pod's lists, or nil.
func ContainerStatus(pod *corev1.Pod, name string) *corev1.ContainerStatus {
	all := slices.Concat(pod.Status.ContainerStatuses, pod.Status.InitContainerStatuses, pod.Status.EphemeralContainerStatuses)
	if i := slices.IndexFunc(all, func(st corev1.ContainerStatus) bool { return st.Name == name }); i >= 0 {
		return &all[i]
	}
	return nil
}

// pendingTooLong is how long a pod may take to start before that is trouble. The service level objective for pod
// start-up is 5 s without image pulls (kubernetes/community sig-scalability slos); a minute leaves room for a pull.
const pendingTooLong = time.Minute

// Troubled tells whether a pod is worth diagnosing when nobody asked for it by name: it waits abnormally, has ended
// badly, restarted, is pending too long, is not ready though it had time to start, or is stuck terminating. A pod that
// ends in order is not.
func Troubled(pod *corev1.Pod, taken time.Time) bool {
	if pod.DeletionTimestamp != nil {
		return taken.After(pod.DeletionTimestamp.Add(settleGrace))
	}
	switch pod.Status.Phase {
	case corev1.PodSucceeded:
		return false
	case corev1.PodFailed:
		return true
	case corev1.PodPending:
		if taken.Sub(pod.CreationTimestamp.Time) > pendingTooLong || condition(pod, corev1.PodScheduled) == corev1.ConditionFalse {
			return true
		}
	}
	runs := attemptsOf(pod)
	for _, a := range runs {
		if a.Ended() && expected(pod, a, taken) == "" {
			return true
		}
	}
	return badlyOff(pod, runs, taken) || pod.Status.Phase == corev1.PodRunning && condition(pod, corev1.PodReady) == corev1.ConditionFalse &&
		taken.Sub(pod.CreationTimestamp.Time) > pendingTooLong
}

// settleGrace is how far past its grace period a deletion may be before it counts as stuck: the kubelet needs a few
// seconds to unmount and report.
const settleGrace = 30 * time.Second

func condition(pod *corev1.Pod, kind corev1.PodConditionType) corev1.ConditionStatus {
	for _, c := range pod.Status.Conditions {
		if c.Type == kind {
			return c.Status
		}
	}
	return corev1.ConditionUnknown
}

// badlyOff tells whether a container waits for any reason but a normal start, or began anew and nothing tells why.
func badlyOff(pod *corev1.Pod, runs []Attempt, taken time.Time) bool {
	for _, st := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		w := st.State.Waiting
		if w != nil && w.Reason != "ContainerCreating" && w.Reason != "PodInitializing" && w.Reason != "" || Untold(&st, runs, taken) {
			return true
		}
	}
	return false
}

// Untold tells whether the restart count of a container that runs tells of a run before, and none of the runs that are known is that
// one with its end. As long as a runtime says of what has ended that it runs, the kubelet writes that into lastState (kubernetes
// pkg/kubelet/kubelet_pods.go, convertToAPIContainerStatuses). What Events would no longer tell of is history, and one restart that
// the container runs well after is so sooner.
func Untold(st *corev1.ContainerStatus, runs []Attempt, taken time.Time) bool {
	now, before := st.State.Running, int(st.RestartCount)-1
	if now == nil || before < 0 || now.StartedAt.IsZero() {
		return false
	}
	age := taken.Sub(now.StartedAt.Time)
	return age < EventTTL && (age <= settledAfter || before > 0 || !st.Ready) && !slices.ContainsFunc(runs, func(a Attempt) bool {
		return a.Of.Container == st.Name && a.Of.Attempt == before && a.Ended()
	})
}
