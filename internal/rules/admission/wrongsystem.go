// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// WrongSystem recognises a pod that its node cannot run by its operating system, or by what it supports.
var WrongSystem = &diagnosis.Rule{
	ID:    "ADM019",
	Title: "The node's system is not one that the pod can run on",
	Doc: `
The pod says by spec.os, or by the label kubernetes.io/os in its selector, that it is for Windows or for Linux, and is on a node of the
other kind; or it asks for something that the node's runtime or kernel does not support. spec.os alone does not tell the scheduler
anything: without a node selector the pod may go anywhere.

**How it is told from its look-alikes.** The pod has a node, the phase Failed and the reason PodOSNotSupported,
PodOSSelectorNodeLabelDoesNotMatch, AppArmor or SupplementalGroupsPolicyNotSupported. An image for another architecture is pulled or
starts and fails with "exec format error".

**What to do.** Add the node selector kubernetes.io/os, or correct spec.os.

The words are written in kubernetes pkg/kubelet/lifecycle/predicate.go; recorded from Kubernetes 1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Pod,
	Needs:    evidence.Spec | evidence.Status,
	Effect:   diagnosis.NotAdmitted,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		r := rejected(p)
		known := []string{"PodOSNotSupported", "PodOSSelectorNodeLabelDoesNotMatch", "AppArmor", "SupplementalGroupsPolicyNotSupported"}
		if !slices.Contains(known, r.reason) {
			return
		}
		message := fmt.Sprintf("the kubelet of %s turned pod %s away: the node does not support what it asks for (%s)", where(p), p.About().Name, r.said)
		var facts []evidence.Fact
		var fixes []diagnosis.Fix
		if os := p.PodSpec().OS; r.reason == known[0] && os != nil {
			message = fmt.Sprintf("the kubelet of %s turned pod %s away: the pod is for %s, and the node runs something else", where(p), p.About().Name, os.Name)
			facts = append(facts, p.CiteSpec("os.name", os.Name))
			fix := diagnosis.Fix{Title: "Add a node selector for the operating system, so that the pod goes to such a node"}
			if patch := p.PatchPodSpec(map[string]any{"nodeSelector": map[string]any{corev1.LabelOSStable: string(os.Name)}}); patch != nil {
				fix.Risk, fix.Patch = diagnosis.Restart, patch
			}
			fixes = append(fixes, fix)
		}
		r.report(p, message, facts, append(fixes, diagnosis.Fix{
			Title: "Look which nodes have that system", Command: "kubectl get nodes -L kubernetes.io/os,kubernetes.io/arch",
		})...)
	},
}
