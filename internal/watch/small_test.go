// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	apiwatch "k8s.io/apimachinery/pkg/watch"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
	"github.com/kubeinquest/inquest/internal/report"
)

func leaseOf(namespace, name, holder string, lasts int32) *coordinationv1.Lease {
	return &coordinationv1.Lease{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec:       coordinationv1.LeaseSpec{HolderIdentity: &holder, LeaseDurationSeconds: &lasts},
	}
}

// TestLeases holds that a node whose lease is not renewed is told of once until it is, and nothing while nothing is heard.
func TestLeases(t *testing.T) {
	l := newLeases()
	l.begin()
	for _, name := range []string{"n1", "n2"} {
		l.see(apiwatch.Added, leaseOf(corev1.NamespaceNodeLease, name, name, 40), began)
	}
	// another one is renewed up to each step, every ten seconds
	others := func(from, until time.Duration) {
		for at := from; at <= until; at += 10 * time.Second {
			l.see(apiwatch.Modified, leaseOf(corev1.NamespaceNodeLease, "n3", "n3", 40), began.Add(at))
		}
	}
	last := time.Duration(0)
	steps := []struct {
		after time.Duration
		do    func(now time.Time)
		want  []string
	}{
		{time.Minute, func(time.Time) {}, nil}, // not in step
		{time.Minute, func(time.Time) { l.inStep() }, []string{"n1", "n2"}},
		{time.Minute, func(now time.Time) { l.see(apiwatch.Modified, leaseOf(corev1.NamespaceNodeLease, "n1", "n1", 40), now) }, nil},
		{2 * time.Minute, func(time.Time) {}, []string{"n1"}},
		{3 * time.Minute, func(time.Time) {}, nil},
		{4 * time.Minute, func(now time.Time) { l.see(apiwatch.Deleted, leaseOf(corev1.NamespaceNodeLease, "n1", "n1", 40), now) }, nil},
	}
	for i, s := range steps {
		others(last, s.after)
		last = s.after
		now := began.Add(s.after)
		s.do(now)
		if diff := cmp.Diff(s.want, l.late(now)); diff != "" {
			t.Errorf("step %d:\n%s", i, diff)
		}
	}
}

// TestLeasesUnheard holds that where nothing was heard of any lease, as of an API server that is down, nobody is said not to renew
// his, neither meanwhile nor when the first of them is heard of again.
func TestLeasesUnheard(t *testing.T) {
	l := newLeases()
	see := func(name string, after time.Duration) {
		l.see(apiwatch.Modified, leaseOf(corev1.NamespaceNodeLease, name, name, 40), began.Add(after))
		l.see(apiwatch.Modified, leaseOf(metav1.NamespaceSystem, "kube-scheduler", "cp", 15), began.Add(after))
	}
	see("n1", 0)
	see("n2", 0)
	l.inStep()
	for _, seconds := range []int{45, 300, 301, 311, 321, 331, 341} {
		after := time.Duration(seconds) * time.Second
		if after > 300*time.Second {
			see("n1", after)
		}
		if late := l.late(began.Add(after)); late != nil || l.churn(began.Add(after)) {
			t.Errorf("after %s: %q are late, or a leader is", after, late)
		}
	}
	see("n1", 351*time.Second)
	if diff := cmp.Diff([]string{"n2"}, l.late(began.Add(351*time.Second))); diff != "" {
		t.Error(diff)
	}
}

// TestLeaders holds that one change of a leader is none of our business, that some within minutes are, and that one who is gone is.
func TestLeaders(t *testing.T) {
	tests := []struct {
		name  string
		every time.Duration // a new leader
		times int
		rest  time.Duration // then
		churn bool
	}{
		{"one takes over", time.Second, 2, 0, false},
		{"they come and go", time.Minute, 5, 0, true},
		{"they change in the course of a day", 6 * time.Hour, 6, 0, false},
		{"the last one is gone", time.Second, 1, 40 * time.Second, true},
		{"it is late", time.Second, 1, 20 * time.Second, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l, now := newLeases(), began
			l.inStep()
			for i := range tt.times {
				now = now.Add(tt.every)
				l.see(apiwatch.Modified, leaseOf(metav1.NamespaceSystem, "kube-scheduler", fmt.Sprint("cp", i), 15), now)
			}
			for end := now.Add(tt.rest); now.Before(end); now = now.Add(10 * time.Second) {
				l.see(apiwatch.Modified, leaseOf(corev1.NamespaceNodeLease, "n1", "n1", 40), now)
			}
			if got := l.churn(now); got != tt.churn {
				t.Errorf("churn: %v, expected %v", got, tt.churn)
			}
			if l.churn(now) {
				t.Error("it was told twice")
			}
		})
	}
}

