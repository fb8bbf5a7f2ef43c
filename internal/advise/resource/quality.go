// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
)

// critical is the priority from which on pods are critical for their node (kubernetes pkg/apis/scheduling, SystemCriticalPriority + 1000).
const critical = 2000001000

// quality says which QoS class the pod of a container has and would have, and what that means where its node runs out of memory (Kubernetes
// docs, concepts/scheduling-eviction/node-pressure-eviction; oom_score_adj by kubernetes pkg/kubelet/qos/policy.go).
func quality(o *Subject, now, then Amounts) string {
	has, gets := o.class(now), o.class(then)
	text := fmt.Sprintf("its pod is %s", has)
	switch {
	case has != gets && len(o.Pod.Containers)+len(o.Pod.InitContainers) > 1:
		text += fmt.Sprintf(", and %s with what is proposed and its other containers as they are", gets)
	case has != gets:
		text += fmt.Sprintf(", and %s with what is proposed", gets)
	case now != then:
		text += " and stays so"
	}
	if has == corev1.PodQOSGuaranteed && gets != has {
		text += " (to stay Guaranteed, set its requests to its limits)"
	}
	text += ": where memory runs short the kubelet evicts first pods that use more than they request, of these the ones of the lowest priority" + o.priority() + ", then the ones furthest above"
	switch {
	case o.Priority >= critical:
		text += "; it is critical for its node, so its oom_score_adj is -997, and the kernel kills nearly all others first"
	case gets == corev1.PodQOSGuaranteed:
		text += ", and it cannot be above; its oom_score_adj is -997, so the kernel kills nearly all others first"
	case gets == corev1.PodQOSBestEffort:
		text += ", and all that it uses is above; its oom_score_adj is 1000, so the kernel kills it first"
	default:
		text += "; its oom_score_adj is from 2 to 999, lower the more of the node's memory it requests, and the kernel kills after BestEffort and before Guaranteed"
	}
	return text
}

// priority is what is known of that of its pods.
func (o *Subject) priority() string {
	switch name := o.Pod.PriorityClassName; {
	case name != "":
		return fmt.Sprintf(" (its own is %d, by priorityclass/%s)", o.Priority, name)
	case o.Priority != 0:
		return fmt.Sprintf(" (its own is %d)", o.Priority)
	}
	return ""
}

// class is the QoS class of its pod with the container as given (kubernetes pkg/apis/core/v1/helper/qos): init containers count, and where the pod
// as a whole has bounds, these alone.
func (o *Subject) class(own Amounts) corev1.PodQOSClass {
	var list []Amounts
	if o.Pod.Resources != nil {
		list = append(list, filled(amounts(&corev1.Container{Resources: *o.Pod.Resources})))
	} else {
		list = append(list, o.Within.given(own))
		for _, containers := range [][]corev1.Container{o.Pod.InitContainers, o.Pod.Containers} {
			for i := range containers {
				if containers[i].Name != o.Spec.Name {
					list = append(list, o.Within.given(amounts(&containers[i])))
				}
			}
		}
	}
	sets, whole := false, true
	for i := range list {
		sets = sets || list[i] != Amounts{}
		for _, name := range both {
			request, limit := list[i].of(name)
			whole = whole && *limit > 0 && !above(*limit, *request) && !above(*request, *limit)
		}
	}
	switch {
	case !sets:
		return corev1.PodQOSBestEffort
	case whole:
		return corev1.PodQOSGuaranteed
	}
	return corev1.PodQOSBurstable
}
