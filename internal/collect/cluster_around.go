// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
	metricsv1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// rootCA is the ConfigMap that every pod with a service account token mounts.
const rootCA = "kube-root-ca.crt"

// fetchMixed reads things of several kinds, each kind at the same time as the others.
func (v *visit) fetchMixed(ctx context.Context, refs []evidence.Ref) []evidence.Object {
	kinds := map[string][]evidence.Ref{}
	for _, ref := range distinct(refs) {
		if _, known := resources[ref.Kind]; known {
			kinds[ref.Kind] = append(kinds[ref.Kind], ref)
		}
	}
	var found []evidence.Object
	var mu sync.Mutex
	var group sync.WaitGroup
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		v.together(&group, func() {
			objects := v.fetch(ctx, kinds[kind])
			mu.Lock()
			defer mu.Unlock()
			found = append(found, objects...)
		})
	}
	group.Wait()
	return found
}

// owners reads the controllers of everything read so far, and theirs, up to the top.
func (v *visit) owners(ctx context.Context, level []evidence.Object) {
	for len(level) > 0 {
		var refs []evidence.Ref
		for _, o := range level {
			c := metav1.GetControllerOf(o)
			if c == nil || c.Kind == "Node" { // that of a static pod
				continue
			}
			ref := evidence.RefTo(c.Kind, o.GetNamespace(), c.Name)
			if version, _ := schema.ParseGroupVersion(c.APIVersion); workloadKinds[c.Kind] && version.Group == resources[c.Kind].group {
				refs = append(refs, ref)
			} else if len(v.once([]evidence.Ref{ref})) > 0 {
				v.gap(evidence.Changes, ref, "it is a "+c.Kind+" of "+c.APIVersion+", which is not read")
			}
		}
		level = v.fetchMixed(ctx, refs)
	}
}

// nodes reads the nodes that the pods are on with their leases. It reads all nodes when a pod is on none, because then
// the question is why not; and when the question is about everything, with who leads and what every node's lease says:
// what befalls many nodes at once is not theirs.
func (v *visit) nodes(ctx context.Context, pods []*corev1.Pod) {
	var refs []evidence.Ref
	unscheduled := false
	for _, pod := range pods {
		if name := pod.Spec.NodeName; name != "" {
			refs = append(refs, evidence.RefTo("Node", "", name))
		}
		unscheduled = unscheduled || pod.Spec.NodeName == "" && pod.Status.Phase == corev1.PodPending
	}
	everything := v.about.Kind == ""
	if unscheduled || everything {
		v.listAll(ctx, query{kind: "Node"}, nil)
	}
	if everything {
		v.listAll(ctx, query{kind: "Lease", namespace: metav1.NamespaceSystem}, nil)
		v.listAll(ctx, query{kind: "Lease", namespace: corev1.NamespaceNodeLease}, nil)
	} else if unscheduled {
		refs = append(refs, evidence.RefTo("Lease", metav1.NamespaceSystem, "kube-scheduler"))
	}
	if v.about.Kind != "Pod" {
		refs = append(refs, leasesOf(pods)...)
	}
	var kubelets []*corev1.Node
	for _, o := range v.fetchMixed(ctx, refs) {
		if node, ok := o.(*corev1.Node); ok {
			kubelets = append(kubelets, node)
		}
	}
	if node, ok := v.known(v.about).(*corev1.Node); ok {
		kubelets = append(kubelets, node)
	}
	v.kubelets(ctx, kubelets, pods)
}

// heartbeats reads the leases of the nodes that the pods are on.
func (v *visit) heartbeats(ctx context.Context, pods []*corev1.Pod) {
	v.fetchMixed(ctx, leasesOf(pods))
}

func leasesOf(pods []*corev1.Pod) []evidence.Ref {
	var refs []evidence.Ref
	for _, pod := range pods {
		if name := pod.Spec.NodeName; name != "" {
			refs = append(refs, evidence.RefTo("Lease", corev1.NamespaceNodeLease, name))
		}
	}
	return refs
}

