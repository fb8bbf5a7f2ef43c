// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"context"
	"slices"
	"sync"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// controllers reads the controllers without pods that should have some, where the question is about all that is in
// trouble: a list a kind, of which only those are kept. A ReplicaSet's trouble is in the conditions of its Deployment.
func (v *visit) controllers(ctx context.Context) {
	if v.only != nil || v.about.Kind != "" && v.about.Kind != "Namespace" {
		return
	}
	namespace := v.about.Name
	nothing := evidence.Snapshot{Taken: v.s.Taken} // what was read so far is not to be looked at while others read
	var group sync.WaitGroup
	for _, kind := range []string{"Deployment", "StatefulSet", "DaemonSet"} {
		group.Go(func() {
			v.listAll(ctx, query{kind: kind, namespace: namespace, labels: v.sel.Label}, func(o evidence.Object) bool {
				return starved(&nothing, o)
			})
		})
	}
	group.Wait()
}

// refused reads what bears on why controllers cannot create their pods: the quotas, limit ranges and the namespace itself,
// what the template names, and what is behind a webhook that does not answer.
func (v *visit) refused(ctx context.Context, events []evidence.Object) {
	var namespaces []string
	var refs []evidence.Ref
	var said []string
	hungry := map[evidence.Ref]bool{}
	for _, o := range slices.Clone(v.s.Objects) {
		has, wants := replicas(o)
		if ref := evidence.RefOf(o); workloadKinds[ref.Kind] && (has < wants || refusedIn(o) != "") {
			hungry[ref] = true
			said = append(said, refusedIn(o))
		}
	}
	told := map[evidence.Ref]bool{}
	for _, o := range events {
		e := o.(*corev1.Event)
		ref := evidence.RefTo(e.InvolvedObject.Kind, e.InvolvedObject.Namespace, e.InvolvedObject.Name)
		if refuses(e.Reason) && hungry[ref] {
			told[ref] = true
			said = append(said, e.Message)
		}
	}
	for _, o := range slices.Clone(v.s.Objects) {
		ref := evidence.RefOf(o)
		if !told[ref] && refusedIn(o) == "" {
			continue
		}
		namespaces = append(namespaces, ref.Namespace)
		refs = append(refs, evidence.RefTo("Namespace", "", ref.Namespace))
		refs = append(refs, namedBy(o)...)
	}
	slices.Sort(namespaces)
	namespaces = slices.Compact(namespaces)
	var group sync.WaitGroup
	v.together(&group, func() { v.limitsIn(ctx, namespaces, "LimitRange", "ResourceQuota") })
	v.together(&group, func() { v.fetchMixed(ctx, refs) })
	v.together(&group, func() { v.webhooks(ctx, said) })
	group.Wait()
}

// namedBy returns what must exist before a pod of a controller can be created.
func namedBy(o evidence.Object) []evidence.Ref {
	var spec *corev1.PodSpec
	switch o := o.(type) {
	case *appsv1.Deployment:
		spec = &o.Spec.Template.Spec
	case *appsv1.ReplicaSet:
		spec = &o.Spec.Template.Spec
	case *appsv1.StatefulSet:
		spec = &o.Spec.Template.Spec
	case *appsv1.DaemonSet:
		spec = &o.Spec.Template.Spec
	case *batchv1.Job:
		spec = &o.Spec.Template.Spec
	default:
		return nil
	}
	var refs []evidence.Ref
	if name := spec.ServiceAccountName; name != "" {
		refs = append(refs, evidence.RefTo("ServiceAccount", o.GetNamespace(), name))
	}
	if name := spec.PriorityClassName; name != "" {
		refs = append(refs, evidence.RefTo("PriorityClass", "", name))
	}
	if name := spec.RuntimeClassName; name != nil {
		refs = append(refs, evidence.RefTo("RuntimeClass", "", *name))
	}
	return refs
}

// webhookService finds the Service of a webhook in what the API server says of a call that failed.
var webhookService = regex.New(`failed calling (?:admission )?webhook "[^"]*": .*https://([a-z0-9-]+)\.([a-z0-9-]+)\.svc\b`)

// mostWebhooks bounds of how many webhooks the pods are read.
const mostWebhooks = 3

// webhooks reads the pods behind webhooks that do not answer: they are the context of the question.
func (v *visit) webhooks(ctx context.Context, said []string) {
	var refs []evidence.Ref
	for _, text := range said {
		if m := webhookService.FindStringSubmatch(text); m != nil {
			refs = append(refs, evidence.RefTo("Service", m[2], m[1]))
		}
	}
	refs = distinct(refs)
	for _, o := range v.fetch(ctx, refs[:min(len(refs), mostWebhooks)]) {
		service := o.(*corev1.Service)
		if len(service.Spec.Selector) == 0 {
			continue
		}
		q := query{kind: "Pod", namespace: service.Namespace, labels: labels.SelectorFromSet(service.Spec.Selector).String(), onePage: true}
		var pods []evidence.Ref
		v.listAll(ctx, q, func(o evidence.Object) bool {
			ref := evidence.RefOf(o)
			if v.begun(ref) || len(pods) >= healthySiblings {
				return false
			}
			pods = append(pods, ref)
			return true
		})
		v.mu.Lock()
		v.s.Context = append(v.s.Context, pods...)
		v.mu.Unlock()
	}
}
