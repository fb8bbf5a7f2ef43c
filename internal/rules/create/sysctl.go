// SPDX-License-Identifier: Apache-2.0

package create

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Sysctl recognises a pod whose sysctl the kernel of its node does not take.
var Sysctl = &diagnosis.Rule{
	ID:    "CRT008",
	Title: "Kernel does not take the pod's sysctl",
	Doc: `
The pod's security context sets a kernel parameter. The kubelet allows it, and the kernel of the node does not take it
when the sandbox is made: it does not have the parameter (another version, a module that is not loaded), refuses the
value, or has the parameter only once for the whole node. The pod stays Pending.

**How it is told from its look-alikes.** By the word sysctl in the newest FailedCreatePodSandBox Event while the pod has
no sandbox. A sysctl that the kubelet does not allow makes it turn the pod away, which is then Failed with the reason
SysctlForbidden. The network plugin may fail in the same Event, with its own name in the message.

**What to do.** Correct name and value against the kernel of the nodes (sysctl -a), load the module there, or keep the
pod to nodes that have it.

The wordings are those of runc libcontainer (sysctls are written by its init; config validation refuses those without a
namespace).
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Pod,
	Needs:    evidence.Status | evidence.Events,
	Also:     evidence.Spec,
	Effect:   diagnosis.SandboxFailed,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		e := newest(p.Events("FailedCreatePodSandBox"))
		if started(p.PodStatus()) || classify(e.Message) != kernel {
			return
		}
		f := diagnosis.Finding{At: e.First, Confidence: diagnosis.Likely, Facts: []evidence.Fact{e.Fact(), unstarted(p)}}
		if sc := p.PodSpec().SecurityContext; sc != nil {
			for _, s := range sc.Sysctls {
				f.Facts = append(f.Facts, p.CiteSpec("securityContext.sysctls["+s.Name+"].value", s.Value))
			}
		}
		f.Message = fmt.Sprintf("the sandbox of pod %s cannot be made on node %s for a sysctl: %s", p.About().Name, p.NodeName(), said(e.Message))
		f.Fixes = []diagnosis.Fix{{Title: "Correct the sysctl in the pod's security context: the node's kernel does not have it, or not with that value"}}
		p.Report(f)
	},
}
