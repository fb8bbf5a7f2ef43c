// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"sync"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// idleRevisions is how many old revisions of a workload are kept beside those that have pods.
const idleRevisions = 3

// change reads what a workload was before and what changes its size: for a pod that is asked about also what it can be
// compared with, its siblings and the revisions that they are of.
func (v *visit) change(ctx context.Context, pods []*corev1.Pod) {
	var group sync.WaitGroup
	defer group.Wait()
	if v.api.whole && !workloadKinds[v.about.Kind] {
		v.together(&group, func() { v.autoscalers(ctx) })
	}
	switch {
	case v.about.Kind == "Pod":
		v.besidePod(ctx, &group, pods)
	case v.about.Kind == "Node":
		group.Go(func() { v.held(ctx, pods) })
	case workloadKinds[v.about.Kind]:
		group.Go(func() { v.revisions(ctx, v.topOf(v.about)) })
		group.Go(func() { v.autoscalers(ctx) })
		group.Go(func() { v.budgets(ctx, pods) })
		group.Go(func() { v.otherNodes(ctx) })
	}
}

// otherNodes reads the nodes of the pods that are well, to compare those of the others with them.
func (v *visit) otherNodes(ctx context.Context) {
	v.mu.Lock()
	found := slices.Clone(v.s.Objects)
	v.mu.Unlock()
	var refs []evidence.Ref
	for _, o := range found {
		if pod, ok := o.(*corev1.Pod); ok && pod.Spec.NodeName != "" {
			refs = append(refs, evidence.RefTo("Node", "", pod.Spec.NodeName))
		}
	}
	if refs = distinct(refs); len(refs) <= fewThings {
		v.fetchMixed(ctx, refs)
	}
}

// besidePod reads the siblings of the pod in question, where it is not well, and the revisions of its workload.
func (v *visit) besidePod(ctx context.Context, group *sync.WaitGroup, pods []*corev1.Pod) {
	for _, pod := range pods {
		top := v.topOf(evidence.RefOf(pod))
		selector := ""
		if top != nil {
			selector = selectorOf(top)
		}
		if selector == "" || pod.DeletionTimestamp == nil && !evidence.Troubled(pod, v.s.Taken) {
			continue
		}
		v.together(group, func() { v.siblings(ctx, pod, selector) })
		if _, ok := top.(*appsv1.Deployment); !ok {
			v.together(group, func() { v.revisions(ctx, top) })
			continue
		}
		v.together(group, func() {
			q := query{kind: "ReplicaSet", namespace: pod.Namespace, labels: selector}
			objects, _, err := v.api.list(ctx, q, func(o evidence.Object) bool {
				return metav1.IsControlledBy(o, top) && !v.isAsked(o)
			})
			v.take(ctx, q, recent(objects), err)
		})
	}
}

// topOf returns the topmost controller that has been read of a thing, or the thing itself, or nil.
func (v *visit) topOf(ref evidence.Ref) evidence.Object {
	line := v.lineOf(ref)
	if len(line) == 0 {
		return nil
	}
	return line[len(line)-1]
}

// lineOf returns a thing and, as far as they have been read, its controllers from the next to the topmost.
func (v *visit) lineOf(ref evidence.Ref) []evidence.Object {
	v.mu.Lock()
	defer v.mu.Unlock()
	known := map[evidence.Ref]evidence.Object{}
	for _, o := range v.s.Objects {
		known[evidence.RefOf(o)] = o
	}
	var line []evidence.Object
	for o := known[ref]; o != nil && len(line) < 8; {
		line = append(line, o)
		c := metav1.GetControllerOf(o)
		if c == nil {
			break
		}
		o = known[evidence.RefTo(c.Kind, o.GetNamespace(), c.Name)]
	}
	return line
}

func (v *visit) isAsked(o evidence.Object) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.asked[evidence.RefOf(o)]
}

// siblings reads the other pods that a selector takes, the troubled ones and some of those that are well.
func (v *visit) siblings(ctx context.Context, pod *corev1.Pod, selector string) {
	q := query{kind: "Pod", namespace: pod.Namespace, labels: selector}
	healthy, troubled := 0, 0
	objects, _, err := v.api.list(ctx, q, func(o evidence.Object) bool {
		switch {
		case o.GetUID() == pod.UID || metav1.GetControllerOf(o) == nil:
			return false
		case evidence.Troubled(o.(*corev1.Pod), v.s.Taken):
			troubled++
			return troubled <= healthySiblings
		}
		healthy++
		return healthy <= healthySiblings
	})
	v.take(ctx, q, objects, err)
}

