// SPDX-License-Identifier: Apache-2.0

package storage

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// ClaimLost recognises a claim whose volume is gone.
var ClaimLost = &diagnosis.Rule{
	ID:    "STO007",
	Title: "Claim has lost its PersistentVolume",
	Doc: `
The claim was bound, and its PersistentVolume object has been deleted or given to another claim. Its phase is Lost, which it
never leaves by itself: pods that use it are not scheduled, those that run keep what is mounted until they end.

**How it is told from its look-alikes.** By the phase, which the controller sets for this reason alone. A claim that is
Pending has not had a volume yet; a volume that is Released has lost its claim and not the other way round.

**What to do.** If the storage behind it still exists (reclaim policy Retain, a snapshot, a backup), make a PersistentVolume
for it and a new claim that names it. Otherwise delete the claim and let it be made anew, empty.

The phase is set in kubernetes pkg/controller/volume/persistentvolume/pv_controller.go (syncBoundClaim).
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Claim,
	Needs:    evidence.Spec,
	Also:     evidence.Events | evidence.Status,
	Effect:   diagnosis.VolumeFailed,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged},
	Run: func(p *diagnosis.Pass) {
		c := p.Object(p.About()).(*corev1.PersistentVolumeClaim)
		if c.Status.Phase != corev1.ClaimLost {
			return
		}
		name := c.Spec.VolumeName
		f := diagnosis.Finding{
			At: began(p, c), Confidence: diagnosis.Certain,
			Facts: []evidence.Fact{{
				Kind: evidence.Status, Source: evidence.FromStatus, About: p.About(), Where: "status.phase", Text: "phase Lost",
			}},
			Message: fmt.Sprintf("claim %s has lost its PersistentVolume %s, which is gone or belongs to another claim", c.Name, name),
			Fixes: []diagnosis.Fix{
				{Title: "Make a PersistentVolume for the storage behind it, if that still exists, and a new claim that names it", Command: "kubectl get pv " + name},
				{Title: "Delete the claim and let it be made anew, if its data may be lost", Command: fmt.Sprintf("kubectl delete pvc -n %s %s", c.Namespace, c.Name)},
			},
		}
		if name == "" {
			f.Message = fmt.Sprintf("claim %s was bound, and no longer says to which PersistentVolume", c.Name)
		} else {
			f.Facts = append(f.Facts, evidence.Fact{Kind: evidence.Spec, Source: evidence.FromSpec, About: p.About(), Where: "spec.volumeName", Text: "volumeName " + name})
		}
		for _, e := range p.Events("ClaimLost", "ClaimMisbound") {
			f.Facts = append(f.Facts, e.Fact())
		}
		p.Report(f)
	},
}
