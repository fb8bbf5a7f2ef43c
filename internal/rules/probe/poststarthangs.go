// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"fmt"
	"time"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// PostStartHangs recognises a container whose postStart hook does not come to an end.
var PostStartHangs = &diagnosis.Rule{
	ID:    "PRB006",
	Title: "postStart hook does not end",
	Doc: `
The container's process runs, and the kubelet waits for its postStart hook before it does anything else for the pod: the status still
says ContainerCreating, no probe runs, and the containers after it are not started. A hook has no time limit.

**How it is told from its look-alikes.** The kubelet's Started Event for the container is more than half a minute old, and the status
says that it is still being created, though it has a postStart hook. A container that waits for its image or its volumes has no
Started Event. A hook that failed shows as PostStartHookError.

**What to do.** Bound what the hook waits for (timeout in front of the command), or do it in the program or an init container.

Kubernetes pkg/kubelet/kuberuntime/kuberuntime_container.go: the hook is run before the pod's status is looked at again.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Container,
	Needs:    evidence.Status | evidence.Spec | evidence.Events,
	Effect:   diagnosis.HookFailed,
	CausedBy: []diagnosis.Effect{diagnosis.DependencyDown, diagnosis.NetworkFailed, diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		waits, isWaiting := p.CiteWaiting()
		hook, started := postStart(p), p.Events("Started")
		if !isWaiting || hook == nil || len(started) == 0 || p.PodMeta().DeletionTimestamp != nil {
			return
		}
		e, reason := started[len(started)-1], p.Status().State.Waiting.Reason
		if e.About.Container == "" || reason != "ContainerCreating" && reason != "PodInitializing" || p.Now().Sub(e.Last) < tooLong {
			return
		}
		if ended := p.Events("FailedPostStartHook", "Killing"); len(ended) > 0 && !ended[len(ended)-1].Last.Before(e.Last) {
			return
		}
		p.Report(diagnosis.Finding{
			At: e.Last, Confidence: diagnosis.Likely, Facts: []evidence.Fact{e.Fact(), waits, citeHook(p, "postStart", hook)},
			Message: fmt.Sprintf("container %s started %s ago, and the kubelet still waits for its postStart hook (%s)", p.About().Container,
				p.Now().Sub(e.Last).Round(time.Second), asks(hook)),
			Fixes: []diagnosis.Fix{hookFix(p, "postStart", "it has no time limit of its own")},
		})
	},
}

// tooLong is how long a hook may take before it is said to hang.
const tooLong = 30 * time.Second
