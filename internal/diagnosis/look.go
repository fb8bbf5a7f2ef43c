// SPDX-License-Identifier: Apache-2.0

package diagnosis

import (
	"reflect"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// kindOf says which kind of evidence it is to look at an object. What surrounds a pod counts as spec: that it could not
// be read is a gap of its own, and no reason to skip a rule that looks at the pod.
func kindOf(kind string) evidence.Kind {
	switch kind {
	case "Pod":
		return evidence.Spec | evidence.Status
	case "Node", "Lease":
		return evidence.Node
	case "PodMetrics", "NodeMetrics":
		return evidence.Usage
	}
	return evidence.Spec
}

// Memo returns what work returns, which is done once for the pass's thing however many rules ask: for what is dear, as
// reading a log. The key says what it is. What work looks at, each caller must look at itself, before.
func Memo[T any](p *Pass, key string, work func() T) T { return remember(p.memo, key, work) }

// Once is Memo of what is the same whatever the pass looks at.
func Once[T any](p *Pass, key string, work func() T) T { return remember(p.once, key, work) }

func remember[T any](memo map[string]any, key string, work func() T) T {
	if known, ok := memo[key].(T); ok {
		return known
	}
	value := work()
	memo[key] = value
	return value
}

// Get returns an object of type T (a pointer type) by name, for a rule that looks beyond its own thing.
func Get[T evidence.Object](p *Pass, namespace, name string) (T, bool) {
	o, ok := evidence.Get[T](p.snapshot, namespace, name)
	p.used |= kindOf(reflect.TypeFor[T]().Elem().Name())
	return o, ok
}

// List returns the objects of type T (a pointer type) that are known, all or those that a thing covers: see evidence.List.
func List[T evidence.Object](p *Pass, in ...evidence.Ref) []T {
	p.used |= kindOf(reflect.TypeFor[T]().Elem().Name())
	return evidence.List[T](p.snapshot, in...)
}

// Object returns the pass's own thing, or any other, or nil.
func (p *Pass) Object(ref evidence.Ref) evidence.Object {
	p.used |= kindOf(ref.Kind)
	return p.snapshot.Object(ref)
}

// Absent tells whether a thing was looked for and does not exist. False may also mean that nobody looked.
func (p *Pass) Absent(ref evidence.Ref) bool {
	p.used |= kindOf(ref.Kind)
	return p.snapshot.IsAbsent(ref)
}

// EventsOf returns the Events about another thing with one of the reasons (all without any), oldest first.
func (p *Pass) EventsOf(ref evidence.Ref, reasons ...string) []evidence.Event {
	p.used |= evidence.Events
	return withReason(p.snapshot.EventsAbout(ref), reasons)
}

// AttemptsOf returns the runs known of another pod or container, oldest first within a container, without their logs.
func (p *Pass) AttemptsOf(ref evidence.Ref) []evidence.Attempt {
	p.used |= evidence.Status
	all := slices.Clone(p.snapshot.Attempts(ref))
	for i := range all {
		all[i].Log = evidence.Log{}
	}
	return all
}

// LogOf returns the log of a run that is known, as far as it was read.
func (p *Pass) LogOf(a evidence.Attempt) evidence.Log {
	p.used |= evidence.Logs
	for _, known := range p.snapshot.Attempts(a.Of) {
		if known.Of == a.Of {
			return known.Log
		}
	}
	return evidence.Log{}
}

// Owners returns the controllers of the thing that are known, the nearest first.
func (p *Pass) Owners() []evidence.Ref {
	p.used |= evidence.Spec
	return p.snapshot.Owners(p.about)
}

// Siblings returns the other pods that the topmost controller of the pass's pod or workload has, well or not.
func (p *Pass) Siblings() []*corev1.Pod {
	p.used |= evidence.Spec | evidence.Status
	return slices.DeleteFunc(evidence.List[*corev1.Pod](p.snapshot, p.snapshot.TopOwner(p.about)), func(pod *corev1.Pod) bool {
		return evidence.RefOf(pod) == p.about.Object()
	})
}

// Facts returns the facts without an object of one kind and, where given, of one of the names, that bear on the thing,
// oldest first: kernel records, kubelet lines, metrics. Those of a pod's node bear on the pod.
func (p *Pass) Facts(kind evidence.Kind, names ...string) []evidence.Fact {
	p.used |= kind
	return p.snapshot.FactsOn(p.about, func(f *evidence.Fact) bool {
		return f.Kind == kind && (len(names) == 0 || slices.Contains(names, f.Name))
	})
}
