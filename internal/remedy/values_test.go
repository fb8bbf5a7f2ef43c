// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"

	"github.com/kubeinquest/inquest/internal/edit"
)

func valuesOf(t *testing.T, text string) map[string]any {
	t.Helper()
	m := map[string]any{}
	if err := yaml.Unmarshal([]byte(text), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// TestCandidates: the value that feeds a field is among what is tried, in few tries, wherever charts have it.
func TestCandidates(t *testing.T) {
	limit := []fieldChange{{keys: []string{"resources", "limits", "memory"}, was: "64Mi", will: "128Mi", element: "web"}}
	for values, test := range map[string]struct {
		changes []fieldChange
		want    string
		tries   int
	}{
		"resources: {}":   {limit, "resources.limits.memory", 1},
		"image: {tag: 1}": {limit, "resources.limits.memory", 1},
		"{worker: {resources: {}}, web: {resources: {}}}":      {limit, "web.resources.limits.memory", 1},
		"{sub: {deep: {resources: {limits: {memory: 64Mi}}}}}": {limit, "sub.deep.resources.limits.memory", 1},
		"{memoryLimit: 64Mi, other: 64Mi}":                     {limit, "memoryLimit", 3},
		"{a: 64Mi, b: 64Mi}":                                   {limit, "b", 3},
		"replicaCount: 3":                                      {[]fieldChange{{keys: []string{"spec", "replicas"}, was: 3.0, will: 5.0}}, "replicaCount", 2},
		"replicas: 3":                                          {[]fieldChange{{keys: []string{"spec", "replicas"}, was: 3.0, will: 5.0}}, "replicas", 1},
		"grace: 30":                                            {[]fieldChange{{keys: []string{"spec", "template", "spec", "terminationGracePeriodSeconds"}, will: 60.0}}, "terminationGracePeriodSeconds", 1},
		"{probe: {failureThreshold: 3, periodSeconds: 10}, livenessProbe: {path: /}}": {[]fieldChange{{keys: []string{"livenessProbe", "failureThreshold"}, was: 3.0, will: 6.0, element: "web"}}, "probe.failureThreshold", 4},
		"{cpu: 1, memory: 64Mi}": {
			append(limit[:1:1], fieldChange{keys: []string{"resources", "limits", "cpu"}, was: 1.0, will: 2.0, element: "web"}), "cpu memory", 2,
		},
	} {
		all := candidates(valuesOf(t, values), test.changes, "shop-web")
		at := slices.IndexFunc(all, func(m map[string]any) bool { return strings.Join(paths(m), " ") == test.want })
		if at < 0 || at >= test.tries {
			t.Errorf("%s: %s is number %d of %v, expected within %d", values, test.want, at+1, all, test.tries)
		}
	}
}

// TestCustomary: without a chart the values are those that charts commonly have, and it is said that this is a guess.
func TestCustomary(t *testing.T) {
	for patch, want := range map[string]string{
		memory:   "resources.limits.memory",
		replicas: "replicaCount",
		`{"spec":{"template":{"spec":{"terminationGracePeriodSeconds":60,"containers":[{"name":"app","livenessProbe":{"failureThreshold":3,"httpGet":{"path":"/"}}}]}}}}`: "livenessProbe.failureThreshold livenessProbe.httpGet.path terminationGracePeriodSeconds",
	} {
		c := &chart{values: nil}
		f, why, err := c.find(t.Context(), edit.Object{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "prod", Name: "web"}, "strategic", patch)
		if err != nil || f.proven || !strings.HasPrefix(why, "the chart is not known") {
			t.Fatalf("%v %q %v", f, why, err)
		}
		if got := strings.Join(paths(f.values), " "); got != want {
			t.Errorf("%s is customarily %s, want %s", patch, got, want)
		}
	}
}

// TestValuesFile: of several files that one changes which decides, and in it only what has to.
func TestValuesFile(t *testing.T) {
	source := lay(t, t.TempDir(), "-- values.yaml --\n# all\nresources:\n  limits:\n    memory: 64Mi  # enough?\n-- prod.yaml --\nreplicaCount: 3\n")
	dir := t.TempDir()
	files := []string{source + "/values.yaml", source + "/prod.yaml"}
	owner := Owner{Kind: ownerHelm, Name: "release prod/shop"}
	written, err := Write(t.Context(), planFor(owner, Git{}, memory), Sources{Dir: dir, Values: files})
	if err != nil || len(written) != 1 || written[0].File != dir+"/values.yaml" || !strings.HasPrefix(written[0].What, "sets resources.limits.memory, which is not proven: ") {
		t.Fatalf("%v %v", written, err)
	}
	if diff := cmp.Diff("# all\nresources:\n  limits:\n    memory: 128Mi  # enough?\n", contents(t, dir+"/values.yaml")); diff != "" {
		t.Error(diff)
	}
	written, err = Write(t.Context(), planFor(owner, Git{}, memory), Sources{Dir: dir})
	if err != nil || len(written) != 2 || contents(t, dir+"/shop-values.yaml") != "resources:\n  limits:\n    memory: 128Mi\n" {
		t.Errorf("%v %v", written, err)
	}
}

// TestHelmRelease: the values of Flux's HelmRelease change in its manifest.
func TestHelmRelease(t *testing.T) {
	release := "# shop\napiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata:\n  name: shop\n  namespace: prod\nspec:\n  values:\n    resources: {limits: {memory: 64Mi}} # enough?\n"
	source, dir := lay(t, t.TempDir(), "-- apps/shop.yaml --\n"+release), t.TempDir()
	owner := Owner{Kind: ownerFlux, Name: "HelmRelease prod/shop"}
	written, err := Write(t.Context(), planFor(owner, Git{}, memory), Sources{Dir: dir, Checkout: source})
	if err != nil || len(written) != 1 || written[0].Line != 2 || !strings.HasPrefix(written[0].What, "sets resources.limits.memory, which is not proven: ") {
		t.Fatalf("%v %v", written, err)
	}
	if diff := cmp.Diff(strings.Replace(release, "64Mi", "128Mi", 1), contents(t, dir+"/apps/shop.yaml")); diff != "" {
		t.Error(diff)
	}
	dir = t.TempDir()
	if _, err := Write(t.Context(), planFor(owner, Git{}, memory), Sources{Dir: dir}); err != nil {
		t.Fatal(err)
	}
	want := "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata:\n  name: shop\nspec:\n  values:\n    resources:\n      limits:\n        memory: 128Mi\n"
	if diff := cmp.Diff(want, contents(t, dir+"/helmrelease-shop.yaml")); diff != "" {
		t.Error(diff)
	}
}

// TestReleaseIsNoArgument: what an annotation in the cluster says becomes a name of a release, or nothing.
func TestReleaseIsNoArgument(t *testing.T) {
	for _, c := range []chart{{release: "--post-renderer=sh", namespace: "shop"}, {release: "web", namespace: "--output-dir"}, {namespace: "shop"}} {
		c.program = "/nowhere/helm"
		if _, err := c.render(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "no release of Helm") {
			t.Errorf("%q in %q: %v", c.release, c.namespace, err)
		}
	}
}
