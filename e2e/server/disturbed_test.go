// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package server

import (
	"flag"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
)

// A relay passes connections on to an API server, as what balances their load does.
type relay struct {
	net.Listener
	group sync.WaitGroup
	mu    sync.Mutex
	to    string // empty: nowhere
	open  map[net.Conn]bool
}

func newRelay(t *testing.T, to string) *relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	r := &relay{Listener: l, to: to, open: map[net.Conn]bool{}}
	r.group.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil { // it is closed
				return
			}
			r.group.Go(func() { r.pass(c) })
		}
	})
	t.Cleanup(func() {
		must(t, l.Close())
		r.turn("")
		r.group.Wait()
	})
	return r
}

// turn breaks all connections off, and has new ones lead to somewhere else, or, where that is empty, end at once.
func (r *relay) turn(to string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.to = to
	for c := range r.open {
		c.Close()
	}
	clear(r.open)
}

func (r *relay) pass(from net.Conn) {
	defer from.Close()
	r.mu.Lock()
	at := r.to
	r.mu.Unlock()
	to, err := net.Dial("tcp", at)
	if err != nil {
		return
	}
	defer to.Close()
	r.mu.Lock()
	if r.to != at {
		r.mu.Unlock()
		return
	}
	r.open[from], r.open[to] = true, true
	r.mu.Unlock()
	var both sync.WaitGroup
	for a, b := range map[net.Conn]net.Conn{from: to, to: from} {
		both.Go(func() {
			_, _ = io.Copy(a, b) // however it ends
			a.Close()
			b.Close()
		})
	}
	both.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.open, from)
	delete(r.open, to)
}

// A witness is a recorder that reaches the API server through a relay, and its history.
type witness struct {
	*replica
	relay *relay
	store *history.Store
}

// direct is where the API server of all tests is.
func direct() string { return strings.TrimPrefix(control.url, "https://") }

func newWitness(t *testing.T, name, token string, args ...string) *witness {
	t.Helper()
	w := &witness{relay: newRelay(t, direct())}
	file := filepath.Join(t.TempDir(), "history.db")
	w.replica = serve(t, name, token, append(args, "--db", file, "--server", "https://"+w.relay.Addr().String())...)
	var err error
	w.store, err = history.Open(t.Context(), file, history.Options{ReadOnly: true})
	must(t, err)
	t.Cleanup(func() { must(t, w.store.Close()) })
	return w
}

// count counts the ends of a pod, or with an empty UID of all in a namespace.
func (w *witness) count(t *testing.T, namespace, uid string) history.Count {
	t.Helper()
	n, err := w.store.Count(t.Context(), history.Filter{Namespaces: []string{namespace}, Pod: uid})
	must(t, err)
	return n
}

func (w *witness) deaths(t *testing.T, f history.Filter) []history.Death {
	t.Helper()
	f.Limit = 1000
	page, err := w.store.Deaths(t.Context(), f)
	must(t, err)
	return page.Items
}

// incidents returns those of a namespace by cause, thing and pods. How many deaths one has depends on how many were seen.
func (w *witness) incidents(t *testing.T, namespace string) []string {
	t.Helper()
	page, err := w.store.Incidents(t.Context(), history.Filter{Namespaces: []string{namespace}, Limit: 1000})
	must(t, err)
	var all []string
	for _, in := range page.Items {
		all = append(all, fmt.Sprintf("%s %s: %d pods", in.Rule, in.Thing, in.Pods))
	}
	slices.Sort(all)
	return all
}

// hasEvent tells whether an Event of that reason is in the history.
func (w *witness) hasEvent(t *testing.T, reason string) bool {
	t.Helper()
	system, err := control.CoreV1().Namespaces().Get(t.Context(), metav1.NamespaceSystem, metav1.GetOptions{})
	must(t, err)
	events, err := w.store.EventsOf(t.Context(), string(system.UID), evidence.Ref{}, time.Time{}, time.Time{}, nil, 1000)
	must(t, err)
	return slices.ContainsFunc(events, func(e history.Event) bool { return e.Reason == reason })
}

// heard returns the kinds of which nothing was heard for a while, and whether something is again.
func (w *witness) heard(t *testing.T) map[string]bool {
	t.Helper()
	gaps, err := w.store.GapsIn(t.Context(), "", time.Time{}, time.Time{}, nil, 1000)
	must(t, err)
	all := map[string]bool{}
	for _, g := range slices.Backward(gaps) { // the latest comes first
		if kind, ok := strings.CutPrefix(g.What, "nothing was heard of "); ok {
			all[kind] = !g.To.IsZero()
		}
	}
	return all
}

var outage = flag.Duration("outage", 10*time.Second, "for how long about nothing is heard of the cluster")

// watched are the kinds that a recorder watches.
var watched = []string{
	"cronjobs", "daemonsets", "deployments", "events", "horizontalpodautoscalers", "jobs", "leases", "nodes", "persistentvolumeclaims", "pods", "statefulsets",
}

// fates are how often each pod ends: the end of one that ends once is the last that its status tells of, for whoever comes late.
var fates = []int32{1, 2, 3, 4, 5, 1, 1, 1, 1, 1}

