// SPDX-License-Identifier: Apache-2.0

// Package change holds the rules about what changed before something died: a template, a configuration, a live pod. A change
// is not trouble by itself, and most of what dies after one dies of something else. So a rule of this family reports only
// where the evidence ties the two together: the pods before the change are well and those after it are not, or what failed
// is the very thing that was changed.
package change

import (
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
}

// writer returns who last wrote one of the fields of an object, and when, as far as the API server kept it.
func writer(o metav1.Object, section string, fields ...string) (by string, at time.Time) {
	for _, e := range o.GetManagedFields() {
		var kept map[string]map[string]any
		if e.FieldsV1 == nil || e.Time == nil || json.Unmarshal(e.FieldsV1.GetRawBytes(), &kept) != nil {
			continue
		}
		below, found := kept[section]
		for _, field := range fields {
			_, found = below[field]
			if found {
				break
			}
		}
		if found && e.Time.After(at) {
			by, at = e.Manager, e.Time.UTC()
			if by == "kube-controller-manager" && e.Subresource == "scale" {
				by = "a HorizontalPodAutoscaler"
			}
		}
	}
	return by, at
}

func ready(pod *corev1.Pod) bool {
	return slices.ContainsFunc(pod.Status.Conditions, func(c corev1.PodCondition) bool {
		return c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	})
}

// citeEnd makes a fact of a pod's state for a comparison: how often its containers restarted since it was made.
func citeEnd(pod *corev1.Pod) evidence.Fact {
	restarts := 0
	for i := range pod.Status.ContainerStatuses {
		restarts += int(pod.Status.ContainerStatuses[i].RestartCount)
	}
	state := "not ready"
	if ready(pod) {
		state = "ready"
	}
	return evidence.Fact{
		Kind: evidence.Status, Source: evidence.FromStatus, About: evidence.RefOf(pod), At: pod.CreationTimestamp.UTC(), Where: "status",
		Text: fmt.Sprintf("%s, restarts %d since it was made", state, restarts),
	}
}

// undo is the fix that takes a rollout back.
func undo(top evidence.Ref, number int64) diagnosis.Fix {
	return diagnosis.Fix{
		Title: fmt.Sprintf("Go back to revision %d, then mend the change", number), Risk: diagnosis.Restart,
		Command: fmt.Sprintf("kubectl rollout undo -n %s %s --to-revision=%d", top.Namespace, top, number),
	}
}
