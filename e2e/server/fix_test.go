// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package server

import (
	"bytes"
	"encoding/json"
	"errors"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/remedy"
	"github.com/kubeinquest/inquest/internal/report"
)

// outOfMemory makes a Deployment with a pod that was killed at its limit of 64Mi, and what is between them.
func (c *cluster) outOfMemory(t *testing.T, namespace string, change func(*appsv1.Deployment)) *appsv1.Deployment {
	t.Helper()
	c.namespace(t, namespace)
	labels := map[string]string{"app": "web"}
	limit := corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("64Mi")}
	template := corev1.PodTemplateSpec{
		ObjectMeta: metav1.ObjectMeta{Labels: labels},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name: "app", Image: "registry.example/web:1", Resources: corev1.ResourceRequirements{Limits: limit},
			Env: []corev1.EnvVar{{Name: "DB_PASSWORD", Value: "hunter2-not-to-be-shown"}},
		}}},
	}
	d := &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Name: "web", Namespace: namespace},
		Spec:       appsv1.DeploymentSpec{Selector: &metav1.LabelSelector{MatchLabels: labels}, Template: template},
	}
	if change != nil {
		change(d)
	}
	d, err := c.AppsV1().Deployments(namespace).Create(t.Context(), d, metav1.CreateOptions{})
	must(t, err)
	c.killed(t, d)
	return d
}

// killed makes a pod of a Deployment that was killed at its limit, and what is between them.
func (c *cluster) killed(t *testing.T, d *appsv1.Deployment) {
	t.Helper()
	namespace, template, labels := d.Namespace, d.Spec.Template, d.Spec.Template.Labels
	set := &appsv1.ReplicaSet{
		ObjectMeta: metav1.ObjectMeta{Name: "web-1", Labels: labels, OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(d, appsv1.SchemeGroupVersion.WithKind("Deployment"))}},
		Spec:       appsv1.ReplicaSetSpec{Selector: d.Spec.Selector, Template: template},
	}
	set, err := c.AppsV1().ReplicaSets(namespace).Create(t.Context(), set, metav1.CreateOptions{})
	must(t, err)
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: "web-1-a", Labels: labels, OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(set, appsv1.SchemeGroupVersion.WithKind("ReplicaSet"))}},
		Spec:       template.Spec,
	}
	pod, err = c.CoreV1().Pods(namespace).Create(t.Context(), pod, metav1.CreateOptions{})
	must(t, err)
	now := metav1.Now()
	pod.Status = corev1.PodStatus{
		Phase: corev1.PodRunning, StartTime: &now,
		ContainerStatuses: []corev1.ContainerStatus{{
			Name: "app", Image: "registry.example/web:1", ContainerID: "containerd://b", RestartCount: 1, Ready: true,
			State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: now}},
			LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
				ExitCode: 137, Reason: "OOMKilled", StartedAt: metav1.NewTime(now.Add(-42 * time.Second)), FinishedAt: metav1.NewTime(now.Add(-2 * time.Second)), ContainerID: "containerd://a",
			}},
		}},
		Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}},
	}
	_, err = c.CoreV1().Pods(namespace).UpdateStatus(t.Context(), pod, metav1.UpdateOptions{})
	must(t, err)
}

// A call is what a command line came to.
type call struct {
	out, errs string
	status    int
}

// runs inquest as whoever has a token.
func (c *cluster) inquest(t *testing.T, token string, args ...string) call {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), inquest, append(args, "--kubeconfig", c.kubeconfig(t, token))...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	status := 0
	err := cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		status = exit.ExitCode()
	} else {
		must(t, err)
	}
	return call{out.String(), errs.String(), status}
}

func (c *cluster) planned(t *testing.T, args ...string) report.Plan {
	t.Helper()
	got := c.inquest(t, "calm", append(args, "-o", "json")...)
	var plan report.Plan
	if err := json.Unmarshal([]byte(got.out), &plan); err != nil {
		t.Fatalf("%v: status %d: %s%s", err, got.status, got.out, got.errs)
	}
	return plan
}

// asPeopleSet is what people have set of a Deployment.
func asPeopleSet(d *appsv1.Deployment) *appsv1.Deployment {
	d = d.DeepCopy()
	d.ManagedFields, d.ResourceVersion, d.Generation, d.Status = nil, "", 0, appsv1.DeploymentStatus{}
	return d
}

