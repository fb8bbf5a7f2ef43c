// SPDX-License-Identifier: Apache-2.0

//go:build e2e && storm

package e2e

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/bench/advise/profile"
	"github.com/kubeinquest/inquest/e2e/faults"
	"github.com/kubeinquest/inquest/internal/advise/probe"
)

// A starter is a workload whose starts are recorded.
type starter struct {
	name              string
	args              string
	cpu               string // its limit
	startup, liveness *corev1.Probe
	other             string // how long the one that it needs takes to listen; "": it needs none
	spare             int32  // replicas more than need to be ready: its probes cut starts off
}

// keptStarts is how many replicas must become ready: twice what advice needs, as half of them are held out.
const keptStarts = 2 * probe.Few

// starters are the twenty of which bench/advise/profile keeps a recording.
func starters() []starter {
	ask := profile.Ask
	return []starter{
		{"slow", "-slow-start 10s -spread 0.3", "", nil, ask(0, 5, 1, 6), "", 0},
		{"slow-delay", "-slow-start 18s -spread 0.3", "", nil, ask(15, 5, 1, 3), "", 2},
		{"slow-startup", "-slow-start 20s -spread 0.3", "", ask(0, 2, 1, 30), ask(0, 5, 1, 3), "", 0},
		{"slow-tight", "-slow-start 20s -spread 0.3", "", ask(0, 2, 1, 14), ask(0, 5, 1, 3), "", 2},
		{"slow-cut", "-slow-start 8s -spread 0.3", "", nil, ask(0, 3, 1, 4), "", 2},
		{"slow-long", "-slow-start 32s -spread 0.2", "", ask(0, 5, 1, 12), ask(0, 10, 1, 3), "", 0},
		{"two-ways", "-slow-start 3s -or 20s -spread 0.1", "", ask(0, 2, 1, 20), ask(0, 5, 1, 3), "", 0},
		{"two-ways-cut", "-slow-start 3s -or 13s -spread 0.1", "", ask(0, 2, 1, 5), ask(0, 5, 1, 3), "", 4},
		{"two-ways-liveness", "-slow-start 2s -or 15s -spread 0.1", "", nil, ask(0, 2, 1, 5), "", 4},
		{"two-ways-delay", "-slow-start 4s -or 18s -spread 0.15", "", nil, ask(10, 5, 1, 3), "", 2},
		{"two-ways-long", "-slow-start 5s -or 35s -spread 0.1", "", ask(0, 5, 1, 10), ask(0, 10, 1, 2), "", 0},
		{"held-back", "-warm-cpu 400ms", "50m", ask(0, 2, 1, 60), ask(0, 5, 1, 3), "", 0},
		{"held-back-liveness", "-warm-cpu 500ms", "50m", nil, ask(0, 5, 1, 5), "", 2},
		{"held-back-slow", "-warm-cpu 500ms", "30m", ask(0, 2, 1, 30), ask(0, 10, 1, 3), "", 0},
		{"held-back-cut", "-slow-start 2s -spread 0.9 -warm-cpu 300ms", "50m", nil, ask(0, 2, 1, 6), "", 4},
		{"held-back-often", "-warm-cpu 200ms", "30m", ask(0, 1, 1, 60), ask(0, 1, 1, 5), "", 0},
		{"dependent", "-slow-start 2s -spread 0.5", "", ask(0, 2, 1, 60), ask(0, 5, 1, 3), "12s", 0},
		{"dependent-liveness", "-slow-start 2s -spread 0.5", "", nil, ask(0, 5, 1, 6), "15s", 2},
		{"dependent-late", "-slow-start 2s -spread 0.5", "", ask(0, 5, 1, 12), ask(0, 10, 1, 3), "30s", 0},
		{"dependent-cut", "-slow-start 2s -spread 0.5", "", nil, ask(0, 3, 1, 4), "14s", 2},
	}
}

