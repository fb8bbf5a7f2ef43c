// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

const base = `# The web front.
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3   # one a zone
  template:
    spec:
      containers:
        - name: app
          image: "web:1"
          resources:
            limits: {memory: 64Mi}  # measured in May
`

func planFor(owner Owner, git Git, data string) *Plan {
	patch := patchOf(data)
	patch.Target = evidence.RefTo("Deployment", "prod", "web")
	return &Plan{Proposal: Proposal{Fix: diagnosis.Fix{Patch: patch}}, Owner: owner, Git: git}
}

// lay writes the files of an archive below a folder and returns it.
func lay(t *testing.T, dir, archive string) string {
	t.Helper()
	for _, f := range txtar.Parse([]byte(archive)).Files {
		name := filepath.Join(dir, f.Name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(name), 0o750), os.WriteFile(name, f.Data, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// build has Kustomize build a folder.
func build(t *testing.T, dir string) string {
	t.Helper()
	m, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		t.Fatal(err)
	}
	out, err := m.AsYaml()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func contents(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// TestComponent: what is written for nobody's object is a component that Kustomize builds into any kustomization, and a second fix is
// added to it.
func TestComponent(t *testing.T) {
	root := lay(t, t.TempDir(), "-- base/web.yaml --\n"+base+"-- base/kustomization.yaml --\nresources: [web.yaml]\nnamespace: prod\n-- kustomization.yaml --\nnamePrefix: a-\nresources: [base]\ncomponents: [fix]\n")
	dir := filepath.Join(root, "fix")
	for _, data := range []string{memory, `{"spec":{"replicas":null,"template":{"spec":{"containers":[{"name":"app","image":null}]}}}}`, memory, pointAt} {
		written, err := Write(t.Context(), planFor(Owner{}, Git{}, data), Sources{Dir: dir})
		if err != nil || len(written) != 2 {
			t.Fatalf("%v %v", written, err)
		}
	}
	got := build(t, root)
	for _, want := range []string{"memory: 128Mi", "name: a-web"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
	for _, gone := range []string{"replicas", "image"} {
		if strings.Contains(got, gone) {
			t.Errorf("%q is still in\n%s", gone, got)
		}
	}
	if k := contents(t, filepath.Join(dir, "kustomization.yaml")); strings.Count(k, "path:") != 3 {
		t.Errorf("three patches were written, one of them twice:\n%s", k)
	}
}

// TestCheckout: the one file that has to change is found, and changes by what has to change.
func TestCheckout(t *testing.T) {
	changed := strings.Replace(base, "64Mi", "128Mi", 1)
	patched := "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\nspec:\n  template:\n    spec:\n      containers:\n      - name: app\n        resources:\n          limits:\n            memory: 128Mi\n"
	flux := Owner{Kind: ownerFlux, Name: "Kustomization flux-system/apps"}
	for name, test := range map[string]struct {
		tree, path string
		owner      Owner
		patch      string
		changes    map[string]string // the files that are written, and what is in them
		wrong      string
	}{
		"a folder of manifests": {"-- apps/web.yaml --\n" + base + "-- apps/other.yaml --\nkind: Other\n-- test/web.yaml --\n" + base, "./apps", flux, memory, map[string]string{"apps/web.yaml": changed}, ""},
		"an overlay has it": {"-- prod/kustomization.yaml --\nresources:\n- web.yaml # ours\nnamePrefix: \"\"\n-- prod/web.yaml --\n" + base + "-- test/web.yaml --\n" + base, "prod", flux, memory,
			map[string]string{"prod/web.yaml": changed}, ""},
		"a base that others share": {"-- base/kustomization.yaml --\nresources: [web.yaml]\n-- base/web.yaml --\n" + base + "-- prod/kustomization.yaml --\n# production\nresources:\n- ../base # shared\nnamespace: prod\n",
			"prod", flux, memory, map[string]string{
				"prod/kustomization.yaml":  "# production\nresources:\n- ../base # shared\nnamespace: prod\npatches:\n- path: deployment-web.yaml\n  target:\n    name: web\n    group: apps\n    kind: Deployment\n    version: v1\n",
				"prod/deployment-web.yaml": patched,
			}, ""},
		"a base of its own": {"-- prod/kustomization.yaml --\nresources: [base]\n-- prod/base/kustomization.yaml --\nresources: [web.yaml]\n-- prod/base/web.yaml --\n" + base, "prod", flux, memory,
			map[string]string{"prod/base/web.yaml": changed}, ""},
		"a patch that is there": {"-- base/kustomization.yaml --\nresources: [web.yaml]\n-- base/web.yaml --\n" + base + "-- prod/kustomization.yaml --\nnamePrefix: \"\"\nresources: [../base]\npatches:\n- path: web.yaml\n" +
			"-- prod/web.yaml --\n# production\nkind: Deployment\napiVersion: apps/v1\nmetadata: {name: web}\nspec:\n  template:\n    spec:\n      containers:\n      - name: app\n        resources: {limits: {memory: 64Mi}} # less\n",
			"prod", flux, memory, map[string]string{
				"prod/web.yaml": "# production\nkind: Deployment\napiVersion: apps/v1\nmetadata: {name: web}\nspec:\n  template:\n    spec:\n      containers:\n      - name: app\n        resources: {limits: {memory: 128Mi}} # less\n",
			}, ""},
		"a name with a prefix": {"-- kustomization.yaml --\nnamePrefix: w\nnameSuffix: b\nresources: [web.yaml]\n-- web.yaml --\n" + strings.Replace(base, "name: web", "name: e", 1), "", flux, memory,
			map[string]string{"web.yaml": strings.Replace(changed, "name: web", "name: e", 1)}, ""},
		"elsewhere": {"-- kustomization.yaml --\nresources: [\"https://example.com/web?ref=v1\"]\n", "", flux, memory, map[string]string{
			"kustomization.yaml":  "resources: [\"https://example.com/web?ref=v1\"]\npatches:\n  - path: deployment-web.yaml\n    target:\n      name: web\n      group: apps\n      kind: Deployment\n      version: v1\n",
			"deployment-web.yaml": patched,
		}, ""},
		"nowhere":        {"-- apps/other.yaml --\nkind: Other\n", "apps", flux, memory, nil, "no manifest below SOURCE/apps has Deployment prod/web: name the folder that is applied with --source, or, where it is rendered from a chart, the chart with --chart"},
		"twice":          {"-- a/web.yaml --\n" + base + "-- b/web.yaml --\n" + base, "", flux, memory, nil, "Deployment prod/web stands in several files below SOURCE: a/web.yaml, b/web.yaml; name the folder that is applied with --source"},
		"another folder": {"-- a/web.yaml --\n" + base, "apps", flux, memory, nil, "folder apps is not in --source SOURCE: name a checkout of the repository that is applied"},
		"outside":        {"-- a/web.yaml --\n" + base, "../..", flux, memory, nil, "folder ../.. is not in --source SOURCE: name a checkout of the repository that is applied"},
		"an alias": {"-- web.yaml --\nkind: Deployment\napiVersion: apps/v1\nmetadata: {name: web}\nx: &c {name: app}\nspec: {template: {spec: {containers: [*c]}}}\n", "", flux, memory, nil,
			"SOURCE/web.yaml:5: spec.template.spec.containers[app] is the alias *c: change what has the anchor, at line 4, for all who use it, or write the value out here"},
		"an operator": {"-- web.yaml --\n" + base, "", Owner{ownerOperator, "Shop prod/shop", "the spec of Shop prod/shop"}, memory, nil,
			"nothing was written: operator Shop prod/shop sets this of deployment/web in namespace prod; change the spec of Shop prod/shop"},
	} {
		t.Run(name, func(t *testing.T) {
			source, dir := lay(t, t.TempDir(), test.tree), t.TempDir()
			_, err := Write(t.Context(), planFor(test.owner, Git{Path: test.path}, test.patch), Sources{Dir: dir, Checkout: source})
			if test.wrong != "" {
				if want := strings.ReplaceAll(test.wrong, "SOURCE", source); err == nil || err.Error() != want {
					t.Errorf("the error is\n%v\nwant\n%s", err, want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.changes, below(t, dir)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// below returns all files below a folder.
func below(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	err := filepath.WalkDir(dir, func(name string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			all[filepath.ToSlash(strings.TrimPrefix(name, dir+string(filepath.Separator)))] = contents(t, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// TestInPlace: the checkout itself may be written to; what was written is said to be there when it is asked for again.
func TestInPlace(t *testing.T) {
	source := lay(t, t.TempDir(), "-- web.yaml --\n"+base)
	file := filepath.Join(source, "web.yaml")
	if err := os.Chmod(file, 0o640); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{changedThere, "has it already: it is not what is applied, or not applied yet"} {
		written, err := Write(t.Context(), planFor(Owner{}, Git{}, memory), Sources{Dir: source, Checkout: source})
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]Written{{File: file, Line: 2, What: want}}, written); diff != "" {
			t.Error(diff)
		}
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("its mode has changed: %v %v", info, err)
	}
	if all, _ := filepath.Glob(filepath.Join(source, "*")); len(all) != 1 {
		t.Errorf("something was left behind: %v", all)
	}
}

// TestNoWay: a link leads nowhere else, and what may not be applied for its own sake is not written either.
func TestNoWay(t *testing.T) {
	elsewhere := lay(t, t.TempDir(), "-- web.yaml --\n"+base)
	source := lay(t, t.TempDir(), "-- kustomization.yaml --\nresources: [web.yaml]\n")
	if err := os.Symlink(filepath.Join(elsewhere, "web.yaml"), filepath.Join(source, "web.yaml")); err != nil {
		t.Fatal(err)
	}
	if written, err := Write(t.Context(), planFor(Owner{}, Git{}, memory), Sources{Dir: source, Checkout: source}); err == nil {
		t.Errorf("%v was written through a link", written)
	}
	if contents(t, filepath.Join(elsewhere, "web.yaml")) != base {
		t.Error("a file elsewhere has changed")
	}
	plan := planFor(Owner{}, Git{}, memory)
	plan.Refused = refuse(Masked, "a secret is masked")
	if _, err := Write(t.Context(), plan, Sources{Dir: source}); err == nil || err.Error() != "nothing was written: a secret is masked" {
		t.Errorf("a masked secret: %v", err)
	}
}
