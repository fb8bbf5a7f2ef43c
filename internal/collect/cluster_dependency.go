// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"context"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/labels"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/signature"
)

// Limits of what is looked at behind a pod.
const (
	mostDependencies = 3
	mostBackends     = 5 // pods kept behind one Service, those in trouble first
	mostRunning      = 2 // logs of runs that go on
)

// dependencies reads what the logs say could not be used: the Service, what is behind it, and what may keep the pods from
// reaching it. The pods behind it become context, so that the cause of their trouble is found as well.
func (v *visit) dependencies(ctx context.Context, pods []*corev1.Pod, events *eventReader) {
	if v.sel.NoLogs || v.api.whole { // what others do says nothing of what it needs
		return
	}
	var behind []*corev1.Pod
	v.running(ctx, pods)
	names := false
	for _, d := range v.calls() {
		_, port := d.Host()
		names = names || d.Problem == signature.NoSuchHost || port == "53"
		if service := v.service(ctx, d); service != nil {
			behind = append(behind, v.behind(ctx, service, d)...)
		}
	}
	if names && v.about.Kind != "" {
		behind = append(behind, v.nameServers(ctx)...)
	}
	v.eventsOf(ctx, behind, events)
}

// eventsOf reads the Events of pods that the first reading, which takes only those of the pods asked about, left out.
func (v *visit) eventsOf(ctx context.Context, pods []*corev1.Pod, events *eventReader) {
	troubled := slices.DeleteFunc(slices.Clone(pods), func(pod *corev1.Pod) bool {
		return isReady(pod) && !evidence.Troubled(pod, v.s.Taken) || slices.Contains(events.whole, pod.Namespace)
	})
	more := &eventReader{visit: v, pods: troubled}
	for _, o := range events.others {
		uid := o.(*corev1.Event).InvolvedObject.UID
		if slices.ContainsFunc(troubled, func(pod *corev1.Pod) bool { return pod.UID == uid || pod.Annotations[configHash] == string(uid) }) {
			more.list = append(more.list, o)
		}
	}
	for _, namespace := range namespacesOf(troubled) {
		if slices.Contains(events.aside, namespace) {
			continue
		}
		var of []evidence.Ref
		for _, pod := range troubled {
			if pod.Namespace == namespace {
				of = append(of, evidence.RefOf(pod))
			}
		}
		ofPods := fields.OneTermEqualSelector("involvedObject.kind", "Pod").String()
		more.query(ctx, query{kind: "Event", namespace: namespace, fields: ofPods, onePage: true}, of...)
	}
	events.list = append(events.list, more.list...)
}

