// SPDX-License-Identifier: Apache-2.0

package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// RunsAsRoot recognises a container that the kubelet does not start because it would be root.
var RunsAsRoot = &diagnosis.Rule{
	ID:    "CFG004",
	Title: "Container would run as root and must not",
	Doc: `
The pod or the container says runAsNonRoot, and the container would run as user 0: the image has no USER, or root, and
the pod names none; or runAsUser is 0 itself. The kubelet refuses to create it, and goes on refusing until image or pod
change.

**How it is told from its look-alikes.** By the kubelet's own words in CreateContainerConfigError. A user that is a name
("non-numeric user") cannot be judged, and is another rule's matter. A pod that a namespace's Pod Security level forbids
is not created at all. A process that lacks a right ends by itself.

**What to do.** Set runAsUser to a number that the image can run as, or build the image with a numeric USER. Files that
belong to root in the image may need another owner then; ports below 1024 need another number.

The words are written in kubernetes pkg/kubelet/kuberuntime/security_context_others.go (verifyRunAsNonRoot); recorded
from Kubernetes 1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Container,
	Needs:    evidence.Spec | evidence.Status,
	Also:     evidence.Events,
	Effect:   diagnosis.ConfigMissing,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		waiting, ok := refusedFor(p, "image will run as root", "breaks non-root policy")
		if !ok {
			return
		}
		container := p.About().Container
		f := diagnosis.Finding{
			At: began(p), Confidence: diagnosis.Certain, Facts: append([]evidence.Fact{waiting}, nonRoot(p)...),
			Message: fmt.Sprintf("container %s must not run as root, and its image has no other user", container),
			Fixes:   []diagnosis.Fix{setUser(p)},
		}
		if strings.Contains(waiting.Text, "breaks non-root policy") {
			f.Message = fmt.Sprintf("container %s must not run as root, and its runAsUser is 0", container)
		}
		p.Report(f)
	},
}

// refusedFor cites why the kubelet does not configure the container, when it is for one of the words.
func refusedFor(p *diagnosis.Pass, words ...string) (evidence.Fact, bool) {
	waiting, ok := p.CiteWaiting()
	if !ok || p.Status().State.Waiting.Reason != "CreateContainerConfigError" {
		return waiting, false
	}
	return waiting, slices.ContainsFunc(words, func(w string) bool { return strings.Contains(waiting.Text, w) })
}

// nonRoot cites where runAsNonRoot and runAsUser are set: of each, the container's own counts for more than the pod's.
func nonRoot(p *diagnosis.Pass) []evidence.Fact {
	own := cmp.Or(p.Spec().SecurityContext, &corev1.SecurityContext{})
	pod := cmp.Or(p.PodSpec().SecurityContext, &corev1.PodSecurityContext{})
	var facts []evidence.Fact
	ofPod := func(field string, value any) {
		facts = append(facts, evidence.Fact{
			Kind: evidence.Spec, Source: evidence.FromSpec, About: p.About().Object(),
			Where: "spec.securityContext." + field, Text: fmt.Sprintf("%s %v", field, value),
		})
	}
	switch {
	case own.RunAsNonRoot != nil:
		facts = append(facts, p.CiteSpec("securityContext.runAsNonRoot", *own.RunAsNonRoot))
	case pod.RunAsNonRoot != nil:
		ofPod("runAsNonRoot", *pod.RunAsNonRoot)
	}
	switch {
	case own.RunAsUser != nil:
		facts = append(facts, p.CiteSpec("securityContext.runAsUser", *own.RunAsUser))
	case pod.RunAsUser != nil:
		ofPod("runAsUser", *pod.RunAsUser)
	}
	return facts
}

// setUser proposes to give the user by number, as which only a person can say.
func setUser(p *diagnosis.Pass) diagnosis.Fix {
	fix := diagnosis.Fix{
		Title: fmt.Sprintf("Give container %s a user by number that its image can run as (runAsUser), or build the image with a numeric USER", p.About().Container),
	}
	if patch := p.PatchContainer(map[string]any{"securityContext": map[string]any{"runAsUser": "UID"}}); patch != nil {
		fix.Command = fmt.Sprintf("kubectl patch -n %s %s -p '%s'", patch.Target.Namespace, patch.Target, strings.ReplaceAll(patch.Data, `"UID"`, "UID"))
	}
	return fix
}
