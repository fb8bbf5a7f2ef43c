// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiwatch "k8s.io/apimachinery/pkg/watch"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
)

func (r *Recorder) seePod(ctx context.Context, kind apiwatch.EventType, o evidence.Object) {
	pod, whole := podOf(o)
	if pod == nil {
		return
	}
	now := r.Now()
	if kind == apiwatch.Deleted || r.ledger.Stirs(pod, now) {
		var err error
		if pod, err = whole(); err != nil {
			r.Log.Error("a pod cannot be read", "err", err)
			return
		}
	}
	if kind == apiwatch.Deleted {
		for st := range statuses(pod) { // an end that is not told of by now will not be
			st.LastTerminationState.Running = nil
		}
	}
	f := fresh{pod: pod, news: r.ledger.See(pod, now), gone: kind == apiwatch.Deleted, seen: now}
	f.news.Ended = slices.DeleteFunc(f.news.Ended, func(e End) bool { return ordered(pod, e) })
	if f.gone {
		f.news.Began = disrupted(pod) && !died(pod) // what was lost with its node never said that it ended
		if r.ledger.Delete(pod.UID) {
			f.forget = pod.UID
		}
	}
	if len(f.news.Ended)+len(f.news.Missed)+len(f.news.Passed) > 0 || f.news.Began || f.forget != "" {
		send(ctx, r.fresh.of(pod.UID), f)
	}
}

// send waits until there is room, and the watch with it: the API server holds what comes meanwhile, or lets the watch begin again.
func send[T any](ctx context.Context, to chan<- T, what T) {
	select {
	case to <- what:
	case <-ctx.Done():
	}
}

// seenPods is told that all pods there are in a namespace, or in all, have been seen.
func (r *Recorder) seenPods(ctx context.Context, namespace string) {
	for _, uid := range r.ledger.Gone(namespace) {
		send(ctx, r.fresh.of(uid), fresh{forget: uid})
	}
	r.seen(namespace)
}

// seen notes that there is nothing to wait for of a namespace.
func (r *Recorder) seen(namespace string) {
	r.mu.Lock()
	delete(r.unseen, namespace)
	all := len(r.unseen) == 0
	r.mu.Unlock()
	if all && r.counts.inStep.CompareAndSwap(false, true) {
		close(r.synced)
	}
}

// A node is what is kept of one.
type node struct {
	*corev1.Node        // without what is long and tells nothing
	trouble      string // what is the matter with it; empty when it is well
	seen         bool   // since all there are began to come again
}

// beginNodes is told that all nodes come again.
func (r *Recorder) beginNodes() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, n := range r.nodes {
		n.seen = false
	}
}

// seenNodes is told that all nodes there are have been seen.
func (r *Recorder) seenNodes() {
	r.mu.Lock()
	defer r.mu.Unlock()
	maps.DeleteFunc(r.nodes, func(_ string, n *node) bool { return !n.seen })
}

func (r *Recorder) nodeOf(name string) *corev1.Node {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := r.nodes[name]; n != nil {
		return n.Node
	}
	return nil
}

func (r *Recorder) seeNode(kind apiwatch.EventType, o evidence.Object) {
	now, ok := o.(*corev1.Node)
	if !ok {
		return
	}
	r.mu.Lock()
	before := r.nodes[now.Name]
	if kind == apiwatch.Deleted {
		delete(r.nodes, now.Name)
		r.mu.Unlock()
		return
	}
	now.ManagedFields, now.Annotations, now.Status.Images = nil, nil, nil
	collect.RedactObject(now)
	n := &node{now, troubleIn(now), true}
	r.nodes[now.Name] = n
	r.mu.Unlock()
	at := subject{evidence.RefOf(now), now.UID}
	switch {
	case n.trouble != "" && (before == nil || before.trouble != n.trouble):
		r.lookAt(at, settle)
	case now.Spec.Unschedulable && (before == nil || !before.Spec.Unschedulable): // it is to be emptied by then
		r.lookAt(at, again)
	}
}

