// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
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
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
)

// recorded are the faults that a recorder is to make one incident of, each by itself, and of the last ones none; stuck is one that
// takes a minute.
var recorded = []string{
	"app-error", "oom-limit", "liveness-term", "image-not-found", "no-gpu", "ephemeral-limit",
	"benign-rollout", "benign-scale-down", "benign-job",
}

// loops are those that die again and again.
var loops = []string{"app-error", "oom-limit", "liveness-term"}

const stuck = "finalizer-stuck"

// TestRecorder runs inquest serve beside faults, on an empty history: each fault becomes the one right incident, a node that is lost
// with all its pods as well; what goes as it should becomes none; and while nothing happens nothing is asked but watches.
func TestRecorder(t *testing.T) {
	if inLab() { // it cuts a node off, and reads the audit log
		recordFaults(t)
	}
}

func recordFaults(t *testing.T) {
	lost := pinned(t) // first: of a pod younger than a minute it takes longer until it counts as not ready
	user := fmt.Sprintf("e2e-recorder-%d", time.Now().Unix())
	store := serving(t, user).store
	until(t, "it watches", func(context.Context) (bool, error) { return len(watched(t, user)) >= 4, nil })
	before := len(requestsOf(t, user))
	pause(t.Context(), 12*time.Second) // it looks for what time alone brings about every ten seconds
	for _, r := range requestsOf(t, user)[before:] {
		if r.Verb != "watch" {
			t.Errorf("while nothing happened it asked: %s %s", r.Verb, r.RequestURI)
		}
	}
	t.Run("all", func(t *testing.T) {
		t.Run(stuck, func(t *testing.T) { t.Parallel(); recordFault(t, store, stuck) })
		t.Run("one after the other", func(t *testing.T) {
			t.Parallel()
			t.Run("faults", func(t *testing.T) {
				for _, name := range recorded {
					t.Run(name, func(t *testing.T) { t.Parallel(); recordFault(t, store, name) })
				}
			})
			t.Run("node", func(t *testing.T) { loseNode(t, store, lost) })
		})
	})
	for _, name := range append(recorded, stuck) { // now that all is taken back
		oneIncident(t, store, name)
	}
	for _, r := range requestsOf(t, user) {
		if !slices.Contains([]string{"get", "list", "watch"}, r.Verb) || r.ObjectRef.Resource == "secrets" {
			t.Errorf("it made a request that reads too much or writes: %s %s", r.Verb, r.RequestURI)
		}
	}
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

// requestsOf returns what the audit log has of a user, each request once.
func requestsOf(t *testing.T, user string) []request {
	log, err := exec.CommandContext(t.Context(), lab, "logs", "audit").Output()
	if err != nil {
		t.Fatalf("lab logs audit: %v", err)
	}
	var all []request
	seen := map[string]bool{}
	for line := range bytes.Lines(log) {
		var r request
		if err := json.Unmarshal(line, &r); err == nil && r.User.Username == user && !seen[r.AuditID] {
			seen[r.AuditID] = true
			all = append(all, r)
		}
	}
	return all
}

// watched returns the kinds that a user has begun to watch.
func watched(t *testing.T, user string) []string {
	var kinds []string
	for _, r := range requestsOf(t, user) {
		if r.Verb == "watch" {
			kinds = append(kinds, r.ObjectRef.Resource)
		}
	}
	slices.Sort(kinds)
	return slices.Compact(kinds)
}

// ofFault is the namespace of a fault that is recorded.
func ofFault(name string) string { return "e2e-recorder-" + name }

// recordFault makes a fault and waits until it is an incident.
func recordFault(t *testing.T, store *history.Store, name string) {
	f, err := faults.Find(name)
	if err != nil {
		t.Fatal(err)
	}
	establish(t, f, ofFault(name))
	if f.Benign() {
		return
	}
	deaths := 1
	if slices.Contains(loops, name) {
		deaths = 3
	}
	until(t, name+" is an incident", func(context.Context) (bool, error) {
		return slices.ContainsFunc(incidentsIn(t, store, ofFault(name)), func(in history.Incident) bool {
			return slices.Contains(f.Want, in.Rule) && in.Deaths >= deaths
		}), nil
	})
}

// oneIncident checks that a fault was one incident, and what is benign none.
func oneIncident(t *testing.T, store *history.Store, name string) {
	f, err := faults.Find(name)
	if err != nil {
		t.Fatal(err)
	}
	all, right := incidentsIn(t, store, ofFault(name)), min(len(f.Want), 1)
	for _, in := range all {
		t.Logf("%s: %s %s of %s: %d deaths: %s", name, in.Rule, in.Confidence, in.Thing, in.Deaths, in.Title)
		if !slices.Contains(f.Want, in.Rule) {
			t.Errorf("incident %s %s %q of %s, expected %q alone", in.Rule, in.Thing, in.Title, name, f.Want)
		}
	}
	if len(all) != right {
		t.Errorf("%d incidents of %s, expected %d", len(all), name, right)
	}
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

// lostNode is the node that is cut off.
const lostNode = "n2"

// pinned runs pods of two workloads on the node that is to be lost, one of which leaves it soon.
func pinned(t *testing.T) faults.Cluster {
	c := connect(t, fmt.Sprintf("e2e-recorder-node-%d", time.Now().Unix()))
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: c.Namespace}}
	if _, err := c.CoreV1().Namespaces().Create(t.Context(), namespace, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.CoreV1().Namespaces().Delete(context.Background(), c.Namespace, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	for name, stays := range map[string]int64{"stays": 300, "leaves": 3} {
		replicas, grace := int32(6), int64(1)
		labels := map[string]string{"app": name}
		var tolerated []corev1.Toleration
		for _, key := range []string{corev1.TaintNodeNotReady, corev1.TaintNodeUnreachable} {
			tolerated = append(tolerated, corev1.Toleration{
				Key: key, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute, TolerationSeconds: &stays,
			})
		}
		d := &appsv1.Deployment{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec: appsv1.DeploymentSpec{
				Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: labels},
				Template: corev1.PodTemplateSpec{
					ObjectMeta: metav1.ObjectMeta{Labels: labels},
					Spec: corev1.PodSpec{
						NodeSelector: map[string]string{corev1.LabelHostname: lostNode}, Tolerations: tolerated, TerminationGracePeriodSeconds: &grace,
						Containers: []corev1.Container{{Name: "app", Image: "lab.local/app:v1", Args: []string{"sleep"}}},
					},
				},
			},
		}
		if _, err := c.AppsV1().Deployments(c.Namespace).Create(t.Context(), d, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	labDo(t, "kubectl", "--", "-n", c.Namespace, "wait", "--for=condition=Available", "deployment", "--all", "--timeout=60s")
	return c
}

// loseNode cuts a node off until all its pods are known to be lost with it, and brings it back: all of that is one incident.
func loseNode(t *testing.T, store *history.Store, c faults.Cluster) {
	labDo(t, "node", "partition", lostNode)
	healed := false
	heal := func() {
		labDo(t, "node", "heal", lostNode)
		labDo(t, "kubectl", "--", "wait", "--for=condition=Ready", "node/"+lostNode, "--timeout=180s")
		healed = true
	}
	defer func() {
		if !healed {
			heal()
		}
	}()
	of := func() (one history.Incident, rest []history.Incident) {
		for _, in := range incidentsIn(t, store, c.Namespace) {
			if in.Thing == evidence.RefTo("Node", "", lostNode) {
				one = in
				continue
			}
			rest = append(rest, in)
		}
		return one, rest
	}
	until(t, "twelve pods are lost with "+lostNode, func(context.Context) (bool, error) {
		one, _ := of()
		return one.Pods >= 12, nil
	})
	heal()
	pause(t.Context(), 5*time.Second) // the kubelet ends what was deleted meanwhile
	one, rest := of()
	for _, in := range rest {
		t.Errorf("another incident than the loss of %s: %s %s %q with %d deaths", lostNode, in.Rule, in.Thing, in.Title, in.Deaths)
	}
	t.Logf("%s %s: %d deaths of %d pods: %s", one.Rule, one.Thing, one.Deaths, one.Pods, one.Title)
}