// revisions reads what a StatefulSet or DaemonSet ran before.
func (v *visit) revisions(ctx context.Context, top evidence.Object) {
	switch top.(type) {
	case *appsv1.StatefulSet, *appsv1.DaemonSet:
		q := query{kind: "ControllerRevision", namespace: top.GetNamespace(), labels: selectorOf(top)}
		objects, _, err := v.api.list(ctx, q, func(o evidence.Object) bool { return metav1.IsControlledBy(o, top) })
		v.take(ctx, q, recent(objects), err)
	}
}

// autoscalers reads what scales the workload in question or what the pod in question belongs to; of a namespace or more all of them.
func (v *visit) autoscalers(ctx context.Context) {
	q, line := query{kind: "HorizontalPodAutoscaler", namespace: v.namespace()}, v.lineOf(v.about)
	objects, _, err := v.api.list(ctx, q, func(o evidence.Object) bool {
		target := targetOf(o.(*autoscalingv2.HorizontalPodAutoscaler))
		return v.about.Namespace == "" || target == v.about || slices.ContainsFunc(line, func(up evidence.Object) bool { return evidence.RefOf(up) == target })
	})
	v.take(ctx, q, objects, err)
}

// budgets reads what protects the pods in question from being evicted.
func (v *visit) budgets(ctx context.Context, pods []*corev1.Pod) {
	q := query{kind: "PodDisruptionBudget", namespace: v.about.Namespace}
	objects, _, err := v.api.list(ctx, q, func(o evidence.Object) bool {
		return v.about.Kind == "Node" || slices.ContainsFunc(pods, func(pod *corev1.Pod) bool {
			selector, err := metav1.LabelSelectorAsSelector(o.(*policyv1.PodDisruptionBudget).Spec.Selector)
			return err == nil && pod.Namespace == o.GetNamespace() && selector.Matches(labels.Set(pod.Labels))
		})
	})
	v.take(ctx, q, objects, err)
}

// held reads, of a node that is closed, which pods stay on it and what protects them.
func (v *visit) held(ctx context.Context, pods []*corev1.Pod) {
	node, ok := v.topOf(v.about).(*corev1.Node)
	if !ok || !node.Spec.Unschedulable {
		return
	}
	q := query{kind: "Pod", fields: fields.OneTermEqualSelector("spec.nodeName", node.Name).String()}
	healthy := 0
	objects, _, err := v.api.list(ctx, q, func(o evidence.Object) bool {
		healthy++
		return healthy <= healthySiblings && !v.isAsked(o) && metav1.GetControllerOf(o) != nil
	})
	v.take(ctx, q, objects, err)
	v.budgets(ctx, pods)
}

// beside is which kind of evidence is missing where things around those in question could not be listed. Of pods that is
// not their status: that of the pods in question is known.
func beside(kind string) evidence.Kind {
	if kind == "Pod" {
		return evidence.Changes
	}
	return resources[kind].kind
}

// take adds what a list gave. A kind that the cluster does not serve is no gap: there is nothing of it.
func (v *visit) take(ctx context.Context, q query, objects []evidence.Object, err error) {
	if err != nil && !isUnserved(err) {
		v.gap(beside(q.kind), within(q.namespace), v.api.why(ctx, err, "list", q.kind, q.namespace))
	}
	for _, o := range objects {
		v.once([]evidence.Ref{evidence.RefOf(o)})
	}
	v.add(objects...)
}

// recent leaves out the older ones of the revisions that have no pods.
func recent(objects []evidence.Object) []evidence.Object {
	slices.SortStableFunc(objects, func(a, b evidence.Object) int { return cmp.Compare(revisionOf(b), revisionOf(a)) })
	n := 0
	return slices.DeleteFunc(objects, func(o evidence.Object) bool {
		if _, ok := o.(*appsv1.ControllerRevision); !ok && !idle(o) {
			return false
		}
		n++
		return n > idleRevisions
	})
}

// revisionOf returns the number of a revision of a workload: of a ReplicaSet the one that its Deployment gave it.
func revisionOf(o evidence.Object) int64 {
	if r, ok := o.(*appsv1.ControllerRevision); ok {
		return r.Revision
	}
	n, err := strconv.ParseInt(o.GetAnnotations()["deployment.kubernetes.io/revision"], 10, 64)
	if err != nil {
		return 0
	}
	return n
}
