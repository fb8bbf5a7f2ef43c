// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"fmt"
	"strings"
	"testing"
)

// TestMade: of what a cluster printed a workload is judged, and not what its controllers made of it; what another made is.
func TestMade(t *testing.T) {
	spec := "{containers: [{name: app, image: web:1}]}"
	by := func(version, kind, name string) string {
		return fmt.Sprintf(", ownerReferences: [{apiVersion: %s, kind: %s, name: %s, uid: u, controller: true}]", version, kind, name)
	}
	object := func(version, kind, name, owner, spec string) string {
		return fmt.Sprintf("---\napiVersion: %s\nkind: %s\nmetadata: {name: %s, namespace: shop, labels: {app: web}%s}\nspec: %s\n", version, kind, name, owner, spec)
	}
	workload := "{replicas: 2, selector: {matchLabels: {app: web}}, template: {metadata: {labels: {app: web}}, spec: " + spec + "}}"
	web, set := object("apps/v1", "Deployment", "web", "", workload), object("apps/v1", "ReplicaSet", "web-1", by("apps/v1", "Deployment", "web"), workload)
	pod := object("v1", "Pod", "web-1-a", by("apps/v1", "ReplicaSet", "web-1"), spec)
	rolled := object("apps/v1", "ReplicaSet", "roll-1", by("argoproj.io/v1alpha1", "Rollout", "roll"), workload)
	roll := object("argoproj.io/v1alpha1", "Rollout", "roll", "", "{}")
	for name, test := range map[string]struct {
		text string
		want string
	}{
		"a deployment with what it makes": {web + set + pod, "deployment/web"},
		"in another order":                {pod + set + web, "deployment/web"},
		"a pod alone":                     {pod, "pod/web-1-a"},
		"without the deployment":          {set + pod, "replicaset/web-1"},
		"of a kind that is not judged":    {roll + rolled, "replicaset/roll-1"},
	} {
		_, r := judge(t, Policy{}, written(t, test.text))
		about, rules := map[string]bool{}, map[string]int{}
		for i := range r.Findings {
			f := &r.Findings[i]
			about[f.About.Object().String()] = true
			rules[f.Rule]++
		}
		if len(about) != 1 || !about[test.want] || rules["RES101"] != 1 || rules["SET113"] > 1 || r.Manifests != strings.Count(test.text, "---") {
			t.Errorf("%s: findings about %v, expected %s alone: %v", name, about, test.want, rules)
		}
	}
}
