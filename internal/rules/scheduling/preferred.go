// SPDX-License-Identifier: Apache-2.0

package scheduling

import (
	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
)

// preferring makes of an anti-affinity that is demanded one that is preferred, of the greatest weight. Those that are
// preferred already stay.
func preferring(p *diagnosis.Pass, terms []corev1.PodAffinityTerm) *diagnosis.Patch {
	a := p.PodSpec().Affinity
	if a == nil || a.PodAntiAffinity == nil {
		return nil
	}
	preferred := append([]corev1.WeightedPodAffinityTerm{}, a.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution...)
	for _, t := range terms {
		preferred = append(preferred, corev1.WeightedPodAffinityTerm{Weight: 100, PodAffinityTerm: t})
	}
	return p.PatchPodSpec(map[string]any{"affinity": map[string]any{"podAntiAffinity": map[string]any{
		"requiredDuringSchedulingIgnoredDuringExecution": nil, "preferredDuringSchedulingIgnoredDuringExecution": preferred,
	}}})
}
