// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic/fake"
	"sigs.k8s.io/yaml"
)

// objectsOf is a cluster that has the objects of a YAML text.
func objectsOf(t *testing.T, docs string) *Cluster {
	t.Helper()
	var all []runtime.Object
	for doc := range strings.SplitSeq(docs, "\n---\n") {
		u := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(doc), &u.Object); err != nil {
			t.Fatal(err)
		}
		all = append(all, u)
	}
	lists := map[schema.GroupVersionResource]string{applications: "ApplicationList", helmReleases: "HelmReleaseList", kustomizations: "KustomizationList", configMaps: "ConfigMapList"}
	return &Cluster{Objects: fake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), lists, all...)}
}

const argoApp = "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: shop, namespace: argocd}\n"

// TestHelmOfArgo: what an Application gives its chart decides where the value is changed, and what is not known of it is said.
func TestHelmOfArgo(t *testing.T) {
	files := lay(t, t.TempDir(), "-- prod.yaml --\nresources: {limits: {memory: 64Mi}}\n")
	for name, test := range map[string]struct {
		spec   string
		values []string
		says   string // the error, or what is said of the first file
		file   string
	}{
		"a parameter": {"spec: {source: {path: c, repoURL: r, helm: {parameters: [{name: resources.limits.memory, value: 64Mi}], valuesObject: {a: b}}}}", nil,
			"parameter resources.limits.memory in spec.source.helm.parameters of Application shop counts before all values", ""},
		"values in the field": {"spec: {source: {path: c, repoURL: r, helm: {valuesObject: {resources: {limits: {memory: 64Mi}}}}}}", []string{files + "/prod.yaml"}, "is not proven", "shop-values.yaml"},
		"values in a file":    {"spec: {source: {path: c, repoURL: r, helm: {values: 'a: b', valueFiles: [prod.yaml]}}}", []string{files + "/prod.yaml"}, "is not proven", "prod.yaml"},
		"a file of another repository": {"spec: {sources: [{chart: c, repoURL: r, helm: {valueFiles: [$v/shop/prod.yaml]}}, {ref: v, repoURL: https://git.example/v, targetRevision: main}]}", nil,
			"the Application gives the chart shop/prod.yaml of https://git.example/v at main: name them with --values", "shop-values.yaml"},
		"values from files": {"spec: {source: {path: c, repoURL: r, helm: {fileParameters: [{name: x, path: y}]}}}", nil, "helm.fileParameters of the Application takes values from files", "shop-values.yaml"},
		"several sources":   {"spec: {sources: [{chart: c, repoURL: r}, {path: d, repoURL: r, helm: {releaseName: front}}]}", nil, "the Application has 2 sources that give objects", "front-values.yaml"},
		"no helm block":     {"spec: {source: {path: c, repoURL: r}}\nstatus: {sourceType: Helm}", nil, "is not proven", "shop-values.yaml"},
	} {
		t.Run(name, func(t *testing.T) {
			owner, git := objectsOf(t, argoApp+test.spec).Locate(t.Context(), Owner{Kind: ownerArgo, Name: "Application shop"})
			dir := t.TempDir()
			chart := lay(t, t.TempDir(), "-- Chart.yaml --\nname: c\n")
			t.Setenv("PATH", t.TempDir()) // no helm: what is written is the customary value
			written, err := Write(t.Context(), planFor(owner, git, memory), Sources{Dir: dir, Chart: chart, Values: test.values})
			if test.file == "" {
				if err == nil || !strings.Contains(err.Error(), test.says) {
					t.Errorf("%v", err)
				}
				return
			}
			if err != nil || !strings.Contains(written[0].What, test.says) || filepath.Base(written[0].File) != test.file {
				t.Errorf("%v %v", written, err)
			}
		})
	}
	_, git := objectsOf(t, argoApp+"spec: {source: {path: c, repoURL: r, targetRevision: v1, helm: {valueFiles: [prod.yaml, /all.yaml]}}}").Locate(t.Context(), Owner{Kind: ownerArgo, Name: "Application shop"})
	if !slices.Equal(git.Files, []string{"c/prod.yaml of r at v1", "all.yaml of r at v1"}) {
		t.Errorf("the files are %q", git.Files)
	}
}

// TestHelmOfFlux: what a HelmRelease takes from elsewhere is told, and a Secret is not read.
func TestHelmOfFlux(t *testing.T) {
	c := objectsOf(t, `apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: shop, namespace: prod, labels: {kustomize.toolkit.fluxcd.io/name: apps, kustomize.toolkit.fluxcd.io/namespace: flux-system}}
spec:
  values: {replicaCount: 2}
  valuesFrom:
  - {kind: ConfigMap, name: base}
  - {kind: ConfigMap, name: gone, optional: true}
  - {kind: Secret, name: db, valuesKey: db.yaml}
  - {kind: ConfigMap, name: base, valuesKey: cpu, targetPath: resources.limits.cpu}
  postRenderers: [{kustomize: {}}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: base, namespace: prod}
data: {values.yaml: "resources: {limits: {memory: 64Mi}}\nreplicaCount: 1", cpu: "1"}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: apps, namespace: flux-system}
spec: {path: ./apps, patches: [{patch: x}], postBuild: {substitute: {a: b}}}`)
	plan := planFor(Owner{Kind: ownerFlux, Name: "HelmRelease prod/shop"}, Git{}, memory)
	plan.Owner, plan.Git = c.Locate(t.Context(), plan.Owner)
	if got := paths(plan.Git.Values); !slices.Equal(got, []string{"replicaCount", "resources.limits.memory"}) || fmt.Sprint(plan.Git.Values["replicaCount"]) != "2" {
		t.Errorf("the values are %v", plan.Git.Values)
	}
	written, err := Write(t.Context(), plan, Sources{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"which is not proven: its valuesFrom takes values from key db.yaml of Secret prod/db, which is not read",
		"its valuesFrom sets resources.limits.cpu from key cpu of ConfigMap prod/base", "its postRenderers change what the chart gives",
		"key values.yaml of ConfigMap prod/base has it now", "spec.patches of Kustomization flux-system/apps may overwrite", "spec.postBuild of Kustomization flux-system/apps puts variables in",
	} {
		if !strings.Contains(written[0].What, want) {
			t.Errorf("%q is not in %q", want, written[0].What)
		}
	}
}

// TestNeverProven: what a render cannot know of keeps it from being a proof, though the chart gives the wanted object. A chart in the checkout is
// named.
func TestNeverProven(t *testing.T) {
	chart := lay(t, t.TempDir(), "-- c/Chart.yaml --\nname: c\n")
	if _, err := Write(t.Context(), planFor(Owner{Kind: ownerArgo, Name: "Application shop"}, Git{Path: "c"}, memory), Sources{Dir: t.TempDir(), Checkout: chart}); err == nil || !strings.Contains(err.Error(), "name it with --chart "+filepath.Join(chart, "c")) {
		t.Errorf("a chart in the checkout: %v", err)
	}
	g := Git{Field: "spec.source.helm.values", Files: []string{"a", "b"}}
	if why := g.notNamed(1); len(why) != 1 {
		t.Errorf("%q", why)
	}
	if why := g.notNamed(2); why != nil {
		t.Errorf("%q", why)
	}
}