// troubleIn names the conditions of a node that are not as they should be.
func troubleIn(n *corev1.Node) string {
	var wrong []string
	for _, c := range n.Status.Conditions {
		well := corev1.ConditionFalse
		if c.Type == corev1.NodeReady {
			well = corev1.ConditionTrue
		}
		if known := slices.Contains(conditions, c.Type); known && c.Status != well {
			wrong = append(wrong, string(c.Type)+"="+string(c.Status))
		}
	}
	return strings.Join(wrong, " ")
}

// conditions are those of nodes that Kubernetes itself acts on. Others are of whoever set them.
var conditions = []corev1.NodeConditionType{
	corev1.NodeReady, corev1.NodeMemoryPressure, corev1.NodeDiskPressure, corev1.NodePIDPressure, corev1.NodeNetworkUnavailable,
}

// lookAt has something looked at that nobody died of yet.
func (r *Recorder) lookAt(at subject, pause time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.queue.put(at, pause, later) {
		r.counts.dropped.Add(1)
		return
	}
	if r.pending[at] == nil {
		r.pending[at] = &pending{like: likeness{thing: alikeNames(at.ref), reason: "looked at"}}
	}
}

// alikeNames returns what pods of one workload have in common by their names alone.
func alikeNames(ref evidence.Ref) evidence.Ref {
	if ref.Kind == "Pod" {
		ref.Name, _, _ = cutLast(ref.Name)
	}
	return ref
}

func (r *Recorder) seeEvent(ctx context.Context, kind apiwatch.EventType, o evidence.Object) {
	event, ok := o.(*corev1.Event)
	if !ok || kind == apiwatch.Deleted {
		return
	}
	r.complains(event)
	collect.RedactObject(event)
	send(ctx, r.events, history.Event{Cluster: r.Cluster, ID: string(event.UID), Event: evidence.EventOf(event)})
}

// keepEvents gives Events to the history, as many at a time as there are.
func (r *Recorder) keepEvents(ctx context.Context) error {
	for {
		events, err := gather(ctx, r.events)
		if err != nil {
			return err
		}
		if err := r.insist(ctx, "keep Events", func() error { return r.Store.Events(ctx, events...) }); err != nil {
			return err
		}
		r.counts.events.Add(int64(len(events)))
	}
}

// keepForgetting lets the history forget pods that are gone, as many at a time as there are.
func (r *Recorder) keepForgetting(ctx context.Context) error {
	for {
		uids, err := gather(ctx, r.forget)
		if err != nil {
			return err
		}
		if err := r.insist(ctx, "let go of pods", func() error { return r.Store.Forget(ctx, r.Cluster, uids...) }); err != nil {
			return err
		}
	}
}

// gather waits for one thing and takes what else is there.
func gather[T any](ctx context.Context, from <-chan T) ([]T, error) {
	var all []T
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case first := <-from:
		all = append(all, first)
	}
	for len(all) < cap(from) {
		select {
		case more := <-from:
			all = append(all, more)
		default:
			return all, nil
		}
	}
	return all, nil
}

// glances looks for what time alone brought into trouble.
func (r *Recorder) glances(ctx context.Context) error {
	tick := time.NewTicker(glance)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
		now := r.Now()
		if r.counts.inStep.Load() {
			if err := r.insist(ctx, "note that it watches", func() error { return r.Store.Beat(ctx, r.Cluster, now) }); err != nil {
				return err
			}
		}
		for _, at := range r.ledger.due(now) {
			r.lookAt(at, 0)
		}
		for _, name := range r.leases.late(now) {
			if n := r.nodeOf(name); n != nil {
				r.lookAt(subject{evidence.RefOf(n), n.UID}, 0)
			}
		}
		if r.leases.churn(now) {
			r.lookAt(subject{collect.ControlPlane, controlPlane}, 0)
		}
		r.crowd.disperse(now)
		r.outcry.disperse(now)
		if err := r.insist(ctx, "move incidents on", func() error { return r.Store.Sweep(ctx, now) }); err != nil {
			return err
		}
	}
}
