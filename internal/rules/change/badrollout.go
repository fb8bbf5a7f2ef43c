// SPDX-License-Identifier: Apache-2.0

package change

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/signature"
)

// BadRollout recognises a rollout whose pods fail while those of the revision before are well.
var BadRollout = &diagnosis.Rule{
	ID:    "CHG001",
	Title: "Container fails only in the newest revision",
	Doc: `
The workload rolls out a new template. The containers made from it end; pods of the revision before run at the same time
and are well. So it is something in which the templates differ, and these differences are listed with who wrote the
template last.

**How it is told from its look-alikes.** Pods of both revisions are compared as they are now: some of the new one
fail and none is well, and at least one of the old one is. Where pods of the old revision fail too, or none is left to compare with, the
rollout is not reported: it may have nothing to do with it. Nor is it where the container's last lines name another service
that does not answer, unless its environment or arguments were changed: the old pods started when that service was well.
Pods that cannot start because of an image, a reference or the scheduler say themselves what is wrong; pods that are up and
not ready are CHG010.

**What to do.** Go back to the revision before, and mend the change at leisure. Where only a restart was asked for, something
that pods read when they start has changed: a ConfigMap, a Secret, an image behind the same tag.

The revisions are the ReplicaSets of a Deployment, and the ControllerRevisions of a StatefulSet or DaemonSet.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Attempt,
	Needs:  evidence.Spec | evidence.Status,
	Also:   evidence.Logs | evidence.Events,
	Effect: diagnosis.RolledOut,
	Change: true,
	Run: func(p *diagnosis.Pass) {
		a := p.Attempt()
		r, ok := compare(p, func(pod *corev1.Pod) bool { return ended(p, pod) })
		block, found := signature.Find(p.Log().Text)
		if !ok || !r.newest.has(p.PodMeta()) || !ran(a) || len(signature.Dependencies(block)) > 0 && !r.redirects(a.Of.Container) {
			return
		}
		if _, told := breakOf(p); told { // what of the change it was is known, and another rule says it
			return
		}
		said := ""
		if a.Reason == "OOMKilled" { // any other is the code's name
			said = ", OOMKilled"
		}
		if found {
			said += ": " + block.Headline
		}
		f := r.finding(p)
		f.Message = fmt.Sprintf("container %s fails only in revision %d of %s (exit code %d%s), and the pods of revision %d are well; it was rolled out%s with: %s",
			a.Of.Container, r.newest.number, r.newest.top, a.ExitCode, said, r.before.number, r.by, told(r.changes))
		f.Facts = slices.Concat([]evidence.Fact{a.Fact()}, f.Facts)
		p.Report(f)
	},
}

// NeverReady recognises a rollout whose pods do not become ready while those of the revision before are.
var NeverReady = &diagnosis.Rule{
	ID:    "CHG010",
	Title: "Only the pods of the newest revision do not become ready",
	Doc: `
The workload rolls out a new template. The pods made from it are up, and not ready after a minute; pods of the revision
before are ready at the same time, against the same dependencies. So it is something in which the templates differ, and
these differences are listed with who wrote the template last.

**How it is told from its look-alikes.** Readiness is asked for all the time, so a dependency that is down would make the old
pods unready too. Every pod of the new revision is up and not ready, and at least one of the old is ready. Containers that
end are CHG001. A pod that has just started may yet become ready.

**What to do.** Go back to the revision before, and mend the change at leisure.

The revisions are the ReplicaSets of a Deployment, and the ControllerRevisions of a StatefulSet or DaemonSet.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Workload,
	Needs:  evidence.Spec | evidence.Status,
	Effect: diagnosis.RolledOut,
	Change: true,
	Run: func(p *diagnosis.Pass) {
		r, ok := compare(p, func(pod *corev1.Pod) bool { return unready(p, pod) && !ended(p, pod) })
		if !ok || p.About() != r.newest.ref && (r.newest.hash == "" || p.About() != r.newest.top) {
			return
		}
		f := r.finding(p)
		f.Message = fmt.Sprintf("only the pods of revision %d of %s do not become ready, and those of revision %d are; it was rolled out%s with: %s",
			r.newest.number, r.newest.top, r.before.number, r.by, told(r.changes))
		p.Report(f)
	},
}

// ran tells whether a container ran, so that its end is that of its program.
func ran(a evidence.Attempt) bool {
	return a.Reason != "StartError" && a.Reason != "ContainerCannotRun"
}
