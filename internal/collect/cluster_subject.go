// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"context"
	"fmt"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// healthySiblings is how many pods of a workload that are well are kept beside those that are not.
const healthySiblings = 20

// subject reads what is asked about and returns the pods to look at: the named one, or those in trouble.
func (v *visit) subject(ctx context.Context) ([]*corev1.Pod, error) {
	ref := v.about
	v.progress("reading " + describe(ref))
	switch {
	case ref.Kind == "Pod":
		return v.named(ctx, ref)
	case ref.Kind == "Node":
		return v.onNode(ctx, ref)
	case ref == ControlPlane:
		return v.controlPlane(ctx)
	case ref.Kind == "" || ref.Kind == "Namespace":
		return v.everything(ctx, ref.Name)
	case workloadKinds[ref.Kind]:
		return v.ofWorkload(ctx, ref)
	case ref.Kind == "PersistentVolumeClaim":
		return v.ofClaim(ctx, ref)
	case ref.Kind == "HorizontalPodAutoscaler":
		return v.ofScaler(ctx, ref)
	}
	return nil, fmt.Errorf("cannot look at a %s: name a pod, a workload, a claim, a node or a namespace", ref.Kind)
}

// first reads the object that the question is about. Without it there is no answer.
func (v *visit) first(ctx context.Context, ref evidence.Ref) (evidence.Object, error) {
	v.once([]evidence.Ref{ref})
	o, err := v.api.get(ctx, ref)
	switch {
	case err == nil:
		v.has(ref.Kind)
		v.add(o)
		return o, nil
	case isAbsent(err):
		return nil, v.notFound(ctx, ref)
	}
	return nil, lookError{verb: "get", ref: ref, err: err}
}

func (v *visit) named(ctx context.Context, ref evidence.Ref) ([]*corev1.Pod, error) {
	o, err := v.first(ctx, ref)
	if err != nil {
		return nil, err
	}
	return []*corev1.Pod{o.(*corev1.Pod)}, nil
}

// everything reads the pods in trouble that the selection takes, and where only some are asked for those of them that are well: of one
// namespace, or of all.
func (v *visit) everything(ctx context.Context, namespace string) ([]*corev1.Pod, error) {
	if v.whole() {
		v.listAll(ctx, query{kind: "CronJob", namespace: namespace}, nil)
		v.runtimes(ctx)
	}
	total := 0
	pods, err := v.troubled(ctx, query{kind: "Pod", namespace: namespace, labels: v.sel.Label}, func(pod *corev1.Pod) bool {
		total++
		return v.only == nil || v.only(pod)
	})
	if err == nil && total == 0 && namespace != "" && v.sel.Label == "" {
		err = v.namespaceExists(ctx, namespace)
	}
	return pods, err
}

// runtimes reads the runtime classes of the CronJobs that were read, whose pods get the overhead of these.
func (v *visit) runtimes(ctx context.Context) {
	var refs []evidence.Ref
	for _, o := range v.s.Objects {
		if job, ok := o.(*batchv1.CronJob); ok && job.Spec.JobTemplate.Spec.Template.Spec.RuntimeClassName != nil {
			refs = append(refs, evidence.RefTo("RuntimeClass", "", *job.Spec.JobTemplate.Spec.Template.Spec.RuntimeClassName))
		}
	}
	v.fetchMixed(ctx, refs)
}

// whole tells whether all of a namespace is asked for, in trouble or not.
func (v *visit) whole() bool { return v.api.whole && v.about.Kind == "Namespace" }

// namespaceExists tells an empty namespace from one that is not there.
func (v *visit) namespaceExists(ctx context.Context, name string) error {
	ref := evidence.RefTo("Namespace", "", name)
	if _, err := v.api.get(ctx, ref); err != nil && isAbsent(err) {
		return v.notFound(ctx, ref)
	}
	return nil // it may not be readable, but its pods were
}

