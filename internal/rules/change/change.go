// SPDX-License-Identifier: Apache-2.0

// Package change holds the rules about what changed before something died: a template, a configuration, a live pod. A change
// is not trouble by itself, and most of what dies after one dies of something else. So a rule of this family reports only
// where the evidence ties the two together: the pods before the change are well and those after it are not, or what failed
// is the very thing that was changed.
package change

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Rules are the rules of this family in order of id.
var Rules = []*diagnosis.Rule{
	BadRollout,
	RevisionBroke,
	ConfigEdited,
	DefinitionChanged,
	Resized,
	ResizeWaits,
	RestartRule,
	Contested,
	NodeDiffers,
	NeverReady,
}

// writer returns who last wrote a section of an object, or a field of it, as far as the API server kept it, with the fact
// that says so and when.
func writer(o evidence.Object, section, field string) (by string, fact evidence.Fact) {
	for _, e := range o.GetManagedFields() {
		var kept map[string]map[string]any
		if e.Time == nil || json.Unmarshal(e.FieldsV1.GetRawBytes(), &kept) != nil {
			continue
		}
		below, found := kept[section]
		if field != "" {
			_, found = below[field]
		}
		if found && e.Time.After(fact.At) {
			by, fact = e.Manager, wrote(o, e)
			if by == "kube-controller-manager" { // what it writes to what it owns is not kept, so this is a scale
				by = "a HorizontalPodAutoscaler"
			}
		}
	}
	return by, fact
}

// wrote cites that an object was written, at the time of one of its managed fields: by its generation, for a manager may
// have several. A ConfigMap has no generation and no subresources.
func wrote(o evidence.Object, e metav1.ManagedFieldsEntry) evidence.Fact {
	f := evidence.Fact{
		Kind: evidence.Status, Source: evidence.FromStatus, About: evidence.RefOf(o), At: e.Time.UTC(),
		Where: "metadata.generation", Text: fmt.Sprintf("generation %d", o.GetGeneration()),
	}
	if o.GetGeneration() == 0 {
		f.Where = "metadata.managedFields[" + e.Manager + "]"
		f.Text = fmt.Sprintf("manager %s, operation %s, time %s", e.Manager, e.Operation, e.Time.UTC().Format(time.RFC3339))
	}
	return f
}

func ready(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// citeEnd makes facts of a pod's state for a comparison: how often the container that restarted most did, since the pod
// was made.
func citeEnd(pod *corev1.Pod) []evidence.Fact {
	list := pod.Status.ContainerStatuses
	if len(list) == 0 {
		return nil
	}
	st := slices.MaxFunc(list, func(a, b corev1.ContainerStatus) int { return cmp.Compare(a.RestartCount, b.RestartCount) })
	return []evidence.Fact{{
		Kind: evidence.Status, Source: evidence.FromStatus, About: evidence.RefOf(pod), At: pod.CreationTimestamp.UTC(),
		Where: "status.containerStatuses[" + st.Name + "]", Text: fmt.Sprintf("ready %t, restartCount %d", st.Ready, st.RestartCount),
	}}
}

// undo is the fix that takes a rollout back.
func undo(top evidence.Ref, number int64) diagnosis.Fix {
	return diagnosis.Fix{
		Title: fmt.Sprintf("Go back to revision %d, then mend the change", number), Risk: diagnosis.Restart,
		Command: fmt.Sprintf("kubectl rollout undo -n %s %s --to-revision=%d", top.Namespace, top, number),
	}
}
