// SPDX-License-Identifier: Apache-2.0

package create

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

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
			p.About().Container, r.step(), p.NodeName(), said(r.text)), profileFixes(p)
	}),
}

// profileFixes are the profile of the runtime itself, where the node lacks a file of seccomp, and what only a person can do.
func profileFixes(p *diagnosis.Pass) []diagnosis.Fix {
	what := "the security profile"
	if asked, _ := asksFor(p); asked != "" {
		what = "profile " + asked
	}
	put := diagnosis.Fix{Title: fmt.Sprintf("Put %s on node %s and the others that the pod may run on", what, p.NodeName())}
	fields := map[string]any{"securityContext": map[string]any{"seccompProfile": map[string]any{"type": string(corev1.SeccompProfileTypeRuntimeDefault), "localhostProfile": nil}}}
	var patch *diagnosis.Patch
	if own := p.Spec().SecurityContext; own != nil && own.SeccompProfile != nil && own.SeccompProfile.LocalhostProfile != nil {
		patch = p.PatchContainer(fields)
	} else if pod := p.PodSpec().SecurityContext; pod != nil && pod.SeccompProfile != nil && pod.SeccompProfile.LocalhostProfile != nil {
		patch = p.PatchPodSpec(fields)
	}
	if patch == nil {
		put.Title += ", or use the type RuntimeDefault"
		return []diagnosis.Fix{put}
	}
	return []diagnosis.Fix{{Title: "Use the runtime's own profile (RuntimeDefault) instead of " + what, Risk: diagnosis.Restart, Patch: patch}, put}
}

// asksFor returns the profile on the node that the container or its pod asks for, and cites it; "" where neither does.
func asksFor(p *diagnosis.Pass) (string, evidence.Fact) {
	if sc := p.Spec().SecurityContext; sc != nil {
		if field, name := localhost(sc.SeccompProfile, sc.AppArmorProfile); name != "" {
			return name, p.CiteSpec("securityContext."+field+".localhostProfile", name)
		}
	}
	if sc := p.PodSpec().SecurityContext; sc != nil {
		field, name := localhost(sc.SeccompProfile, sc.AppArmorProfile)
		return name, evidence.Fact{
			Kind: evidence.Spec, Source: evidence.FromSpec, About: p.About().Object(),
			Where: "spec.securityContext." + field + ".localhostProfile", Text: "localhostProfile " + name,
		}
	}
	return "", evidence.Fact{}
}

// localhost returns the profile that must be on the node, and the field that asks for it.
func localhost(s *corev1.SeccompProfile, a *corev1.AppArmorProfile) (field, name string) {
	if s != nil && s.LocalhostProfile != nil {
		return "seccompProfile", *s.LocalhostProfile
	}
	if a != nil && a.LocalhostProfile != nil {
		return "appArmorProfile", *a.LocalhostProfile
	}
	return "", ""
}
