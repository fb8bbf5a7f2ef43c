// SPDX-License-Identifier: Apache-2.0

package diagnosis

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// A Pass is one application of one rule to one thing: all that a rule can see. It remembers which kinds of evidence
// the rule looked at, so that the harness can compare them with what the rule declares.
type Pass struct {
	*target
	snapshot *evidence.Snapshot
	rule     *Rule
	used     evidence.Kind
	found    []Finding
	memo     map[string]any // what rules worked out about this thing
	once     map[string]any // and about everything
}

// About returns the thing that the pass looks at.
func (p *Pass) About() evidence.Ref { return p.about }

// Now returns the time of the snapshot, the only clock there is.
func (p *Pass) Now() time.Time { return p.snapshot.Taken }

// Subject returns what was asked about; zero: the cluster.
func (p *Pass) Subject() evidence.Ref { return p.snapshot.Subject }

// Lacks returns which of the kinds k are missing for the thing.
func (p *Pass) Lacks(k evidence.Kind) evidence.Kind { return p.snapshot.Lacks(k, p.about) }

// Attempt returns the ended attempt of an Attempt-scoped pass, without its log.
func (p *Pass) Attempt() evidence.Attempt {
	p.used |= evidence.Status
	a := *p.attempt
	a.Log = evidence.Log{}
	return a
}

// Attempts returns the runs known of the pass's container or pod, oldest first within a container, without their logs.
func (p *Pass) Attempts() []evidence.Attempt {
	return p.AttemptsOf(p.about.InAttempt(evidence.NoAttempt))
}

// Log returns the log of the attempt; of a Container-scoped pass, of its newest attempt that has one.
func (p *Pass) Log() evidence.Log {
	p.used |= evidence.Logs
	if p.rule.Scope == Attempt {
		return p.attempt.Log
	}
	logs := p.snapshot.Logs // in order; of a container of which only its log is known, there is no attempt; of few runs there is a log
	after, _ := slices.BinarySearchFunc(logs, p.about.InAttempt(math.MaxInt32), func(l evidence.Log, of evidence.Ref) int { return l.Of.Compare(of) })
	for _, l := range slices.Backward(logs[max(0, after-4):after]) {
		if l.Text != "" && l.Of.InAttempt(evidence.NoAttempt) == p.about {
			return l
		}
	}
	return evidence.Log{}
}

// PodMeta returns the metadata of the pass's pod, whose deletion the kubelet and the API server write.
func (p *Pass) PodMeta() *metav1.ObjectMeta {
	p.used |= evidence.Status
	return &p.podOrNone().ObjectMeta
}

// PodSpec returns the spec of the pass's pod.
func (p *Pass) PodSpec() *corev1.PodSpec {
	p.used |= evidence.Spec
	return &p.podOrNone().Spec
}

// PodStatus returns the status of the pass's pod.
func (p *Pass) PodStatus() *corev1.PodStatus {
	p.used |= evidence.Status
	return &p.podOrNone().Status
}

// Spec returns the pass's container as the pod's spec has it, or nil.
func (p *Pass) Spec() *corev1.Container {
	p.used |= evidence.Spec
	return evidence.ContainerSpec(p.podOrNone(), p.about.Container)
}

// Status returns the status of the pass's container, or nil before there is one: of one that has run, an empty one, as only
// the runtime may tell of its runs.
func (p *Pass) Status() *corev1.ContainerStatus {
	p.used |= evidence.Status
	st := evidence.ContainerStatus(p.podOrNone(), p.about.Container)
	if st == nil && p.rule.Scope == Attempt {
		return &corev1.ContainerStatus{Name: p.about.Container}
	}
	return st
}

func (p *Pass) podOrNone() *corev1.Pod {
	if p.of == nil {
		return &corev1.Pod{}
	}
	return p.of
}

// Events returns the Events about the thing with one of the reasons (all without any), oldest first.
func (p *Pass) Events(reasons ...string) []evidence.Event {
	p.used |= evidence.Events
	return withReason(p.events, reasons)
}

