// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"errors"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// machines are faults of a node's services and of the control plane.
func machines() []Fault {
	return []Fault{{
		Name: "kubelet-stopped", About: "the kubelet of the node is stopped, and its containers go on",
		Ready: ready(), Act: lab("unit", "stop", n2, "kubelet"), So: node(corev1.ConditionUnknown),
		Undo: wellAfter("unit", "start", n2, "kubelet"),
		Ask:  "pod/kubelet-stopped", Want: []string{"NOD001"}, NeedsNodes: true, Alone: true,
	}, {
		Name: "runtime-frozen", About: "the container runtime of the node does not answer",
		Ready: ready(), Act: lab("node", "freeze-runtime", n2), So: node(corev1.ConditionFalse),
		Undo: wellAfter("node", "thaw-runtime", n2),
		Ask:  "pod/runtime-frozen", Want: []string{"NOD004"}, NeedsNodes: true, Alone: true,
	}, {
		Name: "kubelet-restarts", About: "the kubelet of the node is restarted again and again",
		Ready: ready(), Act: inTurn(restartKubelet, restartKubelet, restartKubelet, restartKubelet, restartKubelet), So: node(corev1.ConditionTrue),
		Undo: wellAfter("unit", "start", n2, "kubelet"),
		Ask:  "pod/kubelet-restarts", Want: []string{"NOD006"}, Least: "likely", NeedsNodes: true, Alone: true,
	}, {
		Name: "scheduler-stopped", About: "the scheduler does not run, so the pod is assigned to no node",
		Prepare: lab("unit", "stop", "cp", "kube-scheduler"), So: unassignedFor(36 * time.Second),
		Undo: lab("unit", "start", "cp", "kube-scheduler"),
		Ask:  "pod/scheduler-stopped", Want: []string{"CTL007"}, NeedsNodes: true, Alone: true,
	}}
}

var restartKubelet = inTurn(lab("unit", "stop", n2, "kubelet"), lab("unit", "start", n2, "kubelet"))

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
