// SPDX-License-Identifier: Apache-2.0

package create

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// SecurityProfile recognises a container whose security profile the node does not have.
var SecurityProfile = &diagnosis.Rule{
	ID:    "CRT006",
	Title: "Security profile is not on the node",
	Doc: `
The container asks for a seccomp or AppArmor profile, or an SELinux label, and the node cannot apply it: the profile's
file is not below the kubelet's seccomp directory, AppArmor has not loaded it, or the kernel does not have AppArmor at
all. Profiles of the type Localhost must be put on every node by somebody (the Security Profiles Operator, a DaemonSet,
the node image).

**How it is told from its look-alikes.** By the words seccomp, apparmor or selinux in the runtime's message. A kernel
without AppArmor makes the kubelet itself turn the pod away, with the reason AppArmor and before any container. A
profile that is applied and too strict lets the container start and makes its calls fail with "operation not permitted".
The same pod starts on a node that has the profile.

**What to do.** Put the profile on the node, keep the pod to nodes that have it, or use RuntimeDefault.

The wordings are those of containerd (contrib/seccomp, contrib/apparmor), CRI-O (internal/config/seccomp) and runc
(libcontainer/apparmor). Recorded from Kubernetes 1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Container,
	Needs:    evidence.Spec | evidence.Status,
	Also:     evidence.Events,
	Effect:   diagnosis.NotStarted,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: on(profile, func(p *diagnosis.Pass, r *refusal) (string, []diagnosis.Fix) {
		if asked, fact := asksFor(p); asked != "" {
			r.facts = append(r.facts, fact)
		}
		return fmt.Sprintf("container %s could not be %s: node %s cannot apply its security profile: %s",
			p.About().Container, r.step(), p.NodeName(), said(r.text)), []diagnosis.Fix{profileFix(p)}
	}),
}

func profileFix(p *diagnosis.Pass) diagnosis.Fix {
	what := "the security profile"
	if asked, _ := asksFor(p); asked != "" {
		what = "profile " + asked
	}
	return diagnosis.Fix{Title: fmt.Sprintf("Put %s on node %s and the others that the pod may run on, or use the type RuntimeDefault", what, p.NodeName())}
}

// asksFor returns the profile on the node that the container or its pod asks for, and cites it.
func asksFor(p *diagnosis.Pass) (string, evidence.Fact) {
	if c := p.Spec(); c.SecurityContext != nil {
		if s := c.SecurityContext.SeccompProfile; s != nil && s.LocalhostProfile != nil {
			return *s.LocalhostProfile, p.CiteSpec("securityContext.seccompProfile.localhostProfile", *s.LocalhostProfile)
		}
		if a := c.SecurityContext.AppArmorProfile; a != nil && a.LocalhostProfile != nil {
			return *a.LocalhostProfile, p.CiteSpec("securityContext.appArmorProfile.localhostProfile", *a.LocalhostProfile)
		}
	}
	at := func(field, value string) (string, evidence.Fact) {
		return value, evidence.Fact{
			Kind: evidence.Spec, Source: evidence.FromSpec, About: p.About().Object(),
			Where: "spec.securityContext." + field + ".localhostProfile", Text: "localhostProfile " + value,
		}
	}
	if sc := p.PodSpec().SecurityContext; sc != nil {
		if s := sc.SeccompProfile; s != nil && s.LocalhostProfile != nil {
			return at("seccompProfile", *s.LocalhostProfile)
		}
		if a := sc.AppArmorProfile; a != nil && a.LocalhostProfile != nil {
			return at("appArmorProfile", *a.LocalhostProfile)
		}
	}
	return "", evidence.Fact{}
}