// listAll reads what a query matches and keep takes.
func (v *visit) listAll(ctx context.Context, q query, keep func(evidence.Object) bool) {
	objects, _, err := v.api.list(ctx, q, keep)
	if err != nil {
		v.gap(beside(q.kind), within(q.namespace), v.api.why(ctx, err, "list", q.kind, q.namespace))
	}
	if err == nil || len(objects) > 0 {
		v.has(q.kind)
	}
	refs := make([]evidence.Ref, 0, len(objects))
	for _, o := range objects {
		refs = append(refs, evidence.RefOf(o))
	}
	v.once(refs)
	v.add(objects...)
}

// references reads what the pods' specs name: ConfigMaps (their keys), the service account where a pod may wait for it,
// the priority class and the runtime class. Secrets are never read. When there are many ConfigMaps, only those that a pod may wait for are.
func (v *visit) references(ctx context.Context, pods []*corev1.Pod) {
	var refs, configs, awaited []evidence.Ref
	for _, pod := range pods {
		for _, ref := range referredBy(pod) {
			switch {
			case ref.Kind != "ConfigMap" || ref.Name == rootCA && mounted(pod):
			case starting(pod):
				awaited = append(awaited, ref)
			default:
				configs = append(configs, ref)
			}
		}
		if name := pod.Spec.ServiceAccountName; name != "" && (!mounted(pod) || pulling(pod)) {
			refs = append(refs, evidence.RefTo("ServiceAccount", pod.Namespace, name))
		}
		if name := pod.Spec.PriorityClassName; name != "" && !strings.HasPrefix(name, "system-") {
			refs = append(refs, evidence.RefTo("PriorityClass", "", name))
		}
		if name := pod.Spec.RuntimeClassName; name != nil {
			refs = append(refs, evidence.RefTo("RuntimeClass", "", *name))
		}
	}
	if all := distinct(append(configs, awaited...)); len(all) <= fewThings {
		awaited = all
	}
	v.fetchMixed(ctx, append(refs, awaited...))
}

// pulling tells whether an image of the pod is not there yet: its account may name the secrets to pull with.
func pulling(pod *corev1.Pod) bool {
	return slices.ContainsFunc(slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses), func(st corev1.ContainerStatus) bool {
		return st.ImageID == "" && st.State.Waiting != nil
	})
}

// starting tells whether a pod waits for something before one of its containers can be made.
func starting(pod *corev1.Pod) bool {
	for _, st := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if w := st.State.Waiting; w != nil && w.Reason == "CreateContainerConfigError" {
			return true
		}
	}
	return !mounted(pod)
}

