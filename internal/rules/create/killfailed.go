// SPDX-License-Identifier: Apache-2.0

package create

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
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
of an hour old, while the container runs on. One that takes its grace period dies in the end. KillPodSandboxError in the same Event is about
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
		runs, over := runsOn(p, m[1])
		if over {
			return
		}
		p.Report(diagnosis.Finding{
			At: asked(p, e.First), Confidence: diagnosis.Likely, Facts: append([]evidence.Fact{e.Fact()}, runs...),
			Message: fmt.Sprintf("the runtime of node %s cannot kill container %s: %s", p.NodeName(), m[1], said(m[2])),
			Fixes: []diagnosis.Fix{{
				Title:   fmt.Sprintf("Look on node %s for a process that cannot be killed, and for the mount it waits for; reboot the node if it stays", p.NodeName()),
				Command: "ps -eo state,pid,wchan:32,cmd | grep ^D",
			}},
		})
	},
}

// unkilled is how the kubelet names the container and quotes the runtime's error.
var unkilled = regex.New(`"KillContainer" for "([^"]+)" with KillContainerError: "((?:[^"\\]|\\.)*)"`)

// runsOn cites that the container runs on, as its status has it, though its end was asked for; over tells that it has ended.
func runsOn(p *diagnosis.Pass, container string) (facts []evidence.Fact, over bool) {
	pod := p.Object(p.About()).(*corev1.Pod)
	st := evidence.ContainerStatus(pod, container)
	switch {
	case st == nil:
		return nil, false
	case st.State.Running == nil:
		return nil, st.State.Terminated != nil
	}
	where := evidence.StatusPath(pod, container) + ".state.running"
	return []evidence.Fact{cite(p.About().InContainer(container), where, "startedAt "+st.State.Running.StartedAt.UTC().Format(time.RFC3339))}, false
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
