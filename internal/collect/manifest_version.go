// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"cmp"
	"fmt"
	"strings"
	"sync"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// A lifecycle is what the generated types of k8s.io/api tell of themselves: in which minor version of Kubernetes 1 they
// are first deprecated and first no longer served.
type lifecycle interface {
	APILifecycleDeprecated() (major, minor int)
	APILifecycleRemoved() (major, minor int)
}

// gone are versions that k8s.io/api no longer has or does not tell of, with the minor version of Kubernetes 1 that no
// longer serves them and what serves the kind since (https://kubernetes.io/docs/reference/using-api/deprecation-guide/).
var gone = map[schema.GroupVersionKind]struct {
	since   int
	instead string
}{
	{Group: "policy", Version: "v1beta1", Kind: "PodSecurityPolicy"}:                                    {25, "Pod Security admission"},
	{Group: "extensions", Version: "v1beta1", Kind: "PodSecurityPolicy"}:                                {16, "Pod Security admission"},
	{Group: "extensions", Version: "v1beta1", Kind: "NetworkPolicy"}:                                    {16, "networking.k8s.io/v1"},
	{Group: "extensions", Version: "v1beta1", Kind: "Ingress"}:                                          {22, "networking.k8s.io/v1"},
	{Group: "batch", Version: "v2alpha1", Kind: "CronJob"}:                                              {21, "batch/v1"},
	{Group: "autoscaling", Version: "v2beta1", Kind: "HorizontalPodAutoscaler"}:                         {25, "autoscaling/v2"},
	{Group: "autoscaling", Version: "v2beta2", Kind: "HorizontalPodAutoscaler"}:                         {26, "autoscaling/v2"},
	{Group: "apiextensions.k8s.io", Version: "v1beta1", Kind: "CustomResourceDefinition"}:               {22, "apiextensions.k8s.io/v1"},
	{Group: "apiregistration.k8s.io", Version: "v1beta1", Kind: "APIService"}:                           {22, "apiregistration.k8s.io/v1"},
	{Group: "admissionregistration.k8s.io", Version: "v1beta1", Kind: "ValidatingWebhookConfiguration"}: {22, "admissionregistration.k8s.io/v1"},
	{Group: "admissionregistration.k8s.io", Version: "v1beta1", Kind: "MutatingWebhookConfiguration"}:   {22, "admissionregistration.k8s.io/v1"},
}

// version tells of a version of a kind that the Kubernetes the manifest is for does not serve, or will not.
func (r ManifestReader) version(m *Manifest, gvk schema.GroupVersionKind) {
	kube := cmp.Or(r.Kube, NewestKube)
	k := served(gvk)
	instead, deprecated, removed := k.as.GroupVersion().String(), k.deprecated, k.removed
	if g, ok := gone[gvk]; ok {
		deprecated, removed, instead = 0, g.since, g.instead
	}
	use := ""
	if instead != m.APIVersion {
		use = ", use " + instead
	}
	switch {
	case removed > 0 && removed <= kube:
		m.tell(FactRemoved, "apiVersion", fmt.Sprintf("%s of %s is not served since Kubernetes 1.%d%s", m.APIVersion, m.Kind, removed, use))
	case deprecated > 0 && deprecated <= kube:
		m.tell(FactDeprecated, "apiVersion", fmt.Sprintf("%s of %s is deprecated since Kubernetes 1.%d and not served from 1.%d on%s", m.APIVersion, m.Kind, deprecated, removed, use))
	}
}

// A life is that of a version of a kind.
type life struct {
	as                  schema.GroupVersionKind // that it is read as: an old one of a kind that is served under a newer name is so alike that the rules about it hold
	moved               bool                    // which is another
	deprecated, removed int                     // in which minor version of Kubernetes 1; 0: in none
}

// lives are those of the kinds that were met, of the few that there are: what tells them is an object, which is made for that.
var lives sync.Map

func served(gvk schema.GroupVersionKind) life {
	if known, ok := lives.Load(gvk); ok {
		return known.(life)
	}
	k := life{as: gvk}
	typed, err := objectScheme.New(gvk)
	if l, ok := typed.(lifecycle); ok && err == nil {
		_, k.deprecated = l.APILifecycleDeprecated()
		_, k.removed = l.APILifecycleRemoved()
	}
	l, ok := typed.(interface {
		APILifecycleReplacement() schema.GroupVersionKind
	})
	switch {
	case gvk.Group == "autoscaling" && strings.HasPrefix(gvk.Version, "v2beta"):
		k.as.Version, k.moved = "v2", true
	case ok && err == nil && objectScheme.Recognizes(l.APILifecycleReplacement()):
		k.as, k.moved = l.APILifecycleReplacement(), true
	}
	if err == nil {
		lives.Store(gvk, k)
	}
	return k
}
