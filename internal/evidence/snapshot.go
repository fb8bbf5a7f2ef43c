// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Pod is the kind that most questions are about.
type Pod = corev1.Pod

// A Selection says what is asked about: named things, or everything that matches.
type Selection struct {
	Ref           Ref    // one thing; zero: everything that the rest selects
	Namespace     string // of Ref or to look in
	AllNamespaces bool   // everything troubled, in every namespace
	Label         string // a label selector
	Container     string // only this container
	NoLogs        bool   // do not read logs
	LogBytes      int64  // how much of the end of each log is read; 0: 256 KiB
}

// A Snapshot is everything known about its subject at one moment. Package collect fills the exported fields and calls
// Freeze; then it never changes and may be read from many goroutines.
type Snapshot struct {
	Taken   time.Time // the only clock rules have
	Subject Ref       // what was asked: a pod, a workload, a node, a namespace; zero: the cluster
	Asked   []Ref     // the pods, workloads and nodes that rules look at; empty: all. The rest is context
	Each    []Ref     // runs that rules look at by themselves, though a newer one ended like them
	Context []Ref     // more that rules look at, as the pods behind a Service: told only where it explains what was asked
	Has     Kind      // kinds that were looked for and could be read
	Gaps    []Gap
	Absent  []Ref // things that are referred to, were looked for and do not exist
	Objects []Object
	Events  []*corev1.Event
	Logs    []Log
	Facts   []Fact    // facts that have no object: kernel log, CRI, usage
	Runs    []Attempt // runs that the runtime told a node's agent of, in what order ever; those of the status may be among them

	refs     []Ref           // of Objects, in their order
	events   map[Ref][]Event // by object
	bearing  map[Ref][]Event // by object and by container: what EventsAbout returns
	attempts map[Ref][]Attempt
	orders   map[Ref]Order
	below    func() map[place][]Object // what an owner, a node, a claim or a namespace covers, in order; worked out when first asked
	gaps     map[Ref][]int             // by object, as places in Gaps
	facts    map[Ref][]int             // by object, as places in Facts
	within   map[Ref][]int             // by object: the facts about it and about what it covers
}

// A place is where objects of one kind are.
type place struct {
	in   Ref
	kind string
}

// Freeze puts the snapshot in its one order, derives attempts and what Events say, and returns it. Duplicate objects
// and Events are dropped.
func (s *Snapshot) Freeze() *Snapshot {
	s.Taken = s.Taken.UTC()
	sortBy(s.Objects, RefOf)
	s.Objects = slices.CompactFunc(s.Objects, func(a, b Object) bool { return RefOf(a) == RefOf(b) })
	sortBy(s.Logs, func(l Log) Ref { return l.Of })
	sortBy(s.Runs, func(a Attempt) Ref { return a.Of })
	slices.SortFunc(s.Events, func(a, b *corev1.Event) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	s.Events = slices.CompactFunc(s.Events, func(a, b *corev1.Event) bool {
		return a.Namespace == b.Namespace && a.Name == b.Name
	})
	for _, refs := range []*[]Ref{&s.Asked, &s.Context, &s.Absent} {
		slices.SortFunc(*refs, Ref.Compare)
		*refs = slices.Compact(*refs)
	}
	slices.SortStableFunc(s.Facts, func(a, b Fact) int { return cmp.Or(a.At.Compare(b.At), a.About.Compare(b.About)) })
	s.refs, s.below = make([]Ref, len(s.Objects)), sync.OnceValue(s.indexBelow)
	for i, o := range s.Objects {
		s.refs[i] = RefOf(o)
	}
	s.indexEvents()
	s.indexAttempts()
	s.doubtEvents()
	slices.SortStableFunc(s.Gaps, func(a, b Gap) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), a.About.Compare(b.About), cmp.Compare(a.Why, b.Why))
	})
	s.Gaps = slices.Compact(s.Gaps)
	s.gaps, s.facts, s.within = map[Ref][]int{}, map[Ref][]int{}, map[Ref][]int{}
	for i, g := range s.Gaps {
		s.gaps[g.About.Object()] = append(s.gaps[g.About.Object()], i)
	}
	for i, f := range s.Facts {
		s.facts[f.About.Object()] = append(s.facts[f.About.Object()], i)
		for _, above := range s.Above(f.About) {
			s.within[above] = append(s.within[above], i)
		}
	}
	return s
}

