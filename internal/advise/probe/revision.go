// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"cmp"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/advise"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// revisionOf names the pod template that a pod was made from, as its controller labels it. What has no such label, as a Job's pod or one
// of its own, goes by what its containers are.
func revisionOf(pod *corev1.Pod) string {
	return cmp.Or(pod.Labels[appsv1.DefaultDeploymentUniqueLabelKey], pod.Labels[appsv1.ControllerRevisionHashLabelKey], asItIs(pod))
}

// asItIs is a short name of the containers of a pod. Mounts are left out: the API server adds one with a name that is each pod's own.
func asItIs(pod *corev1.Pod) string {
	h := fnv.New32a()
	to := json.NewEncoder(h)
	for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		c.VolumeMounts = nil
		if to.Encode(c) != nil { // cannot happen: it was read from JSON, and a hash takes everything
			return ""
		}
	}
	return fmt.Sprintf("spec-%08x", h.Sum32())
}

// deploymentRevision is the annotation by which a Deployment numbers its ReplicaSets, and says which of them is the present one.
const deploymentRevision = "deployment.kubernetes.io/revision"

// running names the revision that a workload runs now, or is being rolled out to: as its controller says, or where that is not known, that of
// its youngest pod.
func running(s *evidence.Snapshot, top evidence.Ref) string {
	hash, newest := "", int64(-1)
	switch w := s.Object(top).(type) {
	case *appsv1.Deployment:
		for _, set := range evidence.List[*appsv1.ReplicaSet](s, top) {
			if n := w.Annotations[deploymentRevision]; n != "" && set.Annotations[deploymentRevision] == n {
				hash = set.Labels[appsv1.DefaultDeploymentUniqueLabelKey]
			}
		}
	case *appsv1.StatefulSet:
		hash = w.Status.UpdateRevision
	case *appsv1.DaemonSet:
		for _, r := range evidence.List[*appsv1.ControllerRevision](s, top) {
			if r.Revision > newest {
				hash, newest = r.Labels[appsv1.ControllerRevisionHashLabelKey], r.Revision
			}
		}
	}
	if hash != "" {
		return hash
	}
	var youngest *corev1.Pod
	for _, pod := range podsOf(s, top) {
		if youngest == nil || pod.CreationTimestamp.After(youngest.CreationTimestamp.Time) {
			youngest, hash = pod, revisionOf(pod)
		}
	}
	return hash
}

func podsOf(s *evidence.Snapshot, top evidence.Ref) []*corev1.Pod {
	if pod, ok := s.Object(top).(*corev1.Pod); ok {
		return []*corev1.Pod{pod}
	}
	return evidence.List[*corev1.Pod](s, top)
}

// A Revision is what is known of the starts of one.
type Revision struct {
	Name    string
	Present bool // it runs now, or is being rolled out
	Tally   Tally
}

// revisions tells the starts of each revision apart, the present one first, whether it has any or not, and then the latest.
func (o *Subject) revisions() []Revision {
	list := []Revision{{Name: o.Revision, Present: true}}
	starts := [][]Start{nil}
	for _, start := range slices.Backward(o.Starts) { // the latest first
		at := slices.IndexFunc(list, func(r Revision) bool { return r.Name == start.Revision })
		if at < 0 {
			at, list, starts = len(list), append(list, Revision{Name: start.Revision}), append(starts, nil)
		}
		starts[at] = append(starts[at], start)
	}
	for i := range list {
		slices.Reverse(starts[i])
		list[i].Tally = tally(starts[i])
	}
	return list
}

// basis returns the starts that advice rests on: those of the present revision, and those of older ones only where these are too few.
func (o *Subject) basis(present Tally) (starts []Start, older bool) {
	if present.Healthy < Few {
		return o.Starts, present.Starts < len(o.Starts)
	}
	return slices.DeleteFunc(slices.Clone(o.Starts), func(s Start) bool { return s.Revision != o.Revision }), false
}

// mostRevisions is how many revisions are told of one by one.
const mostRevisions = 4

// ByRevision says in sentences how many starts each revision has, and which of them count; nothing where there is one revision.
func ByRevision(a *Advice) (says []string) {
	if len(a.Revisions) < 2 {
		return nil
	}
	present := &a.Revisions[0]
	text := named(present) + ", which runs now or is being rolled out: " + counted(present.Tally)
	if a.Older {
		text += fmt.Sprintf("; advice needs %d that were measured, so those of older revisions count, too", Few)
	} else {
		text += "; these alone count"
	}
	says = append(says, text)
	older := a.Revisions[1:]
	for i := range older[:min(len(older), mostRevisions)] {
		says = append(says, "older, "+named(&older[i])+": "+counted(older[i].Tally))
	}
	if more := len(older) - mostRevisions; more > 0 {
		n := 0
		for i := range older[mostRevisions:] {
			n += older[mostRevisions+i].Tally.Starts
		}
		says = append(says, fmt.Sprintf("and %s of %s before these", advise.Count(n, "start"), advise.Count(more, "revision")))
	}
	return says
}

func named(r *Revision) string { return "revision " + cmp.Or(r.Name, "unknown") }

// counted says how many starts there are, and how long those took that were measured.
func counted(t Tally) string {
	text := advise.Count(t.Starts, "start")
	if t.Healthy > 0 {
		text += fmt.Sprintf(", of which %d measured, %s to %s", t.Healthy, advise.Round(t.Shortest), advise.Round(t.Longest))
	}
	if t.Cut > 0 {
		text += fmt.Sprintf(", %d cut", t.Cut)
	}
	if t.Starts > 0 {
		text += ", the last at " + t.To.UTC().Format(advise.Minute)
	}
	return text
}