// TestOrdered tells ends that a deletion ordered from others.
func TestOrdered(t *testing.T) {
	grace := int64(30)
	deleted := metav1.NewTime(began.Add(30 * time.Second)) // told at began
	end := func(after time.Duration, reason string) End {
		return End{Attempt: evidence.Attempt{Finished: began.Add(after), Reason: reason}}
	}
	tests := []struct {
		name             string
		deleted, evicted bool
		end              End
		ordered          bool
	}{
		{"of a pod that stays", false, false, end(time.Second, "Error"), false},
		{"after the deletion", true, false, end(time.Second, "Error"), true},
		{"before the deletion", true, false, end(-time.Second, "Error"), false},
		{"after an eviction", true, true, end(time.Second, "Error"), false},
		{"of one that never began", true, false, End{Attempt: evidence.Attempt{Reason: "ContainerStatusUnknown"}}, true},
		{"for memory", true, false, end(time.Second, "OOMKilled"), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			pod := podWith("a", 0, time.Time{})
			if tt.deleted {
				pod.DeletionTimestamp, pod.DeletionGracePeriodSeconds = &deleted, &grace
			}
			if tt.evicted {
				pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue})
			}
			if got := ordered(pod, tt.end); got != tt.ordered {
				t.Errorf("ordered: %v, expected %v", got, tt.ordered)
			}
		})
	}
}

// TestCrowd holds that representatives are chosen while many wait, that others wait for the first of them, and that what most of
// them came to counts.
func TestCrowd(t *testing.T) {
	c, like := newCrowd(), likeness{rule: "TST001", exit: 1}
	told := func(name, rule string) representative {
		return representative{evidence.RefTo("Pod", "shop", name), history.Verdict{Rule: rule}}
	}
	expect := func(crowded bool, now time.Time, want choice, rule string) {
		t.Helper()
		got, r := c.choose(like, crowded, now)
		if got != want || r.verdict.Rule != rule {
			t.Errorf("choice %d with verdict %q, expected %d with %q", got, r.verdict.Rule, want, rule)
		}
	}
	for range representatives {
		expect(true, began, captureIt, "")
	}
	expect(true, began, waitForIt, "")
	c.failed(like)
	expect(true, began, captureIt, "") // instead
	c.learn(like, told("a", "A"), began)
	expect(true, began, likeOthers, "A")
	c.learn(like, told("b", "B"), began)
	c.learn(like, told("c", "B"), began)
	c.learn(like, told("d", "A"), began) // the first is forgotten
	expect(true, began, likeOthers, "B")
	expect(false, began, captureIt, "")
	expect(true, began.Add(2*stale), captureIt, "") // what was found long ago says nothing of now
	if c.disperse(began.Add(4 * stale)); c.knows(like) {
		t.Error("what is stale was kept")
	}
}

// nodeReady returns a node, with a condition that is nobody's business.
func nodeReady(status corev1.ConditionStatus) *corev1.Node {
	return &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: "n1", UID: "n1"},
		Status:     corev1.NodeStatus{Conditions: []corev1.NodeCondition{{Type: corev1.NodeReady, Status: status}, {Type: "Strange", Status: corev1.ConditionTrue}}},
	}
}

// withoutImage returns a pod whose image cannot be pulled.
func withoutImage(w *world) *corev1.Pod {
	w.crash("web-0", 0)
	pod := w.pod("web-0")
	pod.Status.Phase = corev1.PodPending
	pod.Status.ContainerStatuses[0].State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff"}}
	return pod
}

// TestDeathAndTrouble holds that of a state which tells of a death and of a new trouble both are on record, and of the trouble nothing
// where it passes.
func TestDeathAndTrouble(t *testing.T) {
	for _, passing := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld()
			r := recorderOf(t, w)
			defer start(t, r)()
			w.crash("web-0", 0)
			passes(time.Second)
			pod := w.pod("web-0")
			st := &pod.Status.ContainerStatuses[0]
			st.RestartCount, st.LastTerminationState.Terminated = 1, &corev1.ContainerStateTerminated{ExitCode: 3, FinishedAt: metav1.NewTime(time.Now())}
			well := corev1.ContainerStatus{Name: "proxy", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}
			stuck := well
			stuck.State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff"}}
			pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, stuck)
			w.set("pods", pod)
			passes(5 * time.Second)
			want := map[history.Kind]int{history.Died: 1, history.Stuck: 1}
			if passing {
				pod = pod.DeepCopy()
				pod.Status.ContainerStatuses[1] = well
				w.set("pods", pod)
				want = map[history.Kind]int{history.Died: 1}
			}
			passes(time.Minute)
			page, err := r.Store.Deaths(t.Context(), history.Filter{Cluster: "test"})
			if err != nil {
				t.Fatal(err)
			}
			got := map[history.Kind]int{}
			for _, d := range page.Items {
				got[d.Kind]++
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("it passes: %v\n%s", passing, diff)
			}
		})
	}
}

