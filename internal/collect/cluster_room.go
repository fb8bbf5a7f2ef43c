// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiresource "k8s.io/apimachinery/pkg/api/resource"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// insufficient names a resource in the verdict of the scheduler.
var insufficient = regex.New(`Insufficient ([a-z0-9./-]+)`)

// roomTime bounds the reading of all pods of the cluster, which sharpens an answer and decides none.
const roomTime = 2 * time.Second

// mostRoom bounds of how many nodes it is noted how much they have left, those with the most first.
const mostRoom = 50

// room adds up what the pods of each node request, of the resources that a pod in question finds too little of, and notes
// what each node has left. The pods themselves are let go. Who may not see them all is told nothing of it.
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
		v.s.Facts = append(v.s.Facts, v.free(corev1.ResourceName(name), taken)...)
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

// addRequests adds what the main containers of a pod request, and the overhead of its RuntimeClass, which is what it holds once it runs.
func addRequests(sum corev1.ResourceList, spec *corev1.PodSpec) {
	held := []corev1.ResourceList{spec.Overhead}
	for i := range spec.Containers {
		held = append(held, spec.Containers[i].Resources.Requests)
	}
	for _, list := range held {
		for name, q := range list {
			total := sum[name]
			total.Add(q)
			sum[name] = total
		}
	}
}

// free says of each node how much of a resource it has left.
func (v *visit) free(name corev1.ResourceName, taken map[string]corev1.ResourceList) []evidence.Fact {
	var facts []evidence.Fact
	for _, o := range v.s.Objects {
		node, ok := o.(*corev1.Node)
		all, offers := corev1.ResourceList(nil), false
		if ok {
			all = node.Status.Allocatable
			_, offers = all[name]
		}
		if !offers {
			continue
		}
		left, total := all[name].DeepCopy(), all[name]
		left.Sub(taken[node.Name][name])
		facts = append(facts, evidence.Fact{
			Kind: evidence.Node, Source: evidence.FromStatus, At: v.s.Taken, Where: "node/" + node.Name,
			Name: "free." + string(name), Value: left.AsApproximateFloat64(),
			Text: fmt.Sprintf("the requests of its pods leave %s of %s %s", inMi(name, left), inMi(name, total), name),
		})
	}
	slices.SortFunc(facts, func(a, b evidence.Fact) int {
		return cmp.Or(cmp.Compare(b.Value, a.Value), cmp.Compare(a.Where, b.Where))
	})
	return facts[:min(len(facts), mostRoom)]
}

// inMi writes bytes in a unit that people read; anything else as the API does.
func inMi(name corev1.ResourceName, q apiresource.Quantity) string {
	if name == corev1.ResourceMemory || name == corev1.ResourceEphemeralStorage {
		return fmt.Sprintf("%dMi", q.Value()>>20)
	}
	return q.String()
}
