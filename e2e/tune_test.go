// SPDX-License-Identifier: Apache-2.0

//go:build e2e && storm

package e2e

import (
	"bufio"
	"cmp"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/kubeinquest/inquest/e2e/faults"
	"github.com/kubeinquest/inquest/internal/advise"
	"github.com/kubeinquest/inquest/internal/advise/probe"
	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// late is how much later than it can a kubelet on two busy cores does something: it relists each second, and Events and states have
// whole seconds.
const late = 4 * time.Second

// TestTune has programs start in the lab, slowly, in two ways, held back and waiting for others, and compares what is measured of
// their starts with what they say themselves, what the kubelet did with what the simulation says that it can, and what becomes of
// them with what is proposed.
func TestTune(t *testing.T) {
	c := place(t, "e2e-tune", "tune.yaml")
	t.Run("forgets", func(t *testing.T) { remembered(t, c, "forgets") }) // first what the status tells of for a while only
	for _, name := range []string{"hangs", "closes"} {
		t.Run(name, func(t *testing.T) { noticed(t, c, name) })
	}
	for _, name := range []string{"slow", "slow-liveness", "two-ways", "two-ways-liveness", "held-back", "dependent"} {
		t.Run(name, func(t *testing.T) {
			rolledOut(t, c, name)
			o := subject(t, c, name)
			measured(t, c, &o)
			keepsTo(t, &o)
			a := probe.Advise(o)
			t.Logf("%s\nnow %+v\nthen %+v\n%q", probe.Basis(a.Tally), a.Before, a.After, a.Reasons)
			switch {
			case a.Enough != "":
				t.Error(a.Enough)
			case a.Before.Ends > 0 && a.Fix == nil, a.After.Ends > 0:
				t.Errorf("of the starts that became healthy the present probes end %d, what is proposed %d", a.Before.Ends, a.After.Ends)
			case a.Fix != nil && a.Tally.Cut > 0:
				lives(t, c, name, &a)
			}
		})
	}
}

// rolledOut waits until all replicas of a Deployment are ready, and no others are there.
func rolledOut(t *testing.T, c faults.Cluster, name string) {
	until(t, name+" is ready", func(ctx context.Context) (bool, error) {
		d, err := c.AppsV1().Deployments(c.Namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return false, err
		}
		st := d.Status
		return st.ObservedGeneration >= d.Generation && st.UpdatedReplicas == *d.Spec.Replicas && st.ReadyReplicas == st.UpdatedReplicas && st.Replicas == st.UpdatedReplicas, nil
	})
}

// subject collects what is known of a Deployment, as the program does, and keeps it where INQUEST_RECORD names a folder.
func subject(t *testing.T, c faults.Cluster, name string) probe.Subject {
	file := filepath.Join(cmp.Or(os.Getenv("INQUEST_RECORD"), t.TempDir()), "tune-"+name+".txtar")
	ask(t, os.Getenv("KUBECONFIG"), "collect", "deploy/"+name, "-n", c.Namespace, "--no-logs", "-o", file)
	source, err := collect.Open(file, collect.Reading{})
	if err != nil {
		t.Fatal(err)
	}
	s, err := source.Snapshot(t.Context(), evidence.Selection{})
	if err != nil {
		t.Fatal(err)
	}
	about := evidence.RefTo("Deployment", c.Namespace, name).InContainer("app")
	all := probe.Read(s)
	i := slices.IndexFunc(all, func(o probe.Subject) bool { return o.About == about })
	if i < 0 {
		t.Fatalf("nothing is known of %s", about)
	}
	return all[i]
}

// measured compares how long each start is said to have taken with when the program says that it listens. A probe sees that at its
// next tick.
func measured(t *testing.T, c faults.Cluster, o *probe.Subject) {
	n := 0
	for _, s := range o.Starts {
		if s.Ended {
			continue
		}
		log, err := c.CoreV1().Pods(c.Namespace).GetLogs(s.Of.Name, &corev1.PodLogOptions{Container: "app"}).DoRaw(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		listens := time.Time{}
		for lines := bufio.NewScanner(strings.NewReader(string(log))); lines.Scan(); {
			if at, text, _ := strings.Cut(lines.Text(), " "); strings.HasPrefix(text, "listening") {
				listens, err = time.Parse(time.RFC3339, at)
			}
		}
		if err != nil || listens.IsZero() {
			t.Fatalf("%s does not say that it listens: %v\n%s", s.Of, err, log)
		}
		took := listens.Sub(s.Began)
		asks := 2 * time.Second * time.Duration(cmp.Or(s.Probes.Startup, s.Probes.Liveness).PeriodSeconds)
		if s.Lives == probe.Never {
			t.Logf("%s: it is not known that it listened after %s", s.Of, advise.Round(took))
			continue
		}
		if n++; s.Lives < took-2*time.Second || s.Lives > took+asks+late {
			t.Errorf("%s listened after %s, and is said to have been healthy within %s", s.Of, advise.Round(took), advise.Round(s.Lives))
		}
	}
	if n < probe.Few {
		t.Errorf("of %d starts it is known how long they took", n)
	}
}

// keepsTo compares when probes ended starts with when, by the simulation, they can have.
func keepsTo(t *testing.T, o *probe.Subject) {
	for _, s := range o.Starts {
		if !s.Ended || s.Lives != probe.Never || s.By == "" {
			continue
		}
		soonest, latest := s.Probes.Patience(), s.Probes.GivesUp()
		if s.Lived < soonest-time.Second || s.Lived > latest+late {
			t.Errorf("%s was ended by its %s after %s: by the simulation that is between %s and %s", s.Of, s.By, advise.Round(s.Lived), advise.Round(soonest), advise.Round(latest))
		}
	}
}

// lives applies what is proposed until no start is ended by a probe any more, twice at the most: a start that was cut off gets
// twice the time, which shows how long it takes.
func lives(t *testing.T, c faults.Cluster, name string, a *probe.Advice) {
	for range 2 {
		t.Log(a.Fix.Title)
		if _, err := c.AppsV1().Deployments(c.Namespace).Patch(t.Context(), name, types.StrategicMergePatchType, []byte(a.Fix.Patch.Data), metav1.PatchOptions{}); err != nil {
			t.Fatal(err)
		}
		rolledOut(t, c, name)
		pods, err := c.CoreV1().Pods(c.Namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "app=" + name})
		if err != nil {
			t.Fatal(err)
		}
		restarts := int32(0)
		for i := range pods.Items {
			restarts += pods.Items[i].Status.ContainerStatuses[0].RestartCount
		}
		if restarts == 0 {
			return
		}
		o := subject(t, c, name)
		if *a = probe.Advise(o); a.Fix == nil {
			break
		}
	}
	t.Errorf("with what is proposed its starts are still ended: %+v", a.Tally)
}

// noticed compares when a container that hangs, 45 seconds after it began, was ended with what the simulation says.
func noticed(t *testing.T, c faults.Cluster, name string) {
	until(t, name+" was ended", func(ctx context.Context) (bool, error) {
		list, err := c.CoreV1().Pods(c.Namespace).List(ctx, metav1.ListOptions{LabelSelector: "app=" + name})
		if err != nil {
			return false, err
		}
		return !slices.ContainsFunc(list.Items, func(p corev1.Pod) bool {
			return len(p.Status.ContainerStatuses) == 0 || p.Status.ContainerStatuses[0].RestartCount == 0
		}), nil
	})
	o, n := subject(t, c, name), 0
	for _, s := range o.Starts {
		if !s.Ended || s.By != evidence.ByLiveness || s.Of.Attempt > 0 {
			continue
		}
		n++
		if took := s.Lived - 45*time.Second; took > s.Probes.Notices()+late {
			t.Errorf("%s hung for %s until it was ended: by the simulation that is %s at most", s.Of, advise.Round(took), advise.Round(s.Probes.Notices()))
		}
	}
	if n < 3 {
		t.Errorf("of %d runs it is known that the liveness probe ended them", n)
	}
}

// remembered shows that a kubelet counts failures of a startup probe on when a container ends by itself and begins anew: the second
// run is ended by the probe long before it fails as often as its threshold says. The first ends by itself before.
func remembered(t *testing.T, c faults.Cluster, name string) {
	pod := died(t, c, name, 2)
	o := subject(t, c, name)
	i := slices.IndexFunc(o.Starts, func(s probe.Start) bool { return s.By == evidence.ByStartup })
	if i < 0 {
		t.Fatalf("no run of %s was ended by the startup probe: %+v", pod.Name, o.Starts)
	}
	s := o.Starts[i]
	if patience := s.Probes.Patience(); s.Lived >= patience-time.Second {
		t.Errorf("%s was ended after %s, as if nothing had failed before: %s", s.Of, advise.Round(s.Lived), advise.Round(patience))
	}
	first := probe.Simulate(s.Probes, probe.Course{Lives: probe.Never, Ready: probe.Never}, probe.Phase{CarriedStartup: 7}, time.Minute)
	if s.Lived < first.Killed-late {
		t.Errorf("%s was ended after %s, and with 7 failures before it can have been after %s", s.Of, advise.Round(s.Lived), advise.Round(first.Killed))
	}
	t.Logf("%s was ended after %s, not %s", s.Of, advise.Round(s.Lived), advise.Round(s.Probes.Patience()))
}
