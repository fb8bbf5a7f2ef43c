// SPDX-License-Identifier: Apache-2.0

package storage

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// SlowOwnership recognises a pod that waits while the kubelet gives every file of a volume to its fsGroup.
var SlowOwnership = &diagnosis.Rule{
	ID:    "STO019",
	Title: "Changing the ownership of a volume takes long",
	Doc: `
The pod has an fsGroup, and before its containers start the kubelet gives each file of each volume to that group, one by one. On
a volume with very many files that takes minutes, at every start of a pod. Nothing is wrong with the volume.

**How it is told from its look-alikes.** The kubelet says VolumePermissionChangeInProgress after 30 seconds and then every 60, while
the pod waits in ContainerCreating; older versions write it into their log only, and show a mount time-out. A pod without
fsGroup, or one with the policy OnRootMismatch whose root directory is right, does not wait for this.

**What to do.** Set fsGroupChangePolicy to OnRootMismatch: then only the root directory is compared, once ownership is right.

The Event is written in kubernetes pkg/volume/volume_linux.go.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Pod,
	Needs:    mountEvidence,
	Effect:   diagnosis.VolumeFailed,
	CausedBy: []diagnosis.Effect{diagnosis.NodeSaturated, diagnosis.RolledOut, diagnosis.ConfigChanged},
	Run: func(p *diagnosis.Pass) {
		events := p.Events("VolumePermissionChangeInProgress")
		if len(events) == 0 || !mounting(p) || len(failures(p, unattached, attached, driverless, unserved, broken)) > 0 {
			return
		}
		e, sc := events[len(events)-1], p.PodSpec().SecurityContext
		f := diagnosis.Finding{
			At: events[0].First, Confidence: diagnosis.Likely, Facts: []evidence.Fact{e.Fact(), waits(p)},
			Message: fmt.Sprintf("pod %s waits while the kubelet changes the ownership of each file of a volume: %s", p.About().Name, e.Message),
		}
		policy := corev1.FSGroupChangeAlways
		if sc != nil && sc.FSGroupChangePolicy != nil {
			policy = *sc.FSGroupChangePolicy
			f.Facts = append(f.Facts, p.CiteSpec("securityContext.fsGroupChangePolicy", policy))
		}
		if sc != nil && sc.FSGroup != nil {
			f.Facts = slices.Insert(f.Facts, 2, p.CiteSpec("securityContext.fsGroup", *sc.FSGroup))
		}
		wait := diagnosis.Fix{Title: "Wait: it goes on by itself, and the pod starts when the last file is done", Command: describe(p)}
		f.Fixes = []diagnosis.Fix{wait}
		if policy != corev1.FSGroupChangeOnRootMismatch {
			f.Fixes = []diagnosis.Fix{{
				Title: "Change ownership only where the root directory of the volume is not right yet: fsGroupChangePolicy OnRootMismatch", Risk: diagnosis.Restart,
				Patch: p.PatchPodSpec(map[string]any{"securityContext": map[string]any{"fsGroupChangePolicy": "OnRootMismatch"}}),
			}, wait}
		}
		p.Report(f)
	},
}