func isReady(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// A call is a dependency that a pod of a namespace could not use.
type call struct {
	signature.Dependency
	namespace string
}

// calls returns the dependencies that the logs name, at most three.
func (v *visit) calls() []call {
	v.mu.Lock()
	defer v.mu.Unlock()
	var found []call
	for _, l := range v.s.Logs {
		block, ok := signature.Find(l.Text)
		if !ok {
			continue
		}
		for _, d := range signature.Dependencies(block) {
			c := call{d, l.Of.Namespace}
			if len(found) < mostDependencies && !slices.Contains(found, c) {
				found = append(found, c)
			}
		}
	}
	return found
}

// running reads the logs of containers that run, where the question is about one pod or workload and no end is to be
// explained: what they complain about now is all that tells why requests fail or an init container waits.
func (v *visit) running(ctx context.Context, pods []*corev1.Pod) {
	if v.about.Kind != "Pod" && !workloadKinds[v.about.Kind] || len(v.ended(pods)) > 0 {
		return
	}
	if len(pods) == 0 {
		pods = v.healthy()
	}
	s := (&evidence.Snapshot{Taken: v.s.Taken, Objects: objectsOf(pods)}).Freeze()
	hanging := v.hanging(pods) // whose logs are read already
	var runs []evidence.Attempt
	for _, pod := range pods {
		for _, a := range s.Attempts(evidence.RefOf(pod)) {
			read := slices.ContainsFunc(hanging, func(h evidence.Attempt) bool { return h.Of == a.Of })
			if !a.Ended() && !read && (v.sel.Container == "" || v.sel.Container == a.Of.Container) && len(runs) < mostRunning {
				runs = append(runs, a)
			}
		}
	}
	if len(runs) > 0 {
		v.readLogs(ctx, pods, runs)
	}
}

// healthy returns the pods of the workload in question, which are all well, and makes them context.
func (v *visit) healthy() []*corev1.Pod {
	v.mu.Lock()
	defer v.mu.Unlock()
	var pods []*corev1.Pod
	for _, o := range v.s.Objects {
		if pod, ok := o.(*corev1.Pod); ok && pod.DeletionTimestamp == nil && len(pods) < mostRunning {
			pods = append(pods, pod)
			v.s.Context = append(v.s.Context, evidence.RefOf(pod))
		}
	}
	return pods
}

func objectsOf(pods []*corev1.Pod) []evidence.Object {
	objects := make([]evidence.Object, 0, len(pods))
	for _, pod := range pods {
		objects = append(objects, pod)
	}
	return objects
}

// service returns the Service that a call means: by name, or by its cluster IP.
func (v *visit) service(ctx context.Context, c call) *corev1.Service {
	if c.IsAddress() {
		return v.serviceAt(ctx, c)
	}
	names, sure := c.Services(c.namespace)
	for _, name := range names {
		ref := evidence.RefTo("Service", name.Namespace, name.Name)
		if service, ok := v.known(ref).(*corev1.Service); ok {
			return service
		}
		if len(v.once([]evidence.Ref{ref})) == 0 {
			continue
		}
		o, err := v.api.get(ctx, ref)
		switch {
		case err == nil:
			v.add(o)
			return o.(*corev1.Service)
		case isAbsent(err) && (sure || name.Namespace == c.namespace):
			v.absent(ref)
		case !isAbsent(err):
			v.gap(resources["Service"].kind, ref, v.api.why(ctx, err, "get", "Service", ref.Namespace))
		}
	}
	return nil
}

// serviceAt looks for the Service with the call's address: in the pod's namespace, then in all.
func (v *visit) serviceAt(ctx context.Context, c call) *corev1.Service {
	host, _ := c.Host()
	for _, namespace := range []string{c.namespace, ""} {
		objects, _, err := v.api.list(ctx, query{kind: "Service", namespace: namespace, onePage: true}, func(o evidence.Object) bool {
			return slices.Contains(o.(*corev1.Service).Spec.ClusterIPs, host) || o.(*corev1.Service).Spec.ClusterIP == host
		})
		if err != nil {
			v.gap(resources["Service"].kind, within(namespace), v.api.why(ctx, err, "list", "Service", namespace))
			return nil
		}
		if len(objects) > 0 {
			if len(v.once([]evidence.Ref{evidence.RefOf(objects[0])})) > 0 {
				v.add(objects[0])
			}
			return objects[0].(*corev1.Service)
		}
	}
	return nil
}

func (v *visit) known(ref evidence.Ref) evidence.Object {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, o := range v.s.Objects {
		if evidence.RefOf(o) == ref {
			return o
		}
	}
	return nil
}

// behind reads what is behind a Service: its endpoints, its pods with their owners and logs, or the workloads that
// should make such pods, and the network policies on both sides.
func (v *visit) behind(ctx context.Context, service *corev1.Service, c call) (backends []*corev1.Pod) {
	namespace := service.Namespace
	v.list(ctx, query{kind: "EndpointSlice", namespace: namespace, labels: "kubernetes.io/service-name=" + service.Name})
	if len(service.Spec.Selector) > 0 {
		selector := labels.SelectorFromSet(service.Spec.Selector)
		backends = v.backends(ctx, query{kind: "Pod", namespace: namespace, labels: selector.String()})
		if len(backends) == 0 {
			v.list(ctx, query{kind: "Deployment", namespace: namespace})
			v.list(ctx, query{kind: "StatefulSet", namespace: namespace})
		}
	}
	ended := v.ended(backends)
	if v.inOrder { // of one pod, the latest end next to it has to do
		ended = ended[:min(len(ended), 1)]
	} else {
		v.owners(ctx, objectsOf(backends))
	}
	v.readLogs(ctx, backends, ended)
	if c.Problem == signature.TimeOut || c.Problem == signature.Unreachable || c.Problem == signature.Refused {
		for _, ns := range slices.Compact([]string{c.namespace, namespace}) {
			v.list(ctx, query{kind: "NetworkPolicy", namespace: ns})
		}
	}
	return backends
}

// list reads what a query matches, unless that was read already.
func (v *visit) list(ctx context.Context, q query) {
	if len(v.once([]evidence.Ref{evidence.RefTo("List of "+q.kind, q.namespace, q.labels)})) == 0 {
		return
	}
	objects, _, err := v.api.list(ctx, q, nil)
	if err != nil {
		v.gap(resources[q.kind].kind, within(q.namespace), v.api.why(ctx, err, "list", q.kind, q.namespace))
		return
	}
	v.add(slices.DeleteFunc(objects, func(o evidence.Object) bool { return len(v.once([]evidence.Ref{evidence.RefOf(o)})) == 0 })...)
}

// backends reads the pods that a query matches and makes them context, those in trouble first and a few of them. It
// returns those that were not known before, and at least one where there is any.
func (v *visit) backends(ctx context.Context, q query) []*corev1.Pod {
	objects, _, err := v.api.list(ctx, q, nil)
	if err != nil {
		v.gap(beside("Pod"), within(q.namespace), v.api.why(ctx, err, "list", "Pod", q.namespace))
		return nil
	}
	slices.SortStableFunc(objects, func(a, b evidence.Object) int {
		x, y := evidence.Troubled(a.(*corev1.Pod), v.s.Taken), evidence.Troubled(b.(*corev1.Pod), v.s.Taken)
		return map[bool]int{true: 0, false: 1}[x] - map[bool]int{true: 0, false: 1}[y]
	})
	var pods []*corev1.Pod
	for _, o := range objects[:min(len(objects), mostBackends)] {
		ref := evidence.RefOf(o)
		if len(v.once([]evidence.Ref{ref})) > 0 {
			v.add(o)
		}
		v.mu.Lock()
		v.s.Context = append(v.s.Context, ref)
		v.mu.Unlock()
		pods = append(pods, o.(*corev1.Pod))
	}
	return pods
}

// nameServers reads the cluster's name servers: their Service's endpoints and their pods, by the label that kubeadm,
// kops and the clouds give them.
func (v *visit) nameServers(ctx context.Context) []*corev1.Pod {
	ref := evidence.RefTo("Service", metav1.NamespaceSystem, "kube-dns")
	if len(v.once([]evidence.Ref{ref})) == 0 {
		return nil
	}
	if o, err := v.api.get(ctx, ref); err == nil {
		v.add(o)
	} else if isAbsent(err) {
		v.absent(ref)
	}
	v.list(ctx, query{kind: "EndpointSlice", namespace: metav1.NamespaceSystem, labels: "kubernetes.io/service-name=kube-dns"})
	return v.backends(ctx, query{kind: "Pod", namespace: metav1.NamespaceSystem, labels: "k8s-app=kube-dns"})
}
