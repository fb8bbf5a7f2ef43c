// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"cmp"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metricsv1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// errNothing is the answer to text in which nothing is recognised.
var errNothing = errors.New("nothing in it is recognised: give what kubectl get -o yaml (or -o json), kubectl describe, get, events, logs or top printed, a node's kernel or kubelet log, a cluster dump, or what inquest collect wrote")

// snapshot makes one snapshot of all that was read.
func (g *gathering) snapshot(now time.Time) (*evidence.Snapshot, error) {
	if g.bound == 0 && !g.asHostLogs() && !g.onlyLogs() {
		return nil, errNothing
	}
	s := &evidence.Snapshot{Taken: g.taken(now)}
	g.settle(s.Taken)
	g.stubs()
	l := &linker{held: g.held}
	l.link(g.events)
	g.strays()
	g.births()
	pods := g.pods()
	g.tellEnds(pods)
	g.aboutContainers()
	g.restore(pods)
	g.podsWords(pods)
	g.placeLogs(s, pods)
	g.placeUsage(s)
	g.placeHosts(s)
	g.fill(s)
	resolveHostFacts(s)
	s.Freeze()
	g.gaps(s)
	s.Freeze()
	if len(pods) == 1 && g.held[evidence.RefOf(pods[0])].rank > tabled {
		s.Subject = evidence.RefOf(pods[0])
	} else if len(s.Objects) == 1 {
		s.Subject = evidence.RefOf(s.Objects[0])
	}
	if g.dropped > 0 {
		g.notice("%d objects beyond what is kept were left out: those of pods in trouble are kept first", g.dropped)
	}
	return s, nil
}

// settle gives every text its time and its namespace, and keeps what it tells.
func (g *gathering) settle(taken time.Time) {
	spaces := g.spaces()
	g.align()
	for _, p := range g.parts {
		at := taken
		if len(p.anchors) > 0 {
			at = p.clock()
		}
		p.settle(at)
		for _, f := range p.objects {
			if o := f.object; o.GetNamespace() == "" && !clusterKinds[evidence.RefOf(o).Kind] {
				o.SetNamespace(spaces.of(evidence.RefOf(o)))
			}
			mask(f.object)
			g.hold(f)
		}
		for _, e := range p.events {
			if e.about.Namespace == "" && !clusterKinds[e.about.Kind] {
				e.about.Namespace = spaces.of(e.about)
			}
			o := coreEvent(e, at)
			mask(o)
			g.events = append(g.events, o)
		}
		p.events = nil
	}
	g.events = distinctEvents(g.events)
}

// An eventKey is what two tellings of one Event have in common.
type eventKey struct {
	kind, name, reason, message string
	count                       int
}

func keyOf(about evidence.Ref, reason, message string, count int) eventKey {
	return eventKey{about.Kind, about.Name, reason, strings.Join(strings.Fields(message), " "), count}
}

// align finds when a text without any time was printed, by Events in it of which another one gives the time: a table of
// Events beside a description, or beside the objects themselves.
func (g *gathering) align() {
	known := map[eventKey]time.Time{}
	for _, e := range g.events {
		ev := evidence.EventOf(e)
		known[keyOf(ev.About, ev.Reason, ev.Message, ev.Count)] = ev.Last
	}
	slices.SortStableFunc(g.parts, func(a, b *part) int { return min(len(b.anchors), 1) - min(len(a.anchors), 1) })
	for _, p := range g.parts {
		if len(p.anchors) == 0 {
			for _, e := range p.events {
				if at := known[keyOf(e.about, e.reason, e.message, e.count)]; e.at.IsZero() {
					p.pin(at, e.last)
				}
			}
			continue
		}
		for _, e := range p.events {
			if e.at.IsZero() && e.last.known {
				known[keyOf(e.about, e.reason, e.message, e.count)] = p.clock().Add(-e.last.d)
			}
		}
	}
}

// spaces are the namespaces of what is named with one, for texts that print none.
type spaces struct {
	named map[string]string // by kind and name
	only  string
}

