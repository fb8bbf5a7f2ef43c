// SPDX-License-Identifier: Apache-2.0

package change

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// BadRollout recognises a rollout whose pods fail while those of the revision before are well.
var BadRollout = &diagnosis.Rule{
	ID:    "CHG001",
	Title: "Only the pods of the newest revision fail",
	Doc: `
The workload rolls out a new template. The pods made from it end or do not become ready; pods of the revision before run
at the same time, on the same nodes, against the same dependencies, and are well. So it is something in which the templates
differ, and these differences are listed with who wrote the template last.

**How it is told from its look-alikes.** Pods of both revisions are compared as they are now: every pod of the new one fails,
and at least one of the old one is ready. Where pods of the old revision fail too, or none is left to compare with, the
rollout is not reported: it may have nothing to do with it. Pods that cannot start because of an image, a reference or the
scheduler say themselves what is wrong and are not counted; a container that ran and ended, or that is not ready, is.

**What to do.** Go back to the revision before, and mend the change at leisure. Where only a restart was asked for, something
that pods read when they start has changed: a ConfigMap, a Secret, an image behind the same tag.

The revisions are the ReplicaSets of a Deployment, and the ControllerRevisions of a StatefulSet or DaemonSet.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Workload,
	Needs:  evidence.Spec | evidence.Status,
	Effect: diagnosis.RolledOut,
	Change: true,
	Run: func(p *diagnosis.Pass) {
		all := revisionsOf(p)
		if len(all) < 2 || p.About() != all[0].ref && (all[0].hash == "" || p.About() != all[0].top) {
			return
		}
		newest, before := all[0], all[1]
		changes := differences(before.template, newest.template)
		failing, spared := cohort(p, newest), well(p, newest)
		healthy := well(p, before)
		if len(changes) == 0 || len(failing) == 0 || len(spared) > 0 || len(healthy) == 0 {
			return
		}
		f := diagnosis.Finding{At: failing[0].CreationTimestamp.Time, Confidence: diagnosis.Likely}
		for _, pod := range failing {
			if pod.CreationTimestamp.Time.Before(f.At) {
				f.At = pod.CreationTimestamp.Time
			}
		}
		who := ""
		if o := p.Object(newest.top); o != nil {
			if by, fact := writer(o, "f:spec", "f:template"); by != "" {
				who = " by " + by
				f.Facts = append(f.Facts, fact)
			}
		}
		f.Message = fmt.Sprintf("only the pods of revision %d of %s fail%s, and those of revision %d are well; it was rolled out%s with: %s",
			newest.number, newest.top, how(p, failing[0]), before.number, who, told(changes))
		for _, d := range changes[:min(len(changes), mostTold)] {
			f.Facts = append(f.Facts, newest.cite(d, before)...)
		}
		for _, pod := range slices.Concat(failing[:min(len(failing), 2)], healthy[:1]) {
			f.Facts = append(f.Facts, citeEnd(pod)...)
		}
		f.Fixes = []diagnosis.Fix{undo(newest.top, before.number)}
		if onlyRestarted(changes) {
			f.Fixes = append(f.Fixes, diagnosis.Fix{Title: "See what pods read at their start and that was changed: a ConfigMap, a Secret, an image behind the same tag"})
		}
		p.Report(f)
	},
}

// cohort returns the pods of a revision that ran and fail.
func cohort(p *diagnosis.Pass, r revision) []*corev1.Pod {
	return slices.DeleteFunc(diagnosis.List[*corev1.Pod](p), func(pod *corev1.Pod) bool {
		return !r.has(pod) || pod.DeletionTimestamp != nil || !fails(p, pod)
	})
}

// well returns the pods of a revision that are ready and have not failed.
func well(p *diagnosis.Pass, r revision) []*corev1.Pod {
	return slices.DeleteFunc(diagnosis.List[*corev1.Pod](p), func(pod *corev1.Pod) bool {
		return !r.has(pod) || !ready(pod) || fails(p, pod)
	})
}

// readyWithin is what a pod may take to become ready until that counts as failing.
const readyWithin = time.Minute

// fails tells whether a pod ran and its containers ended, or are not ready though they had time. One that waits for
// what its own state names does not count.
func fails(p *diagnosis.Pass, pod *corev1.Pod) bool {
	for _, st := range slices.Concat(pod.Status.InitContainerStatuses, pod.Status.ContainerStatuses) {
		if w := st.State.Waiting; w != nil && (strings.Contains(w.Reason, "Image") || strings.HasPrefix(w.Reason, "CreateContainer")) {
			return false
		}
	}
	for _, a := range p.AttemptsOf(evidence.RefOf(pod)) {
		if a.Ended() && a.Expected == "" && a.Reason != "StartError" && a.Reason != "ContainerCannotRun" {
			return true
		}
	}
	return pod.Status.Phase == corev1.PodRunning && !ready(pod) && p.Now().Sub(pod.CreationTimestamp.Time) > readyWithin
}

// how says in a few words how a pod fails.
func how(p *diagnosis.Pass, pod *corev1.Pod) string {
	for _, a := range slices.Backward(p.AttemptsOf(evidence.RefOf(pod))) {
		if a.Ended() && a.Expected == "" {
			return fmt.Sprintf(" (container %s: exit code %d, %s)", a.Of.Container, a.ExitCode, a.Reason)
		}
	}
	return " (not ready)"
}

func onlyRestarted(changes []difference) bool {
	return !slices.ContainsFunc(changes, func(d difference) bool { return d.name != restartedAt })
}