func (v *visit) onNode(ctx context.Context, ref evidence.Ref) ([]*corev1.Pod, error) {
	o, err := v.first(ctx, ref)
	if err != nil {
		return nil, err
	}
	v.fetchMixed(ctx, []evidence.Ref{evidence.RefTo("Lease", corev1.NamespaceNodeLease, o.GetName())})
	q := query{kind: "Pod", labels: v.sel.Label, fields: fields.OneTermEqualSelector("spec.nodeName", o.GetName()).String()}
	pods, err := v.troubled(ctx, q, func(*corev1.Pod) bool { return true })
	if err != nil { // the node itself can be looked at without them
		v.gap(evidence.Status, ref, v.api.why(ctx, err, "list", "Pod", ""))
	}
	return pods, nil
}

// troubled reads a list of pods, keeps those that belong to the question, well or not where only some are asked for, and returns those in
// trouble.
func (v *visit) troubled(ctx context.Context, q query, belongs func(*corev1.Pod) bool) ([]*corev1.Pod, error) {
	objects, _, err := v.api.list(ctx, q, func(o evidence.Object) bool {
		pod := o.(*corev1.Pod)
		return belongs(pod) && (v.only != nil || v.whole() || evidence.Troubled(pod, v.s.Taken))
	})
	if err != nil && len(objects) == 0 {
		return nil, lookError{verb: "list", ref: evidence.RefTo("Pod", q.namespace, ""), err: err}
	}
	if err != nil {
		v.gap(evidence.Status, within(q.namespace), v.api.why(ctx, err, "list", "Pod", q.namespace))
	}
	return slices.DeleteFunc(v.keep(objects), func(pod *corev1.Pod) bool { return !evidence.Troubled(pod, v.s.Taken) }), nil
}

func (v *visit) keep(objects []evidence.Object) []*corev1.Pod {
	pods := make([]*corev1.Pod, 0, len(objects))
	for _, o := range objects {
		v.once([]evidence.Ref{evidence.RefOf(o)})
		pods = append(pods, o.(*corev1.Pod))
	}
	v.add(objects...)
	return pods
}

// ofWorkload reads a controller, what it controls, and the pods below it.
func (v *visit) ofWorkload(ctx context.Context, ref evidence.Ref) ([]*corev1.Pod, error) {
	o, err := v.first(ctx, ref)
	if err != nil {
		return nil, err
	}
	family := map[string]bool{string(o.GetUID()): true}
	selector := selectorOf(o)
	if kind := map[string]string{"Deployment": "ReplicaSet", "CronJob": "Job"}[ref.Kind]; kind != "" {
		for _, child := range v.children(ctx, query{kind: kind, namespace: ref.Namespace, labels: selector}, o) {
			family[string(child.GetUID())] = true
		}
	}
	healthy := 0
	objects, _, err := v.api.list(ctx, query{kind: "Pod", namespace: ref.Namespace, labels: selector}, func(p evidence.Object) bool {
		c := metav1.GetControllerOf(p)
		if c == nil || !family[string(c.UID)] {
			return false
		}
		if !inQuestion(ref, p.(*corev1.Pod), v.s.Taken) {
			healthy++
			return healthy <= healthySiblings
		}
		return true
	})
	if err != nil {
		v.gap(evidence.Status, ref, v.api.why(ctx, err, "list", "Pod", ref.Namespace))
	}
	var asked []*corev1.Pod
	for _, pod := range v.keep(objects) {
		if inQuestion(ref, pod, v.s.Taken) {
			asked = append(asked, pod)
		}
	}
	return asked, nil
}

