// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"errors"

	corev1 "k8s.io/api/core/v1"
)

// machines are faults of a node's services and of the control plane.
func machines() []Fault {
	return []Fault{{
		Name: "kubelet-stopped", About: "the kubelet of the node is stopped, and its containers go on",
		Ready: ready(), Act: lab("unit", "stop", n2, "kubelet"), So: node(corev1.ConditionUnknown),
		Undo: wellAfter("unit", "start", n2, "kubelet"),
		Ask:  "pod/kubelet-stopped", Want: []string{"NOD001"}, NeedsNodes: true, Alone: true,
	}}
}

// wellAfter undoes with the lab's program, and waits until the node is ready.
func wellAfter(args ...string) Action {
	return func(ctx context.Context, c Cluster) error {
		err := lab(args...)(ctx, c)
		return errors.Join(err, until(ctx, c, node(corev1.ConditionTrue), defaultLimit))
	}
}
