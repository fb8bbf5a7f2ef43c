// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"fmt"

	nodev1 "k8s.io/api/node/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// HandlerUnknown recognises a pod whose runtime handler its node does not have.
var HandlerUnknown = &diagnosis.Rule{
	ID:    "SBX011",
	Title: "Runtime on the node does not know the pod's runtime class",
	Doc: `
The pod's RuntimeClass names a handler (gVisor's runsc, kata, nvidia), and the runtime on this node has no such handler
in its configuration. The class exists, so the pod was accepted and placed; only nodes with that runtime can run it.

**How it is told from its look-alikes.** By "no runtime for ... is configured" (containerd) or "failed to find runtime
handler" (CRI-O) in the newest FailedCreatePodSandBox Event. A class that does not exist keeps the pod from being made
at all, or from being started with "RuntimeClass not found". A handler that is configured and whose program is missing
fails later, in the shim.

**What to do.** Install the handler on the node, or keep the class to nodes that have it (scheduling.nodeSelector in the
RuntimeClass), or correct its handler.

The words are those of containerd internal/cri/config (GetSandboxRuntime) and CRI-O internal/oci; recorded from
Kubernetes 1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Pod,
	Needs:    evidence.Status | evidence.Events,
	Also:     evidence.Spec,
	Effect:   diagnosis.SandboxFailed,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: on(handler, func(p *diagnosis.Pass, f *failure) (string, []diagnosis.Fix) {
		class := "the runtime class"
		if name := p.PodSpec().RuntimeClassName; name != nil {
			class = "runtime class " + *name
			f.facts = append(f.facts, p.CiteSpec("runtimeClassName", *name))
			if rc, ok := diagnosis.Get[*nodev1.RuntimeClass](p, "", *name); ok {
				f.facts = append(f.facts, evidence.Fact{
					Kind: evidence.Spec, Source: evidence.FromSpec, About: evidence.RefOf(rc), Where: "handler", Text: "handler " + rc.Handler,
				})
			}
		}
		return fmt.Sprintf("node %s cannot run pod %s: its runtime does not have the handler of %s: %s", p.NodeName(), p.About().Name, class, said(f.text)), []diagnosis.Fix{{
			Title:   fmt.Sprintf("Configure the handler on node %s, or keep %s to the nodes that have it", p.NodeName(), class),
			Command: "kubectl get runtimeclasses",
		}}
	}),
}
