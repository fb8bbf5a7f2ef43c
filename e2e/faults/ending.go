// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"errors"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// eviction are pods that the kubelet ends because of what they take.
func eviction() []Fault {
	return []Fault{{
		Name: "emptydir-limit", About: "the pod writes more than the sizeLimit of its emptyDir",
		So: failed("Evicted"), Ask: "pod/emptydir-limit", Want: []string{"EVC002"},
	}, {
		Name: "ephemeral-limit", About: "the container writes more than its ephemeral-storage limit",
		So: failed("Evicted"), Ask: "pod/ephemeral-limit", Want: []string{"EVC002"},
	}, {
		Name: "node-memory", About: "a pod takes the memory of its node, which has 2 GiB and evicts below 1 GiB",
		Prepare: reboot("--memory", "2G", "--kubelet", `{"evictionHard":{"memory.available":"1Gi"}}`),
		So:      failed("Evicted"),
		Undo:    reboot("--memory", "0M", "--kubelet", "{}"),
		Ask:     "pod/node-memory", Want: []string{"EVC001", "NOD009"}, NeedsNodes: true, Alone: true,
	}}
}

// deletion are pods that somebody deletes. A finalizer keeps the object, so that its end can be read.
func deletion() []Fault {
	deleted := func(name, about string, so Check, want, least string) Fault {
		return Fault{
			Name: name, About: about, Ready: ready(), Act: deletePod, So: so,
			Ask: "pod/" + name, Want: []string{want}, Least: least,
		}
	}
	// pastGrace is beyond the grace period of 1 s and the half minute that a deletion may take anyway.
	const pastGrace = 35 * time.Second
	return []Fault{
		deleted("deletion-grace", "the process ignores the SIGTERM of a deletion: 137", died(137, "Error"), "DEL001", ""),
		deleted("deletion-term", "the process leaves at the SIGTERM of a deletion: 143", died(143, "Error"), "DEL001", ""),
		deleted("prestop-hang", "a preStop hook does not end, and the grace period is long",
			all(deletedFor(pastGrace), pod(isRunning)), "DEL002", "possible"),
		deleted("finalizer-stuck", "a finalizer keeps a pod whose containers have ended", deletedFor(pastGrace), "DEL002", ""),
	}
}

func isRunning(p *corev1.Pod) bool { return p.Status.Phase == corev1.PodRunning }

// nodes are pods whose node fails them.
func nodes() []Fault {
	return []Fault{{
		Name: "power-cut", About: "the node loses its power and boots again",
		Ready: ready(),
		Act:   inTurn(lab("node", "stop", n2), lab("node", "start", n2)),
		So:    all(node(corev1.ConditionTrue), restarted(1), ready()),
		Undo:  bringBack("start"),
		Ask:   "pod/power-cut", Want: []string{"NOD002", "EXT008"}, NeedsNodes: true, Alone: true, Within: 5 * time.Minute,
	}, {
		Name: "node-partition", About: "the node is cut off from the API server",
		Ready: ready(), Act: lab("node", "partition", n2), So: node(corev1.ConditionUnknown),
		Undo: bringBack("heal"),
		Ask:  "pod/node-partition", Want: []string{"NOD001"}, NeedsNodes: true, Alone: true, Within: 5 * time.Minute,
	}}
}

// reboot starts the node again with other settings and waits until it is ready.
func reboot(settings ...string) Action {
	return inTurn(
		lab("node", "stop", n2),
		lab(append([]string{"node", "start", n2}, settings...)...),
		await(node(corev1.ConditionTrue)),
	)
}

// bringBack makes the node whole, unless it is, and waits until it is ready, for the sake of what comes next.
func bringBack(how string) Action {
	return func(ctx context.Context, c Cluster) error {
		well, err := node(corev1.ConditionTrue)(ctx, c)
		if err == nil && !well {
			err = lab("node", how, n2)(ctx, c)
		}
		return errors.Join(err, until(ctx, c, node(corev1.ConditionTrue), defaultLimit))
	}
}