func sortBy[T any](list []T, ref func(T) Ref) {
	slices.SortStableFunc(list, func(a, b T) int { return ref(a).Compare(ref(b)) })
}

func (s *Snapshot) indexBelow() map[place][]Object {
	below := map[place][]Object{}
	for i, o := range s.Objects {
		ref := s.refs[i]
		above := s.Above(ref)
		for _, in := range above[1 : len(above)-1] { // neither itself nor the cluster
			at := place{in, ref.Kind}
			below[at] = append(below[at], o)
		}
	}
	return below
}

func (s *Snapshot) indexEvents() {
	s.events = map[Ref][]Event{}
	for _, e := range s.Events {
		ev := EventOf(e)
		s.events[ev.About.Object()] = append(s.events[ev.About.Object()], ev)
	}
	for _, list := range s.events {
		slices.SortStableFunc(list, func(a, b Event) int {
			return cmp.Or(a.Last.Compare(b.Last), a.First.Compare(b.First), cmp.Compare(a.Reason, b.Reason), cmp.Compare(a.Message, b.Message))
		})
	}
	s.bearing = make(map[Ref][]Event, len(s.events))
	for ref := range s.events {
		s.bearing[ref] = s.bearOn(ref)
	}
}

// bearOn returns the Events about an object or a container, without those of an earlier object of the same name.
func (s *Snapshot) bearOn(ref Ref) []Event {
	uid := ""
	if o := s.Object(ref); o != nil && ref.Kind != "Node" {
		uid = string(o.GetUID())
	}
	return slices.DeleteFunc(slices.Clone(s.events[ref.Object()]), func(e Event) bool {
		sameObject := uid == "" || e.UID == "" || e.UID == uid
		sameContainer := ref.Container == "" || e.About.Container == "" || e.About.Container == ref.Container
		return !sameObject || !sameContainer
	})
}

func (s *Snapshot) indexAttempts() {
	logs := make(map[Ref]Log, len(s.Logs))
	for _, l := range s.Logs {
		logs[l.Of] = l
	}
	s.attempts, s.orders = map[Ref][]Attempt{}, map[Ref]Order{}
	for _, pod := range List[*Pod](s) {
		for _, a := range s.runsOf(pod) {
			a.Expected = expected(pod, a, s.Taken)
			a.Log = logs[a.Of]
			s.attempts[RefOf(pod)] = append(s.attempts[RefOf(pod)], a)
			of := a.Of.InAttempt(NoAttempt)
			if _, done := s.bearing[of]; !done && len(s.events[of.Object()]) > 0 {
				s.bearing[of] = s.bearOn(of)
			}
			if order := s.orderFor(pod, a); order.By != "" {
				s.orders[a.Of] = order
			}
		}
	}
}

// runsOf returns the runs of a pod: those of its status, and among those of each container the ones that only the runtime
// tells of, in their order. Where both know an end, the status counts, and the runtime's times are kept, which are exact.
func (s *Snapshot) runsOf(pod *Pod) []Attempt {
	runs, ref := attemptsOf(pod), RefOf(pod)
	at, place := map[Ref]int{}, map[string]int{} // where a run is, and a container among the others
	for i, a := range runs {
		at[a.Of], place[a.Of.Container] = i, cmp.Or(place[a.Of.Container], len(place)+1)
	}
	told := len(runs)
	first, _ := slices.BinarySearchFunc(s.Runs, ref, func(a Attempt, of Ref) int { return a.Of.Compare(of) })
	for _, r := range s.Runs[first:] {
		if r.Of.Object() != ref {
			break
		}
		if i, both := at[r.Of]; !both {
			at[r.Of], place[r.Of.Container] = len(runs), cmp.Or(place[r.Of.Container], len(place)+1)
			r.Init, r.Sidecar = inits(pod, r.Of.Container)
			runs = append(runs, r)
		} else if runs[i].Ended() && !r.Finished.IsZero() {
			if runs[i].Reason == lostStatus { // the kubelet made the end up
				runs[i].ExitCode, runs[i].Signal, runs[i].Reason, runs[i].Message, runs[i].Where = r.ExitCode, r.Signal, r.Reason, r.Message, r.Where
			}
			runs[i].Started, runs[i].Finished = cmp.Or(r.Started, runs[i].Started), r.Finished
		}
	}
	if len(runs) > told {
		slices.SortStableFunc(runs, func(a, b Attempt) int {
			return cmp.Or(cmp.Compare(place[a.Of.Container], place[b.Of.Container]), cmp.Compare(a.Of.Attempt, b.Of.Attempt))
		})
	}
	return runs
}

