// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic/fake"
)

// TestChartOfApplication: of an Application whose source is a chart the field is named that its values are in, and no component is written.
func TestChartOfApplication(t *testing.T) {
	for name, test := range map[string]struct {
		spec map[string]any
		want string
	}{
		"a chart":         {map[string]any{"source": map[string]any{"chart": "shop"}}, "spec.source.helm.valuesObject"},
		"values as text":  {map[string]any{"source": map[string]any{"path": "charts/shop", "helm": map[string]any{"values": "a: 1"}}}, "spec.source.helm.values"},
		"several sources": {map[string]any{"sources": []any{map[string]any{"ref": "values"}, map[string]any{"chart": "shop"}}}, "spec.sources[1].helm.valuesObject"},
		"manifests, too":  {map[string]any{"sources": []any{map[string]any{"chart": "shop"}, map[string]any{"path": "apps"}}}, ""},
		"manifests":       {map[string]any{"source": map[string]any{"path": "apps"}}, ""},
	} {
		app := &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "metadata": map[string]any{"name": "shop", "namespace": "argocd"}, "spec": test.spec,
		}}
		lists := map[schema.GroupVersionResource]string{applications: "ApplicationList"}
		c := &Cluster{Objects: fake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), lists, app)}
		plan := &Plan{}
		plan.Fix.Patch = raising()
		plan.Owner, plan.Git = c.Locate(t.Context(), Owner{Kind: ownerArgo, Name: "Application shop"})
		if plan.Git.Field != test.want {
			t.Errorf("%s: the values are in %q, expected %q", name, plan.Git.Field, test.want)
		}
		if _, err := Write(t.Context(), plan, Sources{Dir: t.TempDir()}); (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: written with %v", name, err)
		}
	}
}
