// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/kubeinquest/inquest/internal/diagnosis"
)

// lowered brings limits and requests of containers down to the maximum of a LimitRange, where that is all it objects to.
func lowered(p *diagnosis.Pass, said string) (diagnosis.Fix, bool) {
	found := bound.FindAllStringSubmatch(said, -1)
	if len(found) != 1 || ratio.MatchString(said) || found[0][1] != "maximum" || found[0][3] != "Container" || found[0][5] != "limit" {
		return diagnosis.Fix{}, false
	}
	res := corev1.ResourceName(found[0][2])
	most, err := resource.ParseQuantity(found[0][4])
	_, template := p.Workload()
	if err != nil || template == nil {
		return diagnosis.Fix{}, false
	}
	var containers []any
	for i := range template.Spec.Containers {
		c := &template.Spec.Containers[i]
		limit, limited := c.Resources.Limits[res]
		if !limited || limit.Cmp(most) <= 0 {
			continue
		}
		fields := map[string]any{"limits": map[string]any{string(res): most.String()}}
		if asked, ok := c.Resources.Requests[res]; ok && asked.Cmp(most) > 0 {
			fields["requests"] = map[string]any{string(res): most.String()}
		}
		containers = append(containers, map[string]any{"name": c.Name, "resources": fields})
	}
	if len(containers) == 0 {
		return diagnosis.Fix{}, false
	}
	return diagnosis.Fix{
		Title: fmt.Sprintf("Lower the limit of %s to %s, the most that the LimitRange allows", res, most.String()), Risk: diagnosis.Restart,
		Patch: p.PatchPodSpec(map[string]any{"containers": containers}),
	}, true
}