func (g *gathering) spaces() spaces {
	s := spaces{named: map[string]string{}}
	count := map[string]bool{}
	note := func(ref evidence.Ref) {
		if ref.Namespace != "" && ref.Namespace != corev1.NamespaceNodeLease {
			s.named[ref.Kind+"/"+ref.Name] = ref.Namespace
			count[ref.Namespace] = true
			s.only = ref.Namespace
		}
	}
	for ref := range g.held {
		note(ref)
	}
	for _, p := range g.parts {
		for _, f := range p.objects {
			note(evidence.RefOf(f.object))
		}
		for _, e := range p.events {
			note(e.about.Object())
		}
	}
	for _, e := range g.events {
		note(evidence.EventOf(e).About.Object())
	}
	if len(count) != 1 {
		s.only = metav1.NamespaceDefault
	}
	return s
}

func (s spaces) of(ref evidence.Ref) string { return cmp.Or(s.named[ref.Kind+"/"+ref.Name], s.only) }

// distinctEvents names Events that have no name after what they say, so that one that was printed twice is one. Of
// tellings of the same Event the one with the most occurrences stays, and one of the API before one of a text.
func distinctEvents(events []*corev1.Event) []*corev1.Event {
	type key struct {
		about           evidence.Ref
		reason, message string
	}
	best := map[key]*corev1.Event{}
	var rest []*corev1.Event
	for _, e := range events {
		ev := evidence.EventOf(e)
		k := key{ev.About.Object(), ev.Reason, strings.Join(strings.Fields(ev.Message), " ")}
		known := best[k]
		switch {
		case e.Name != "" && (known == nil || known.Name == ""):
			best[k] = e
			rest = append(rest, e)
		case e.Name != "":
			rest = append(rest, e)
		case known == nil || known.Name == "" && ev.Count > evidence.EventOf(known).Count:
			best[k] = e
		}
	}
	for k, e := range best {
		if e.Name == "" {
			h := fnv.New64a()
			fmt.Fprintf(h, "%v|%s|%s", k.about, k.reason, k.message)
			e.Name = fmt.Sprintf("%s.%x", k.about.Name, h.Sum64())
			rest = append(rest, e)
		}
	}
	return rest
}

// pods returns the pods that are held, in order.
func (g *gathering) pods() []*corev1.Pod {
	var list []*corev1.Pod
	for _, h := range g.inOrder() {
		if pod, ok := h.object.(*corev1.Pod); ok {
			list = append(list, pod)
		}
	}
	return list
}

func (g *gathering) inOrder() []*held {
	list := make([]*held, 0, len(g.held))
	for _, h := range g.held {
		list = append(list, h)
	}
	slices.SortFunc(list, func(a, b *held) int { return cmp.Compare(a.order, b.order) })
	return list
}

// births gives pods whose text has no time of creation that of the first that is known of them.
func (g *gathering) births() {
	first := map[evidence.Ref]time.Time{}
	for _, e := range g.events {
		ev := evidence.EventOf(e)
		if at := first[ev.About.Object()]; at.IsZero() || ev.First.Before(at) {
			first[ev.About.Object()] = ev.First
		}
	}
	for _, pod := range g.pods() {
		if !pod.CreationTimestamp.IsZero() {
			continue
		}
		if at := pod.Status.StartTime; at != nil {
			pod.CreationTimestamp = *at
		} else if at := first[evidence.RefOf(pod)]; !at.IsZero() {
			pod.CreationTimestamp = metav1.NewTime(at)
		}
	}
}

// placeLogs finds the run that each log is of.
func (g *gathering) placeLogs(s *evidence.Snapshot, pods []*corev1.Pod) {
	a := newAttributor(pods, func(p *corev1.Pod) bool { return evidence.Troubled(p, s.Taken) })
	best := map[evidence.Ref]int{}
	for _, l := range g.logs {
		of, ok := a.find(l)
		if !ok {
			switch {
			case l.doubtful:
				g.notice("%s: nothing in it is recognised, left out", l.name)
			case l.of.Name == "":
				g.notice("%s: a log, and which container it is of cannot be told: name the file after its pod", l.name)
			}
			continue
		}
		text, masked := Redact(l.text)
		log := evidence.Log{Of: of, Text: text, Missing: l.missing, Masked: masked}
		if i, twice := best[of]; twice {
			if len(s.Logs[i].Text) < len(text) {
				s.Logs[i] = log
			}
			continue
		}
		best[of] = len(s.Logs)
		s.Logs = append(s.Logs, log)
	}
}

