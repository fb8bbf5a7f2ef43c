// SPDX-License-Identifier: Apache-2.0

package set

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// KeyAbsent recognises a key that a ConfigMap does not have.
var KeyAbsent = &diagnosis.Rule{
	ID:    "SET104",
	Title: "Key is not in the ConfigMap",
	Doc: `
A container takes a variable or a file from a key that the ConfigMap of that name does not have. The container is not created
(CreateContainerConfigError), or the volume is not mounted, until the key is there.

**How it is told from its look-alikes.** The ConfigMap is among the manifests, so its keys are known. Keys that are optional are left out. Of Secrets the keys are not
judged, as they are often filled in later.

**What to do.** Correct the key, or add it.
`,
	Stage:  diagnosis.Experimental,
	Scope:  diagnosis.Cluster,
	Needs:  evidence.Spec,
	Also:   evidence.Status,
	Effect: diagnosis.ConfigMissing,
	Run: func(p *diagnosis.Pass) {
		for _, pod := range diagnosis.List[*corev1.Pod](p) {
			for _, m := range mentions(pod) {
				cm, ok := diagnosis.Get[*corev1.ConfigMap](p, pod.Namespace, m.name)
				if !ok || m.kind != "ConfigMap" || m.key == "" {
					continue
				}
				_, text := cm.Data[m.key]
				if _, binary := cm.BinaryData[m.key]; text || binary {
					continue
				}
				p.Report(finding(pod, m.where, m.key, fmt.Sprintf("Correct the key, or add it to ConfigMap %s", m.name),
					"%s needs key %s of ConfigMap %s, which has %s", owner(pod), m.key, m.name, keys(cm)))
			}
		}
	},
}

// keys lists up to five keys of a ConfigMap.
func keys(cm *corev1.ConfigMap) string {
	list := slices.AppendSeq(slices.Collect(maps.Keys(cm.Data)), maps.Keys(cm.BinaryData))
	slices.Sort(list)
	if len(list) == 0 {
		return "none"
	}
	if len(list) > 5 {
		list = append(list[:5], "others")
	}
	return strings.Join(list, ", ")
}
