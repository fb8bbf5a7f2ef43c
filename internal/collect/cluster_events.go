// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"context"
	"maps"
	"slices"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// configHash is the annotation with the UID that a kubelet knows a static pod by. Its Events carry this one, and not
// that of the mirror pod in the API.
const configHash = "kubernetes.io/config.hash"

// An eventReader reads the Events of what a visit finds. They are listed by namespace and joined in memory by UID,
// since that is one request where asking for each object would be several.
type eventReader struct {
	visit *visit
	pods  []*corev1.Pod

	mu        sync.Mutex
	list      []evidence.Object
	others    []evidence.Object // Events of pods that nobody asked about, while they are few
	whole     []string          // namespaces of which all Events were read, those of other pods too
	aside     []string          // namespaces of which all Events were read, and those of other pods are in others
	more      []string          // namespaces with more than one page of Events, of which only the first was read
	asked     map[string]bool   // UIDs of which the Events were asked for
	nodesRead bool
}

// read lists the Events of the namespaces and nodes in question, while the objects are being read. Those of nodes are
// in the namespace default, because a node has none.
func (r *eventReader) read(ctx context.Context) {
	namespaces := r.namespaces()
	var group sync.WaitGroup
	for _, namespace := range namespaces {
		group.Go(func() {
			r.query(ctx, query{kind: "Event", namespace: namespace, onePage: r.visit.about.Kind == "Pod"}, within(namespace))
		})
	}
	if !slices.Contains(namespaces, metav1.NamespaceDefault) && !slices.Contains(namespaces, "") {
		group.Go(func() { r.nodes(ctx) })
	}
	group.Wait()
}

// namespaces returns where the Events in question are; "" stands for all namespaces.
func (r *eventReader) namespaces() []string {
	about := r.visit.about
	switch about.Kind {
	case "":
		return []string{""}
	case "Namespace":
		return []string{about.Name}
	case "Node":
		if names := namespacesOf(r.pods); len(names) <= fewThings {
			return names
		}
		return []string{""}
	}
	return []string{about.Namespace}
}

// rest reads what read left out because it did not know the owners yet: where there is more than one page of Events,
// those of each object. Of one pod it is asked twice: for its own and its controllers', and then for its claims'.
func (r *eventReader) rest(ctx context.Context) {
	if slices.Contains(r.more, metav1.NamespaceDefault) && !r.nodesRead {
		r.nodes(ctx)
	}
	uids := r.uids()
	var group sync.WaitGroup
	for _, uid := range slices.Sorted(maps.Keys(uids)) {
		ref := evidence.RefOf(uids[uid])
		if r.asked[uid] || !slices.Contains(r.more, ref.Namespace) || !r.bears(ref) {
			continue
		}
		r.asked[uid] = true
		selector := fields.OneTermEqualSelector("involvedObject.uid", uid).String()
		r.visit.together(&group, func() { r.query(ctx, query{kind: "Event", namespace: ref.Namespace, fields: selector}, ref) })
	}
	group.Wait()
}

// bears tells whether Events of a thing may bear on the question. Of one pod, those of its siblings do not.
func (r *eventReader) bears(ref evidence.Ref) bool {
	switch {
	case ref.Kind == "PersistentVolumeClaim":
		return true
	case r.visit.about.Kind == "Pod":
		return slices.ContainsFunc(r.visit.lineOf(r.visit.about), func(o evidence.Object) bool { return evidence.RefOf(o) == ref })
	}
	return ref.Kind == "Pod" || workloadKinds[ref.Kind]
}

// finish joins all Events with the objects.
func (r *eventReader) finish(ctx context.Context) {
	r.starved(ctx)
	uids := r.uids()
	for _, o := range r.list {
		e := o.(*corev1.Event)
		about, known := uids[string(e.InvolvedObject.UID)]
		if known {
			e.InvolvedObject.UID = about.GetUID()
		}
		if known || e.InvolvedObject.Kind == "Node" && r.visit.asked[evidence.RefTo("Node", "", e.InvolvedObject.Name)] {
			r.visit.s.Events = append(r.visit.s.Events, e)
		}
	}
}

// failedCreate is the Event of a controller that cannot create a pod: there is no pod then that shows the trouble.
const failedCreate = "FailedCreate"

