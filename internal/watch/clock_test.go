// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/history"
)

// TestMisdated holds that a death at a time that cannot be stands where it was seen: its incident would be open until then, or closed at
// once, and what is too old is removed.
func TestMisdated(t *testing.T) {
	for name, tt := range map[string]struct {
		ended  time.Time
		static bool
		kept   bool
	}{
		"as it was":                                          {began.Add(time.Minute), false, true},
		"a clock that is a little ahead":                     {began.Add(15 * time.Minute), false, true},
		"a clock that is a year ahead":                       {began.AddDate(1, 0, 0), false, false},
		"a clock that begins in 1970":                        {time.Unix(100, 0).UTC(), false, false},
		"older than what the API server has of a static pod": {began.Add(-time.Hour), true, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRecorder(t)
			pod := podWith("a", 1, tt.ended)
			pod.CreationTimestamp = metav1.NewTime(r.Now()) // else what ended long ago is no news to a new history
			if tt.static {
				pod.Annotations = map[string]string{corev1.MirrorPodAnnotationKey: "hash"}
			}
			if err := r.take(t.Context(), fresh{pod: pod, news: r.ledger.See(pod, r.Now())}); err != nil {
				t.Fatal(err)
			}
			want := time.Time{}
			if tt.kept {
				want = tt.ended
			}
			if d := kept(t, r); !d.Finished.Equal(want) || d.Verdict == nil {
				t.Errorf("it ended at %s, expected %s; %+v", d.Finished, want, d.Verdict)
			}
			isOver(t, r)
		})
	}
}

// isOver checks that there is one incident, which is over two hours later.
func isOver(t *testing.T, r *Recorder) {
	t.Helper()
	if err := r.Store.Sweep(t.Context(), r.Now().Add(2*time.Hour)); err != nil {
		t.Fatal(err)
	}
	page, err := r.Store.Incidents(t.Context(), history.Filter{Cluster: "c"})
	if err != nil || len(page.Items) != 1 || page.Items[0].State != history.StateClosed {
		t.Errorf("%+v, %v: expected one incident, which is over", page.Items, err)
	}
}

// TestManyMissed holds that what was missed of a pod is on record however much it is: the history takes so many at a time.
func TestManyMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRecorder(t)
		pod := podWith("a", 0, time.Time{})
		pod.CreationTimestamp, pod.Status.ContainerStatuses = metav1.NewTime(r.Now()), nil
		const containers = 11
		for i := range containers {
			pod.Status.ContainerStatuses = append(pod.Status.ContainerStatuses, corev1.ContainerStatus{
				Name: fmt.Sprintf("c%d", i), RestartCount: mostMissed, State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}},
			})
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // of the bubble's clock
		defer cancel()
		if err := r.take(ctx, fresh{pod: pod, news: r.ledger.See(pod, r.Now())}); err != nil {
			t.Fatal(err)
		}
		n, err := r.Store.Count(t.Context(), history.Filter{Cluster: "c"})
		if err != nil || n.Missing != containers*mostMissed {
			t.Errorf("%+v, %v: expected %d of which the number is known", n, err, containers*mostMissed)
		}
	})
}

// TestRecorderEnded holds that a recorder which runs no more, as where another replica's does, tells of nothing that it knew.
func TestRecorderEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld()
		r := recorderOf(t, w)
		for range 2 { // turns
			stop := start(t, r)
			w.crash("web-0", 0)
			passes(time.Minute)
			w.crash("web-0", 1)
			passes(100 * time.Millisecond)
			if f := r.Figures(); !f.InStep || f.Pods != 1 || f.Queue != 1 {
				t.Errorf("while it runs: %+v", f)
			}
			stop()
			if f := r.Figures(); f.InStep || f.Pods+f.Queue+f.Fresh != 0 || f.Lag != 0 || f.Deaths == 0 {
				t.Errorf("when it ended: %+v", f)
			}
		}
	})
}
