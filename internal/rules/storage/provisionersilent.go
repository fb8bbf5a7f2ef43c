// SPDX-License-Identifier: Apache-2.0

package storage

import (
	"fmt"

	storagev1 "k8s.io/api/storage/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// ProvisionerSilent recognises a claim whose provisioner does not answer.
var ProvisionerSilent = &diagnosis.Rule{
	ID:    "STO006",
	Title: "Provisioner does not answer",
	Doc: `
The claim's StorageClass names an external provisioner, the controller has handed the claim over to it, and nothing came
back: no volume, no error, not even the note that it has begun. The provisioner is not installed, not running, has lost
its leader, or listens to another name than the class says.

**How it is told from its look-alikes.** The controller writes ExternalProvisioning once more every 15 seconds or so. A
provisioner that works writes Provisioning at once and ProvisioningFailed when it cannot; either silences this rule. A class
with WaitForFirstConsumer is handed over only once a pod that uses the claim has been scheduled: before that nothing is
wrong. From the claim and its class alone, without Events, the finding is only possible.

**What to do.** See that the provisioner's pods run and look at their log; compare the name in the class with the drivers
that are registered.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Claim,
	Needs:    evidence.Spec,
	Also:     evidence.Events | evidence.Status,
	Effect:   diagnosis.VolumeFailed,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut, diagnosis.NetworkFailed},
	Run: func(p *diagnosis.Pass) {
		w, ok := waiting(p)
		class, known := diagnosis.Get[*storagev1.StorageClass](p, "", w.class)
		if !ok || p.Now().Sub(w.began) < unknownFor/2 || known && class.Provisioner == noProvisioner {
			return
		}
		if _, answered := w.newest("", "Provisioning", "ProvisioningFailed"); answered {
			return
		}
		f := diagnosis.Finding{At: w.began, Confidence: diagnosis.Likely, Facts: []evidence.Fact{w.fact}}
		said, handed := w.newest("", "ExternalProvisioning")
		name := provisionerIn(said.Message)
		if known {
			name = class.Provisioner
			f.Facts = append(f.Facts, evidence.Fact{
				Kind: evidence.Spec, Source: evidence.FromSpec, About: evidence.RefOf(class), Where: "provisioner", Text: "provisioner " + name,
			})
		}
		f.Message = fmt.Sprintf("claim %s waits for a volume from provisioner %s, which does not answer", w.Name, name)
		switch {
		case handed:
			f.Facts = append(f.Facts, said.Fact())
		case known && p.Lacks(evidence.Events) != 0:
			f.Confidence = diagnosis.Possible
			f.Message = fmt.Sprintf("claim %s has been Pending for %s: provisioner %s may not be running, or fails", w.Name, age(p.Now().Sub(w.began)), name)
		default:
			return
		}
		f.Fixes = []diagnosis.Fix{{
			Title:   fmt.Sprintf("See that the pods of provisioner %s run, and read their log", name),
			Command: "kubectl get csidrivers; kubectl get pods -A | grep -iE 'csi|provisioner'",
		}}
		p.Report(f)
	},
}
