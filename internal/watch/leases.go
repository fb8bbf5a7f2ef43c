// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"slices"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	apiwatch "k8s.io/apimachinery/pkg/watch"

	"github.com/kubeinquest/inquest/internal/evidence"
)

const (
	// controlPlane stands for a UID of the control plane, which has none.
	controlPlane = "control-plane"
	// churning is how many changes of leaders within churnWithin are more than an upgrade makes.
	churning    = 3
	churnWithin = 10 * time.Minute
)

// Leases knows which of the leases that nodes and leaders of the control plane hold are not kept. Renewals are timed by our own
// clock, as those of nodes may differ.
type leases struct {
	mu      sync.Mutex
	held    map[leaseName]*lease
	changes []time.Time // of leaders
	blind   bool        // not all that are there have come
	heard   time.Time   // of any of them
}

// silent is how long nothing may be heard of any lease: some are renewed each ten seconds. Whatever keeps us from hearing keeps us from
// hearing of all of them, and says nothing of those who hold them.
const silent = 20 * time.Second

type leaseName struct{ namespace, name string }

type lease struct {
	heard    time.Time     // of its last renewal
	lasts    time.Duration // until it has to be renewed
	holder   string
	reported bool // as not kept
	seen     bool // since all there are began to come again
}

func newLeases() *leases { return &leases{held: map[leaseName]*lease{}, blind: true} }

// begin is told that all leases come again.
func (l *leases) begin() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.blind = true
	for _, one := range l.held {
		one.seen = false
	}
}

// inStep is told that all have come.
func (l *leases) inStep() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.blind = false
	for name, one := range l.held {
		if !one.seen {
			delete(l.held, name)
		}
	}
}

func (r *Recorder) seeLease(kind apiwatch.EventType, o evidence.Object) {
	if l, ok := o.(*coordinationv1.Lease); ok {
		r.leases.see(kind, l, r.Now())
	}
}

func (l *leases) see(kind apiwatch.EventType, o *coordinationv1.Lease, now time.Time) {
	ofNode, ofLeader := o.Namespace == corev1.NamespaceNodeLease, o.Namespace == metav1.NamespaceSystem
	name := leaseName{o.Namespace, o.Name}
	l.mu.Lock()
	defer l.mu.Unlock()
	if now.Sub(l.heard) > silent { // their renewals come one after the other now
		for _, one := range l.held {
			one.heard = now
		}
	}
	l.heard = now
	if kind == apiwatch.Deleted || !ofNode && !ofLeader {
		delete(l.held, name)
		return
	}
	one := l.held[name]
	if one == nil {
		one = &lease{}
		l.held[name] = one
	}
	holder := ""
	if o.Spec.HolderIdentity != nil {
		holder = *o.Spec.HolderIdentity
	}
	if o.Spec.LeaseDurationSeconds != nil {
		one.lasts = time.Duration(*o.Spec.LeaseDurationSeconds) * time.Second
	}
	if ofLeader && one.holder != "" && one.holder != holder && holder != "" {
		l.changes = append(l.changes, now)
	}
	one.heard, one.holder, one.reported, one.seen = now, holder, false, true
}

// late returns the nodes whose leases are not kept, each once until it is renewed.
func (l *leases) late(now time.Time) []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var nodes []string
	for name, one := range l.held {
		if name.namespace == corev1.NamespaceNodeLease && one.overdue(now) && l.hears(now) {
			one.reported = true
			nodes = append(nodes, name.name)
		}
	}
	slices.Sort(nodes)
	return nodes
}

// hears tells whether a lease of which nothing is heard is not renewed.
func (l *leases) hears(now time.Time) bool { return !l.blind && now.Sub(l.heard) <= silent }

// overdue tells whether a lease that somebody holds was not renewed in time, and nobody was told.
func (one *lease) overdue(now time.Time) bool {
	return !one.reported && one.lasts > 0 && one.holder != "" && now.Sub(one.heard) > one.lasts
}

// churn tells, once, whether leaders of the control plane come and go, or one is gone and nobody took its place.
func (l *leases) churn(now time.Time) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.changes = slices.DeleteFunc(l.changes, func(t time.Time) bool { return now.Sub(t) > churnWithin })
	churns := len(l.changes) >= churning
	if churns {
		l.changes = nil
	}
	for name, one := range l.held {
		if name.namespace == metav1.NamespaceSystem && one.overdue(now.Add(-one.lasts)) && l.hears(now) {
			one.reported, churns = true, true
		}
	}
	return churns
}
