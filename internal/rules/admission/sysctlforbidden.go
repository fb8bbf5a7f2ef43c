// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// SysctlForbidden recognises a pod that its node turned away for a sysctl that is not allowed.
var SysctlForbidden = &diagnosis.Rule{
	ID:    "ADM020",
	Title: "The kubelet does not allow the pod's sysctl",
	Doc: `
The pod sets a kernel parameter that is not among the safe ones, and the kubelet of its node has not been told to allow it. The API
server and the scheduler let it pass, so a controller makes one pod after another, each of which fails.

**How it is told from its look-alikes.** The pod has a node, the phase Failed and the reason SysctlForbidden. A namespace that demands
the Pod Security level baseline refuses the same pod before it exists (ADM004). A sysctl that is allowed and that the kernel does
not have fails when the sandbox is made.

**What to do.** Leave the sysctl out, or allow it by allowedUnsafeSysctls of the kubelets, with nodes set aside for such pods.

The words are written in kubernetes pkg/kubelet/sysctl/allowlist.go; recorded from Kubernetes 1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Pod,
	Needs:    evidence.Spec | evidence.Status,
	Effect:   diagnosis.NotAdmitted,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		r := rejected(p)
		if r.reason != "SysctlForbidden" {
			return
		}
		which := "a sysctl that it sets"
		var facts []evidence.Fact
		if m := sysctl.FindStringSubmatch(r.said); m != nil {
			which = "sysctl " + m[1]
			if sc := p.PodSpec().SecurityContext; sc != nil {
				for i, s := range sc.Sysctls {
					if s.Name == m[1] {
						facts = append(facts, p.CiteSpec(fmt.Sprintf("securityContext.sysctls[%d].name", i), s.Name),
							p.CiteSpec(fmt.Sprintf("securityContext.sysctls[%d].value", i), s.Value))
					}
				}
			}
		}
		fixes := []diagnosis.Fix{change(p, "Leave the sysctl out, or allow it on nodes set aside for it (allowedUnsafeSysctls of the kubelet)")}
		if patch := without(p, strings.TrimPrefix(which, "sysctl ")); patch != nil {
			fixes = slices.Insert(fixes, 0, diagnosis.Fix{Title: "Leave " + which + " out", Risk: diagnosis.Restart, Patch: patch})
		}
		r.report(p, fmt.Sprintf("the kubelet of %s turned pod %s away: %s is not allowed there", where(p), p.About().Name, which), facts, fixes...)
	},
}

var sysctl = regex.New(`forbidden sysctl: "([^"]+)"`)

// without leaves a sysctl out of those that the pod sets. Their list is replaced as a whole.
func without(p *diagnosis.Pass, name string) *diagnosis.Patch {
	sc := p.PodSpec().SecurityContext
	if sc == nil {
		return nil
	}
	rest := slices.DeleteFunc(slices.Clone(sc.Sysctls), func(s corev1.Sysctl) bool { return s.Name == name })
	if len(rest) == len(sc.Sysctls) {
		return nil
	}
	if len(rest) == 0 {
		return p.PatchPodSpec(map[string]any{"securityContext": map[string]any{"sysctls": nil}})
	}
	return p.PatchPodSpec(map[string]any{"securityContext": map[string]any{"sysctls": rest}})
}
