// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A repository with a chart, and files of values in it and beside it.
const valuesAround = `
-- charts/shop/Chart.yaml --
name: shop
-- charts/shop/values.yaml --
a: 1
-- charts/shop/prod.yaml --
resources: {limits: {memory: 64Mi}}
-- charts/shop/envs/b.yaml --
b: 1
-- charts/shop/envs/a.yaml --
b: 1
-- charts/shop/envs/z.yaml --
b: 1
-- charts/shop/envs/nested/c.yaml --
b: 1
-- charts/shop/envs/c.txt --
-- all.yaml --
b: 1
-- envs/top.yaml --
b: 1
`

const shopOf = "source: {path: charts/shop, repoURL: r, targetRevision: v1, helm: {valueFiles: ["

// TestValueFilesOfArgo: the files that an Application names are found in the checkout, or by where the chart lies, in the order that Argo CD gives
// them to Helm; one that is not there keeps the render from being a proof, unless it may be left out.
func TestValueFilesOfArgo(t *testing.T) {
	repo := lay(t, t.TempDir(), valuesAround)
	here := Sources{Chart: filepath.Join(repo, "charts/shop")}
	packaged := Sources{Chart: lay(t, t.TempDir(), "-- Chart.yaml --\nname: c\n-- prod.yaml --\na: 1\n"), Checkout: repo}
	for spec, test := range map[string]struct {
		s           Sources
		want, lacks string
	}{
		shopOf + "prod.yaml]}}":                                                                              {here, "charts/shop/prod.yaml", ""},
		shopOf + "/all.yaml, ../../all.yaml]}}":                                                              {here, "all.yaml", ""},
		shopOf + "/all.yaml, 'envs/*.yaml']}}":                                                               {Sources{Checkout: repo}, "all.yaml charts/shop/envs/a.yaml charts/shop/envs/b.yaml charts/shop/envs/z.yaml", ""},
		shopOf + "'envs/**/*.yaml']}}":                                                                       {here, "charts/shop/envs/a.yaml charts/shop/envs/b.yaml charts/shop/envs/z.yaml charts/shop/envs/nested/c.yaml", ""},
		shopOf + "'envs/[ab].yaml', 'envs/?.yaml', envs/a.yaml, '/envs/*']}}":                                {here, "charts/shop/envs/b.yaml charts/shop/envs/z.yaml charts/shop/envs/a.yaml envs/top.yaml", ""},
		shopOf + "envs/z.yaml, 'envs/*.yaml']}}":                                                             {here, "charts/shop/envs/z.yaml charts/shop/envs/a.yaml charts/shop/envs/b.yaml", ""},
		shopOf + "gone.yaml, prod.yaml]}}":                                                                   {here, "charts/shop/prod.yaml", "charts/shop/gone.yaml of r at v1 is not in "},
		shopOf + "'gone/*.yaml']}}":                                                                          {here, "", "charts/shop/gone/*.yaml of r at v1 is not in "},
		shopOf + "gone.yaml, 'gone/*.yaml', prod.yaml], ignoreMissingValueFiles: true}}":                     {here, "charts/shop/prod.yaml", ""},
		shopOf + "'envs/{a,b}.yaml'], ignoreMissingValueFiles: true}}":                                       {here, "", "name them with --values"},
		shopOf + "envs/$ARGOCD_APP_NAME.yaml], ignoreMissingValueFiles: true}}":                              {here, "", "name them with --values"},
		shopOf + "'https://values.example/a.yaml']}}":                                                        {here, "", "name them with --values"},
		shopOf + "../../../out.yaml], ignoreMissingValueFiles: true}}":                                       {here, "", "name them with --values"},
		shopOf + "envs]}}":                                                                                   {here, "", "cannot be read here: envs is no file"},
		shopOf + "/all.yaml], ignoreMissingValueFiles: true}}":                                               {Sources{Chart: packaged.Chart}, "", "name them with --values"},
		"source: {chart: shop, repoURL: r, helm: {valueFiles: [prod.yaml]}}":                                 {packaged, "prod.yaml", ""},
		"sources: [{chart: shop, repoURL: r, helm: {valueFiles: ['$v/envs/*.yaml']}}, {ref: v, repoURL: g}]": {packaged, "envs/top.yaml", ""},
		"sources: [{chart: shop, repoURL: r, helm: {valueFiles: [$v/all.yaml]}}, {ref: v, repoURL: g}]":      {Sources{Chart: packaged.Chart}, "", "name them with --values"},
		"sources: [{chart: shop, repoURL: r, helm: {valueFiles: [$v/all.yaml, $w/all.yaml]}}, {ref: v, repoURL: g}, {ref: w, repoURL: h}]":          {packaged, "", "name them with --values"},
		"sources: [{path: charts/shop, repoURL: g, targetRevision: m, helm: {valueFiles: [$v/all.yaml]}}, {ref: v, repoURL: g, targetRevision: m}]": {here, "all.yaml", ""},
		"sources: [{path: charts/shop, repoURL: g, targetRevision: m, helm: {valueFiles: [$v/all.yaml]}}, {ref: v, repoURL: g, targetRevision: n}]": {here, "", "name them with --values"},
	} {
		_, g := objectsOf(t, argoApp+"spec: {"+spec+"}").Locate(t.Context(), Owner{Kind: ownerArgo, Name: "Application shop"})
		files, lacks := g.found(test.s)
		var got []string
		for _, f := range files {
			f = strings.TrimPrefix(strings.TrimPrefix(f, repo+"/"), packaged.Chart+"/")
			got = append(got, f)
		}
		if strings.Join(got, " ") != test.want || (test.lacks == "") != (len(lacks) == 0) || !strings.Contains(strings.Join(lacks, ", "), test.lacks) {
			t.Errorf("%s: the files are %q, want %q, and it lacks %q, want %q", spec, got, test.want, lacks, test.lacks)
		}
	}
}

