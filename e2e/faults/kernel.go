// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"errors"

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
	}}
}

// restartKubelets restarts the node's kubelet so many times, each time when it has said that it started.
func restartKubelets(n int) Action {
	return func(ctx context.Context, c Cluster) error {
		for range n {
			before, err := c.kubeletStarts(ctx)
			if err != nil {
				return err
			}
			again := func(ctx context.Context, c Cluster) (bool, error) {
				now, err := c.kubeletStarts(ctx)
				return now > before, err
			}
			if err := inTurn(lab("unit", "stop", n2, "kubelet"), lab("unit", "start", n2, "kubelet"), await(again))(ctx, c); err != nil {
				return err
			}
		}
		return nil
	}
}

// kubeletStarts counts the Events in which the node's kubelets tell of their start.
func (c Cluster) kubeletStarts(ctx context.Context) (int, error) {
	list, err := c.CoreV1().Events(metav1.NamespaceDefault).List(ctx, metav1.ListOptions{FieldSelector: "reason=Starting,involvedObject.name=" + n2})
	if err != nil {
		return 0, err
	}
	n := 0
	for i := range list.Items {
		if list.Items[i].Message == "Starting kubelet." {
			n += int(list.Items[i].Count)
		}
	}
	return n, nil
}

// wellAfter undoes with the lab's program, and waits until the node is ready.
func wellAfter(args ...string) Action {
	return func(ctx context.Context, c Cluster) error {
		err := lab(args...)(ctx, c)
		return errors.Join(err, until(ctx, c, node(corev1.ConditionTrue), defaultLimit))
	}
}
