// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"fmt"
	"strconv"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// aboveDefault returns the container whose request is above its limit, the resource, and the request, where the template
// states no limit and one must have been filled in.
func aboveDefault(p *diagnosis.Pass, said string) (c corev1.Container, res, value string, ok bool) {
	m := above.FindStringSubmatch(said)
	if m == nil {
		return c, "", "", false
	}
	t := template(p.Object(p.About()))
	list := t.Spec.Containers
	if m[1] == "initContainers" {
		list = t.Spec.InitContainers
	}
	i, _ := strconv.Atoi(m[2])
	if i >= len(list) { // a webhook has added it
		return c, "", "", false
	}
	_, stated := list[i].Resources.Limits[corev1.ResourceName(m[4])]
	return list[i], m[4], m[3], !stated
}

func (r refusal) aboveDefault(p *diagnosis.Pass, c corev1.Container, res, value string, look diagnosis.Fix) {
	list := above.FindStringSubmatch(r.said)[1]
	filled := "a limit below that is filled in"
	var facts []evidence.Fact
	for _, l := range diagnosis.List[*corev1.LimitRange](p, evidence.RefTo("Namespace", "", p.About().Namespace)) {
		for i, item := range l.Spec.Limits {
			if q, ok := item.Default[corev1.ResourceName(res)]; ok {
				filled = fmt.Sprintf("LimitRange %s fills in a limit of %s", l.Name, q.String())
				facts = append(facts, rangeFact(l, fmt.Sprintf("spec.limits[%d].default.%s", i, res), res, q))
			}
		}
	}
	fix := change(p, fmt.Sprintf("State a %s limit of %s for container %s", res, value, c.Name))
	if patch := p.PatchPodSpec(map[string]any{list: []any{map[string]any{"name": c.Name, "resources": map[string]any{"limits": map[string]any{res: value}}}}}); patch != nil {
		fix.Risk, fix.Patch, fix.Command = diagnosis.Restart, patch, ""
	}
	r.report(p, fmt.Sprintf("container %s requests %s of %s and states no limit, and %s", c.Name, value, res, filled), facts, fix, look)
}
