// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/kubeinquest/inquest/e2e/faults"
	"github.com/kubeinquest/inquest/internal/report"
)

// healed are faults of which each is of another family; TestHealEvery has them all.
var healed = []string{"oom-limit", "liveness-path", "quota-exceeded", "paused", "frontend-fails"}

// TestHeal applies the first fix that is proposed, as it stands, has it verified, and takes it back. It is over before the faults begin that
// disturb others.
func TestHeal(t *testing.T) {
	if !inLab() {
		return
	}
	for _, name := range healed {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f, err := faults.Find(name)
			if err != nil {
				t.Fatal(err)
			}
			if got := heal(t, f); got.outcome != cured || got.back != "" {
				t.Errorf("%s: %s\n%s", got.outcome, got.back, got.said)
			}
		})
	}
}

// A healing is what came of the first fix for a fault.
type healing struct {
	outcome string
	rule    string
	title   string
	said    string // by the program
	back    string // why the undo did not restore the object; "": it did, or there is none
}

// The outcomes of a healing.
const (
	noPatch = "no patch" // the first fix is for a person
	refused = "refused"
	cured   = "cured"
	failed  = "not cured"
	worse   = "worse"
)

// heal makes a fault, with pods that are made by a Deployment, and has the program mend it.
func heal(t *testing.T, f faults.Fault) healing {
	c := connect(t, "heal-"+f.Name)
	c.Mendable = true
	t.Cleanup(func() {
		if err := faults.Clear(context.Background(), c, f); err != nil {
			t.Error(err)
		}
	})
	if err := faults.Apply(t.Context(), c, f); err != nil {
		return healing{outcome: "not made", said: err.Error()}
	}
	ask := asked(t, c, f)
	var plan report.Plan
	out, status := fix(t, c, ask, "-o", "json")
	if err := json.Unmarshal([]byte(out), &plan); status != 0 || err != nil {
		return healing{outcome: noPatch, said: out}
	}
	h := healing{rule: plan.Cause.Rule, title: plan.Fix.Title}
	if plan.Fix.Patch == nil {
		h.outcome = noPatch
		return h
	}
	before, ready := target(t, c, plan.Fix.Patch.Target), readyPods(t, c)
	file := filepath.Join(t.TempDir(), "audit.jsonl")
	h.said, status = fix(t, c, ask, "--apply", "--yes", "--audit-file", file)
	switch {
	case status == 1:
		h.outcome = refused
		return h
	case status == 0 && wellNow(t, c, plan):
		h.outcome = cured
	case readyPods(t, c) < ready:
		h.outcome = worse
	default:
		h.outcome = failed
	}
	_, id, _ := strings.Cut(h.said, "(act ")
	id, _, _ = strings.Cut(id, ",")
	if plan.NoUndo != "" {
		return h
	}
	if out, status := run(t, c, "fix", "--undo", id, "--yes", "--audit-file", file); status != 0 {
		if gone := plan.Fix.Patch.Target.Namespace == "" && strings.Contains(out, "is not there any more"); !gone { // what is the cluster's may be another fault's, and go with it
			h.back = out
		}
		return h
	}
	h.back = cmp.Diff(before, target(t, c, plan.Fix.Patch.Target))
	return h
}

// asked is what a person asks about, where pods are made by Deployments.
func asked(t *testing.T, c faults.Cluster, f faults.Fault) string {
	kind, name, _ := strings.Cut(f.Ask, "/")
	if kind != "pod" {
		return f.Ask
	}
	if _, err := c.AppsV1().Deployments(c.Namespace).Get(t.Context(), name, metav1.GetOptions{}); err == nil {
		return "deploy/" + name
	}
	return f.Ask
}

func fix(t *testing.T, c faults.Cluster, ask string, args ...string) (string, int) {
	return run(t, c, append([]string{"fix", ask}, args...)...)
}

// run runs the program in the fault's namespace, and returns all it said and its exit status.
func run(t *testing.T, c faults.Cluster, args ...string) (string, int) {
	cmd := exec.CommandContext(t.Context(), inquest, append(args, "-n", c.Namespace)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return out.String() + errs.String(), exit.ExitCode()
	}
	if err != nil {
		t.Fatalf("inquest %s: %v", strings.Join(args, " "), err)
	}
	return out.String(), 0
}

// target returns what people have set of the object that a fix changes. The revision of a Deployment is its controller's.
func target(t *testing.T, c faults.Cluster, of report.Thing) map[string]any {
	group := map[string]string{"PersistentVolumeClaim": "", "Service": "", "ResourceQuota": "", "HorizontalPodAutoscaler": "autoscaling", "StorageClass": "storage.k8s.io", "CronJob": "batch", "Job": "batch"}
	gvr := schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: strings.ToLower(of.Kind) + "s"}
	if g, other := group[of.Kind]; other {
		gvr.Group = g
	}
	switch of.Kind {
	case "StorageClass":
		gvr.Resource = "storageclasses"
	case "HorizontalPodAutoscaler":
		gvr.Version = "v2" // v1 has the status in annotations
	}
	client := c.Objects.Resource(gvr)
	u, err := client.Get(t.Context(), of.Name, metav1.GetOptions{})
	if of.Namespace != "" {
		u, err = client.Namespace(of.Namespace).Get(t.Context(), of.Name, metav1.GetOptions{})
	}
	if err != nil {
		t.Fatal(err)
	}
	delete(u.Object, "status")
	for _, field := range []string{"managedFields", "resourceVersion", "generation"} {
		unstructured.RemoveNestedField(u.Object, "metadata", field)
	}
	unstructured.RemoveNestedField(u.Object, "metadata", "annotations", "deployment.kubernetes.io/revision")
	if len(u.GetAnnotations()) == 0 {
		unstructured.RemoveNestedField(u.Object, "metadata", "annotations")
	}
	return u.Object
}

func readyPods(t *testing.T, c faults.Cluster) int {
	n := 0
	for _, p := range living(t, c) {
		if isReady(&p) {
			n++
		}
	}
	return n
}

// living are the pods of the namespace that are not being deleted.
func living(t *testing.T, c faults.Cluster) []corev1.Pod {
	list, err := c.CoreV1().Pods(c.Namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var some []corev1.Pod
	for _, p := range list.Items {
		if p.DeletionTimestamp == nil {
			some = append(some, p)
		}
	}
	return some
}

func isReady(p *corev1.Pod) bool {
	for _, cond := range p.Status.Conditions {
		if cond.Type == corev1.PodReady {
			return cond.Status == corev1.ConditionTrue
		}
	}
	return false
}

// wellNow asks the cluster itself, whatever the program says: there are pods, all are ready, and of those that the fix had made anew no
// container has restarted.
func wellNow(t *testing.T, c faults.Cluster, plan report.Plan) bool {
	pods := living(t, c)
	ready := 0
	for i := range pods {
		p := &pods[i]
		if p.Status.Phase == corev1.PodFailed { // it was turned away before
			continue
		}
		if !isReady(p) {
			return false
		}
		ready++
		for _, st := range p.Status.ContainerStatuses {
			if owned := strings.HasPrefix(p.Name, plan.Fix.Patch.Target.Name); owned && st.RestartCount > 0 {
				return false
			}
		}
	}
	return ready > 0 || plan.Fix.Patch.Target.Kind == "CronJob" // which has its next pod when it is time
}

func (h healing) String() string {
	return fmt.Sprintf("%s: %s %s", h.outcome, h.rule, h.title)
}
