// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"fmt"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
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

// TestLateWord holds that the word of who sent a signal settles a death within two seconds of when the agent has it, and that one whose
// agent could not be asked is looked at again until it can be, but not for ever.
func TestLateWord(t *testing.T) {
	ended := began.Add(time.Minute)
	silent := lost("its agent was not heard: connection refused")
	part := func(s *evidence.Snapshot) {
		s.Gaps = append(s.Gaps, evidence.Gap{Kind: evidence.Host | evidence.Signals, About: evidence.RefTo("Node", "", "n1"), Why: "its agent hides 3 entries"})
	}
	nothing := look{true, func(*evidence.Snapshot) {}}
	for _, tt := range []struct {
		name  string
		code  int32
		looks []look
		want  string
		after []time.Duration // each look after the end
	}{
		{
			"the agent has it a second late", 137, []look{nothing, {true, heard}}, "EXT007 certain",
			[]time.Duration{time.Second, 2500 * time.Millisecond},
		},
		{
			"nobody sent one", 137, []look{nothing, nothing, nothing, nothing}, "EXT025 certain",
			[]time.Duration{1700 * time.Millisecond, 2500 * time.Millisecond, 3500 * time.Millisecond, 5 * time.Second},
		},
		{
			"the clock of its node is ahead", 143, []look{nothing, nothing, nothing, nothing}, "EXT007 possible",
			[]time.Duration{-time.Minute, -58500 * time.Millisecond, -57500 * time.Millisecond, -53 * time.Second},
		},
		{
			"the agent is back", 137, []look{{false, silent}, {false, silent}, {true, heard}}, "EXT007 certain",
			[]time.Duration{time.Second, 6 * time.Second, 16 * time.Second},
		},
		{
			"the agent stays away", 137, slices.Repeat([]look{{false, silent}}, mostRecalls), "EXT007 possible",
			[]time.Duration{1e9, 6e9, 16e9, 36e9, 76e9, 156e9, 316e9, 636e9},
		},
		{"there is no agent there", 137, []look{{false, lost(collect.NoAgent)}}, "EXT007 possible", []time.Duration{time.Second}},
		{"it is no signal's", 3, []look{{false, silent}}, "EXT001 certain", []time.Duration{time.Second}},
		{"it is beyond those of signals", 255, []look{{false, silent}}, "EXT001 certain", []time.Duration{time.Second}},
		{"the agent told a part", 137, []look{{false, part}}, "EXT007 possible", []time.Duration{time.Second}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, at := listened(t, ended, tt.code, tt.looks, tt.after)
			v := kept(t, r).Verdict
			if got := v.Rule + " " + v.Confidence; got != tt.want || !v.Settled || r.pending[at] != nil {
				t.Errorf("in the end %s, settled %t, waits %+v; expected %s", got, v.Settled, r.pending[at], tt.want)
			}
		})
	}
}

// TestLateWordOfSeveral holds that what died last does not wait as long as what has waited before.
func TestLateWordOfSeveral(t *testing.T) {
	r, ended := newRecorder(t), began.Add(time.Minute)
	pod, at := endedBy(t, r, ended, 137)
	s := thawed(pod, ended.Add(time.Second), false)
	lost("its agent was not heard: connection refused")(s)
	s.Freeze()
	first := r.pending[at].deaths[0]
	before := first
	before.early, before.looks = &history.Verdict{Settled: true}, mostRecalls-2
	if is := r.tell(s).verdicts(s, at.ref, []unsettled{before, first}); is.until.Sub(s.Taken) != unheard || len(is.open) != 1 || len(is.deaths) != 1 {
		t.Errorf("looked at after %s, %d open, %d with a verdict; expected after %s", is.until.Sub(s.Taken), len(is.open), len(is.deaths), unheard)
	}
}

// A look is what a capture has: whether signals are traced, and what besides.
type look struct {
	traced bool
	with   func(*evidence.Snapshot)
}

func heard(s *evidence.Snapshot) {
	s.Facts = append(s.Facts, evidence.Fact{
		Kind: evidence.Signals, Source: evidence.FromKernel, About: s.Runs[0].Of, At: s.Runs[0].Finished, Where: "trace",
		Text: "SIGKILL from process 7 (kill) of the host", Name: "signal-host", Value: 9,
	})
}

func lost(why string) func(*evidence.Snapshot) {
	return func(s *evidence.Snapshot) {
		s.Gaps = append(s.Gaps, evidence.Gap{Kind: evidence.Host, About: evidence.RefTo("Node", "", "n1"), Why: why})
	}
}

// listened has a death captured, each time at a time after it that it is to be due at.
func listened(t *testing.T, ended time.Time, code int32, looks []look, after []time.Duration) (*Recorder, subject) {
	t.Helper()
	r, now := newRecorder(t), ended.Add(after[0])
	r.Now = func() time.Time { return now }
	r.queue = newQueue[subject](r.Now)
	pod, at := endedBy(t, r, ended, code)
	for i, l := range looks {
		todo, due := r.pending[at], r.queue.items[at].at
		if i > 0 {
			stillOpen(t, r, due.Sub(ended), after[i])
		}
		delete(r.pending, at)
		r.queue = newQueue[subject](r.Now)
		now = ended.Add(after[i])
		s := thawed(pod, now.Truncate(time.Second), l.traced) // as a capture has it
		l.with(s)
		if err := r.judge(t.Context(), at, todo, s.Freeze()); err != nil {
			t.Fatal(err)
		}
	}
	return r, at
}

// stillOpen checks that the verdict of the one death is not settled, and when it is looked at next, both after its end.
func stillOpen(t *testing.T, r *Recorder, due, want time.Duration) {
	t.Helper()
	if due != want {
		t.Fatalf("it is looked at %s after the end, expected %s", due, want)
	}
	if v := kept(t, r).Verdict; v == nil || v.Settled {
		t.Errorf("before the look at %s the verdict is %+v, expected one that is not settled", want, v)
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
	return thawed(pod, at, traced).Freeze()
}

// thawed is the same, to be added to.
func thawed(pod *corev1.Pod, at time.Time, traced bool) *evidence.Snapshot {
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
			Kind: evidence.Signals, Source: evidence.FromKernel, About: evidence.RefTo("Node", "", "n1"), At: began.Add(-time.Minute),
			Where: "trace", Text: "SIGKILL and SIGTERM are traced", Name: "watching-signals",
		}}
	}
	return s
}
