// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"errors"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// machines are faults of a node's services and of the control plane.
func machines() []Fault {
	return []Fault{{
		Name: "kubelet-stopped", About: "the kubelet of the node is stopped, and its containers go on",
		Ready: ready(), Act: lab("unit", "stop", n2, "kubelet"), So: node(corev1.ConditionUnknown),
		Undo: wellAfter("unit", "start", n2, "kubelet"),
		Ask:  "pod/kubelet-stopped", Want: []string{"NOD001"}, NeedsNodes: true, Alone: true,
	}, {
		Name: "kubelet-restarts", About: "the kubelet of the node is restarted again and again",
		Ready: ready(), Act: restartKubelets(6), So: node(corev1.ConditionTrue),
		Undo: wellAfter("unit", "start", n2, "kubelet"),
		Ask:  "pod/kubelet-restarts", Want: []string{"NOD006"}, Least: "likely", NeedsNodes: true, Alone: true,
	}, {
		Name: "scheduler-stopped", About: "the scheduler does not run, so the pod is assigned to no node",
		Prepare: lab("unit", "stop", "cp", "kube-scheduler"), So: unassignedFor(36 * time.Second),
		Undo: lab("unit", "start", "cp", "kube-scheduler"),
		Ask:  "pod/scheduler-stopped", Want: []string{"CTL007"}, NeedsNodes: true, Alone: true,
	}}
}

// restartKubelets restarts the node's kubelet so many times, each time when it has said that it started.
func restartKubelets(n int) Action {
	return func(ctx context.Context, c Cluster) error {
		for range n {
			since := metav1.Now().Rfc3339Copy()
			err := inTurn(lab("unit", "stop", n2, "kubelet"), lab("unit", "start", n2, "kubelet"), await(kubeletStarted(since)))(ctx, c)
			if err != nil {
				return err
			}
		}
		return nil
	}
}

// kubeletStarted holds when the node's kubelet has told of a start since then.
func kubeletStarted(since metav1.Time) Check {
	return func(ctx context.Context, c Cluster) (bool, error) {
		list, err := c.CoreV1().Events(metav1.NamespaceDefault).List(ctx, metav1.ListOptions{FieldSelector: "reason=Starting,involvedObject.name=" + n2})
		if err != nil {
			return false, err
		}
		return slices.ContainsFunc(list.Items, func(e corev1.Event) bool {
			return e.Message == "Starting kubelet." && !e.LastTimestamp.Before(&since)
		}), nil
	}
}

// unassignedFor holds when the only pod has been there that long and is on no node.
func unassignedFor(d time.Duration) Check {
	return pod(func(p *corev1.Pod) bool { return p.Spec.NodeName == "" && time.Since(p.CreationTimestamp.Time) > d })
}

// wellAfter undoes with the lab's program, and waits until the node is ready.
func wellAfter(args ...string) Action {
	return func(ctx context.Context, c Cluster) error {
		err := lab(args...)(ctx, c)
		return errors.Join(err, until(ctx, c, node(corev1.ConditionTrue), defaultLimit))
	}
}