// EventTTL is how long an API server keeps Events unless told otherwise (kube-apiserver --event-ttl).
const EventTTL = time.Hour

// doubtEvents notes for every end of which nothing can be told from there being no Event about it: because it is older
// than the lifetime of Events, unless an Event from before that end proves that they are kept for longer, or because
// the kubelet's recorder had begun to drop them.
func (s *Snapshot) doubtEvents() {
	for ref, attempts := range s.attempts {
		for _, a := range attempts {
			if !a.Ended() || a.Expected != "" || a.Finished.IsZero() {
				continue
			}
			kept := slices.ContainsFunc(s.events[ref], func(e Event) bool { return !e.Last.After(a.Finished) })
			_, ordered := s.OrderFor(a)
			switch {
			case s.Taken.Sub(a.Finished) >= EventTTL && !kept:
				s.Gaps = append(s.Gaps, Gap{Events, a.Of, "expired: Events are kept for one hour by default"})
			case !ordered && a.endsLikeAnOrder() && s.dropsEvents(a.Of):
				s.Gaps = append(s.Gaps, Gap{Events, a.Of, "dropped: the kubelet records no more than 25 Events about a pod at once, then one in 5 minutes"})
			}
		}
	}
}

// Get returns the object of type T (a pointer type) by name.
func Get[T Object](s *Snapshot, namespace, name string) (T, bool) {
	o, ok := s.Object(RefTo(reflect.TypeFor[T]().Elem().Name(), namespace, name)).(T)
	return o, ok
}

// List returns the objects of type T (a pointer type), by namespace and name: all, or those that a thing covers, as a node
// its pods, an owner what it owns, a claim the pods that use it, a namespace what is in it.
func List[T Object](s *Snapshot, in ...Ref) []T {
	kind := reflect.TypeFor[T]().Elem().Name()
	first, _ := slices.BinarySearchFunc(s.refs, Ref{Kind: kind}, Ref.Compare)
	end, _ := slices.BinarySearchFunc(s.refs, Ref{Kind: kind + "\x00"}, Ref.Compare) // the kind that would be next
	objects := s.Objects[first:end]
	if len(in) > 0 {
		objects = s.below()[place{in[0], kind}]
	}
	list := make([]T, 0, len(objects))
	for _, o := range objects {
		if t, ok := o.(T); ok {
			list = append(list, t)
		}
	}
	return list
}

// Object returns the object that ref is or is part of, or nil.
func (s *Snapshot) Object(ref Ref) Object {
	if i, found := slices.BinarySearchFunc(s.refs, ref.Object(), Ref.Compare); found {
		return s.Objects[i]
	}
	return nil
}

// Knows tells whether anything is known of the thing: it is an object, or a node that facts are about.
func (s *Snapshot) Knows(ref Ref) bool {
	return s.Object(ref) != nil || ref.Kind == "Node" && slices.ContainsFunc(s.facts[ref], func(i int) bool { return s.Facts[i].About == ref })
}

// IsAbsent tells whether the thing was looked for and does not exist. False may also mean that nobody looked.
func (s *Snapshot) IsAbsent(ref Ref) bool {
	_, found := slices.BinarySearchFunc(s.Absent, ref, Ref.Compare)
	return found
}

// Attempts returns the runs known of a pod, or of one container of it, oldest first within a container.
func (s *Snapshot) Attempts(of Ref) []Attempt {
	all := s.attempts[of.Object()]
	if of.Container == "" {
		return all
	}
	return slices.DeleteFunc(slices.Clone(all), func(a Attempt) bool {
		return a.Of.Container != of.Container || of.Attempt != NoAttempt && of.Attempt != a.Of.Attempt
	})
}