// TestForgetLast holds that a pod which is gone is forgotten when its last death is on record, and not before.
func TestForgetLast(t *testing.T) {
	r := newRecorder(t)
	pod := podWith("a", 1, began.Add(time.Minute))
	if err := r.take(t.Context(), fresh{pod: pod, news: r.ledger.See(pod, r.Now())}); err != nil {
		t.Fatal(err)
	}
	r.seePod(t.Context(), apiwatch.Deleted, podWith("a", 2, began.Add(2*time.Minute)))
	if n := len(r.forget); n != 0 || r.fresh.waiting() != 1 {
		t.Errorf("%d pods are to be forgotten, %d have news: expected none yet, and one", n, r.fresh.waiting())
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- r.admit(ctx, r.fresh.of("a")) }()
	uid := <-r.forget
	stop()
	if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if n, err := r.Store.Count(t.Context(), history.Filter{Cluster: "c"}); uid != "a" || err != nil || n.Recorded != 2 {
		t.Errorf("%s is forgotten with %d deaths on record, %v: expected a with 2", uid, n.Recorded, err)
	}
}

// TestFind holds that a run is found again by its container where the restart count fell, and not taken for another of its number.
func TestFind(t *testing.T) {
	with := func(restarts int32, last string) *evidence.Snapshot {
		pod := podWith("a", restarts, began)
		pod.Status.ContainerStatuses[0].LastTerminationState.Terminated.ContainerID = last
		return (&evidence.Snapshot{Objects: []evidence.Object{pod}}).Freeze()
	}
	of := evidence.RefTo("Pod", "shop", "web-0").InContainer("app")
	for _, tt := range []struct {
		name, id string
		s        *evidence.Snapshot
		found    bool
		number   int
	}{
		{"the same", "x", with(3, "x"), true, 2},
		{"under another number", "x", with(1, "x"), true, 0},
		{"another has its number", "x", with(3, "y"), false, 2},
		{"it is told of no more", "x", with(5, "y"), true, 2},
		{"of unknown name", "", with(3, "y"), true, 2},
	} {
		d := unsettled{id: tt.id, run: evidence.Attempt{Of: of.InAttempt(2)}}
		if found := d.find(tt.s); found != tt.found || d.run.Of.Attempt != tt.number {
			t.Errorf("%s: %v, run %d; expected %v, run %d", tt.name, found, d.run.Of.Attempt, tt.found, tt.number)
		}
	}
}

// A trigger is what happens, and how many things are in trouble then.
type trigger struct {
	name string
	do   func(w *world)
	want int
}

var triggers = []trigger{
	{"a node is ready", func(w *world) { w.set("nodes", nodeReady(corev1.ConditionTrue)) }, 0},
	{"a node is not ready", func(w *world) { w.set("nodes", nodeReady(corev1.ConditionUnknown)) }, 1},
	{"a node was not ready for some seconds", func(w *world) {
		w.set("nodes", nodeReady(corev1.ConditionUnknown))
		w.set("nodes", nodeReady(corev1.ConditionTrue))
	}, 0},
	{"an image cannot be pulled", func(w *world) { w.set("pods", withoutImage(w)) }, 1},
	{"an image could not be pulled at once", func(w *world) {
		w.set("pods", withoutImage(w))
		passes(5 * time.Second)
		w.set("pods", podWith("web-0", 0, time.Time{}))
	}, 0},
	{"a pod is evicted", func(w *world) {
		w.crash("web-0", 0)
		pod := w.pod("web-0")
		pod.Status.Phase, pod.Status.Reason, pod.Status.ContainerStatuses = corev1.PodFailed, "Evicted", nil
		w.set("pods", pod)
	}, 1},
	{"a pod is lost with its node", func(w *world) {
		w.crash("web-0", 0)
		pod := w.pod("web-0")
		pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{Type: corev1.DisruptionTarget, Status: corev1.ConditionTrue, Reason: "DeletionByPodGC"})
		w.set("pods", pod)
		passes(time.Second)
		w.remove("pods", "web-0")
	}, 1},
	{"a pod does not go", func(w *world) {
		w.crash("web-0", 0)
		pod := w.pod("web-0")
		now, grace := metav1.NewTime(time.Now()), int64(0)
		pod.DeletionTimestamp, pod.DeletionGracePeriodSeconds = &now, &grace
		w.set("pods", pod)
	}, 1},
	{"a pod goes", func(w *world) {
		w.crash("web-0", 0)
		passes(time.Second)
		w.remove("pods", "web-0")
	}, 0},
}

