// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apiresource "k8s.io/apimachinery/pkg/api/resource"

	"github.com/kubeinquest/inquest/internal/advise"
)

// TestQuality: the QoS class that a pod has and would have, and what follows of it.
func TestQuality(t *testing.T) {
	beside := func(c advise.Container, others ...corev1.Container) advise.Container {
		c.Pod.Containers = append([]corev1.Container{c.Spec}, others...)
		return c
	}
	whole := beside(container("", "", "", ""))
	all := corev1.ResourceList{corev1.ResourceMemory: apiresource.MustParse("1Gi"), corev1.ResourceCPU: apiresource.MustParse("1")}
	whole.Pod.Resources = &corev1.ResourceRequirements{Limits: all}
	urgent := container("", "", "", "")
	urgent.Pod.PriorityClassName = "urgent"
	limits := &corev1.LimitRange{}
	limits.Spec.Limits = []corev1.LimitRangeItem{{Type: corev1.LimitTypeContainer, Default: all}}
	set := Amounts{RequestMemory: mib, LimitMemory: mib}
	for name, c := range map[string]struct {
		of   Subject
		then Amounts // in place of what it has; none: that
		want string
	}{
		"nothing":                    {Subject{Container: container("", "", "", "")}, Amounts{}, "its pod is BestEffort: | it uses is above; its oom_score_adj is 1000,"},
		"memory proposed":            {Subject{Container: container("", "", "", "")}, set, "its pod is BestEffort, and Burstable with what is proposed: | is from 2 to 999"},
		"limits alone":               {Subject{Container: container("", "1Gi", "", "1")}, Amounts{}, "its pod is Guaranteed: | it cannot be above; its oom_score_adj is -997"},
		"less than its limits":       {Subject{Container: container("1Gi", "1Gi", "500m", "1")}, Amounts{}, "its pod is Burstable: "},
		"no longer":                  {Subject{Container: container("1Gi", "1Gi", "1", "1")}, Amounts{mib, 2 * mib, 1, 1}, "its pod is Guaranteed, and Burstable with what is proposed (to stay Guaranteed, set its requests to its limits): "},
		"changed, and as it was":     {Subject{Container: container("1Gi", "2Gi", "", "")}, set, "its pod is Burstable and stays so: "},
		"beside one that sets":       {Subject{Container: beside(container("", "", "", ""), helper("b", "1Gi", "1Gi", "", false))}, Amounts{}, "its pod is Burstable: "},
		"beside one that is open":    {Subject{Container: beside(container("1Gi", "1Gi", "1", "1"), helper("b", "", "", "", false))}, Amounts{}, "its pod is Burstable: "},
		"the pod as a whole":         {Subject{Container: whole}, Amounts{}, "its pod is Guaranteed: "},
		"by a LimitRange":            {Subject{Container: container("", "", "", ""), Within: Namespace{Ranges: []*corev1.LimitRange{limits}}}, Amounts{}, "its pod is Guaranteed: "},
		"with a priority":            {Subject{Container: urgent, Priority: 1000}, Amounts{}, "lowest priority (its own is 1000, by priorityclass/urgent), then"},
		"critical":                   {Subject{Container: container("", "", "", ""), Priority: critical}, Amounts{}, "its pod is BestEffort: | it is critical for its node, so its oom_score_adj is -997"},
		"of two, and one is changed": {Subject{Container: beside(container("", "", "", ""), helper("b", "", "", "", false))}, set, "and Burstable with what is proposed and its other containers as they are: "},
	} {
		t.Run(name, func(t *testing.T) {
			now := amounts(&c.of.Spec)
			then := c.then
			if then == (Amounts{}) {
				then = now
			}
			text := quality(&c.of, now, then)
			for want := range strings.SplitSeq(c.want, "|") {
				if !strings.Contains(text, strings.TrimSpace(want)) {
					t.Errorf("it lacks %q: %s", want, text)
				}
			}
		})
	}
}