// placeUsage makes the metrics of kubectl top's rows.
func (g *gathering) placeUsage(s *evidence.Snapshot) {
	spaces := g.spaces()
	pods := map[evidence.Ref]*metricsv1.PodMetrics{}
	for _, p := range g.parts {
		for _, u := range p.usage {
			s.Has |= evidence.Usage
			if u.about.Kind == "Node" {
				s.Objects = append(s.Objects, &metricsv1.NodeMetrics{ObjectMeta: metav1.ObjectMeta{Name: u.about.Name}, Timestamp: metav1.NewTime(s.Taken), Usage: u.amounts})
				continue
			}
			u.about.Namespace = cmp.Or(u.about.Namespace, spaces.of(u.about.Object()))
			of := u.about.Object()
			if pods[of] == nil {
				pods[of] = &metricsv1.PodMetrics{ObjectMeta: metav1.ObjectMeta{Namespace: of.Namespace, Name: of.Name}, Timestamp: metav1.NewTime(s.Taken)}
				s.Objects = append(s.Objects, pods[of])
			}
			if name := cmp.Or(u.about.Container, g.onlyContainer(of)); name != "" { // the sum of several containers is that of none
				pods[of].Containers = append(pods[of].Containers, metricsv1.ContainerMetrics{Name: name, Usage: u.amounts})
			}
		}
	}
}

// onlyContainer returns the name of a pod's container, if it has but one.
func (g *gathering) onlyContainer(of evidence.Ref) string {
	if h := g.held[of]; h != nil {
		if pod, ok := h.object.(*corev1.Pod); ok && len(pod.Spec.Containers) == 1 {
			return pod.Spec.Containers[0].Name
		}
	}
	return ""
}

// fill moves what is held into the snapshot, with the kinds of evidence that it is.
func (g *gathering) fill(s *evidence.Snapshot) {
	for _, h := range g.inOrder() {
		s.Has |= h.kinds
		s.Objects = append(s.Objects, h.object)
	}
	s.Events = g.events
	if g.wide || len(g.events) > 0 {
		s.Has |= evidence.Events
	}
	if len(s.Logs) > 0 {
		s.Has |= evidence.Logs
	}
	if len(s.Facts) > 0 {
		s.Has |= evidence.Host
	}
}

// mostGaps bounds the gaps, which every rule looks through for every thing.
const mostGaps = 300

// gaps notes what is known of some things and not of others: where one pod was described and another only listed, the
// manifest of the other is missing.
func (g *gathering) gaps(s *evidence.Snapshot) {
	logged := map[evidence.Ref]bool{}
	for _, l := range s.Logs {
		logged[l.Of.Object()] = true
	}
	for _, h := range g.inOrder() {
		if pod, ok := h.object.(*corev1.Pod); ok && len(s.Gaps) < mostGaps {
			s.Gaps = append(s.Gaps, g.gapsOf(s, pod, h, logged)...)
		}
	}
}

func (g *gathering) gapsOf(s *evidence.Snapshot, pod *corev1.Pod, h *held, logged map[evidence.Ref]bool) []evidence.Gap {
	ref := evidence.RefOf(pod)
	if h.kinds == 0 {
		return []evidence.Gap{{Kind: evidence.Status, About: ref, Why: onlyItsLog}}
	}
	node := pod.Spec.NodeName
	var gaps []evidence.Gap
	for _, gap := range []struct {
		kind  evidence.Kind
		lacks bool
		why   string
	}{
		{evidence.Status, h.kinds&evidence.Status == 0, "this input has no status of it"},
		{evidence.Events, h.kinds&evidence.Events == 0 && !g.wide, "this input has no Events of it"},
		{evidence.Logs, !logged[ref], "this input has no log of it"},
		{evidence.Node, node != "" && g.held[evidence.RefTo("Node", "", node)] == nil, "this input does not have its node " + node},
	} {
		if gap.lacks && s.Has&gap.kind != 0 {
			gaps = append(gaps, evidence.Gap{Kind: gap.kind, About: ref, Why: gap.why})
		}
	}
	if h.rank < described { // under Spec, the rules could not look at what there is of it
		gaps = append(gaps, evidence.Gap{Kind: evidence.Changes, About: ref, Why: "this input has only a summary of it, without its manifest"})
	}
	return gaps
}
