// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package server

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
	appsv1 "k8s.io/api/apps/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"
)

// An owned is a Deployment that others than people apply, from files that are in testdata.
type owned struct {
	name     string
	manager  string            // the field manager that applies
	mark     map[string]string // labels and annotations that it sets
	from     string            // the file of the checkout that is applied
	says     []string          // who would put the value back, and from where
	changed  string            // the file that is written
	replaced int               // lines of it that differ from before
}

// gitops are the owners with what each sets on what it applies, as their documents have it. What stands between them and a checkout is
// read by the program from their own objects.
var gitops = []owned{
	{
		name: "flux", manager: "kustomize-controller", from: "apps/web.yaml", changed: "apps/web.yaml", replaced: 1,
		mark: map[string]string{"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "owned-flux"},
		says: []string{"Flux Kustomization owned-flux/apps", "./apps of https://git.example/shop at main"},
	},
	{
		name: "argo", manager: "argocd-controller", from: "apps/web.yaml", changed: "apps/web.yaml", replaced: 1,
		mark: map[string]string{"argocd.argoproj.io/tracking-id": "owned-argo_shop:apps/Deployment:owned-argo/web"},
		says: []string{"Argo CD Application owned-argo/shop", "apps of https://git.example/shop at v1"},
	},
	{name: "pipeline", manager: "ci", from: "apps/web.yaml", changed: "apps/web.yaml", replaced: 1, says: []string{"field manager ci"}},
}

// TestOwned: what others apply is never patched, and the file that is written instead, applied as they would, gives the wanted object. It
// differs from what was there in the value alone.
func TestOwned(t *testing.T) {
	control.gitopsKinds(t)
	for _, o := range gitops {
		t.Run(o.name, func(t *testing.T) { control.owned(t, o) })
	}
}

func (c *cluster) owned(t *testing.T, o owned) {
	namespace := "owned-" + o.name
	c.namespace(t, namespace)
	source := lay(t, "gitops", namespace)
	c.applyFile(t, filepath.Join(source, "owner.yaml"))
	must(t, os.Remove(filepath.Join(source, "owner.yaml"))) // it is no part of a checkout
	c.killed(t, c.deploy(t, o, namespace, filepath.Join(source, o.from)))
	token := c.person(t, namespace, "someone", nil)
	user := "system:serviceaccount:" + namespace + ":someone"

	got := c.inquest(t, token, "fix", "deploy/web", "-n", namespace, "--apply", "--yes", "--audit-file", filepath.Join(t.TempDir(), "audit.jsonl"))
	for _, part := range o.says {
		if got.status != 1 || !strings.Contains(got.errs, part) {
			t.Errorf("status %d, expected a refusal with %q: %s%s", got.status, part, got.out, got.errs)
		}
	}
	out := t.TempDir()
	got = c.inquest(t, token, "fix", "deploy/web", "-n", namespace, "--output-dir", out, "--source", source)
	if got.status != 0 || !strings.Contains(got.errs, filepath.Join(out, o.changed)) {
		t.Fatalf("status %d: %s%s", got.status, got.out, got.errs)
	}
	t.Logf("%s", got.errs)
	c.wroteNothing(t, user)
	if n := differ(t, filepath.Join(source, o.changed), filepath.Join(out, o.changed)); n != o.replaced {
		t.Errorf("%d lines differ, want %d", n, o.replaced)
	}
	want := c.wanted(t, namespace)
	if after := c.deploy(t, o, namespace, filepath.Join(out, o.changed)); limit(after) != want {
		t.Errorf("applied, the file gives a limit of %s, want %s", limit(after), want)
	}
}

// wanted is the limit that the fix is to give.
func (c *cluster) wanted(t *testing.T, namespace string) string {
	t.Helper()
	plan := c.planned(t, "fix", "deploy/web", "-n", namespace)
	for _, line := range plan.Diff {
		if value, ok := strings.CutPrefix(strings.TrimSpace(strings.TrimPrefix(line, "+")), "memory: "); ok && strings.HasPrefix(line, "+") {
			return value
		}
	}
	t.Fatalf("the plan changes no memory: %q", plan.Diff)
	return ""
}

func limit(d *appsv1.Deployment) string {
	return d.Spec.Template.Spec.Containers[0].Resources.Limits.Memory().String()
}

// deploy applies a manifest as an owner does: from the server's side, under its name, with its marks.
func (c *cluster) deploy(t *testing.T, o owned, namespace, file string) *appsv1.Deployment {
	t.Helper()
	data, err := os.ReadFile(file)
	must(t, err)
	var d map[string]any
	for doc := range strings.SplitSeq(string(data), "\n---\n") {
		if strings.Contains(doc, "kind: Deployment") {
			must(t, yaml.Unmarshal([]byte(doc), &d))
		}
	}
	meta, _ := d["metadata"].(map[string]any)
	meta["namespace"] = namespace
	meta["labels"], meta["annotations"] = o.mark, o.mark
	if o.name == "argo" {
		delete(meta, "labels")
	}
	data, err = json.Marshal(d)
	must(t, err)
	force := true
	applied, err := c.AppsV1().Deployments(namespace).Patch(t.Context(), "web", types.ApplyPatchType, data, metav1.PatchOptions{FieldManager: o.manager, Force: &force})
	must(t, err)
	return applied
}

// gitopsKinds has the API server know the kinds by which Argo CD and Flux say what they apply.
func (c *cluster) gitopsKinds(t *testing.T) {
	t.Helper()
	c.kubectl(t, "apply", "-f", "testdata/gitops-kinds.yaml")
	eventually(t, time.Minute, "the kinds of Argo CD and Flux are served", func() bool {
		for _, path := range []string{"/apis/argoproj.io/v1alpha1/applications", "/apis/kustomize.toolkit.fluxcd.io/v1/kustomizations", "/apis/source.toolkit.fluxcd.io/v1/gitrepositories", "/apis/helm.toolkit.fluxcd.io/v2/helmreleases"} {
			if c.RESTClient().Get().AbsPath(path).Do(t.Context()).Error() != nil {
				return false
			}
		}
		return true
	})
}

func (c *cluster) applyFile(t *testing.T, file string) {
	t.Helper()
	if _, err := os.Stat(file); err == nil {
		c.kubectl(t, "apply", "-f", file)
	}
}

func (c *cluster) kubectl(t *testing.T, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "kubectl", append(args, "--kubeconfig", c.kubeconfig(t, "admin"))...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("kubectl %v: %v: %s", args, err, out)
	}
}