// ofScaler reads an autoscaler: to ask about it is to ask about what it scales. There is no right to get one.
func (v *visit) ofScaler(ctx context.Context, ref evidence.Ref) ([]*corev1.Pod, error) {
	q := query{kind: ref.Kind, namespace: ref.Namespace, fields: fields.OneTermEqualSelector("metadata.name", ref.Name).String()}
	objects, _, err := v.api.list(ctx, q, func(o evidence.Object) bool { return o.GetName() == ref.Name })
	switch {
	case err != nil:
		return nil, lookError{verb: "list", ref: ref, err: err}
	case len(objects) == 0:
		return nil, v.notFound(ctx, ref)
	}
	v.about = targetOf(objects[0].(*autoscalingv2.HorizontalPodAutoscaler))
	if !workloadKinds[v.about.Kind] {
		return nil, fmt.Errorf("cannot look at what %s scales: a %s", describe(ref), v.about.Kind)
	}
	return v.ofWorkload(ctx, v.about)
}

// targetOf returns what an autoscaler scales.
func targetOf(hpa *autoscalingv2.HorizontalPodAutoscaler) evidence.Ref {
	return evidence.RefTo(hpa.Spec.ScaleTargetRef.Kind, hpa.Namespace, hpa.Spec.ScaleTargetRef.Name)
}

// children reads the controllers below a controller: those that have or want pods, and the newest of those before them.
func (v *visit) children(ctx context.Context, q query, parent evidence.Object) []evidence.Object {
	objects, _, err := v.api.list(ctx, q, func(o evidence.Object) bool {
		return metav1.IsControlledBy(o, parent)
	})
	objects = recent(objects)
	if err != nil {
		v.gap(resources[q.kind].kind, evidence.RefOf(parent), v.api.why(ctx, err, "list", q.kind, q.namespace))
	}
	for _, o := range objects {
		v.once([]evidence.Ref{evidence.RefOf(o)})
	}
	v.add(objects...)
	return objects
}

// idle tells whether a controller neither has pods nor wants any: an old revision of a Deployment.
func idle(o evidence.Object) bool {
	rs, ok := o.(*appsv1.ReplicaSet)
	return ok && rs.Status.Replicas == 0 && rs.Spec.Replicas != nil && *rs.Spec.Replicas == 0
}

// selectorOf returns the label selector of a workload's pods, or "" where it has none or none that can be read.
func selectorOf(o evidence.Object) string {
	var selector *metav1.LabelSelector
	switch o := o.(type) {
	case *appsv1.Deployment:
		selector = o.Spec.Selector
	case *appsv1.ReplicaSet:
		selector = o.Spec.Selector
	case *appsv1.StatefulSet:
		selector = o.Spec.Selector
	case *appsv1.DaemonSet:
		selector = o.Spec.Selector
	case *batchv1.Job:
		selector = o.Spec.Selector
	case *corev1.ReplicationController:
		return labels.SelectorFromSet(o.Spec.Selector).String()
	}
	if selector == nil {
		return ""
	}
	return metav1.FormatLabelSelector(selector)
}

// notFound is the error for a thing that does not exist, with names near to its own.
func (v *visit) notFound(ctx context.Context, ref evidence.Ref) error {
	var names []string
	var elsewhere []evidence.Ref
	_, _, err := v.api.list(ctx, query{kind: ref.Kind, namespace: ref.Namespace, onePage: true}, func(o evidence.Object) bool {
		names = append(names, o.GetName())
		return false
	})
	if near := Nearest(ref.Name, names); err == nil && len(near) == 0 && ref.Namespace != "" {
		q := query{kind: ref.Kind, fields: fields.OneTermEqualSelector("metadata.name", ref.Name).String(), onePage: true}
		_, _, _ = v.api.list(ctx, q, func(o evidence.Object) bool { // who may not look elsewhere is told nothing of it
			elsewhere = append(elsewhere, evidence.RefOf(o))
			return false
		})
	}
	if err == nil && len(names) == 0 && len(elsewhere) == 0 && ref.Namespace != "" {
		if err := v.namespaceExists(ctx, ref.Namespace); err != nil {
			return err
		}
	}
	return unknown(ref, names, elsewhere, listing(ref))
}