func withReason(events []evidence.Event, reasons []string) []evidence.Event {
	var list []evidence.Event
	for i := range events {
		if len(reasons) == 0 || slices.Contains(reasons, events[i].Reason) {
			list = append(list, events[i])
		}
	}
	return list
}

// Order returns the kubelet's order that the attempt ended by.
func (p *Pass) Order() (evidence.Order, bool) {
	p.used |= evidence.Events | evidence.Status
	return p.snapshot.OrderFor(*p.attempt)
}

// Node returns the pass's node, or that of its pod; nil when unknown.
func (p *Pass) Node() *corev1.Node {
	p.used |= evidence.Node
	node, _ := evidence.Get[*corev1.Node](p.snapshot, "", p.node())
	return node
}

// node is the name of the pass's node, or of that which its pod is on.
func (p *Pass) node() string {
	if p.about.Kind == "Node" {
		return p.about.Name
	}
	return p.NodeName()
}

// NodeEvents returns the Events about that node with one of the reasons (all without any), oldest first.
func (p *Pass) NodeEvents(reasons ...string) []evidence.Event {
	p.used |= evidence.Events
	return withReason(p.snapshot.EventsAbout(evidence.RefTo("Node", "", p.node())), reasons)
}

// NodeName returns the name of the node that the pass's pod was assigned to, or "". It is part of the pod's identity
// and no kind of evidence.
func (p *Pass) NodeName() string { return p.podOrNone().Spec.NodeName }

// Lease returns the lease that the pass's node renews every 10 s; nil when unknown.
func (p *Pass) Lease() *coordinationv1.Lease {
	node := p.Node()
	if node == nil {
		return nil
	}
	lease, _ := evidence.Get[*coordinationv1.Lease](p.snapshot, corev1.NamespaceNodeLease, node.Name)
	return lease
}

// Nodes returns every node that is known.
func (p *Pass) Nodes() []*corev1.Node {
	p.used |= evidence.Node
	return evidence.List[*corev1.Node](p.snapshot)
}

// Keys returns the keys of a ConfigMap and whether it exists. Unknown is true when nobody looked.
func (p *Pass) Keys(name string) (keys []string, exists, unknown bool) {
	p.used |= evidence.Spec
	if cm, ok := evidence.Get[*corev1.ConfigMap](p.snapshot, p.about.Namespace, name); ok {
		keys = slices.AppendSeq(slices.Collect(maps.Keys(cm.Data)), maps.Keys(cm.BinaryData))
		slices.Sort(keys)
		return keys, true, false
	}
	return nil, false, !p.snapshot.IsAbsent(evidence.RefTo("ConfigMap", p.about.Namespace, name))
}

// Workload returns the topmost controller of the thing that has a pod template, and that template; the pod itself and
// nil when it has none that is known. Fixes are made there: a controller would revert them anywhere below.
func (p *Pass) Workload() (evidence.Ref, *corev1.PodTemplateSpec) {
	p.used |= evidence.Spec
	top := p.snapshot.TopOwner(p.about)
	switch o := p.snapshot.Object(top).(type) {
	case *appsv1.Deployment:
		return top, &o.Spec.Template
	case *appsv1.StatefulSet:
		return top, &o.Spec.Template
	case *appsv1.DaemonSet:
		return top, &o.Spec.Template
	case *batchv1.CronJob: // that of a Job cannot be changed
		return top, &o.Spec.JobTemplate.Spec.Template
	}
	return top, nil
}

// Report adds a finding. What it leaves out is filled in: the rule, the thing, and the time of its first fact.
func (p *Pass) Report(f Finding) {
	f.Rule = p.rule
	f.About = cmp.Or(f.About, p.about)
	for i := 0; f.At.IsZero() && i < len(f.Facts); i++ {
		f.At = f.Facts[i].At
	}
	f.At = cmp.Or(f.At, p.snapshot.Taken).UTC()
	p.found = append(p.found, f)
}