// lay writes the files of an archive in testdata into a folder, for a namespace, and returns that.
func lay(t *testing.T, archive, namespace string) string {
	t.Helper()
	a, err := txtar.ParseFile("testdata/" + archive + ".txtar")
	must(t, err)
	dir := t.TempDir()
	for _, f := range a.Files {
		name := filepath.Join(dir, f.Name)
		must(t, os.MkdirAll(filepath.Dir(name), 0o750))
		must(t, os.WriteFile(name, []byte(strings.ReplaceAll(string(f.Data), "NAMESPACE", namespace)), 0o600))
	}
	return dir
}

// differ counts the lines of a file that are not in another, which must have as many.
func differ(t *testing.T, before, after string) int {
	t.Helper()
	a, err := os.ReadFile(before)
	must(t, err)
	b, err := os.ReadFile(after)
	must(t, err)
	x, y := strings.Split(string(a), "\n"), strings.Split(string(b), "\n")
	if len(x) != len(y) {
		t.Fatalf("%s has %d lines and %s has %d", before, len(x), after, len(y))
	}
	n := 0
	for i := range x {
		if x[i] != y[i] {
			n++
			t.Logf("-%s\n+%s", x[i], y[i])
		}
	}
	return n
}

// TestOwnedByHelm has Helm install a chart, and upgrade it with the values that are written: these are found by rendering the chart.
func TestOwnedByHelm(t *testing.T) {
	r := control.release(t, "owned-helm")
	got := r.refused(t, "Helm release owned-helm/shop")
	values := filepath.Join(r.source, "prod.yaml")
	out := r.written(t, "prod.yaml", "--values", values)
	control.wroteNothing(t, r.user)
	r.upgraded(t, filepath.Join(out, "prod.yaml"))
	t.Logf("%s", got.errs)
}

// TestOwnedByHelmRelease has the same chart be Flux's: the values change in the manifest of the HelmRelease, in the checkout that its
// Kustomization is applied from.
func TestOwnedByHelmRelease(t *testing.T) {
	control.gitopsKinds(t)
	r := control.release(t, "owned-release")
	control.kubectl(t, "apply", "--server-side", "--field-manager", "kustomize-controller", "-f", filepath.Join(r.source, "owner.yaml"), "-f", filepath.Join(r.source, "apps/release.yaml"))
	control.kubectl(t, "label", "--field-manager", "helm-controller", "-n", r.namespace, "deployment/web", "helm.toolkit.fluxcd.io/name=shop", "helm.toolkit.fluxcd.io/namespace="+r.namespace)
	control.kubectl(t, "label", "--field-manager", "kustomize-controller", "-n", r.namespace, "helmrelease/shop", "kustomize.toolkit.fluxcd.io/name=apps", "kustomize.toolkit.fluxcd.io/namespace="+r.namespace)
	got := r.refused(t, "Flux HelmRelease owned-release/shop", "./apps of https://git.example/shop at main")
	out := r.written(t, "apps/release.yaml", "--source", r.source)
	control.wroteNothing(t, r.user)
	var release struct {
		Spec struct{ Values map[string]any }
	}
	data, err := os.ReadFile(filepath.Join(out, "apps/release.yaml"))
	must(t, err)
	must(t, yaml.Unmarshal(data, &release))
	data, err = yaml.Marshal(release.Spec.Values)
	must(t, err)
	values := filepath.Join(t.TempDir(), "values.yaml")
	must(t, os.WriteFile(values, data, 0o600))
	r.upgraded(t, values)
	t.Logf("%s", got.errs)
}

