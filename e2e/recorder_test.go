// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/e2e/faults"
)

// recorded are the faults that a recorder is to make one incident of, each by itself, and of the last ones none. Of those that look alike
// with exit code 137 or 143 each has another cause.
var recorded = []string{
	"oom-limit", "liveness-grace", "host-kill", "sibling-kill", "own-code-kill", "stranger-term", "liveness-term",
	"app-error", "config-missing", "image-not-found", "no-gpu", "ephemeral-limit", "api-eviction", "quota-exceeded", "priority-missing",
	"benign-rollout", "benign-scale-down", "benign-job",
}

// loops are those that die again and again.
var loops = []string{"app-error", "oom-limit", "liveness-term", "own-code-kill"}

// described is the one that is looked for where people look first.
const described = "app-error"

// stuck are those that become an incident a minute after the pod should be gone. That somebody deletes a pod, and how its containers
// end then, is none.
var stuck = []string{"finalizer-stuck", "deletion-grace"}

// TestRecorder runs the server as a pod, with agents on all nodes, beside faults, on an empty history, and reads it as a person by
// inquest console: each fault becomes the one right incident, a node that is lost with all its pods as well; what goes as it should
// becomes none; and while nothing happens nothing is asked but watches.
func TestRecorder(t *testing.T) {
	if inLab() { // it cuts a node off, and reads the audit log
		recordFaults(t)
	}
}

