// SPDX-License-Identifier: Apache-2.0

package storage

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// ClaimDeleted recognises a claim that is being deleted while pods use it.
var ClaimDeleted = &diagnosis.Rule{
	ID:    "STO008",
	Title: "Claim is being deleted while pods use it",
	Doc: `
Somebody deleted the claim, and it stays in Terminating until no pod uses it any more: the finalizer kubernetes.io/pvc-protection
keeps it. Pods that run go on; a new pod that uses it is not scheduled, since the claim is as good as gone. When the last
pod ends, the claim goes, and with the reclaim policy Delete its data.

**How it is told from its look-alikes.** By the deletion time and the pods that name the claim. Another finalizer on a claim
that no pod uses means that a controller has not done its part, for instance a snapshot that is being taken. For half a
minute after the deletion without users nothing is said: the controller needs some time.

**What to do.** A deletion cannot be taken back. Save the data while a pod still runs, then let the pods go; set the reclaim
policy of the volume to Retain first if its data are to be kept.

The finalizer is handled in kubernetes pkg/controller/volume/pvcprotection.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Claim,
	Needs:    evidence.Spec,
	Also:     evidence.Status,
	Effect:   diagnosis.VolumeFailed,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged},
	Run: func(p *diagnosis.Pass) {
		c := p.Object(p.About()).(*corev1.PersistentVolumeClaim)
		if c.DeletionTimestamp == nil {
			return
		}
		at := c.DeletionTimestamp.Time
		f := diagnosis.Finding{
			At: at, Confidence: diagnosis.Certain, Facts: []evidence.Fact{{
				Kind: evidence.Status, Source: evidence.FromStatus, About: p.About(), At: at, Where: "metadata.deletionTimestamp",
				Text: "deletionTimestamp " + at.UTC().Format(time.RFC3339),
			}, {
				Kind: evidence.Status, Source: evidence.FromStatus, About: p.About(), Where: "metadata.finalizers",
				Text: "finalizers " + strings.Join(c.Finalizers, " "),
			}},
		}
		var names []string
		for _, pod := range users(p, c) {
			if gone := pod.DeletionTimestamp; gone == nil || p.Now().Sub(gone.Time) > unknownFor { // else it ends in order, and the claim with it
				names = append(names, pod.Name)
			}
		}
		others := slices.DeleteFunc(slices.Clone(c.Finalizers), func(name string) bool { return name == "kubernetes.io/pvc-protection" })
		switch {
		case len(names) > 0:
			f.Message = fmt.Sprintf("claim %s is being deleted, and stays until %s no longer uses it: no new pod gets it", c.Name, strings.Join(names, ", "))
			f.Fixes = []diagnosis.Fix{{
				Title:   fmt.Sprintf("Save the data of claim %s, or set its volume's reclaim policy to Retain, before the last pod that uses it ends", c.Name),
				Command: fmt.Sprintf(`kubectl patch pv %s -p '{"spec":{"persistentVolumeReclaimPolicy":"Retain"}}'`, c.Spec.VolumeName),
			}}
		case p.Now().Sub(at) > unknownFor/2 && len(others) > 0:
			f.Message = fmt.Sprintf("claim %s was deleted %s ago, and finalizer %s keeps it", c.Name, age(p.Now().Sub(at)), strings.Join(others, ", "))
			f.Fixes = []diagnosis.Fix{{Title: "Repair what handles finalizer " + strings.Join(others, ", ") + ": it has not taken it off"}}
		default:
			return
		}
		p.Report(f)
	},
}
