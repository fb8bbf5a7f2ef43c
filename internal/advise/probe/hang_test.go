// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// TestHang: what is known of a run that answers nothing any more, and what is no hang.
func TestHang(t *testing.T) {
	ready := Probes{Readiness: ask(0, 10, 1, 3)}
	late := "Readiness probe failed: Get \"http://10.0.0.1:8080/healthz\": context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
	busy := "Readiness probe failed: HTTP probe failed with statuscode: 503"
	for name, c := range map[string]struct {
		scene   scene
		unready int // since when, by the pod's condition
		want    Span
	}{
		"waits in vain":                {scene{probes: ready, age: 4000, events: []sceneEvent{{late, 1000, 3900, 30}}}, 1021, Span{1021 * s, 4000 * s}},
		"says that it is not ready":    {scene{probes: ready, age: 4000, events: []sceneEvent{{busy, 1000, 3900, 30}}}, 1021, Span{}},
		"says so at times":             {scene{probes: ready, age: 4000, events: []sceneEvent{{late, 1000, 3900, 30}, {busy, 1500, 1510, 2}}}, 1021, Span{}},
		"no longer fails":              {scene{probes: ready, age: 4000, events: []sceneEvent{{late, 1000, 1900, 30}}}, 1021, Span{}},
		"not for long":                 {scene{probes: ready, age: 1400, events: []sceneEvent{{late, 1000, 1390, 30}}}, 1021, Span{}},
		"was never ready":              {scene{probes: ready, age: 4000, events: []sceneEvent{{late, 2, 3900, 30}}}, 0, Span{}},
		"is ended by a liveness probe": {scene{probes: Probes{Liveness: ask(0, 10, 1, 3), Readiness: ask(0, 10, 1, 3)}, age: 4000, events: []sceneEvent{{late, 1000, 3900, 30}}}, 1021, Span{}},
	} {
		t.Run(name, func(t *testing.T) {
			snap := c.scene.snapshot()
			pod := evidence.List[*corev1.Pod](snap)[0]
			pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.ContainersReady, Status: corev1.ConditionFalse, LastTransitionTime: at(c.unready)}}
			if got := Read(snap.Freeze())[0].Starts[0].Hang; got != c.want {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

// hanging is a workload of which one pod hangs since an hour, and the others are as they were.
func hanging(p Probes, n int) Subject {
	o := subject(p, started("r", 0, n, 100*s))
	for i := range o.Starts {
		o.Starts[i].Lived, o.Starts[i].Ready = 100*time.Hour, 100*s
	}
	bad := &o.Starts[0]
	bad.Began, bad.Lives, bad.Ready, bad.Lived, bad.Hang = bad.Began.Add(s), Never, Never, 3*time.Hour, Span{2 * time.Hour, 3 * time.Hour}
	return o
}

// TestMissingLiveness: a liveness probe is proposed where one was missing, by a hang, and nowhere else; with time enough to start.
func TestMissingLiveness(t *testing.T) {
	other := ask(0, 10, 1, 3)
	other.HTTPGet.Path = "/readyz"
	alone := hanging(Probes{Readiness: ask(0, 10, 1, 3)}, Few+1)
	for i := range alone.Starts[1:] {
		alone.Starts[i+1].Lived, alone.Starts[i+1].Ended = time.Hour, true
	}
	for name, c := range map[string]struct {
		subject Subject
		kind    string // whose question it asks; "": none is proposed
		says    string
	}{
		"a hang":                   {hanging(Probes{Readiness: ask(0, 10, 1, 3)}, Few+1), "Readiness", "hung for 1h0m and nothing ended it, while another pod was ready: a liveness probe that asks what its readiness probe asks ends one within 1m1s, where that is not answered"},
		"with a startup probe":     {hanging(Probes{Startup: ask(0, 10, 1, 30), Readiness: other}, Few+1), "Startup", "asks what its startup probe asks"},
		"of what all wait for":     {alone, "", "no other pod was ready then"},
		"nobody to ask":            {hanging(Probes{Readiness: other}, Few+1), "", "no probe asks what the program alone can fail"},
		"too few starts":           {hanging(Probes{Readiness: ask(0, 10, 1, 3)}, Few), "", "when 5 starts were measured"},
		"none":                     {subject(Probes{Readiness: ask(0, 10, 1, 3)}, started("r", 0, Few, s)), "", "the record has no hang that one would have ended: none is proposed"},
		"nothing that tells of it": {subject(Probes{Startup: ask(0, 10, 1, 30)}, started("r", 0, Few, s)), "", "nothing tells whether it ever hung: none is proposed"},
	} {
		t.Run(name, func(t *testing.T) {
			a := Advise(c.subject)
			q := a.Proposed.Liveness
			if (q != nil) != (c.kind != "") || q != nil && !sameQuestion(q, a.Present.of(c.kind)) {
				t.Errorf("proposed %+v", q)
			}
			if says := strings.Join(a.Reasons, "\n"); !strings.Contains(says, c.says) {
				t.Errorf("it does not say %q:\n%s", c.says, says)
			}
			if c.kind == "" {
				return
			}
			if a.Before.Hangs != 1 || a.After.Hangs != 0 || a.After.Ends != 0 || a.Proposed.Startup == nil || a.Proposed.Patience() < 150*s {
				t.Errorf("before %+v, after %+v, of %+v", a.Before, a.After, a.Proposed.Startup)
			}
			for _, c := range roles(a.Proposed) {
				t.Errorf("it finds fault with what it proposes: %+v", c)
			}
		})
	}
}
