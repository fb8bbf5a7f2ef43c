// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// KillFailed recognises a pod whose sandbox the runtime cannot remove.
var KillFailed = &diagnosis.Rule{
	ID:    "SBX009",
	Title: "Sandbox cannot be taken down",
	Doc: `
The pod is to end, or to get a new sandbox, and the runtime cannot take the old one down. Mostly the network plugin
fails to give back what it gave (CNI DEL): its agent is down, its credentials expired, its program was removed. The pod
stays Terminating, and its address stays taken.

**How it is told from its look-alikes.** By KillPodSandboxError in the newest FailedKillPod Event, no more than a
quarter of an hour old. KillContainerError before it in the same Event means that a process cannot be killed. A finalizer keeps
the object although everything on the node is gone. A volume that cannot be unmounted gives no such Event.

**What to do.** Repair the plugin on that node as for pods that cannot start: its pod, its credentials, its program.
Deleting the pod by force frees the name and leaves the sandbox behind.

The reason is ErrKillPodSandbox in kubernetes pkg/kubelet/container/sync_result.go; "failed to destroy network" is
containerd's.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Pod,
	Needs:  evidence.Status | evidence.Events,
	Effect: diagnosis.NetworkFailed,
	CausedBy: []diagnosis.Effect{
		diagnosis.RuntimeFailed, diagnosis.NodeLost, diagnosis.CertExpired,
		diagnosis.KernelFailed,
	},
	Run: func(p *diagnosis.Pass) {
		events := p.Events("FailedKillPod")
		if len(events) == 0 {
			return
		}
		e := events[len(events)-1]
		m := kept.FindStringSubmatch(e.Message)
		if m == nil || p.Now().Sub(e.Last) > recent {
			return
		}
		f := diagnosis.Finding{At: e.First, Confidence: diagnosis.Likely, Facts: []evidence.Fact{e.Fact()}}
		if due := p.PodMeta().DeletionTimestamp; due != nil {
			f.Facts = append(f.Facts, evidence.Fact{
				Kind: evidence.Status, Source: evidence.FromStatus, About: p.About(), At: due.UTC(),
				Where: "metadata.deletionTimestamp", Text: "deletionTimestamp " + due.UTC().Format(time.RFC3339),
			})
			f.At = ordered(p.PodMeta(), e.First)
		} else if ready, ok := p.CitePodCondition(corev1.PodReady); ok && strings.HasPrefix(ready.Text, "status False") {
			f.Facts = append(f.Facts, ready) // nothing runs in it while it is renewed
		}
		what := "the runtime"
		if strings.Contains(e.Message, "network") {
			what = "the network plugin" + pluginIn(e.Message)
		}
		f.Message = fmt.Sprintf("the sandbox of pod %s cannot be taken down on node %s: %s fails: %s", p.About().Name, p.NodeName(), what, said(m[1]))
		f.Fixes = []diagnosis.Fix{{Title: fmt.Sprintf("Repair %s on node %s; the kubelet then tries again by itself", what, p.NodeName()), Command: onNode(p)}}
		p.Report(f)
	},
}

// kept is how the kubelet quotes why a sandbox stays. Where a container could not be killed either, its error comes first.
var kept = regex.New(`^error killing pod: \[?failed to "KillPodSandbox" for .* with KillPodSandboxError: "(.+?)"?\]?$`)

// recent is how old the newest Event about a try may be to speak of the present: the kubelet tries again within minutes,
// and its recorder lets one in five through.
const recent = 15 * time.Minute

// ordered is when the deletion of the pod was asked for, and the sandbox had to go, if that was before.
func ordered(meta *metav1.ObjectMeta, before time.Time) time.Time {
	at := meta.DeletionTimestamp.Time
	if grace := meta.DeletionGracePeriodSeconds; grace != nil {
		at = at.Add(-time.Duration(*grace) * time.Second)
	}
	if at.After(before) {
		return before
	}
	return at
}
