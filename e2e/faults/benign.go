// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// benign are workloads that change and end as they should.
func benign() []Fault {
	return []Fault{{
		Name: "benign-job", About: "a Job completes",
		So: jobDone("benign-job"), Ask: "job/benign-job",
	}, {
		Name: "benign-job-sidecar", About: "a Job with a native sidecar completes, and the sidecar is ended",
		So: jobDone("benign-job-sidecar"), Ask: "job/benign-job-sidecar",
	}, {
		Name: "benign-rollout", About: "a Deployment rolls out a new template",
		Ready: pods(2, isReady),
		Act:   patchDeployment("benign-rollout", `{"spec":{"template":{"metadata":{"annotations":{"kubeinquest.io/release":"2"}}}}}`),
		So: pods(2, func(p *corev1.Pod) bool {
			return isReady(p) && p.Annotations["kubeinquest.io/release"] == "2"
		}),
		Ask: "deploy/benign-rollout",
	}, {
		Name: "benign-scale-down", About: "a Deployment is scaled from three replicas to one",
		Ready: pods(3, isReady), Act: patchDeployment("benign-scale-down", `{"spec":{"replicas":1}}`), So: pods(1, isReady),
		Ask: "deploy/benign-scale-down",
	}, {
		Name: "benign-drain", About: "a node is drained and its pods start elsewhere",
		Ready: pods(2, isReady), Act: drain, So: all(pods(2, isReady), drained), Undo: uncordon, Alone: true,
		Ask: "deploy/benign-drain",
	}, {
		Name: "benign-old-restart", About: "a container restarted once, more than ten minutes ago",
		So: all(restarted(1), anyStatus(runsFor(settled))), Ask: "pod/benign-old-restart", Within: 15 * time.Minute,
	}}
}

func jobDone(name string) Check {
	return func(ctx context.Context, c Cluster) (bool, error) {
		job, err := c.BatchV1().Jobs(c.Namespace).Get(ctx, name, metav1.GetOptions{})
		return err == nil && job.Status.CompletionTime != nil, err
	}
}

// drained holds when no pod of the namespace is left on a cordoned node.
func drained(ctx context.Context, c Cluster) (bool, error) {
	nodes, err := c.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return false, err
	}
	list, err := c.CoreV1().Pods(c.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return false, err
	}
	for i := range nodes.Items {
		n := &nodes.Items[i]
		if n.Spec.Unschedulable && slices.ContainsFunc(list.Items, func(p corev1.Pod) bool { return p.Spec.NodeName == n.Name }) {
			return false, nil
		}
	}
	return true, nil
}

// settled is how long a container runs until its kubelet has forgotten that it restarted: 10 min, and the rounding of
// seconds.
const settled = 10*time.Minute + 5*time.Second