// Deaths returns the ends of a pod's attempts that need explaining. Of ends of one container that are alike (exit code,
// reason and who ordered it) the newest stands for all: its log and its Events are the best kept. Of ends by the program's own doing it
// is the newest with a log, where an agent has that of an older one only. Those of Each stand for themselves.
func (s *Snapshot) Deaths(pod Ref) []Attempt {
	deaths, at := []Attempt(nil), map[string]int{}
	for _, a := range slices.Backward(s.Attempts(pod)) {
		if !a.Ended() || a.Expected != "" {
			continue
		}
		order, _ := s.OrderFor(a)
		like := fmt.Sprintf("%q %d %q %s %d", a.Of.Container, a.ExitCode, a.Reason, order.By, slices.Index(s.Each, a.Of))
		switch i, seen := at[like]; {
		case !seen:
			at[like] = len(deaths)
			deaths = append(deaths, a)
		case deaths[i].Log.Text == "" && a.Log.Text != "" && !a.endsLikeAnOrder() && a.Reason != "OOMKilled":
			deaths[i] = a
		}
	}
	slices.Reverse(deaths)
	return deaths
}

// EventsAbout returns the Events of an object, oldest first: for a container its own and those of the pod as a whole.
// The caller does not change the list.
// Events of an earlier object of the same name are left out by their UID; those of a node are not, because the
// kubelet uses the node's name for it.
func (s *Snapshot) EventsAbout(ref Ref) []Event {
	ref.Attempt = NoAttempt
	if list, ready := s.bearing[ref]; ready || len(s.events[ref.Object()]) == 0 {
		return list
	}
	return s.bearOn(ref)
}

// FactsOn returns the facts without an object that bear on a thing and are to be kept, oldest first: about what covers it, and
// about what it covers.
func (s *Snapshot) FactsOn(about Ref, keep func(*Fact) bool) (list []Fact) {
	if len(s.Facts) == 0 {
		return nil
	}
	at := slices.Clone(s.within[about.Object()])
	for _, above := range s.Above(about)[1:] {
		at = append(at, s.facts[above]...)
	}
	slices.Sort(at)
	for _, i := range slices.Compact(at) {
		if f := &s.Facts[i]; keep(f) && (s.Covers(f.About, about) || s.Covers(about, f.About)) {
			list = append(list, *f)
		}
	}
	return list
}

// Missing returns the first of the gaps that say why one of the kinds k is missing for the thing named, and all those kinds.
func (s *Snapshot) Missing(k Kind, about Ref) (first Gap, lacks Kind) {
	least := len(s.Gaps)
	if least == 0 {
		return first, lacks
	}
	for _, above := range s.Above(about) {
		for _, i := range s.gaps[above] {
			if g := &s.Gaps[i]; g.Kind&k != 0 && s.Covers(g.About, about) {
				least, lacks = min(i, least), lacks|k&g.Kind
			}
		}
	}
	if least < len(s.Gaps) {
		first = s.Gaps[least]
	}
	return first, lacks
}

// Lacks returns which of the kinds k are missing for the thing named.
func (s *Snapshot) Lacks(k Kind, about Ref) Kind {
	_, lacks := s.Missing(k, about)
	return k&^s.Has | lacks
}

// Owner returns the controller of an object: the ReplicaSet of a pod, the Deployment of a ReplicaSet. It need not be
// among the objects.
func (s *Snapshot) Owner(of Ref) (Ref, bool) {
	if o := s.Object(of); o != nil {
		if c := metav1.GetControllerOfNoCopy(o); c != nil {
			return RefTo(c.Kind, o.GetNamespace(), c.Name), true
		}
	}
	return Ref{}, false
}

// Owners returns the controllers of a thing that are known, the nearest first. A node that owns a static pod does not count.
func (s *Snapshot) Owners(of Ref) (owners []Ref) {
	for ref := of.Object(); len(owners) < 8; { // deeper than any controller hierarchy; a cycle ends here
		owner, ok := s.Owner(ref)
		if !ok || s.Object(owner) == nil || owner.Kind == "Node" {
			break
		}
		owners, ref = append(owners, owner), owner
	}
	return owners
}

// TopOwner returns the last of the controllers that are known; the object itself when it has none.
func (s *Snapshot) TopOwner(of Ref) Ref {
	if owners := s.Owners(of); len(owners) > 0 {
		return owners[len(owners)-1]
	}
	return of.Object()
}
