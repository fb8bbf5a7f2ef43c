// SPDX-License-Identifier: Apache-2.0

package initial

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Sidecar recognises a native sidecar that fails while the main containers are well.
var Sidecar = &diagnosis.Rule{
	ID:    "INI002",
	Title: "Sidecar keeps the pod from being ready",
	Doc: `
A native sidecar is an init container with restartPolicy Always. It is started before the main containers and counts for
the pod's readiness like one of them. This one crashes again and again, or does not get ready, while the main containers
run; so the pod gets no traffic for the sake of its proxy, its log shipper or its secrets agent.

**How it is told from its look-alikes.** The main containers are all ready, the pod is not, and this sidecar has
restarted, waits, or is not ready. A sidecar that has not started at all holds the main containers up in
PodInitializing, which is another rule's matter. One that ends after the main containers of a Job did is ended by the
kubelet, and its exit code does not count. Why it fails is another finding's to say (its exit, its probe, its image),
and this one hangs below it.

**What to do.** Read the log of the sidecar, not that of the main container.

Native sidecars are KEP-753; the readiness of a pod with them is computed in kubernetes pkg/kubelet/status/generate.go.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Container,
	Needs:  evidence.Spec | evidence.Status,
	Effect: diagnosis.NotReady,
	CausedBy: []diagnosis.Effect{
		diagnosis.ProcessFailed, diagnosis.ProcessCompleted, diagnosis.OutOfMemory, diagnosis.NotStarted,
		diagnosis.Killed, diagnosis.Terminated, diagnosis.EndLost, diagnosis.ImageUnavailable, diagnosis.ConfigMissing,
		diagnosis.LivenessFailed, diagnosis.StartupFailed, diagnosis.NotReady,
	},
	Run: func(p *diagnosis.Pass) {
		c, st := p.Spec(), p.Status()
		if !sidecar(c) || st == nil || st.Ready || !mainReady(p.PodStatus()) {
			return
		}
		notReady, ok := p.CitePodCondition(corev1.PodReady)
		if !ok || p.PodMeta().DeletionTimestamp != nil {
			return
		}
		f := diagnosis.Finding{At: p.Now(), Confidence: diagnosis.Certain, Facts: []evidence.Fact{notReady}}
		what := "is not ready"
		if w, ok := p.CiteWaiting(); ok {
			f.Facts = append(f.Facts, w)
			what = "does not run (" + st.State.Waiting.Reason + ")"
		}
		for _, a := range p.Attempts() {
			if a.Ended() {
				f.Facts = append(f.Facts, a.Fact())
				what = fmt.Sprintf("fails with exit code %d", a.ExitCode)
			}
		}
		if len(f.Facts) == 1 {
			f.Facts = append(f.Facts, evidence.Fact{
				Kind: evidence.Status, Source: evidence.FromStatus, About: p.About(), Where: "status.initContainerStatuses[" + st.Name + "].ready", Text: "ready false",
			})
		}
		f.Message = fmt.Sprintf("pod %s is not ready although its main containers are: sidecar %s %s", p.About().Name, c.Name, what)
		for _, fix := range readLog(p, st) {
			fix.Title = fmt.Sprintf("Read the log of sidecar %s and remedy what keeps it from being ready", c.Name)
			f.Fixes = append(f.Fixes, fix)
		}
		p.Report(f)
	},
}

// mainReady tells whether all main containers are known to be ready.
func mainReady(st *corev1.PodStatus) bool {
	return len(st.ContainerStatuses) > 0 && !slices.ContainsFunc(st.ContainerStatuses, func(c corev1.ContainerStatus) bool { return !c.Ready })
}
