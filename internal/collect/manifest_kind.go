// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// unknownKind tells of a kind or a version that a group of Kubernetes itself does not have, to which nobody can add any. Of the core group,
// in whose name others write what is none of it, as a kubeconfig, it does so only where it is known what was meant.
func (r ManifestReader) unknownKind(m *Manifest, gvk schema.GroupVersionKind) {
	_, was := gone[gvk]
	if was || gvk.Version == "" || !objectScheme.IsGroupRegistered(gvk.Group) || m.APIVersion == "v1" && m.Kind == "Config" {
		return
	}
	if use := servedIn(gvk.Group, gvk.Kind); use != "" {
		if cmp.Or(r.Kube, NewestKube) >= NewestKube { // an older one may have had it, as an alpha version
			m.tell(FactRemoved, "apiVersion", fmt.Sprintf("%s of %s is not served by Kubernetes 1.%d, use %s", m.APIVersion, m.Kind, NewestKube, use))
		}
		return
	}
	for _, gv := range objectScheme.PrioritizedVersionsAllGroups() {
		if use := servedIn(gv.Group, gvk.Kind); use != "" {
			m.tell(FactUnreadable, "apiVersion", fmt.Sprintf("there is no kind %s in %s, it is in %s", m.Kind, m.APIVersion, use))
			return
		}
	}
	var kinds []string
	for kind := range objectScheme.KnownTypes(gvk.GroupVersion()) {
		if isObject(gvk.GroupVersion().WithKind(kind)) {
			kinds = append(kinds, kind)
		}
	}
	slices.Sort(kinds)
	near := ""
	if len(m.Kind) <= maxFieldName {
		if names := Nearest(m.Kind, kinds); len(names) > 0 {
			near = ", did you mean " + names[0] + "?"
		}
	}
	if near != "" || gvk.Group != "" && len(kinds) > 0 {
		m.tell(FactUnreadable, "kind", fmt.Sprintf("there is no kind %s in %s%s", m.Kind, m.APIVersion, near))
	}
}

// servedIn is the version of a group by which the newest Kubernetes that is known serves a kind, the preferred one; "" where there is none.
func servedIn(group, kind string) string {
	for _, gv := range objectScheme.PrioritizedVersionsForGroup(group) {
		gvk := gv.WithKind(kind)
		if k := served(gvk); isObject(gvk) && (k.removed == 0 || k.removed > NewestKube) {
			return gv.String()
		}
	}
	return ""
}

// isObject tells whether a kind is of single objects, as manifests have them.
func isObject(gvk schema.GroupVersionKind) bool {
	if gvk.Version == runtime.APIVersionInternal || strings.HasSuffix(gvk.Kind, "List") || !objectScheme.Recognizes(gvk) {
		return false
	}
	o, err := objectScheme.New(gvk)
	if err != nil {
		return false
	}
	_, ok := o.(interface{ GetName() string })
	return ok
}