// TestValueFilesOfFlux: a HelmRelease has its chart built with files from the top of the source, or from the package, and not with its values.yaml
// unless that is among them.
func TestValueFilesOfFlux(t *testing.T) {
	repo := lay(t, t.TempDir(), valuesAround)
	here := Sources{Chart: filepath.Join(repo, "charts/shop")}
	for spec, test := range map[string]struct{ want, lacks, unproven string }{
		"{chart: ./charts/shop, sourceRef: {kind: GitRepository}, valuesFiles: [charts/shop/values.yaml, ./all.yaml]}":                                 {"charts/shop/values.yaml all.yaml", "", ""},
		"{chart: ./charts/shop, sourceRef: {kind: GitRepository}, valuesFiles: [all.yaml]}":                                                            {"all.yaml", "", "do not name the chart's own values.yaml"},
		"{chart: shop, sourceRef: {kind: HelmRepository}, valuesFiles: [values.yaml, prod.yaml]}":                                                      {"charts/shop/values.yaml charts/shop/prod.yaml", "", ""},
		"{chart: shop, sourceRef: {kind: HelmRepository}, valuesFiles: [values.yaml, gone.yaml]}":                                                      {"charts/shop/values.yaml", "gone.yaml is not in ", ""},
		"{chart: shop, sourceRef: {kind: HelmRepository}, valuesFiles: [values.yaml, gone.yaml], ignoreMissingValuesFiles: true}":                      {"charts/shop/values.yaml", "", ""},
		"{chart: shop, sourceRef: {kind: HelmRepository}, valuesFiles: [values.yaml, 'env*/a.yaml'], ignoreMissingValuesFiles: true}":                  {"", "the HelmRelease gives the chart values.yaml, env*/a.yaml: name them", ""},
		"{chart: ./charts/other, sourceRef: {kind: GitRepository}, valuesFiles: [charts/other/values.yaml, all.yaml], ignoreMissingValuesFiles: true}": {"", "name them with --values", ""},
	} {
		c := objectsOf(t, "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: shop, namespace: prod}\nspec: {chart: {spec: "+spec+"}}")
		_, g := c.Locate(t.Context(), Owner{Kind: ownerFlux, Name: "HelmRelease prod/shop"})
		files, lacks := g.found(here)
		got := strings.ReplaceAll(strings.Join(files, " "), repo+"/", "")
		unproven := strings.Join(g.Unproven, ", ")
		if got != test.want || !strings.Contains(strings.Join(lacks, ", "), test.lacks) || (test.lacks == "") != (len(lacks) == 0) || !strings.Contains(unproven, test.unproven) || (test.unproven == "") != (unproven == "") {
			t.Errorf("%s: the files are %q, it lacks %q, and is unproven for %q", spec, got, lacks, unproven)
		}
	}
	_, g := objectsOf(t, "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: shop, namespace: prod}\nspec: {chartRef: {kind: HelmChart, name: shop}}").
		Locate(t.Context(), Owner{Kind: ownerFlux, Name: "HelmRelease prod/shop"})
	if len(g.Unproven) != 1 || !strings.Contains(g.Unproven[0], "HelmChart") {
		t.Errorf("%q", g.Unproven)
	}
}

// TestValueFilesStayInside: no link leads out of what is at hand.
func TestValueFilesStayInside(t *testing.T) {
	repo := lay(t, t.TempDir(), valuesAround)
	out := lay(t, t.TempDir(), "-- secret.yaml --\na: 1\n")
	if err := os.Symlink(filepath.Join(out, "secret.yaml"), filepath.Join(repo, "envs/link.yaml")); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"/envs/link.yaml", "'/envs/*.yaml'"} {
		_, g := objectsOf(t, argoApp+"spec: {"+shopOf+file+"], ignoreMissingValueFiles: true}}}").Locate(t.Context(), Owner{Kind: ownerArgo, Name: "Application shop"})
		files, lacks := g.found(Sources{Checkout: repo})
		if strings.Contains(strings.Join(files, " "), "link") || len(lacks) != 1 {
			t.Errorf("%s: %q %q", file, files, lacks)
		}
	}
}

// TestValueFileWritten: a file that was found is the one that changes, at its place.
func TestValueFileWritten(t *testing.T) {
	repo, dir := lay(t, t.TempDir(), valuesAround), t.TempDir()
	owner, g := objectsOf(t, argoApp+"spec: {"+shopOf+"prod.yaml, envs/a.yaml]}}}").Locate(t.Context(), Owner{Kind: ownerArgo, Name: "Application shop"})
	t.Setenv("PATH", t.TempDir()) // no helm: what is written is the customary value
	written, err := Write(t.Context(), planFor(owner, g, memory), Sources{Dir: dir, Chart: filepath.Join(repo, "charts/shop"), Checkout: repo})
	if err != nil || len(written) != 1 || contents(t, filepath.Join(dir, "charts/shop/prod.yaml")) != "resources: {limits: {memory: 128Mi}}\n" {
		t.Fatalf("%v %v", written, err)
	}
	if strings.Contains(written[0].What, "--values") {
		t.Error(written[0].What)
	}
}