// TestTriggers holds what is looked at without a death, and what of it becomes an incident.
func TestTriggers(t *testing.T) {
	for _, tt := range triggers {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld()
				r := recorderOf(t, w)
				defer start(t, r)()
				passes(time.Second)
				tt.do(w)
				passes(3 * time.Minute)
				page, err := r.Store.Deaths(t.Context(), history.Filter{Cluster: "test"})
				if err != nil {
					t.Fatal(err)
				}
				for _, d := range page.Items {
					if d.Kind != history.Stuck || d.Verdict == nil || !d.Verdict.Settled || d.Missing != "" && w.pod("web-0") != nil {
						t.Errorf("%s is no settled trouble: %+v %s", d.Of, d.Verdict, d.Missing)
					}
				}
				if len(page.Items) != tt.want {
					t.Errorf("%d things are in trouble, expected %d", len(page.Items), tt.want)
				}
			})
		})
	}
}

// TestNodesGone holds that nodes which were deleted while nobody watched are there no more.
func TestNodesGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		r := recorderOf(t, w)
		defer start(t, r)()
		w.set("nodes", nodeReady(corev1.ConditionTrue))
		passes(time.Second)
		if r.nodeOf("n1") == nil {
			t.Fatal("the node was not seen")
		}
		w.fail(always(down), false)
		passes(time.Second)
		w.remove("nodes", "n1")
		w.fail(nil, true)
		passes(time.Minute)
		if r.nodeOf("n1") != nil {
			t.Error("the node is there still")
		}
	})
}

// TestStuckCrowd holds that of many pods which time alone brought into the same trouble each is on record.
func TestStuckCrowd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const pods = 3 * few
		w := newWorld()
		r := recorderOf(t, w)
		defer start(t, r)()
		for i := range pods {
			name := fmt.Sprintf("web-%d", i)
			w.crash(name, 0)
			pod := w.pod(name)
			pod.UID, pod.Status.Phase, pod.Status.Conditions = types.UID(name), corev1.PodPending, nil
			pod.Status.ContainerStatuses[0].State = corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ContainerCreating"}}
			w.set("pods", pod)
		}
		passes(5 * time.Minute)
		page, err := r.Store.Deaths(t.Context(), history.Filter{Cluster: "test", Limit: 2 * pods})
		if err != nil {
			t.Fatal(err)
		}
		if len(page.Items) != pods {
			t.Errorf("%d are on record, expected %d", len(page.Items), pods)
		}
	})
}

// TestForbidden holds that what may not be watched is a gap, and keeps nothing else from being recorded.
func TestForbidden(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		w.answer = func(resource string) int {
			if resource == "pods" || resource == "captures" {
				return 200
			}
			return 403
		}
		r := recorderOf(t, w)
		defer start(t, r)()
		w.crash("web-0", 0)
		passes(time.Second)
		w.crash("web-0", 1)
		passes(5 * time.Second)
		if diff := cmp.Diff([]string{"TST001 statefulset/web[app]: 1 deaths of 1 pods"}, incidents(t, r)); diff != "" {
			t.Error(diff)
		}
		gaps, err := r.Store.GapsIn(t.Context(), "test", time.Time{}, time.Time{}, nil, 100)
		if err != nil {
			t.Fatal(err)
		}
		open := map[string]bool{}
		for _, g := range gaps {
			open[g.What] = g.To.IsZero()
		}
		want := map[string]bool{}
		for _, kind := range []string{"nodes", "events", "leases"} {
			want[fmt.Sprintf("nothing was heard of %[1]s: forbidden: cannot watch %[1]s", kind)] = true
		}
		if diff := cmp.Diff(want, open); diff != "" {
			t.Errorf("gaps that are open (-want +got):\n%s", diff)
		}
	})
}

// TestReportOwns holds that what is kept of a fix says who would put the old value back.
func TestReportOwns(t *testing.T) {
	r := newRecorder(t)
	r.Own = func(_ *evidence.Snapshot, causes []report.Cause) {
		for i := range causes {
			causes[i].Message = "it is somebody's"
		}
	}
	pod, _ := endedBy(t, r, began.Add(time.Minute), 3)
	told := r.tell(alone(pod, began.Add(2*time.Minute), false))
	if !strings.Contains(string(told.json), "it is somebody's") {
		t.Errorf("the report does not tell:\n%s", told.json)
	}
}
