// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// TestSilence holds that an exit code of a signal is looked at once more where the silence of a trace is yet to prove something: what
// was captured first is on record meanwhile, and stands where the second look comes to nothing.
func TestSilence(t *testing.T) {
	ended := began.Add(time.Minute)
	for _, tt := range []struct {
		name          string
		code          int32
		traced        bool
		first, second time.Duration // after the end; 0: the pod is gone by then
		open          string        // what the first look finds, where it does not settle it
		want          string
	}{
		{"nobody sent one", 137, true, time.Second, 5 * time.Second, "EXT007 possible", "EXT025 certain"},
		{"by the runtime's word it was later in that second", 137, true, 2 * time.Second, 5 * time.Second, "EXT007 possible", "EXT025 certain"},
		{"it is told of late", 137, true, 5 * time.Second, 0, "", "EXT025 certain"},
		{"nobody traces", 137, false, time.Second, 0, "", "EXT007 possible"},
		{"it is no signal's", 3, true, time.Second, 0, "", "EXT001 certain"},
		{"it is gone by then", 143, true, time.Second, 0, "EXT007 possible", "EXT007 possible"},
		{"the clock of its node is ahead", 143, true, -time.Minute, -time.Minute + time.Second, "EXT007 possible", "EXT007 possible"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRecorder(t)
			pod, at := endedBy(t, r, ended, tt.code)
			look := func(after time.Duration) {
				t.Helper()
				todo := r.pending[at]
				delete(r.pending, at)
				if err := r.judge(t.Context(), at, todo, alone(pod, ended.Add(after), tt.traced)); err != nil {
					t.Fatal(err)
				}
			}
			look(tt.first)
			open := ""
			if v := kept(t, r).Verdict; !v.Settled {
				open = v.Rule + " " + v.Confidence
			}
			todo := r.pending[at]
			if open != tt.open || (todo != nil) != (open != "") || len(r.holds) != 0 {
				t.Errorf("after %s it is open as %q, and %+v waits, %d held", tt.first, open, todo, len(r.holds))
			}
			if tt.second != 0 {
				look(tt.second)
			} else {
				goes(t, r, at, todo)
			}
			d := kept(t, r)
			got := fmt.Sprintf("%s %s, settled %t, bundle %t, missing %q", d.Verdict.Rule, d.Verdict.Confidence, d.Verdict.Settled, d.HasBundle, d.Missing)
			if want := tt.want + `, settled true, bundle true, missing ""`; got != want {
				t.Errorf("in the end %s, expected %s", got, want)
			}
		})
	}
}

// TestSilenceIsResumed holds that what was captured too early to be settled stands, where the process was killed before it could look
// again and finds the pod gone.
func TestSilenceIsResumed(t *testing.T) {
	r := newRecorder(t)
	ended := began.Add(time.Minute)
	pod, at := endedBy(t, r, ended, 137)
	if err := r.judge(t.Context(), at, r.pending[at], alone(pod, ended.Add(time.Second), true)); err != nil {
		t.Fatal(err)
	}
	next := &Recorder{Rules: r.Rules, Store: r.Store, Cluster: r.Cluster, Log: r.Log, Now: r.Now}
	if _, err := next.begin(t.Context()); err != nil {
		t.Fatal(err)
	}
	close(next.synced)
	if err := next.resume(t.Context()); err != nil {
		t.Fatal(err)
	}
	goes(t, next, at, next.pending[at])
	if d := kept(t, next); !d.Verdict.Settled || d.Verdict.Rule != "EXT007" || !d.HasBundle || d.Missing != "" {
		t.Errorf("%+v, bundle %t, missing %q", d.Verdict, d.HasBundle, d.Missing)
	}
}

// endedBy has the recorder see a pod of node n1 of which a run ended with an exit code.
func endedBy(t *testing.T, r *Recorder, ended time.Time, code int32) (*corev1.Pod, subject) {
	t.Helper()
	pod := podWith("a", 1, ended)
	pod.Spec.NodeName = "n1"
	last := pod.Status.ContainerStatuses[0].LastTerminationState.Terminated
	last.ExitCode, last.StartedAt = code, metav1.NewTime(ended.Add(-3*time.Second))
	if err := r.take(t.Context(), fresh{pod: pod, news: r.ledger.See(pod, r.Now())}); err != nil {
		t.Fatal(err)
	}
	return pod, subject{evidence.RefOf(pod), pod.UID}
}

// goes has a pod be gone before what waits is looked at.
func goes(t *testing.T, r *Recorder, at subject, todo *pending) {
	t.Helper()
	if todo == nil {
		return
	}
	r.ledger.Delete(at.uid)
	if err := r.settle(t.Context(), at, todo); err != nil {
		t.Fatal(err)
	}
}

// alone is a capture of a pod of node n1, on which an agent traces signals and knows when runs ended, or nobody does.
func alone(pod *corev1.Pod, at time.Time, traced bool) *evidence.Snapshot {
	s := &evidence.Snapshot{
		Taken: at, Has: evidence.Spec | evidence.Status | evidence.Events | evidence.Logs | evidence.Node,
		Subject: evidence.RefOf(pod), Asked: []evidence.Ref{evidence.RefOf(pod)},
		Objects: []evidence.Object{pod, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1"}}},
	}
	if traced {
		s.Has |= evidence.Host | evidence.Signals
		last := pod.Status.ContainerStatuses[0].LastTerminationState.Terminated
		s.Runs = []evidence.Attempt{{
			Of: evidence.RefOf(pod).InContainer("app").InAttempt(0), Started: last.StartedAt.Time, Finished: last.FinishedAt.Add(664 * time.Millisecond),
			ExitCode: int(last.ExitCode), Reason: last.Reason, Where: "runtime",
		}}
		s.Facts = []evidence.Fact{{
			Kind: evidence.Signals, Source: evidence.FromKernel, About: evidence.RefTo("Node", "", "n1"), At: began.Add(-time.Hour),
			Where: "trace", Text: "SIGKILL and SIGTERM are traced", Name: "watching-signals",
		}}
	}
	return s.Freeze()
}
