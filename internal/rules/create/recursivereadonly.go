// SPDX-License-Identifier: Apache-2.0

package create

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// RecursiveReadOnly recognises a mount that asks for more than the node can do.
var RecursiveReadOnly = &diagnosis.Rule{
	ID:    "CRT012",
	Title: "Node cannot mount read-only all the way down",
	Doc: `
A volume mount asks for recursiveReadOnly Enabled, and the node cannot enforce it: its kernel is older than 5.12, its
runtime does not know it (containerd 2.0, CRI-O 1.30, with runc 1.1 or crun 1.8.6), or the pod's runtime class does not.
The container is not created; with IfPossible it would be, without the protection.

**How it is told from its look-alikes.** By RROUnsupported or "recursive read-only" in the message of
CreateContainerConfigError or CreateContainerError. A file system that is read-only is another thing: then the container
runs, and cannot write.

**What to do.** Use IfPossible where that is enough, or keep the pod to nodes that can (status.runtimeHandlers of a node
says so).

The code is ErrRROUnsupported in cri-api pkg/errors; the kubelet's own check is resolveRecursiveReadOnly in
pkg/kubelet/kubelet_pods.go.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Container,
	Needs:    evidence.Spec | evidence.Status,
	Also:     evidence.Events,
	Effect:   diagnosis.NotStarted,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: on(readOnly, func(p *diagnosis.Pass, r *refusal) (string, []diagnosis.Fix) {
		which := ""
		for _, m := range p.Spec().VolumeMounts {
			if m.RecursiveReadOnly != nil && *m.RecursiveReadOnly == "Enabled" {
				which = " of volume " + m.Name
				r.facts = append(r.facts, p.CiteSpec("volumeMounts["+m.MountPath+"].recursiveReadOnly", "Enabled"))
			}
		}
		return fmt.Sprintf("container %s is not created: node %s cannot make the mount%s read-only with all that lies below it", p.About().Container, p.NodeName(), which),
			[]diagnosis.Fix{{
				Title:   "Use recursiveReadOnly IfPossible, or keep the pod to nodes whose runtime handler has the feature",
				Command: "kubectl get nodes -o custom-columns='NAME:.metadata.name,RRO:.status.runtimeHandlers[*].features.recursiveReadOnlyMounts'",
			}}
	}),
}
