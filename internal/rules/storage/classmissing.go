// SPDX-License-Identifier: Apache-2.0

package storage

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// ClassMissing recognises a claim that names a StorageClass which does not exist.
var ClassMissing = &diagnosis.Rule{
	ID:    "STO002",
	Title: "StorageClass of a claim does not exist",
	Doc: `
The claim names a StorageClass, there is none of that name, and so nobody makes a volume for it. The claim stays Pending
for as long as that is so, and each pod that uses it stays Pending with it. Classes differ from cluster to cluster: a
manifest that was written for another provider often names one that is not here.

**How it is told from its look-alikes.** The API server was asked for the class and has none of that name, or other
classes are known and this one is not among them; failing that, the Event ProvisioningFailed says "not found", and the
finding is likely. Where the class exists and the claim still waits, its provisioner is at fault. Where PersistentVolumes
bear the class's name, or the claim names a volume, it is meant to be bound to one of those and needs no class: then the question is why none
fits. From the claim alone, without Events and classes, the finding is only possible: a class that exists and whose
provisioner fails or waits for a pod looks the same.

**What to do.** Name a class that there is, or create the missing one. The class of a claim cannot be changed, so the claim
has to be deleted and made anew; a StatefulSet's volumeClaimTemplates cannot be changed either.

The words are written in kubernetes pkg/controller/volume/persistentvolume/pv_controller.go.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Claim,
	Needs:    evidence.Spec,
	Also:     evidence.Events | evidence.Status,
	Effect:   diagnosis.VolumeFailed,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		w, ok := waiting(p)
		if !ok || w.class == "" || w.Spec.VolumeName != "" || len(volumesOf(p, w.class)) > 0 {
			return
		}
		if _, exists := diagnosis.Get[*storagev1.StorageClass](p, "", w.class); exists {
			return
		}
		said, told := w.newest("not found", "ProvisioningFailed")
		classes := classNames(p)
		f := diagnosis.Finding{
			At: w.began, Facts: []evidence.Fact{w.fact, w.citeClass()},
			Message: fmt.Sprintf("claim %s waits for a volume of StorageClass %s, which does not exist", w.Name, w.class),
		}
		if told {
			f.Facts = append(f.Facts, said.Fact())
		}
		switch {
		case p.Absent(evidence.RefTo("StorageClass", "", w.class)):
			f.Confidence = diagnosis.Certain
		case told, len(classes) > 0: // what was pasted may leave classes out
			f.Confidence = diagnosis.Likely
		case p.Lacks(evidence.Events) != 0 && p.Now().Sub(w.began) > unknownFor:
			f.Confidence = diagnosis.Possible
			f.Message = fmt.Sprintf("claim %s has been Pending for %s: StorageClass %s, which it names, may not exist, or makes no volume for it",
				w.Name, age(p.Now().Sub(w.began)), w.class)
		default:
			return
		}
		f.Fixes = classFixes(p, &w, classes)
		p.Report(f)
	},
}

// unknownFor is how long a claim may be Pending before that alone is a sign of trouble: a provisioner needs some
// seconds, and the controller looks at a claim again every 15 (kubernetes pkg/controller/volume/persistentvolume).
const unknownFor = time.Minute

func classFixes(p *diagnosis.Pass, w *pending, classes []string) []diagnosis.Fix {
	name := "a class that there is"
	if len(classes) > 0 {
		name += " (" + strings.Join(classes[:min(len(classes), 4)], ", ") + ")"
	}
	return []diagnosis.Fix{
		again(p, fmt.Sprintf("Let claim %s name %s instead of %s", w.Name, name, w.class), "kubectl get storageclass; kubectl get pvc -n %s"),
		{Title: fmt.Sprintf("Create StorageClass %s, if its provisioner is installed here: the claim is served as soon as it exists", w.class)},
	}
}

// classNames returns the names of the classes that are known, the default one first and marked.
func classNames(p *diagnosis.Pass) []string {
	var names []string
	for _, class := range diagnosis.List[*storagev1.StorageClass](p) {
		if isDefault(class) {
			names = slices.Insert(names, 0, class.Name+", the default")
		} else {
			names = append(names, class.Name)
		}
	}
	return names
}

// isDefault tells whether claims that name no class get this one.
func isDefault(class *storagev1.StorageClass) bool {
	return class.Annotations["storageclass.kubernetes.io/is-default-class"] == "true" ||
		class.Annotations["storageclass.beta.kubernetes.io/is-default-class"] == "true"
}

// volumesOf returns the PersistentVolumes of a class that are known.
func volumesOf(p *diagnosis.Pass, class string) []*corev1.PersistentVolume {
	return slices.DeleteFunc(diagnosis.List[*corev1.PersistentVolume](p), func(pv *corev1.PersistentVolume) bool {
		return pv.Spec.StorageClassName != class
	})
}

// age says a duration in words that a person takes in.
func age(d time.Duration) string {
	if d > 48*time.Hour {
		return fmt.Sprintf("%d days", int(d.Hours()/24))
	}
	return d.Round(time.Second).String()
}
