// SPDX-License-Identifier: Apache-2.0

package create

import (
	"fmt"
	"regexp"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// KillFailed recognises a container that does not die when the runtime kills it.
var KillFailed = &diagnosis.Rule{
	ID:    "CRT011",
	Title: "Runtime cannot kill the container",
	Doc: `
The kubelet wants the container to stop, and the runtime cannot end it: its process is in uninterruptible sleep (state
D, in a system call on a network file system or a broken disk), or the runtime itself hangs. The pod stays Terminating,
or keeps a container that should have been restarted.

**How it is told from its look-alikes.** By KillContainerError in the newest Event FailedKillPod, no more than a quarter
of an hour old. A container that takes its grace period dies in the end. KillPodSandboxError in the same Event is about
the pod's network or sandbox, not about a process. A finalizer holds the object, not the process.

**What to do.** On the node look for processes in state D (ps -eo state,pid,wchan,cmd) and for hung_task in the kernel
log. Mend the mount it waits for; if that cannot be done, reboot the node. Restart the runtime where no process is left.

The reason is ErrKillContainer in kubernetes pkg/kubelet/container/sync_result.go; the Event is written in
pkg/kubelet/kubelet.go.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Pod,
	Needs:    evidence.Status | evidence.Events,
	Also:     evidence.Spec,
	Effect:   diagnosis.RuntimeFailed,
	CausedBy: []diagnosis.Effect{diagnosis.KernelFailed, diagnosis.VolumeFailed, diagnosis.NodeSaturated, diagnosis.DeviceFailed},
	Run: func(p *diagnosis.Pass) {
		e := newest(p.Events("FailedKillPod"))
		m := unkilled.FindStringSubmatch(e.Message)
		if m == nil || p.Now().Sub(e.Last) > recent {
			return
		}
		p.Report(diagnosis.Finding{
			At: asked(p, e.First), Confidence: diagnosis.Likely, Facts: append([]evidence.Fact{e.Fact()}, runsOn(p, m[1])...),
			Message: fmt.Sprintf("the runtime of node %s cannot kill container %s: %s", p.NodeName(), m[1], said(m[2])),
			Fixes: []diagnosis.Fix{{
				Title:   fmt.Sprintf("Look on node %s for a process that cannot be killed, and for the mount it waits for; reboot the node if it stays", p.NodeName()),
				Command: "ps -eo state,pid,wchan:32,cmd | grep ^D",
			}},
		})
	},
}

// unkilled is how the kubelet names the container and quotes the runtime's error.
var unkilled = regexp.MustCompile(`"KillContainer" for "([^"]+)" with KillContainerError: "((?:[^"\\]|\\.)*)"`)

// runsOn cites that the container is still there: it runs, as its status has it, though its end was asked for.
func runsOn(p *diagnosis.Pass, container string) []evidence.Fact {
	st := p.PodStatus()
	for _, c := range slices.Concat(st.InitContainerStatuses, st.ContainerStatuses) {
		if c.Name == container && c.State.Running != nil {
			about := p.About().InContainer(container)
			where := evidence.StatusPath(p.Object(p.About()).(*corev1.Pod), container) + ".state.running"
			return []evidence.Fact{cite(about, where, "startedAt "+c.State.Running.StartedAt.UTC().Format(time.RFC3339))}
		}
	}
	return nil
}

// asked is when the deletion of the pod was asked for, if that was before: the order that cannot be carried out.
func asked(p *diagnosis.Pass, before time.Time) time.Time {
	meta := p.PodMeta()
	if meta.DeletionTimestamp == nil {
		return before
	}
	at := meta.DeletionTimestamp.Time
	if grace := meta.DeletionGracePeriodSeconds; grace != nil {
		at = at.Add(-time.Duration(*grace) * time.Second)
	}
	if at.After(before) {
		return before
	}
	return at
}
