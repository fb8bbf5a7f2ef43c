// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"fmt"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/advise"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// started are starts of a revision that took so long each, from an hour on.
func started(revision string, hour, n int, took time.Duration) (list []Start) {
	for i := range n {
		list = append(list, Start{
			Of: evidence.RefTo("Pod", "shop", fmt.Sprint(revision, i)).InContainer("app").InAttempt(0), Pod: fmt.Sprint(revision, i), Revision: revision,
			Began: zero.Add(time.Duration(hour)*time.Hour + time.Duration(i)*time.Minute), Lives: took, Ready: took, Lived: 5 * time.Hour,
		})
	}
	return list
}

// TestByRevision: what is proposed rests on the starts of the present revision, on older ones only where these are too few, and how many each
// has is said.
func TestByRevision(t *testing.T) {
	for name, c := range map[string]struct {
		older, present int
		bears          time.Duration // what is proposed, at least
		less           time.Duration // and less than that
		says           []string
	}{
		"enough":  {6, 5, 45 * s, 60 * s, []string{"revision new, which runs now or is being rolled out: 5 starts, of which 5 measured, 30s to 30s", "these alone count", "older, revision old: 6 starts, of which 6 measured, 3m20s to 3m20s"}},
		"too few": {6, 4, 300 * s, 320 * s, []string{"revision new, which runs now or is being rolled out: 4 starts", "those of older revisions count, too", "older, revision old: 6 starts"}},
		"none":    {6, 0, 300 * s, 320 * s, []string{"revision new, which runs now or is being rolled out: 0 starts; advice needs 5", "older, revision old: 6 starts"}},
		"alone":   {0, 5, 45 * s, 60 * s, nil},
	} {
		t.Run(name, func(t *testing.T) {
			o := Subject{Revision: "new", Starts: append(started("old", 0, c.older, 200*s), started("new", 10, c.present, 30*s)...)}
			o.Container = advise.Container{About: evidence.RefTo("Deployment", "shop", "web").InContainer("app"), Spec: corev1.Container{Name: "app", LivenessProbe: ask(0, 10, 1, 3)}}
			a := Advise(o)
			if p := a.Proposed.Patience(); p < c.bears || p >= c.less || a.Fix == nil {
				t.Errorf("a start may take %s, want %s to %s", advise.Round(p), advise.Round(c.bears), advise.Round(c.less))
			}
			says := ByRevision(&a)
			if len(c.says) == 0 && len(says) > 0 {
				t.Errorf("of one revision it says %q", says)
			}
			for _, want := range c.says {
				if !strings.Contains(strings.Join(says, "\n"), want) {
					t.Errorf("it does not say %q: %q", want, says)
				}
			}
		})
	}
}

// TestManyRevisions: those before the latest are added up.
func TestManyRevisions(t *testing.T) {
	o := Subject{Revision: "r9"}
	for i := range 10 {
		o.Starts = append(o.Starts, started(fmt.Sprint("r", i), i, 2, 10*s)...)
	}
	a := Advise(o)
	says := ByRevision(&a)
	if want := "and 10 starts of 5 revisions before these"; len(says) != 6 || says[5] != want || !strings.HasPrefix(says[1], "older, revision r8: ") {
		t.Errorf("it says %q", says)
	}
}

// TestRunning: which revision runs now, by the kind of the workload.
func TestRunning(t *testing.T) {
	meta := func(name, hash, revision string, owner evidence.Object, kind string) metav1.ObjectMeta {
		yes := true
		m := metav1.ObjectMeta{Namespace: "shop", Name: name, Labels: map[string]string{}, Annotations: map[string]string{}}
		if hash != "" {
			m.Labels["pod-template-hash"], m.Labels["controller-revision-hash"] = hash, hash
		}
		if revision != "" {
			m.Annotations[deploymentRevision] = revision
		}
		if owner != nil {
			m.OwnerReferences = []metav1.OwnerReference{{APIVersion: "apps/v1", Kind: kind, Name: owner.GetName(), Controller: &yes}}
		}
		return m
	}
	pod := func(name, hash string, age int, owner evidence.Object, kind string) *corev1.Pod {
		p := &corev1.Pod{ObjectMeta: meta(name, hash, "", owner, kind), Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "app:" + name[:2]}}}}
		p.CreationTimestamp = at(-age)
		return p
	}
	deployment := &appsv1.Deployment{ObjectMeta: meta("web", "", "7", nil, "")}
	older := &appsv1.ReplicaSet{ObjectMeta: meta("web-old", "old", "6", deployment, "Deployment")}
	newer := &appsv1.ReplicaSet{ObjectMeta: meta("web-new", "new", "7", deployment, "Deployment")}
	stateful := &appsv1.StatefulSet{ObjectMeta: meta("db", "", "", nil, ""), Status: appsv1.StatefulSetStatus{CurrentRevision: "db-1", UpdateRevision: "db-2"}}
	daemon := &appsv1.DaemonSet{ObjectMeta: meta("log", "", "", nil, "")}
	first := &appsv1.ControllerRevision{ObjectMeta: meta("log-a", "a", "", daemon, "DaemonSet"), Revision: 1}
	second := &appsv1.ControllerRevision{ObjectMeta: meta("log-b", "b", "", daemon, "DaemonSet"), Revision: 2}
	job := &batchv1.Job{ObjectMeta: meta("load", "", "", nil, "")}
	loads := []*corev1.Pod{pod("v1-a", "", 9, job, "Job"), pod("v2-b", "", 5, job, "Job"), pod("v2-c", "", 7, job, "Job")}
	alone := pod("one", "", 0, nil, "")
	loads[2].Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "kube-api-access-x7f2p"}}
	for name, c := range map[string]struct {
		top     evidence.Object
		objects []evidence.Object
		want    string
	}{
		"a Deployment":            {deployment, []evidence.Object{older, newer, pod("web-1", "old", 0, older, "ReplicaSet")}, "new"},
		"one whose set is unread": {deployment, []evidence.Object{older, pod("web-1", "old", 1, older, "ReplicaSet"), pod("web-2", "older", 2, older, "ReplicaSet")}, "old"},
		"a StatefulSet":           {stateful, []evidence.Object{pod("db-0", "db-1", 0, stateful, "StatefulSet")}, "db-2"},
		"a DaemonSet":             {daemon, []evidence.Object{second, first, pod("log-0", "a", 0, daemon, "DaemonSet")}, "b"},
		"a Job":                   {job, []evidence.Object{loads[0], loads[1], loads[2]}, revisionOf(loads[2])},
		"a pod of its own":        {alone, nil, revisionOf(alone)},
	} {
		t.Run(name, func(t *testing.T) {
			snap := (&evidence.Snapshot{Has: evidence.Spec, Objects: append(c.objects, c.top)}).Freeze()
			if got := running(snap, evidence.RefOf(c.top)); got != c.want || got == "" {
				t.Errorf("%q runs, want %q", got, c.want)
			}
		})
	}
	if revisionOf(loads[1]) != revisionOf(loads[2]) || revisionOf(loads[0]) == revisionOf(loads[1]) {
		t.Errorf("the Job's pods are of %s, %s and %s", revisionOf(loads[0]), revisionOf(loads[1]), revisionOf(loads[2]))
	}
}