// TestStarts records how twenty workloads start: what the evidence says of each attempt, and when the program itself says that it
// listens. Where INQUEST_RECORD names a folder, the recordings are kept there, as bench/advise/profile/testdata has them.
func TestStarts(t *testing.T) {
	c := place(t, "e2e-starts")
	version, err := c.Discovery().ServerVersion()
	if err != nil {
		t.Fatal(err)
	}
	places := make(chan struct{}, 4) // more at once start slowly for want of processors
	t.Run("all", func(t *testing.T) {
		for _, w := range starters() {
			t.Run(w.name, func(t *testing.T) {
				t.Parallel()
				places <- struct{}{}
				defer func() { <-places }()
				w.begin(t, c)
				o := subject(t, c, w.name)
				r := profile.Recording{
					Origin: "the lab, Kubernetes " + version.GitVersion, Recorded: time.Now().UTC().Truncate(time.Second), Name: w.name,
					Args: o.Spec.Args, CPU: w.cpu, Startup: o.Spec.StartupProbe, Liveness: o.Spec.LivenessProbe, Ready: o.Spec.ReadinessProbe,
				}
				for _, s := range o.Starts {
					r.Add(s, listened(t, c, s))
				}
				w.keep(t, &r)
				a := probe.Advise(o)
				t.Logf("%s\nnow %+v\nthen %+v\n%q", probe.Basis(a.Tally), a.Before, a.After, a.Reasons)
			})
		}
	})
}

// begin makes the workload, and what it needs, and waits until as many are ready as are to be recorded. They go when the test ends.
func (w starter) begin(t *testing.T, c faults.Cluster) {
	args := append([]string{"serve"}, strings.Fields(w.args)...)
	if w.other != "" {
		other := w.name + "-other"
		service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: other}, Spec: corev1.ServiceSpec{
			Selector: map[string]string{"app": other}, Ports: []corev1.ServicePort{{Port: 8080}},
		}}
		made, err := c.CoreV1().Services(c.Namespace).Create(t.Context(), service, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		args = append(args, "-needs="+made.Spec.ClusterIP+":8080")
		deploy(t, c, other, 1, corev1.Container{Args: []string{"serve", "-slow-start", w.other}})
	}
	app := corev1.Container{Args: args, StartupProbe: w.startup, LivenessProbe: w.liveness, ReadinessProbe: profile.Ask(0, 2, 1, 3)}
	if w.cpu != "" {
		app.Resources.Limits = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(w.cpu)}
	}
	deploy(t, c, w.name, keptStarts+w.spare, app)
	until(t, w.name+" is ready", func(ctx context.Context) (bool, error) {
		d, err := c.AppsV1().Deployments(c.Namespace).Get(ctx, w.name, metav1.GetOptions{})
		return err == nil && d.Status.ReadyReplicas >= keptStarts, err
	})
}

func deploy(t *testing.T, c faults.Cluster, name string, replicas int32, app corev1.Container) {
	labels, grace := map[string]string{"app": name}, int64(1)
	app.Name, app.Image, app.ImagePullPolicy = "app", "lab.local/app:v1", corev1.PullIfNotPresent
	app.Ports = []corev1.ContainerPort{{ContainerPort: 8080}}
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: appsv1.DeploymentSpec{
		Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels},
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{
			TerminationGracePeriodSeconds: &grace, Containers: []corev1.Container{app},
		}},
	}}
	if _, err := c.AppsV1().Deployments(c.Namespace).Create(t.Context(), d, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.AppsV1().Deployments(c.Namespace).Delete(context.Background(), name, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
}

// listened is when after its start an attempt says that it listens. Kubelets keep the logs of the last attempt and the one before;
// the former may be of one that began after the evidence was collected.
func listened(t *testing.T, c faults.Cluster, s probe.Start) time.Duration {
	for _, previous := range []bool{true, false} {
		log, err := c.CoreV1().Pods(c.Namespace).GetLogs(s.Of.Name, &corev1.PodLogOptions{Container: "app", Previous: previous}).DoRaw(t.Context())
		if err != nil {
			continue // there is none before the first
		}
		for lines := bufio.NewScanner(bytes.NewReader(log)); lines.Scan(); {
			said, text, _ := strings.Cut(lines.Text(), " ")
			at, err := time.Parse(time.RFC3339, said)
			took := at.Sub(s.Began)
			if err == nil && strings.HasPrefix(text, "listening") && took >= 0 && (took <= s.Lived || !s.Ended) {
				return took
			}
		}
	}
	return probe.Never
}

// keep writes a recording, and finds fault with one that does not tell of each healthy attempt what it should.
func (w starter) keep(t *testing.T, r *profile.Recording) {
	var text bytes.Buffer
	if err := r.Write(&text); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(cmp.Or(os.Getenv("INQUEST_RECORD"), t.TempDir()), w.name+".jsonl")
	if err := os.WriteFile(file, text.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	if n := r.Known(); n < keptStarts {
		t.Errorf("of %d attempts it is known how long they took, and when they listened; %d are needed", n, keptStarts)
	}
}
