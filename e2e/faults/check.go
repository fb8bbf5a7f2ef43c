// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
)

// all holds when every check does.
func all(checks ...Check) Check {
	return func(ctx context.Context, c Cluster) (bool, error) {
		for _, check := range checks {
			if ok, err := check(ctx, c); !ok || err != nil {
				return false, err
			}
		}
		return true, nil
	}
}

// pods holds when the namespace has n pods that are so, and no others. Those being deleted do not count.
func pods(n int, so func(*corev1.Pod) bool) Check {
	return func(ctx context.Context, c Cluster) (bool, error) {
		list, err := c.CoreV1().Pods(c.Namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return false, err
		}
		items := slices.DeleteFunc(list.Items, func(p corev1.Pod) bool { return p.DeletionTimestamp != nil })
		bad := slices.ContainsFunc(items, func(p corev1.Pod) bool { return !so(&p) })
		return len(items) == n && !bad, nil
	}
}

// pod holds when the namespace's only pod is so, being deleted or not.
func pod(so func(*corev1.Pod) bool) Check {
	return func(ctx context.Context, c Cluster) (bool, error) {
		list, err := c.CoreV1().Pods(c.Namespace).List(ctx, metav1.ListOptions{})
		return err == nil && len(list.Items) == 1 && so(&list.Items[0]), err
	}
}

// statuses returns the statuses of init and main containers.
func statuses(pod *corev1.Pod) []corev1.ContainerStatus {
	return slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses)
}

// anyStatus holds when a container of the only pod is so.
func anyStatus(so func(corev1.ContainerStatus) bool) Check {
	return pod(func(p *corev1.Pod) bool { return slices.ContainsFunc(statuses(p), so) })
}

// died holds when a run of a container ended with that code and reason, and status shows it.
func died(code int32, reason string) Check {
	return anyStatus(func(st corev1.ContainerStatus) bool {
		return slices.ContainsFunc([]*corev1.ContainerStateTerminated{st.State.Terminated, st.LastTerminationState.Terminated},
			func(t *corev1.ContainerStateTerminated) bool {
				return t != nil && t.ExitCode == code && t.Reason == reason
			})
	})
}

// looping holds when a run ended with that code and reason and the kubelet has noticed: the container has restarted or
// waits to.
func looping(code int32, reason string) Check {
	return all(died(code, reason), anyStatus(func(st corev1.ContainerStatus) bool {
		return st.RestartCount > 0 || st.State.Waiting != nil && st.State.Waiting.Reason == "CrashLoopBackOff"
	}))
}

// restarted holds when a container has restarted at least n times.
func restarted(n int32) Check {
	return anyStatus(func(st corev1.ContainerStatus) bool { return st.RestartCount >= n })
}

// runsFor tells whether a container has run for longer than that.
func runsFor(d time.Duration) func(corev1.ContainerStatus) bool {
	return func(st corev1.ContainerStatus) bool {
		return st.State.Running != nil && time.Since(st.State.Running.StartedAt.Time) > d
	}
}

// waiting holds when a container of the only pod waits for one of the reasons.
func waiting(reasons ...string) Check {
	return pod(func(p *corev1.Pod) bool { return waitsFor(p, reasons...) })
}

func waitsFor(p *corev1.Pod, reasons ...string) bool {
	return slices.ContainsFunc(statuses(p), func(st corev1.ContainerStatus) bool {
		return st.State.Waiting != nil && slices.Contains(reasons, st.State.Waiting.Reason)
	})
}

// ready holds when the only pod is.
func ready() Check { return pod(isReady) }

func isReady(p *corev1.Pod) bool {
	return slices.ContainsFunc(p.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// failed holds when the only pod has ended for that reason.
func failed(reason string) Check {
	return pod(func(p *corev1.Pod) bool { return p.Status.Phase == corev1.PodFailed && p.Status.Reason == reason })
}

// deletedFor holds when the deletion of the only pod was ordered that long ago.
func deletedFor(d time.Duration) Check {
	return pod(func(p *corev1.Pod) bool {
		if p.DeletionTimestamp == nil {
			return false
		}
		grace := time.Duration(*p.DeletionGracePeriodSeconds) * time.Second
		return time.Since(p.DeletionTimestamp.Add(-grace)) > d
	})
}

// event holds when the namespace has an Event of that reason whose message holds the part.
func event(reason, part string) Check {
	return func(ctx context.Context, c Cluster) (bool, error) {
		list, err := c.CoreV1().Events(c.Namespace).List(ctx, metav1.ListOptions{
			FieldSelector: fields.OneTermEqualSelector("reason", reason).String(),
		})
		if err != nil {
			return false, err
		}
		return slices.ContainsFunc(list.Items, func(e corev1.Event) bool { return strings.Contains(e.Message, part) }), nil
	}
}

// node holds when the Ready condition of the node that faults run on has that status.
func node(status corev1.ConditionStatus) Check {
	return func(ctx context.Context, c Cluster) (bool, error) {
		n, err := c.CoreV1().Nodes().Get(ctx, n2, metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		return slices.ContainsFunc(n.Status.Conditions, func(c corev1.NodeCondition) bool {
			return c.Type == corev1.NodeReady && c.Status == status
		}), nil
	}
}