// starved reads the controllers that cannot create pods, where the question is about all that is in trouble, and what
// bears on why they cannot.
func (r *eventReader) starved(ctx context.Context) {
	if kind := r.visit.about.Kind; kind == "" || kind == "Namespace" {
		var refs []evidence.Ref
		for _, o := range r.list {
			e := o.(*corev1.Event)
			if about := e.InvolvedObject; refuses(e.Reason) && workloadKinds[about.Kind] {
				refs = append(refs, evidence.RefTo(about.Kind, about.Namespace, about.Name))
			}
		}
		r.visit.owners(ctx, r.visit.fetchMixed(ctx, refs))
	}
	r.visit.refused(ctx, r.list)
}

// uids returns the objects that were found by the UIDs that Events may know them by.
func (r *eventReader) uids() map[string]evidence.Object {
	uids := map[string]evidence.Object{}
	for _, o := range r.visit.s.Objects {
		if uid := string(o.GetUID()); uid != "" {
			uids[uid] = o
		}
		if hash := o.GetAnnotations()[configHash]; hash != "" {
			uids[hash] = o
		}
	}
	return uids
}

// mostOthers is how many Events of pods that nobody asked about are held, in case that a dependency is among these pods.
const mostOthers = 2000

// query reads Events of what of names, but not those about pods that nobody asked about: they are the most. Of one page
// it keeps these too: the pod in question may need one of them. Of a workload's namespace they are laid aside.
func (r *eventReader) query(ctx context.Context, q query, of ...evidence.Ref) {
	other := r.other()
	aside := workloadKinds[r.visit.about.Kind] && q.fields == ""
	left := 0
	list, more, err := r.visit.api.list(ctx, q, func(o evidence.Object) bool {
		if q.onePage || !other(o) {
			return true
		}
		left++
		return aside && left <= mostOthers
	})
	if err != nil {
		for _, ref := range of {
			r.visit.gap(evidence.Events, ref, r.visit.api.why(ctx, err, "list", "Event", q.namespace))
		}
	}
	if err == nil || len(list) > 0 {
		r.visit.has("Event")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, o := range list {
		if aside && other(o) {
			r.others = append(r.others, o)
		} else {
			r.list = append(r.list, o)
		}
	}
	switch {
	case aside && err == nil && left <= mostOthers:
		r.aside = append(r.aside, q.namespace)
	case more && q.onePage:
		r.more = append(r.more, q.namespace)
	case q.onePage && err == nil:
		r.whole = append(r.whole, q.namespace)
	}
}

// other returns what tells whether an Event is about a pod that nobody asked about.
func (r *eventReader) other() func(evidence.Object) bool {
	pods := map[string]bool{}
	for _, pod := range r.pods {
		pods[string(pod.UID)], pods[pod.Annotations[configHash]] = true, true
	}
	return func(o evidence.Object) bool {
		about := o.(*corev1.Event).InvolvedObject
		return about.Kind == "Pod" && !pods[string(about.UID)]
	}
}

// nodes reads the Events about the pods' nodes, each by its name while they are few.
func (r *eventReader) nodes(ctx context.Context) {
	r.nodesRead = true
	var names []string
	if r.visit.about.Kind == "Node" {
		names = append(names, r.visit.about.Name)
	}
	for _, pod := range r.pods {
		if pod.Spec.NodeName != "" {
			names = append(names, pod.Spec.NodeName)
		}
	}
	slices.Sort(names)
	names = slices.Compact(names)
	ofNodes := fields.OneTermEqualSelector("involvedObject.kind", "Node")
	if len(names) > fewThings {
		r.query(ctx, query{kind: "Event", namespace: metav1.NamespaceDefault, fields: ofNodes.String()}, within(metav1.NamespaceDefault))
		return
	}
	var group sync.WaitGroup
	for _, name := range names {
		group.Go(func() {
			selector := fields.AndSelectors(ofNodes, fields.OneTermEqualSelector("involvedObject.name", name))
			r.query(ctx, query{kind: "Event", namespace: metav1.NamespaceDefault, fields: selector.String()}, within(metav1.NamespaceDefault))
		})
	}
	group.Wait()
}
