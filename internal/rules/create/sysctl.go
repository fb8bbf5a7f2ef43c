// SPDX-License-Identifier: Apache-2.0

package create

import (
	"fmt"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Sysctl recognises a pod that the kubelet turns away for a sysctl.
var Sysctl = &diagnosis.Rule{
	ID:    "CRT008",
	Title: "Node does not allow the sysctl",
	Doc: `
The pod's security context sets a kernel parameter that this node's kubelet does not allow. Only a few are safe by
default; all others must be on the node's list (allowedUnsafeSysctls), and those of a namespace that the pod shares with
the host never are. The pod is Failed at once with the reason SysctlForbidden, and its controller makes another one,
again and again.

**How it is told from its look-alikes.** By the pod's reason. A sysctl that is allowed and that the kernel does not have
makes the sandbox fail: then the Event FailedCreatePodSandBox has the word sysctl, and the pod stays Pending.

**What to do.** Allow it on the nodes that need it (kubelet --allowed-unsafe-sysctls) and keep the pod to them, set it
on the node itself, or leave it out.

The reason is in kubernetes pkg/kubelet/sysctl/allowlist.go; older kubelets wrote "whitelisted". Recorded from
Kubernetes 1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Pod,
	Needs:    evidence.Spec | evidence.Status,
	Also:     evidence.Events,
	Effect:   diagnosis.NotAdmitted,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		f := diagnosis.Finding{Confidence: diagnosis.Certain}
		switch st := p.PodStatus(); {
		case st.Reason == "SysctlForbidden":
			f.Facts = []evidence.Fact{rejected(p)}
			f.Message = fmt.Sprintf("node %s turned pod %s away: %s", p.NodeName(), p.About().Name, strings.ReplaceAll(st.Message, "Pod was rejected: ", ""))
			if st.StartTime != nil {
				f.At = st.StartTime.Time
			}
		case started(st):
			return
		default:
			e, ok := newest(p.Events("FailedCreatePodSandBox"))
			if !ok || !strings.Contains(strings.ToLower(e.Message), "sysctl") {
				return
			}
			f.At, f.Confidence, f.Facts = e.First, diagnosis.Likely, []evidence.Fact{e.Fact()}
			f.Message = fmt.Sprintf("the sandbox of pod %s cannot be made on node %s for a sysctl: %s", p.About().Name, p.NodeName(), said(e.Message))
		}
		if sc := p.PodSpec().SecurityContext; sc != nil {
			for _, s := range sc.Sysctls {
				f.Facts = append(f.Facts, p.CiteSpec("securityContext.sysctls["+s.Name+"].value", s.Value))
			}
		}
		f.Fixes = []diagnosis.Fix{{Title: "Allow the sysctl in the kubelet of the nodes that should run the pod, or leave it out of the pod's security context"}}
		p.Report(f)
	},
}
