// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiresource "k8s.io/apimachinery/pkg/api/resource"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// insufficient names a resource in the verdict of the scheduler.
var insufficient = regexp.MustCompile(`Insufficient ([a-z0-9./-]+)`)

// roomTime bounds the reading of all pods of the cluster, which sharpens an answer and decides none.
const roomTime = 2 * time.Second

// room adds up what the pods of each node request, of the resources that a pod in question finds too little of, and notes
// which node has the most left. The pods themselves are let go. Who may not see them all is told nothing of it.
func (v *visit) room(ctx context.Context, pods []*corev1.Pod) {
	wanted := lacking(pods)
	if len(wanted) == 0 {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, roomTime)
	defer cancel()
	taken := map[string]corev1.ResourceList{}
	q := query{kind: "Pod", fields: "spec.nodeName!=,status.phase!=Succeeded,status.phase!=Failed"}
	_, _, err := v.api.list(ctx, q, func(o evidence.Object) bool {
		pod := o.(*corev1.Pod)
		if taken[pod.Spec.NodeName] == nil {
			taken[pod.Spec.NodeName] = corev1.ResourceList{}
		}
		addRequests(taken[pod.Spec.NodeName], &pod.Spec)
		return false
	})
	if err != nil {
		return
	}
	for _, name := range wanted {
		if f, ok := v.freest(corev1.ResourceName(name), taken); ok {
			v.s.Facts = append(v.s.Facts, f)
		}
	}
}

// lacking returns the resources that the scheduler finds too little of.
func lacking(pods []*corev1.Pod) []string {
	var names []string
	for _, pod := range pods {
		for _, c := range pod.Status.Conditions {
			if c.Type != corev1.PodScheduled || c.Status != corev1.ConditionFalse {
				continue
			}
			for _, m := range insufficient.FindAllStringSubmatch(c.Message, -1) {
				names = append(names, m[1])
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// addRequests adds what the main containers of a pod request, which is what it holds once it runs.
func addRequests(sum corev1.ResourceList, spec *corev1.PodSpec) {
	for i := range spec.Containers {
		for name, q := range spec.Containers[i].Resources.Requests {
			total := sum[name]
			total.Add(q)
			sum[name] = total
		}
	}
}

// freest says which of the nodes that take pods has the most of a resource left.
func (v *visit) freest(name corev1.ResourceName, taken map[string]corev1.ResourceList) (evidence.Fact, bool) {
	var best *corev1.Node
	var most apiresource.Quantity
	for _, o := range v.s.Objects {
		node, ok := o.(*corev1.Node)
		if !ok || node.Spec.Unschedulable || !ready(node) {
			continue
		}
		free := node.Status.Allocatable[name].DeepCopy()
		free.Sub(taken[node.Name][name])
		if best == nil || free.Cmp(most) > 0 || free.Cmp(most) == 0 && node.Name < best.Name {
			best, most = node, free
		}
	}
	if best == nil {
		return evidence.Fact{}, false
	}
	all := best.Status.Allocatable[name]
	return evidence.Fact{
		Kind: evidence.Node, Source: evidence.FromStatus, At: v.s.Taken, Where: "requests of the pods on node " + best.Name,
		Name: "free." + string(name), Value: most.AsApproximateFloat64(),
		Text: fmt.Sprintf("node %s has the most left, %s of %s", best.Name, most.String(), all.String()),
	}, true
}
