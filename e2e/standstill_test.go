// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/e2e/faults"
	"github.com/kubeinquest/inquest/internal/history"
)

// TestRecorderOutage runs inquest serve beside containers that crash again and again, while it is killed, the API server is stopped,
// and the API server hangs for a minute: each run that ended is on record or reported missing, once, and all of them are one
// incident.
func TestRecorderOutage(t *testing.T) {
	if inLab() { // it stops the API server
		recordOutage(t)
	}
}

func recordOutage(t *testing.T) {
	s := serving(t, fmt.Sprintf("e2e-recorder-outage-%d", time.Now().Unix()))
	c := crashingPods(t)
	steps := []struct {
		name string
		do   func()
	}{
		{"nothing", func() {}},
		{"the recorder is killed", func() { s.kill(t); pause(t.Context(), 12*time.Second); s.start(t) }},
		{"the API server is stopped", func() { outage(t, "stop", "start", 15*time.Second) }},
		{"the API server hangs", func() { outage(t, "freeze", "thaw", time.Minute) }},
	}
	last := 0
	for _, step := range steps {
		step.do()
		until(t, "after "+step.name+" all deaths are accounted for", func(ctx context.Context) (bool, error) {
			n, err := s.store.Count(ctx, history.Filter{Namespaces: []string{c.Namespace}})
			if err != nil {
				return false, err
			}
			ended, err := endedRuns(ctx, c)
			if err != nil {
				t.Logf("the API server is not there yet: %v", err)
				return false, nil
			}
			if ended >= last+6 && n.Recorded+n.Missing == ended { // the kubelets have told of what ended meanwhile
				last = ended
				t.Logf("%s: %d runs ended: %d on record, %d reported missing", step.name, ended, n.Recorded, n.Missing)
				return true, nil
			}
			return false, nil
		})
	}
	if all := incidentsIn(t, s.store, c.Namespace); len(all) != 1 {
		t.Errorf("%d incidents, expected one: %v", len(all), all)
	}
}

// outage takes the API server away for a while.
func outage(t *testing.T, away, back string, lasts time.Duration) {
	labDo(t, "unit", away, "cp", "kube-apiserver")
	pause(t.Context(), lasts)
	labDo(t, "unit", back, "cp", "kube-apiserver")
}

// crashingPods runs pods that end with an error some seconds after their start, for ever.
func crashingPods(t *testing.T) faults.Cluster {
	c := connect(t, fmt.Sprintf("e2e-recorder-outage-%d", time.Now().Unix()))
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: c.Namespace}}
	if _, err := c.CoreV1().Namespaces().Create(t.Context(), namespace, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.CoreV1().Namespaces().Delete(context.Background(), c.Namespace, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	replicas, labels := int32(6), map[string]string{"app": "crash"}
	d := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "crash"},
		Spec: appsv1.DeploymentSpec{
			Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{Containers: []corev1.Container{{
					Name: "app", Image: "lab.local/app:v1", Command: []string{"sh", "-c", "sleep 3; echo giving up; exit 3"},
				}}},
			},
		},
	}
	if _, err := c.AppsV1().Deployments(c.Namespace).Create(t.Context(), d, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	return c
}

// endedRuns counts the runs that ended, as statuses tell: each restart, and the last run where it was not restarted yet.
func endedRuns(ctx context.Context, c faults.Cluster) (int, error) {
	list, err := c.CoreV1().Pods(c.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return 0, err
	}
	n := 0
	for _, pod := range list.Items {
		for _, st := range pod.Status.ContainerStatuses {
			n += int(st.RestartCount)
			if st.State.Terminated != nil || st.State.Waiting != nil && st.LastTerminationState.Terminated != nil {
				n++
			}
		}
	}
	return n, nil
}

// A served is inquest serve, and its history.
type served struct {
	args  []string
	cmd   *exec.Cmd
	said  bytes.Buffer
	store *history.Store
}

// serving runs the server as a user of its own, until the test ends.
func serving(t *testing.T, user string) *served {
	out, err := exec.CommandContext(t.Context(), lab, "kubeconfig", "--user", user, "--groups", "system:masters").Output()
	if err != nil {
		t.Fatalf("lab kubeconfig: %v", err)
	}
	file := filepath.Join(t.TempDir(), "history.db")
	s := &served{args: []string{"serve", "--listen", "127.0.0.1:0", "--db", file, "--kubeconfig", strings.TrimSpace(string(out))}}
	s.start(t)
	t.Cleanup(func() {
		if err := s.cmd.Process.Signal(os.Interrupt); err != nil {
			t.Error(err)
		}
		if err := s.cmd.Wait(); err != nil {
			t.Errorf("inquest serve: %v", err)
		}
		t.Logf("inquest serve: %s of CPU: %s", s.cmd.ProcessState.UserTime()+s.cmd.ProcessState.SystemTime(), &s.said)
	})
	until(t, "there is a history", func(ctx context.Context) (bool, error) {
		s.store, err = history.Open(ctx, file, history.Options{ReadOnly: true})
		return err == nil, nil
	})
	t.Cleanup(func() {
		if err := s.store.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *served) start(t *testing.T) {
	s.cmd = exec.Command(inquest, s.args...)
	s.cmd.Stdout, s.cmd.Stderr = &s.said, &s.said
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
}

// kill ends the server as if by a power cut.
func (s *served) kill(t *testing.T) {
	if err := s.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = s.cmd.Wait() // it was killed
}

// incidentsIn returns the incidents of a namespace that are not provisional any more.
func incidentsIn(t *testing.T, store *history.Store, namespace string) []history.Incident {
	page, err := store.Incidents(t.Context(), history.Filter{Namespaces: []string{namespace}})
	if err != nil {
		t.Fatal(err)
	}
	return slices.DeleteFunc(page.Items, func(in history.Incident) bool {
		deaths, err := store.Deaths(t.Context(), history.Filter{Incident: in.ID, Namespaces: []string{namespace}})
		if err != nil {
			t.Fatal(err)
		}
		return !slices.ContainsFunc(deaths.Items, func(d history.Death) bool { return d.Verdict != nil && d.Verdict.Settled })
	})
}
