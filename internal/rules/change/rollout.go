// SPDX-License-Identifier: Apache-2.0

package change

import (
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// A rollout is the newest revision of a workload beside the one before, where all pods of the one fail and pods of the
// other are well.
type rollout struct {
	newest, before   revision
	changes          []difference
	failing, healthy []*corev1.Pod
	by               string // " by kubectl-edit", or ""
	wrote            []evidence.Fact
}

// compare returns the rollout of the pass's workload, where pods of its newest revision fail in that way and none is well,
// while of the revision before some are well and none fails so now.
func compare(p *diagnosis.Pass, fails func(*corev1.Pod) bool) (rollout, bool) {
	all := revisionsOf(p)
	if len(all) < 2 {
		return rollout{}, false
	}
	r := rollout{newest: all[0], before: all[1]}
	r.changes = differences(r.before.template, r.newest.template)
	for _, pod := range diagnosis.List[*corev1.Pod](p, r.newest.top) {
		well, isNew, isOld := ready(pod) && !ended(p, pod), r.newest.has(&pod.ObjectMeta), r.before.has(&pod.ObjectMeta)
		switch {
		case pod.DeletionTimestamp != nil:
		case isNew && well, isOld && !ready(pod) && fails(pod):
			return rollout{}, false // the template alone is not it
		case isNew && fails(pod):
			r.failing = append(r.failing, pod)
		case isOld && well:
			r.healthy = append(r.healthy, pod)
		}
	}
	if by, fact := writer(p.Object(r.newest.top), "f:spec", "f:template"); by != "" {
		r.by, r.wrote = " by "+by, []evidence.Fact{fact}
	}
	return r, len(r.changes) > 0 && len(r.failing) > 0 && len(r.healthy) > 0
}

// finding fills in what the rollout is proven by, and how to take it back.
func (r rollout) finding(p *diagnosis.Pass) diagnosis.Finding {
	f := diagnosis.Finding{At: p.Now(), Confidence: diagnosis.Likely, Facts: r.wrote}
	for _, pod := range r.failing {
		if pod.CreationTimestamp.Time.Before(f.At) {
			f.At = pod.CreationTimestamp.Time
		}
	}
	for _, d := range r.changes[:min(len(r.changes), mostTold)] {
		f.Facts = append(f.Facts, r.newest.cite(d, r.before)...)
	}
	for _, pod := range slices.Concat(r.failing[:min(len(r.failing), 2)], r.healthy[:1]) {
		f.Facts = append(f.Facts, citeEnd(pod)...)
	}
	f.Fixes = []diagnosis.Fix{undo(r.newest.top, r.before.number)}
	if !slices.ContainsFunc(r.changes, func(d difference) bool { return d.name != restartedAt }) {
		f.Fixes = append(f.Fixes, diagnosis.Fix{Title: "See what pods read at their start and that was changed: a ConfigMap, a Secret, an image behind the same tag"})
	}
	return f
}

// redirects tells whether the rollout changed what may name another service to a container.
func (r rollout) redirects(container string) bool {
	return slices.ContainsFunc(r.changes, func(d difference) bool {
		return d.container == container && slices.Contains([]string{"env", "envFrom", "args", "command"}, d.field)
	})
}

// fails tells whether a pod ran and its containers ended, or are not ready though they had time.
func fails(p *diagnosis.Pass, pod *corev1.Pod) bool { return ended(p, pod) || unready(p, pod) }

// ended tells whether a container of a pod ran and ended in a way that needs explaining. A pod that waits for what its own
// state names does not count.
func ended(p *diagnosis.Pass, pod *corev1.Pod) bool {
	for _, st := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if w := st.State.Waiting; w != nil && (strings.Contains(w.Reason, "Image") || strings.HasPrefix(w.Reason, "CreateContainer")) {
			return false
		}
	}
	return slices.ContainsFunc(p.AttemptsOf(evidence.RefOf(pod)), func(a evidence.Attempt) bool { return a.Ended() && a.Expected == "" && ran(a) })
}

// readyWithin is what a pod may take to become ready until that counts as failing.
const readyWithin = time.Minute

// unready tells whether a pod is up and not ready though it had time.
func unready(p *diagnosis.Pass, pod *corev1.Pod) bool {
	up := !slices.ContainsFunc(pod.Status.ContainerStatuses, func(st corev1.ContainerStatus) bool { return st.State.Running == nil })
	return up && pod.Status.Phase == corev1.PodRunning && !ready(pod) && p.Now().Sub(pod.CreationTimestamp.Time) > readyWithin
}