// mounted tells whether the kubelet has got past mounting the pod's volumes, which it does before it makes the
// sandbox that this condition tells of (KEP-3085).
func mounted(pod *corev1.Pod) bool {
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReadyToStartContainers {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// namespaces reads what limits the pods of each namespace. A named pod is there, so no limit kept it away; what it was given
// by one is in its annotations. Where what is well is asked about, too, its namespace is, whether a pod is in trouble or not.
func (v *visit) namespaces(ctx context.Context, pods []*corev1.Pod) {
	if name := v.namespace(); v.api.whole && name != "" {
		v.limitsIn(ctx, []string{name}, "LimitRange", "ResourceQuota")
		return
	}
	if v.about.Kind != "Pod" {
		v.limitsIn(ctx, namespacesOf(pods), "LimitRange", "ResourceQuota")
		return
	}
	for _, pod := range pods {
		if pod.Annotations[limitRanger] != "" {
			v.limitsIn(ctx, []string{pod.Namespace}, "LimitRange")
		}
	}
}

// namespace is the one that the question is about, or that it is in; "" where there is none.
func (v *visit) namespace() string {
	if v.about.Kind == "Namespace" {
		return v.about.Name
	}
	return v.about.Namespace
}

// limitRanger is the annotation by which the admission plugin says what it filled in (kubernetes
// plugin/pkg/admission/limitranger).
const limitRanger = "kubernetes.io/limit-ranger"

// limitsIn reads the quotas and limit ranges of namespaces, unless somebody has.
func (v *visit) limitsIn(ctx context.Context, names []string, kinds ...string) {
	if len(names) > fewNamespaces {
		names = []string{""}
	}
	var group sync.WaitGroup
	for _, namespace := range names {
		for _, kind := range kinds {
			if all, one := evidence.RefTo(kind, "", ""), evidence.RefTo(kind, namespace, ""); !v.begun(all) && len(v.once([]evidence.Ref{one})) > 0 {
				v.together(&group, func() { v.listAll(ctx, query{kind: kind, namespace: namespace}, nil) })
			}
		}
	}
	group.Wait()
}

// usage reads what the pods and their nodes use now, where the metrics API is served.
func (v *visit) usage(ctx context.Context, pods []*corev1.Pod) {
	var refs []evidence.Ref
	for _, pod := range pods {
		if v.about.Kind == "Pod" && v.told[evidence.RefOf(pod)] {
			continue
		}
		refs = append(refs, evidence.RefTo("PodMetrics", pod.Namespace, pod.Name))
		if pod.Spec.NodeName != "" && v.about.Kind != "Pod" { // of one pod, its node's load says nothing
			refs = append(refs, evidence.RefTo("NodeMetrics", "", pod.Spec.NodeName))
		}
	}
	if v.about.Kind == "Node" {
		refs = append(refs, evidence.RefTo("NodeMetrics", "", v.about.Name))
	}
	v.fetchMixed(ctx, refs)
}

const (
	busyNode   = 0.9 // of its processors in use, above which a node's largest consumers are looked for
	busyNodes  = 2   // nodes that are looked at for that
	neighbours = 3   // consumers that are kept of each
)

// consumers reads which pods use most on nodes whose processors are all in use.
func (v *visit) consumers(ctx context.Context) {
	capacity, used := map[string]float64{}, map[string]float64{}
	for _, o := range v.s.Objects {
		switch o := o.(type) {
		case *corev1.Node:
			capacity[o.Name] = o.Status.Capacity.Cpu().AsApproximateFloat64()
		case *metricsv1.NodeMetrics:
			used[o.Name] = o.Usage.Cpu().AsApproximateFloat64()
		}
	}
	var busy []string
	for _, node := range slices.Sorted(maps.Keys(used)) {
		if capacity[node] > 0 && used[node] >= busyNode*capacity[node] && len(busy) < busyNodes {
			busy = append(busy, node)
		}
	}
	if len(busy) == 0 {
		return
	}
	metrics, _, err := v.api.list(ctx, query{kind: "PodMetrics"}, nil)
	if err != nil {
		return // it names neighbours and settles nothing
	}
	uses := map[evidence.Ref]float64{}
	for _, o := range metrics {
		for i := range o.(*metricsv1.PodMetrics).Containers {
			uses[evidence.RefTo("Pod", o.GetNamespace(), o.GetName())] += o.(*metricsv1.PodMetrics).Containers[i].Usage.Cpu().AsApproximateFloat64()
		}
	}
	for _, node := range busy {
		v.consumersOn(ctx, node, metrics, uses)
	}
}

// consumersOn keeps the pods of a node that use most, and what they use.
func (v *visit) consumersOn(ctx context.Context, node string, metrics []evidence.Object, uses map[evidence.Ref]float64) {
	q := query{kind: "Pod", fields: fields.OneTermEqualSelector("spec.nodeName", node).String()}
	pods, _, err := v.api.list(ctx, q, func(o evidence.Object) bool { return uses[evidence.RefOf(o)] > 0 })
	if err != nil {
		return
	}
	slices.SortFunc(pods, func(a, b evidence.Object) int { return cmp.Compare(uses[evidence.RefOf(b)], uses[evidence.RefOf(a)]) })
	for _, pod := range pods[:min(len(pods), neighbours)] {
		v.add(pod)
		for _, o := range metrics {
			if o.GetNamespace() == pod.GetNamespace() && o.GetName() == pod.GetName() {
				v.add(o)
			}
		}
	}
}
