// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/advise"
	"github.com/kubeinquest/inquest/internal/evidence"
)

const ms = time.Millisecond

// TestTimeouts: answers get one and a half times what the slowest took together with the longest pause, and no less than they have.
func TestTimeouts(t *testing.T) {
	within := func(kinds ...string) map[string]Slowest {
		m := map[string]Slowest{}
		for _, kind := range kinds {
			m[kind] = Slowest{Within: 2500 * ms, Answered: 40, Failed: 2}
		}
		return m
	}
	collector := []Pause{{700 * ms, "its garbage collector (go_gc_duration_seconds)"}}
	live, ready := ask(0, 10, 1, 3), ask(0, 10, 1, 3)
	for name, c := range map[string]struct {
		probes          Probes
		answers         Answers
		liveness, ready int32  // time-outs that are proposed
		says            string // among the reasons
	}{
		"nothing is known":           {Probes{Liveness: live, Readiness: ready}, Answers{}, 1, 1, ""},
		"latency and a pause":        {Probes{Liveness: live, Readiness: ready}, Answers{Slowest: within("Liveness"), Pauses: collector}, 5, 2, "its slowest answer took up to 2.5s, and it stood still for up to 700ms by its garbage collector (go_gc_duration_seconds): its liveness probe gets a timeoutSeconds of 5, one and a half times that, instead of 1"},
		"latency alone":              {Probes{Liveness: live, Readiness: ready}, Answers{Slowest: within("Liveness", "Readiness")}, 4, 4, "its readiness probe gets a timeoutSeconds of 4"},
		"time enough":                {Probes{Liveness: ask(0, 10, 6, 3), Readiness: ask(0, 10, 8, 3)}, Answers{Slowest: within("Liveness", "Readiness"), Pauses: collector}, 6, 8, ""},
		"longer than can be told":    {Probes{Readiness: ask(0, 10, 20, 3)}, Answers{Slowest: map[string]Slowest{"Readiness": {Within: Never}}}, 0, 20, ""},
		"a hang would be late":       {Probes{Liveness: ask(0, 1, 1, 2)}, Answers{Slowest: within("Liveness"), Pauses: []Pause{{9 * s, "its garbage collector"}}}, 1, 0, "its timeoutSeconds stays 1"},
		"a readiness probe has none": {Probes{Readiness: ask(0, 1, 1, 2), Liveness: live}, Answers{Slowest: within("Readiness"), Pauses: []Pause{{9 * s, "its garbage collector"}}}, 14, 18, "its readiness probe gets a timeoutSeconds of 18"},
	} {
		t.Run(name, func(t *testing.T) {
			o := Subject{Revision: "r", Starts: started("r", 0, Few, s), Answers: c.answers}
			o.Container = advise.Container{About: evidence.RefTo("Deployment", "shop", "web").InContainer("app"), Spec: corev1.Container{Name: "app", LivenessProbe: c.probes.Liveness, ReadinessProbe: c.probes.Readiness}}
			a := Advise(o)
			for kind, want := range map[string]int32{"Liveness": c.liveness, "Readiness": c.ready} {
				if q := a.Proposed.of(kind); q != nil && q.TimeoutSeconds != want {
					t.Errorf("%s gets %ds, want %ds", kind, q.TimeoutSeconds, want)
				}
			}
			if reasons := strings.Join(a.Reasons, "\n"); !strings.Contains(reasons, c.says) {
				t.Errorf("it does not say %q:\n%s", c.says, reasons)
			}
			if longerAnswers(a.Present, a.Proposed) > 0 && !strings.Contains(a.Fix.Title, "ive answers ") {
				t.Errorf("the fix is to %s", a.Fix.Title)
			}
		})
	}
}

// TestStartupTimeout: a startup probe that is put before the liveness probe asks what that asks, and waits as long.
func TestStartupTimeout(t *testing.T) {
	o := Subject{Revision: "r", Starts: started("r", 0, Few, 100*s), Answers: Answers{Slowest: map[string]Slowest{"Liveness": {Within: 2500 * ms}}}}
	o.Container = advise.Container{About: evidence.RefTo("Deployment", "shop", "web").InContainer("app"), Spec: corev1.Container{Name: "app", LivenessProbe: ask(0, 10, 1, 3)}}
	if a := Advise(o); a.Proposed.Startup == nil || a.Proposed.Startup.TimeoutSeconds != 4 || a.Proposed.Liveness.TimeoutSeconds != 4 {
		t.Errorf("proposed %+v", a.Proposed)
	}
}

// TestByAnswers: what was measured is said, and so is what was not, each time.
func TestByAnswers(t *testing.T) {
	probes := Probes{Liveness: ask(0, 10, 1, 3), Readiness: ask(0, 10, 1, 3)}
	held := started("r", 0, 1, s)
	held[0].Throttled = 0.4
	for name, c := range map[string]struct {
		answers Answers
		starts  []Start
		want    []string
	}{
		"nothing": {Answers{Unread: []string{"probe latencies not read: why"}}, nil, []string{
			"no throttling is known: neither a node agent nor a kubelet tells of any", "probe latencies not read: why",
		}},
		"throttling by the record": {Answers{Unread: []string{"probe latencies not read: why"}}, held, []string{
			"it stood still for up to 100ms by its CPU limit, which stopped a run in 40% of its periods, each time for less than one", "probe latencies not read: why",
		}},
		"all": {Answers{By: "Prometheus over 7 days", Slowest: map[string]Slowest{"Liveness": {Within: 250 * ms, Answered: 95, Failed: 5}, "Readiness": {Within: Never, Answered: 1}, "Startup": {Within: s}}, Pauses: []Pause{{30 * ms, "its garbage collector"}}}, held, []string{
			"its liveness probe was answered within 250ms, 100 tries, of which 5 failed, by Prometheus over 7 days",
			"its readiness probe was asked, how long its answers took nobody knows, 1 try, of which 0 failed, by Prometheus over 7 days",
			"it stood still for up to 100ms by its CPU limit, which stopped a run in 40% of its periods, each time for less than one",
			"it stood still for up to 30ms by its garbage collector",
		}},
	} {
		t.Run(name, func(t *testing.T) {
			a := Advice{Present: probes, Answers: c.answers, Pauses: c.answers.pauses(c.starts)}
			if got := ByAnswers(&a); strings.Join(got, "\n") != strings.Join(c.want, "\n") {
				t.Errorf("it says\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
		})
	}
}
