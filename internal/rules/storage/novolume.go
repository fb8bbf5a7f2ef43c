// SPDX-License-Identifier: Apache-2.0

package storage

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// NoVolume recognises a claim that can only be bound to a volume that is there already, and none fits.
var NoVolume = &diagnosis.Rule{
	ID:    "STO004",
	Title: "No PersistentVolume fits the claim",
	Doc: `
Nobody makes volumes for this claim: it asks for no class, for one without a provisioner, for one that exists only as a
name on volumes, or for one volume by name. It is bound to a PersistentVolume only if that is free, large enough, of the
same class and volume mode, offers each access mode that is asked for, and has the labels that the claim selects.

**How it is told from its look-alikes.** Each volume of the claim's class, and the one that it names, is compared with the
claim, and the finding says what keeps each from it; one that fits silences the rule, because it will be bound at once. A
volume in phase Released looks free and is not: it still belongs to the claim that was deleted, even to one of the same
name. A class with a provisioner makes volumes by itself, and what is wrong then is with the provisioner.

**What to do.** As the finding says: ask for less or for another mode, or make a volume that fits. A released volume is given
out again when its claimRef is removed; its data go to the new claim.

What is compared is in kubernetes pkg/controller/volume/persistentvolume (checkVolumeSatisfyClaim, index.go).
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Claim,
	Needs:    evidence.Spec,
	Also:     evidence.Events | evidence.Status,
	Effect:   diagnosis.VolumeFailed,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		w, ok := waiting(p)
		if !ok || provisioned(p, w.class) && w.Spec.VolumeName == "" {
			return
		}
		f := diagnosis.Finding{At: w.began, Confidence: diagnosis.Certain, Facts: []evidence.Fact{w.fact}}
		var why []string
		for _, pv := range candidates(p, &w) {
			reason, where, text := w.unfit(pv)
			if reason == "" {
				return
			}
			why = append(why, fmt.Sprintf("%s %s", pv.Name, reason))
			f.Facts = append(f.Facts, citeVolume(pv, where, text)...)
			f.Fixes = append(f.Fixes, release(p, pv)...)
		}
		if named := evidence.RefTo("PersistentVolume", "", w.Spec.VolumeName); p.Absent(named) {
			why = append(why, named.Name+" does not exist")
			f.Facts = append(f.Facts, evidence.Fact{Kind: evidence.Spec, Source: evidence.FromStatus, About: named, Where: "the API server", Text: "not found"})
		}
		said, told := w.newest("", "VolumeMismatch", "FailedBinding")
		switch {
		case len(why) > 0:
			f.Message = fmt.Sprintf("no PersistentVolume fits claim %s: %s", w.Name, strings.Join(why[:min(len(why), 3)], "; "))
		case told && !w.open:
			f.Confidence = diagnosis.Likely
			f.Message = fmt.Sprintf("no PersistentVolume fits claim %s: %s", w.Name, said.Message)
		default:
			return
		}
		if told {
			f.Facts = append(f.Facts, said.Fact())
		}
		f.Fixes = append(f.Fixes, again(p, fmt.Sprintf("Make a PersistentVolume that fits claim %s (%s), or let it ask for what there is", w.Name, w.asks()),
			"kubectl get pv; kubectl get pvc -n %s"))
		p.Report(f)
	},
}

// noProvisioner is the provisioner of classes whose volumes are made by hand.
const noProvisioner = "kubernetes.io/no-provisioner"

// provisioned tells whether somebody is to make volumes of the class; of a class that is not known, unless there are
// volumes that bear its name.
func provisioned(p *diagnosis.Pass, name string) bool {
	if class, ok := diagnosis.Get[*storagev1.StorageClass](p, "", name); ok {
		return class.Provisioner != noProvisioner
	}
	return name != "" && len(volumesOf(p, name)) == 0
}

// candidates returns the volume that the claim names, or all of its class.
func candidates(p *diagnosis.Pass, w *pending) []*corev1.PersistentVolume {
	if w.Spec.VolumeName == "" {
		return volumesOf(p, w.class)
	}
	if pv, ok := diagnosis.Get[*corev1.PersistentVolume](p, "", w.Spec.VolumeName); ok {
		return []*corev1.PersistentVolume{pv}
	}
	return nil
}

// unfit says what keeps a volume from the claim, or "", and which field of the volume shows it.
func (w *pending) unfit(pv *corev1.PersistentVolume) (reason, where, text string) {
	asked, has := w.Spec.Resources.Requests[corev1.ResourceStorage], pv.Spec.Capacity[corev1.ResourceStorage]
	missing := slices.DeleteFunc(slices.Clone(w.Spec.AccessModes), func(m corev1.PersistentVolumeAccessMode) bool {
		return slices.Contains(pv.Spec.AccessModes, m)
	})
	ref := pv.Spec.ClaimRef
	if mine := ref == nil || ref.Namespace == w.Namespace && ref.Name == w.Name && (ref.UID == "" || ref.UID == w.UID); !mine {
		reason = fmt.Sprintf("belongs to claim %s/%s", ref.Namespace, ref.Name)
		if pv.Status.Phase == corev1.VolumeReleased {
			reason = fmt.Sprintf("is released and still belongs to claim %s/%s, which was deleted", ref.Namespace, ref.Name)
		}
		return reason, "spec.claimRef", fmt.Sprintf("namespace %s, name %s", ref.Namespace, ref.Name)
	}
	switch {
	case pv.DeletionTimestamp != nil || pv.Status.Phase == corev1.VolumeFailed:
		return "is being deleted or has failed", "", ""
	case pv.Spec.StorageClassName != w.class:
		reason = fmt.Sprintf("is of class %q and the claim asks for %q", pv.Spec.StorageClassName, w.class)
		if pv.Spec.StorageClassName == "" {
			return reason, "", ""
		}
		return reason, "spec.storageClassName", "storageClassName " + pv.Spec.StorageClassName
	case has.Cmp(asked) < 0:
		return fmt.Sprintf("has %s, and %s are asked for", has.String(), asked.String()), "spec.capacity.storage", "storage " + has.String()
	case len(missing) > 0:
		return fmt.Sprintf("does not offer %s", missing[0]), "spec.accessModes", "accessModes " + modes(pv.Spec.AccessModes)
	case mode(pv.Spec.VolumeMode) != mode(w.Spec.VolumeMode):
		return fmt.Sprintf("has volumeMode %s, and %s is asked for", mode(pv.Spec.VolumeMode), mode(w.Spec.VolumeMode)),
			"spec.volumeMode", fmt.Sprintf("volumeMode %s", mode(pv.Spec.VolumeMode))
	case !selects(w.Spec.Selector, pv.Labels):
		reason = "does not have the labels that the claim selects"
		if len(pv.Labels) == 0 {
			return reason, "", ""
		}
		return reason, "metadata.labels", fmt.Sprintf("labels %v", pv.Labels)
	}
	return "", "", ""
}

// asks says what a claim asks for.
func (w *pending) asks() string {
	size := w.Spec.Resources.Requests[corev1.ResourceStorage]
	return fmt.Sprintf("%s, %s, class %q", size.String(), modes(w.Spec.AccessModes), w.class)
}

// release proposes to free a volume that belongs to a claim which was deleted.
func release(p *diagnosis.Pass, pv *corev1.PersistentVolume) []diagnosis.Fix {
	ref := cmp.Or(pv.Spec.ClaimRef, &corev1.ObjectReference{})
	if pv.Status.Phase != corev1.VolumeReleased || ref.Namespace != p.About().Namespace || ref.Name != p.About().Name {
		return nil
	}
	return []diagnosis.Fix{{
		Title:   fmt.Sprintf("Give volume %s out again, if its data are meant for the new claim: remove its claimRef", pv.Name),
		Command: fmt.Sprintf(`kubectl patch pv %s --type=json -p '[{"op":"remove","path":"/spec/claimRef"}]'`, pv.Name),
	}}
}
