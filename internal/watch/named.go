// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
)

// named returns what is in namespaces and named by a text, as far as the snapshot tells, by namespace and name alone: who may not see a
// namespace is not to read of what is in it. A name that there is in several namespaces is that of each.
func named(s *evidence.Snapshot, text string) []evidence.Ref {
	words := map[string]bool{}
	history.ReplaceNames(text, func(name string) (string, bool) {
		words[name] = true
		return "", false
	})
	var all []evidence.Ref
	spaces := map[string]bool{}
	add := func(of evidence.Ref, names ...string) {
		spaces[of.Namespace] = of.Namespace != ""
		for _, name := range append(names, of.Name) {
			if of.Namespace != "" && words[name] {
				all = append(all, evidence.RefTo("", of.Namespace, name))
			}
		}
	}
	eachRef(s, add)
	for word := range words {
		if space, name, placed := strings.Cut(word, "/"); placed && spaces[space] {
			all = append(all, evidence.RefTo("", space, name))
		}
	}
	slices.SortFunc(all, evidence.Ref.Compare)
	return slices.Compact(all)
}

// eachRef passes on all that the snapshot tells of, with other names that its owner may have: those of a Deployment and of a CronJob
// follow from what they own.
func eachRef(s *evidence.Snapshot, add func(of evidence.Ref, names ...string)) {
	for _, o := range s.Objects {
		var names []string
		for _, owner := range o.GetOwnerReferences() {
			names = append(names, owner.Name, owner.Name[:max(strings.LastIndexByte(owner.Name, '-'), 0)])
		}
		add(evidence.RefOf(o), names...)
		if volume, ok := o.(*corev1.PersistentVolume); ok && volume.Spec.ClaimRef != nil {
			add(evidence.RefTo("", volume.Spec.ClaimRef.Namespace, volume.Spec.ClaimRef.Name))
		}
	}
	for _, e := range s.Events {
		add(evidence.RefTo("", e.InvolvedObject.Namespace, e.InvolvedObject.Name))
	}
	for i := range s.Facts {
		add(s.Facts[i].About)
	}
	for i := range s.Gaps {
		add(s.Gaps[i].About)
	}
	for i := range s.Logs {
		add(s.Logs[i].Of)
	}
	for i := range s.Runs {
		add(s.Runs[i].Of)
	}
	for _, ref := range s.Absent {
		add(ref)
	}
}