// TestFix plans, applies and undoes the fix of a death for memory, on a real API server.
func TestFix(t *testing.T) {
	before := control.outOfMemory(t, "fix-whole", nil)
	plan := control.planned(t, "fix", "deploy/web", "-n", "fix-whole")
	text := control.inquest(t, "calm", "fix", "deploy/web", "-n", "fix-whole")
	t.Logf("%s", text.out)
	diff := strings.Join(plan.Diff, "\n")
	if plan.Cause.Rule != "MEM001" || plan.DryRun != "accepted" || plan.Refused != "" || !strings.Contains(diff, "-            memory: 64Mi") || plan.Undo == nil {
		t.Errorf("the plan is %+v", plan)
	}
	if strings.Contains(text.out, "hunter2") || strings.Contains(diff, "hunter2") {
		t.Errorf("the plan shows a secret:\n%s", text.out)
	}
	after, err := control.AppsV1().Deployments("fix-whole").Get(t.Context(), "web", metav1.GetOptions{})
	must(t, err)
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("showing the plan has changed the object:\n%s", diff)
	}
	control.act(t, before)
}

// act applies the fix for a Deployment and takes it back, with all that is to be left by that.
func (c *cluster) act(t *testing.T, before *appsv1.Deployment) {
	t.Helper()
	journal := &remedy.Journal{File: filepath.Join(t.TempDir(), "state", "audit.jsonl")}
	got := c.inquest(t, "calm", "fix", "deploy/web", "-n", "fix-whole", "--apply", "--yes", "--verify=false", "--audit-file", journal.File)
	if got.status != 0 {
		t.Fatalf("apply: status %d: %s%s", got.status, got.out, got.errs)
	}
	_, id, _ := strings.Cut(got.out, "(act ")
	id, _, _ = strings.Cut(id, ",")
	act, err := journal.Find(id)
	must(t, err)
	if act.By != "calm" || act.Rule != "MEM001" || act.State != remedy.Applied || act.Before != before.ResourceVersion || len(act.Facts) == 0 {
		t.Errorf("the audit line is %+v", act)
	}
	c.left(t, "fix-whole", "InquestFixed", id)
	fixed, err := c.AppsV1().Deployments("fix-whole").Get(t.Context(), "web", metav1.GetOptions{})
	must(t, err)
	if limit := fixed.Spec.Template.Spec.Containers[0].Resources.Limits.Memory(); limit.Cmp(resource.MustParse("64Mi")) <= 0 {
		t.Errorf("the limit is %s after the fix", limit)
	}
	if !slices.ContainsFunc(fixed.ManagedFields, func(m metav1.ManagedFieldsEntry) bool { return m.Manager == remedy.Manager }) {
		t.Errorf("no field is of the manager %s: %+v", remedy.Manager, fixed.ManagedFields)
	}
	if got := c.inquest(t, "calm", "fix", "--undo", id, "--yes", "--audit-file", journal.File); got.status != 0 {
		t.Fatalf("undo: status %d: %s%s", got.status, got.out, got.errs)
	}
	undone, err := c.AppsV1().Deployments("fix-whole").Get(t.Context(), "web", metav1.GetOptions{})
	must(t, err)
	if diff := cmp.Diff(asPeopleSet(before), asPeopleSet(undone)); diff != "" {
		t.Errorf("the undo does not restore the object (-before +after):\n%s", diff)
	}
	if got := c.inquest(t, "calm", "fix", "--undo", id, "--yes", "--audit-file", journal.File); got.status != 1 || !strings.Contains(got.errs, "is not so any more") {
		t.Errorf("a second undo: status %d: %s", got.status, got.errs)
	}
}

// left checks that an act has left an Event.
func (c *cluster) left(t *testing.T, namespace, reason, id string) {
	t.Helper()
	list, err := c.EventsV1().Events(namespace).List(t.Context(), metav1.ListOptions{})
	must(t, err)
	for i := range list.Items {
		if e := &list.Items[i]; e.Reason == reason && strings.Contains(e.Note, id) && e.Regarding.Name == "web" {
			return
		}
	}
	t.Errorf("there is no Event %s of act %s: %+v", reason, id, list.Items)
}