// TestReconverges has three recorders watch the same cluster while pods end. One is left in peace. One is cut off until what it would go
// on from is compacted, and led to another API server then: 410. One may not ask for anything for a while: 429. In the end all of them
// have the same incidents, and every end is on record or reported missing.
func TestReconverges(t *testing.T) {
	control.apply(t, "-f", "rbac/reader.yaml")
	control.apply(t, "-k", "server/base")
	calm, moved, refused := newWitness(t, "calm", "calm"), newWitness(t, "moved", "moved"), newWitness(t, "refused", control.account(t))
	all := []*witness{calm, moved, refused}
	control.inStep(t, all)
	control.namespace(t, "again")
	m := &mill{}
	for i := range fates {
		m.pods, m.counts = append(m.pods, control.pod(t, "again", fmt.Sprint("p", i), "")), append(m.counts, 0)
	}

	moved.relay.turn("")
	second := control.second(t)
	allow := control.refuse(t)
	m.round(t, 0)
	eventually(t, time.Minute, "a capture is refused", func() bool {
		return slices.ContainsFunc(control.refusals(t), func(r request) bool { return r.Verb == "get" && r.ObjectRef.Resource == "pods" })
	})
	refused.relay.turn(direct())
	more := slices.Max(fates) - 1
	for round := range more {
		m.round(t, round+1)
		must(t, pause(t.Context(), *outage/time.Duration(more)))
	}
	control.happens(t, "Outage")
	eventually(t, time.Minute, "all watches are refused", func() bool { return len(kindsOf(control.refusals(t))) == len(watched) })
	elsewhere := second(t)
	control.compact(t)
	moved.relay.turn(elsewhere.address)
	allow()

	sum := 0
	for _, n := range fates {
		sum += int(n)
	}
	for _, w := range all {
		eventually(t, 2*time.Minute, w.name+" has seen all there was", func() bool {
			n := w.count(t, "again", "")
			return n.Recorded+n.Missing >= sum && len(w.deaths(t, history.Filter{Unsettled: true})) == 0 && w.hasEvent(t, "Outage")
		})
	}
	eventually(t, time.Minute, "where it was led to, everything is watched anew", func() bool { _, anew := elsewhere.turns(t, "moved"); return len(anew) == len(watched) })
	compare(t, m, calm, moved, refused)
	elsewhere.gone(t, "moved")
	patiently(t, control.refusals(t))
}

// round has those pods end once more that do so often enough.
func (m *mill) round(t *testing.T, n int32) {
	t.Helper()
	for i := range m.pods {
		if n < fates[i] {
			m.end(t, i)
		}
	}
}

// inStep waits until recorders tell of what happens now.
func (c *cluster) inStep(t *testing.T, all []*witness) {
	t.Helper()
	c.namespace(t, "before")
	pod, n := c.pod(t, "before", "first", ""), int32(0)
	for _, w := range all {
		eventually(t, time.Minute, w.name+" tells of what happens", func() bool {
			n++
			c.restarts(t, pod, n)
			c.happens(t, "Before")
			return w.count(t, "before", "").Recorded > 0 && w.hasEvent(t, "Before")
		})
	}
}

// happens writes an Event.
func (c *cluster) happens(t *testing.T, reason string) {
	t.Helper()
	now := metav1.Now()
	e := &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "e"}, InvolvedObject: corev1.ObjectReference{Kind: "Namespace", Name: "before"},
		Reason: reason, Type: corev1.EventTypeNormal, FirstTimestamp: now, LastTimestamp: now, Count: 1,
	}
	_, err := c.CoreV1().Events(metav1.NamespaceDefault).Create(t.Context(), e, metav1.CreateOptions{})
	must(t, err)
}

// compare holds what recorders know in the end against what happened, and against what one knows that was left in peace.
func compare(t *testing.T, m *mill, calm, moved, refused *witness) {
	t.Helper()
	want := calm.incidents(t, "again")
	if len(want) != len(m.pods) {
		t.Errorf("undisturbed there are these incidents, expected one for each of %d pods: %q", len(m.pods), want)
	}
	for _, w := range []*witness{moved, refused} {
		if diff := cmp.Diff(want, w.incidents(t, "again")); diff != "" {
			t.Errorf("%s: incidents (-undisturbed +this):\n%s", w.name, diff)
		}
	}
	missing := 0
	for i, pod := range m.pods {
		for _, w := range []*witness{calm, moved, refused} {
			n := w.count(t, "again", string(pod.UID))
			if n.Recorded+n.Missing != int(m.counts[i]) || n.Missing > 0 && w != moved {
				t.Errorf("%s: of pod %s, which ended %d times, it has %+v", w.name, pod.Name, m.counts[i], n)
			}
			missing += n.Missing
		}
	}
	told := 0
	for _, d := range refused.deaths(t, history.Filter{Namespaces: []string{"again"}}) {
		if d.Missing != "" {
			told++
		}
	}
	if missing == 0 || told == 0 {
		t.Errorf("%d ends are reported missing where it was cut off, and the evidence of %d where it was refused, expected some of both", missing, told)
	}
	for _, w := range []*witness{moved, refused} {
		eventually(t, time.Minute, w.name+" says for how long it heard nothing of anything", func() bool {
			heard := w.heard(t)
			return !slices.ContainsFunc(watched, func(kind string) bool { return !heard[kind] })
		})
	}
	if heard := calm.heard(t); len(heard) > 0 {
		t.Errorf("undisturbed nothing was heard of %v", heard)
	}
	t.Logf("%d ends are missing where it was cut off, and evidence of %d where it was refused", missing, told)
}