// A release is one of the chart in testdata, of which a pod was killed, and somebody who would mend it.
type release struct {
	*cluster
	helm, namespace, source, token, user string
}

func (c *cluster) release(t *testing.T, namespace string) *release {
	t.Helper()
	c.namespace(t, namespace)
	r := &release{cluster: c, helm: helm(t), namespace: namespace, source: lay(t, "chart", namespace), user: "system:serviceaccount:" + namespace + ":someone"}
	r.run(t, "install", "shop", filepath.Join(r.source, "chart"), "--values", filepath.Join(r.source, "prod.yaml"))
	c.killed(t, r.deployment(t))
	r.token = c.person(t, namespace, "someone", nil)
	t.Setenv("PATH", filepath.Dir(r.helm)+":"+os.Getenv("PATH"))
	return r
}

// run runs Helm.
func (r *release) run(t *testing.T, args ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), r.helm, append(args, "--namespace", r.namespace, "--kubeconfig", r.kubeconfig(t, "admin"))...)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("helm %v: %v: %s", args, err, out)
	}
}

func (r *release) deployment(t *testing.T) *appsv1.Deployment {
	t.Helper()
	d, err := r.AppsV1().Deployments(r.namespace).Get(t.Context(), "web", metav1.GetOptions{})
	must(t, err)
	return d
}

// refused asks for the fix to be applied.
func (r *release) refused(t *testing.T, says ...string) call {
	t.Helper()
	got := r.inquest(t, r.token, "fix", "deploy/web", "-n", r.namespace, "--apply", "--yes", "--audit-file", filepath.Join(t.TempDir(), "audit.jsonl"))
	for _, part := range says {
		if got.status != 1 || !strings.Contains(got.errs, part) {
			t.Errorf("status %d, expected a refusal with %q: %s%s", got.status, part, got.out, got.errs)
		}
	}
	return got
}

// written has the fix written, as one line of a file, and returns the folder that it is in.
func (r *release) written(t *testing.T, file string, args ...string) string {
	t.Helper()
	out := t.TempDir()
	got := r.inquest(t, r.token, append([]string{"fix", "deploy/web", "-n", r.namespace, "--output-dir", out, "--chart", filepath.Join(r.source, "chart")}, args...)...)
	if got.status != 0 || !strings.Contains(strings.Join(strings.Fields(got.errs), " "), "sets front.memoryLimit, proven") {
		t.Fatalf("status %d: %s%s", got.status, got.out, got.errs)
	}
	t.Logf("%s", got.errs)
	if n := differ(t, filepath.Join(r.source, file), filepath.Join(out, file)); n != 1 {
		t.Errorf("%d lines differ, want 1", n)
	}
	return out
}

// upgraded upgrades the release with values, which give the object that the API server made of the fix in a dry run.
func (r *release) upgraded(t *testing.T, values string) {
	t.Helper()
	want := r.wanted(t, r.namespace)
	patch := r.planned(t, "fix", "deploy/web", "-n", r.namespace).Fix.Patch
	accepted, err := r.AppsV1().Deployments(r.namespace).Patch(t.Context(), "web", types.StrategicMergePatchType, []byte(patch.Data), metav1.PatchOptions{DryRun: []string{metav1.DryRunAll}})
	must(t, err)
	r.run(t, "upgrade", "shop", filepath.Join(r.source, "chart"), "--values", values)
	d := r.deployment(t)
	if diff := cmp.Diff(accepted.Spec, d.Spec); diff != "" {
		t.Errorf("what Helm made of the values is not what the dry run accepted (-accepted +upgraded):\n%s", diff)
	}
	if limit(d) != want {
		t.Errorf("after the upgrade the limit is %s, want %s", limit(d), want)
	}
	if !slices.ContainsFunc(d.ManagedFields, func(m metav1.ManagedFieldsEntry) bool { return m.Manager == "helm" }) {
		t.Errorf("helm is not among the managers: %+v", d.ManagedFields)
	}
}

// helm builds Helm, of the version that tools/helm names, into the lab's cache, and returns the program.
func helm(t *testing.T) string {
	t.Helper()
	sum, err := os.ReadFile("../../tools/helm/go.sum")
	must(t, err)
	cache, err := os.UserCacheDir()
	must(t, err)
	program := filepath.Join(cache, "inquest-lab", "cache", fmt.Sprintf("helm-%x", sha256.Sum256(sum))[:17], "helm")
	if _, err := os.Stat(program); err == nil {
		return program
	}
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-ldflags", "-s -w", "-o", program, "helm.sh/helm/v4/cmd/helm")
	cmd.Dir = "../../tools/helm"
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build helm: %v: %s", err, out)
	}
	return program
}