func recordFaults(t *testing.T) {
	lost := pinned(t) // first: of a pod younger than a minute it takes longer until it counts as not ready
	agentsUp(t)
	serverUp(t)
	until(t, "it watches", func(context.Context) (bool, error) { return len(watched(t, serverUser)) >= 4, nil })
	before := len(requestsOf(t, serverUser))
	pause(t.Context(), 12*time.Second) // it looks for what time alone brings about every ten seconds
	for _, r := range requestsOf(t, serverUser)[before:] {
		if r.Verb != "watch" {
			t.Errorf("while nothing happened it asked: %s %s", r.Verb, r.RequestURI)
		}
	}
	person := openConsole(t)
	t.Run("all", func(t *testing.T) {
		for _, name := range stuck {
			t.Run(name, func(t *testing.T) { t.Parallel(); recordFault(t, person, name) })
		}
		t.Run("one after the other", func(t *testing.T) {
			t.Parallel()
			t.Run("faults", func(t *testing.T) {
				for _, name := range recorded {
					t.Run(name, func(t *testing.T) { t.Parallel(); recordFault(t, person, name) })
				}
			})
			t.Run("node", func(t *testing.T) { loseNode(t, person, lost) })
		})
	})
	for _, name := range slices.Concat(recorded, stuck) { // now that all is taken back
		t.Run("one "+name, func(t *testing.T) { oneIncident(t, person, name) })
	}
	_, used := withinRights(t, serverUser)
	for _, role := range []string{"inquest-agents", "inquest-events"} { // what it has beside its own: server/agents.yaml, server/events.yaml
		rights := rightsOf(t, serverUser, role)
		if len(rights) == 0 {
			t.Errorf("role %s is not bound to the server", role)
		}
		for right := range rights {
			if !used[right] {
				t.Errorf("the server may %s by role %s and never did", right, role)
			}
		}
	}
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

// expected is what an incident of a fault must be where nodes have agents.
func expected(t *testing.T, name string) (faults.Fault, faults.Sight) {
	f, err := faults.Find(name)
	if err != nil {
		t.Fatal(err)
	}
	if slices.Contains(stuck, name) {
		return f, faults.Sight{Fault: name, Want: []string{"DEL002"}}
	}
	for _, s := range faults.Sights() {
		if s.Fault == name {
			return f, s
		}
	}
	return f, faults.Sight{Fault: name, Want: f.Want, Least: f.Least}
}

// recordFault makes a fault and waits until it is an incident, as certain as agents make it.
func recordFault(t *testing.T, person *console, name string) {
	f, want := expected(t, name)
	c := establish(t, f, ofFault(name))
	if f.Benign() {
		return
	}
	deaths, problem := 1, ""
	if slices.Contains(loops, name) {
		deaths = 3
	}
	defer func() {
		if t.Failed() {
			t.Log(problem)
		}
	}()
	until(t, name+" is an incident", func(context.Context) (bool, error) {
		problem = "there is none of that cause"
		for _, one := range person.incidents(t, ofFault(name)) {
			if slices.Contains(want.Want, one.Incident.Rule) && one.Incident.Times >= deaths {
				problem = unproven(one, want)
			}
		}
		return problem == "", nil
	})
	if name == described {
		describes(t, c, "pod", "deployment")
	}
}

// unproven says in what an incident is less than what agents make possible.
func unproven(one telling, want faults.Sight) string {
	said := ""
	for _, c := range one.Told.Causes {
		said += wordsOf(c)
	}
	switch {
	case sure[one.Incident.Confidence] < sure[want.Least]:
		for _, d := range one.Deaths {
			said += fmt.Sprintf("\na death: %s %s: %s; %s", d.Rule, d.Confidence, d.Why, d.Missing)
		}
		return fmt.Sprintf("it is %s, expected %s at least; %s", one.Incident.Confidence, cmp.Or(want.Least, "certain"), said)
	case !regexp.MustCompile(want.Says).MatchString(said):
		return fmt.Sprintf("nothing in it matches %q:\n%s", want.Says, said)
	}
	return ""
}

// describes waits until kubectl describe shows the verdict of what is in a namespace.
func describes(t *testing.T, c faults.Cluster, kinds ...string) {
	for _, kind := range kinds {
		until(t, "kubectl describe "+kind+" shows a verdict", func(ctx context.Context) (bool, error) {
			out, err := exec.CommandContext(ctx, lab, "kubectl", "--", "-n", c.Namespace, "describe", kind).Output()
			return bytes.Contains(out, []byte("kubeinquest.io/inquest")), err
		})
	}
}

// oneIncident checks that a fault was one incident of the right cause and workload, and what is benign none.
func oneIncident(t *testing.T, person *console, name string) {
	f, want := expected(t, name)
	all, right := person.incidents(t, ofFault(name)), min(len(f.Want), 1)
	if len(all) != right {
		t.Errorf("%d incidents, expected %d", len(all), right)
	}
	for _, one := range all {
		in := one.Incident
		t.Logf("%s %s of %v %v: %d deaths: %s", in.Rule, in.Confidence, in.Thing, in.Workloads, in.Times, in.Title)
		if !slices.Contains(want.Want, in.Rule) {
			t.Errorf("the incident's cause is %s, expected %q", in.Rule, want.Want)
		}
		if len(in.Namespaces) != 1 || len(in.Workloads) != 1 {
			t.Errorf("it is of namespaces %q and workloads %q, expected one of each", in.Namespaces, in.Workloads)
		}
		if !t.Failed() {
			continue
		}
		for _, d := range one.Deaths {
			t.Logf("a death: %s %s: %s; %s", d.Rule, d.Confidence, d.Why, d.Missing)
		}
		for _, g := range one.Told.Gaps {
			t.Logf("not seen: %s: %s", g.Kind, g.Why)
		}
	}
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
func loseNode(t *testing.T, person *console, c faults.Cluster) {
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
	of := func() (one recording, rest []recording) {
		for _, page := range person.incidents(t, c.Namespace) {
			if in := page.Incident; in.Thing.Kind == "Node" && in.Thing.Name == lostNode {
				one = in
			} else {
				rest = append(rest, in)
			}
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
		t.Errorf("another incident than the loss of %s: %s %v %q with %d deaths", lostNode, in.Rule, in.Thing, in.Title, in.Times)
	}
	t.Logf("%s %v: %d deaths of %d pods: %s", one.Rule, one.Thing, one.Times, one.Pods, one.Title)
}
