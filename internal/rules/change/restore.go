// SPDX-License-Identifier: Apache-2.0

package change

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
)

// restore gives a container back what its revision has changed, and leaves all else that the revision brought. There is no
// patch where the workload has moved on since.
func restore(p *diagnosis.Pass, b broken) (diagnosis.Fix, bool) {
	target, template := p.Workload()
	if template == nil || b.by.container == "" {
		return diagnosis.Fix{}, false
	}
	field := b.by.field
	if field == "resources.limits" {
		field = "resources"
	}
	at := slices.IndexFunc(template.Spec.Containers, func(c corev1.Container) bool { return c.Name == b.by.container })
	was, now := fieldOf(b.before.template, b.by.container, field), fieldOf(b.now.template, b.by.container, field)
	if at < 0 || reflect.DeepEqual(was, now) || !reflect.DeepEqual(now, fieldOf(template, b.by.container, field)) {
		return diagnosis.Fix{}, false
	}
	path := fmt.Sprintf("/spec/template/spec/containers/%d/", at)
	op := map[string]any{"op": "add", "path": path + field, "value": was} // which replaces what is there (RFC 6902, 4.1)
	if was == nil {
		op = map[string]any{"op": "remove", "path": path + field}
	}
	data, err := json.Marshal([]any{map[string]any{"op": "test", "path": path + "name", "value": b.by.container}, op})
	if err != nil {
		return diagnosis.Fix{}, false // cannot happen: it came from JSON
	}
	return diagnosis.Fix{
		Title: fmt.Sprintf("Give container %s back the %s of revision %d", b.by.container, field, b.before.number), Risk: diagnosis.Restart,
		Patch: &diagnosis.Patch{Target: target, Type: diagnosis.JSONPatch, Data: string(data)},
	}, true
}

// fieldOf returns a field of a container as JSON has it, nil where it is not set.
func fieldOf(template *corev1.PodTemplateSpec, container, field string) any {
	for i := range template.Spec.Containers {
		if template.Spec.Containers[i].Name != container {
			continue
		}
		data, err := json.Marshal(&template.Spec.Containers[i])
		var fields map[string]any
		if err != nil || json.Unmarshal(data, &fields) != nil {
			return nil // cannot happen
		}
		return fields[field]
	}
	return nil
}
