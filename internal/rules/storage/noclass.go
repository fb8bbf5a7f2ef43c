// SPDX-License-Identifier: Apache-2.0

package storage

import (
	"fmt"
	"slices"

	storagev1 "k8s.io/api/storage/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// NoClass recognises a claim that names no StorageClass in a cluster that has no default one.
var NoClass = &diagnosis.Rule{
	ID:    "STO003",
	Title: "Claim names no StorageClass and there is no default one",
	Doc: `
The claim leaves storageClassName out. Where a StorageClass is marked as the default, the API server fills it in; here
none is, so nobody makes a volume, and the claim waits for a PersistentVolume that somebody else would have to provide.

**How it is told from its look-alikes.** The controller's Event FailedBinding says "no persistent volumes available for this
claim and no storage class is set", or the classes are known and none is the default. A claim with storageClassName ""
asks for no class on purpose: that, and a claim for which volumes without a class exist, is the question why none of those
fits. A claim that was made before a default class was marked is filled in later (since Kubernetes 1.28): a default class
that exists speaks for waiting a moment and silences this rule.

**What to do.** Name a class in the claim, or mark one as the default: claims that wait without a class get it then.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Claim,
	Needs:    evidence.Spec,
	Also:     evidence.Events | evidence.Status,
	Effect:   diagnosis.VolumeFailed,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		w, ok := waiting(p)
		if !ok || !w.open || w.Spec.VolumeName != "" || len(volumesOf(p, "")) > 0 {
			return
		}
		classes := diagnosis.List[*storagev1.StorageClass](p)
		if slices.ContainsFunc(classes, isDefault) {
			return
		}
		f := diagnosis.Finding{
			At: w.began, Facts: []evidence.Fact{w.fact},
			Message: fmt.Sprintf("claim %s names no StorageClass, there is no default one, and no volume is there for it", w.Name),
		}
		said, told := w.newest("no storage class is set", "FailedBinding")
		if told {
			f.Facts = append(f.Facts, said.Fact())
		}
		switch {
		case told && len(classes) > 0:
			f.Confidence = diagnosis.Certain
		case told || len(classes) > 0:
			f.Confidence = diagnosis.Likely
		case p.Lacks(evidence.Events) != 0 && p.Now().Sub(w.began) > unknownFor:
			f.Confidence = diagnosis.Possible
			f.Message = fmt.Sprintf("claim %s has been Pending for %s and names no StorageClass: there may be no default one",
				w.Name, age(p.Now().Sub(w.began)))
		default:
			return
		}
		f.Fixes = []diagnosis.Fix{markDefault(classes), again(p, fmt.Sprintf("Let claim %s name a class", w.Name), "kubectl get storageclass; kubectl get pvc -n %s")}
		p.Report(f)
	},
}

// markDefault proposes to make the only class the default; of several, to choose one.
func markDefault(classes []*storagev1.StorageClass) diagnosis.Fix {
	const mark = `{"metadata":{"annotations":{"storageclass.kubernetes.io/is-default-class":"true"}}}`
	if len(classes) == 1 {
		return diagnosis.Fix{
			Title: fmt.Sprintf("Mark StorageClass %s as the default: the claim gets it then", classes[0].Name), Risk: diagnosis.Advice,
			Patch: &diagnosis.Patch{Target: evidence.RefOf(classes[0]), Type: diagnosis.Strategic, Data: mark},
		}
	}
	if len(classes) == 0 {
		return diagnosis.Fix{Title: "Create a StorageClass for the storage that is here, and mark it as the default: the claim gets it then", Command: "kubectl get storageclass"}
	}
	return diagnosis.Fix{
		Title:   "Mark one of the StorageClasses as the default: the claim gets it then",
		Command: "kubectl patch storageclass NAME -p '" + mark + "'",
	}
}
