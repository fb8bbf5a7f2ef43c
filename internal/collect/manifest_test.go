// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/kubeinquest/inquest/internal/evidence"
)

func manifests(t *testing.T, text string) []*Manifest {
	t.Helper()
	var all []*Manifest
	ManifestReader{File: "x.yaml", Namespace: "shop", Strangers: true}.Read([]byte(text), func(m *Manifest) { all = append(all, m) })
	return all
}

// saidOf returns what decoding told, each with its line and column.
func saidOf(all []*Manifest) []string {
	var list []string
	for _, m := range all {
		for _, f := range m.Facts {
			at := m.Place(f.About, f.Where)
			list = append(list, fmt.Sprintf("%d:%d %s: %s", at.Line, at.Column, strings.TrimPrefix(f.Name, "manifest-"), f.Text))
		}
	}
	return list
}

const deployment = `# a comment
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  labels: {app.kubernetes.io/name: web}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: side
        image: shop/side:v1
      - name: app
        image: shop/web:v1
        ports:
        - containerPort: 8080
        livenessProbe:
          httpGet: {path: /live, port: 8080}
`

// TestPlace: each field is found where it stands, and one that is not written where it would be.
func TestPlace(t *testing.T) {
	m := manifests(t, "---\n"+deployment)[0]
	pod := evidence.RefTo("Pod", "shop", "web")
	for _, c := range []struct {
		of    evidence.Ref
		field string
		want  Place
	}{
		{m.Ref, "spec.selector", Place{9, 3}},
		{m.Ref, "metadata.labels[app.kubernetes.io/name]", Place{7, 12}},
		{pod, "spec.containers[app].image", Place{17, 9}},
		{pod, "spec.containers[1].ports[0].containerPort", Place{19, 11}},
		{pod, "spec.containers[app].livenessProbe.httpGet.port", Place{21, 34}},
		{pod, "spec.containers[app].readinessProbe", Place{16, 9}},
		{pod, "spec.terminationGracePeriodSeconds", Place{12, 5}},
		{m.Ref, "status.replicas", Place{3, 1}},
	} {
		if got := m.Place(c.of, c.field); got != c.want {
			t.Errorf("%s %s stands at %v, want %v", c.of, c.field, got, c.want)
		}
	}
}

// TestStrict: what the API server refuses with strict validation is told, with its line.
func TestStrict(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       []string
	}{
		{"well", deployment, nil},
		{"unknown", strings.Replace(deployment, "livenessProbe", "livenesProbe", 1), []string{"19:9 unknown-field: there is no field spec.template.spec.containers[1].livenesProbe, did you mean livenessProbe?"}},
		{"case", strings.Replace(deployment, "containerPort", "containerport", 1), []string{"18:11 unknown-field: there is no field spec.template.spec.containers[1].ports[0].containerport, did you mean containerPort?"}},
		{"twice", strings.Replace(deployment, "        ports:", "        image: x\n        ports:", 1), []string{"16:9 duplicate-field: field spec.template.spec.containers[1].image is given twice, and the API server takes the last or refuses both"}},
		{"number", strings.Replace(deployment, "8080\n", "http\n", 1), []string{"18:11 wrong-type: spec.template.spec.containers[1].ports[0].containerPort is a text, expected a number"}},
		{"list", strings.Replace(deployment, "{app: web}}\n    spec", "[app]}\n    spec", 1), []string{"10:16 wrong-type: spec.template.metadata.labels is a list, expected a mapping"}},
		{"amount", "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: a}\nspec: {resources: {requests: {storage: 1 Gi}}}\n", []string{"4:31 wrong-type: spec.resources.requests.storage is a text that is no quantity"}},
		{"old truth", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  on: \"on\"\n  debug: off\n", []string{"6:3 wrong-type: data.debug is true or false to Kubernetes, expected a text: put it between quotes"}},
		{"custom", "apiVersion: example.com/v1\nkind: Thing\nmetadata: {name: a}\nspec: {anything: 1}\n", nil},
		{"no such kind", "apiVersion: apps/v1\nkind: Deploymnet\nmetadata: {name: a}\n", []string{"2:1 unreadable: there is no kind Deploymnet in apps/v1, did you mean Deployment?"}},
		{"small letters", "apiVersion: v1\nkind: service\nmetadata: {name: a}\n", []string{"2:1 unreadable: there is no kind service in v1, did you mean Service?"}},
		{"another group", "apiVersion: apps/v1\nkind: Service\nmetadata: {name: a}\n", []string{"1:1 unreadable: there is no kind Service in apps/v1, it is in v1"}},
		{"the core group", "apiVersion: v1\nkind: Deployment\nmetadata: {name: a}\n", []string{"1:1 unreadable: there is no kind Deployment in v1, it is in apps/v1"}},
		{"no such version", "apiVersion: apps/v2\nkind: Deployment\nmetadata: {name: a}\n", []string{"1:1 version-removed: apps/v2 of Deployment is not served by Kubernetes 1.37, use apps/v1"}},
		{"nothing like it", "apiVersion: policy/v1\nkind: Whatever\nmetadata: {name: a}\n", []string{"2:1 unreadable: there is no kind Whatever in policy/v1"}},
		{"others' kinds", "apiVersion: v1\nkind: Config\n---\napiVersion: v1\nkind: BuildConfig\n---\napiVersion: serving.knative.dev/v1\nkind: Service\n---\napiVersion: policy/v1beta1\nkind: PodSecurityPolicy\n", []string{"10:1 version-removed: policy/v1beta1 of PodSecurityPolicy is not served since Kubernetes 1.25, use Pod Security admission"}},
		{"broken", "apiVersion: v1\nkind: Pod\nmetadata:\n  name: {{ .x }\n", []string{"4:1 unreadable: not YAML: did not find expected ',' or '}'"}},
		{"no kind", "apiVersion: v1\nmetadata: {name: a}\n", []string{"1:1 unreadable: it has no kind"}},
		{"merge", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  a: &x x\n  b: *x\n", nil},
		{"bomb", bomb(), []string{"4:1 unreadable: its aliases unfold to more values than are read"}},
		{"too large", strings.Replace(deployment, "8080\n", "98765432109876\n", 1), []string{"18:11 wrong-type: spec.template.spec.containers[1].ports[0].containerPort is a number that does not fit, expected one of 32 bits"}},
		{"part of one", strings.Replace(deployment, "8080\n", "80.5\n", 1), []string{"18:11 wrong-type: spec.template.spec.containers[1].ports[0].containerPort is a number that does not fit, expected a whole one"}},
		{"merged", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, labels: &x {a: b}, annotations: {<<: [*x, {c: d}], a: e}}\nimmutable: true\n", nil},
		{"merged into itself", "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: a\n  labels: &a\n    <<: [*a, *a]\n    x: y\n", []string{"5:3 unreadable: mappings are merged into each other (<<) more than 20 deep, which is not read"}},
		{"deep", "apiVersion: v1\nkind: ConfigMap\ndata:\n  a: " + strings.Repeat("[", 200) + strings.Repeat("]", 200) + "\n", []string{"4:1 unreadable: more than 100 levels deep, which is not read"}},
		{"no anchor", "apiVersion: v1\nkind: Secret\nstringData: {password: *tr0ub4dor}\n", []string{"1:1 unreadable: not YAML: an alias has no anchor"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if diff := cmp.Diff(c.want, saidOf(manifests(t, c.text))); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// bomb is a revision whose aliases unfold to ten thousand millions of values.
func bomb() string {
	var b strings.Builder
	b.WriteString("apiVersion: apps/v1\nkind: ControllerRevision\nmetadata: {name: a}\ndata:\n  x0: &b0 [a, a, a, a, a, a, a, a, a, a]\n")
	for i := 1; i < 10; i++ {
		fmt.Fprintf(&b, "  x%d: &b%d [%s*b%d]\n", i, i, strings.Repeat(fmt.Sprintf("*b%d, ", i-1), 9), i-1)
	}
	return b.String()
}

// TestManifestBounds: however mappings are merged and Lists lie in each other, what is read has an end, which is told with its line.
func TestManifestBounds(t *testing.T) {
	var merges, wrong strings.Builder
	merges.WriteString("apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: a}\n  data: &x\n")
	for i := range 2000 {
		fmt.Fprintf(&merges, "    k%d: v\n", i)
		fmt.Fprintf(&wrong, "k%d: v\n", i)
	}
	for range 500 {
		merges.WriteString("- apiVersion: v1\n  kind: ConfigMap\n  data:\n    <<: *x\n")
	}
	list := "apiVersion: v1\nkind: List\n"
	for _, c := range []struct {
		name, text, last string
		most             int // manifests
	}{
		{"merged often", merges.String(), "the List unfolds to more than is read of one document: write its objects as documents", 200},
		{"a List in itself", list + "items: &x\n- apiVersion: v1\n  kind: List\n  items: *x\n", "4:1 unreadable: a List lies in more than 5 Lists, which is not read: write its objects as documents", 1},
		{"itself often", list + "items: &x\n" + strings.Repeat("- {apiVersion: v1, kind: List, items: *x}\n", 100), "which is not read: write its objects as documents", 1},
		{"one object often", list + "items: [" + strings.Repeat("&x {apiVersion: v1, kind: Pod}, ", 1) + strings.Repeat("*x, ", 200) + "]\n", "", 201},
		{"one object too often", list + "items: [&x {apiVersion: v1, kind: Pod}" + strings.Repeat(", *x", 60_000) + "]\n", "more than 1000 times, and the rest of it is not read: write each object once, as a document", 1002},
		{"a List too often", list + "items:\n- &x {apiVersion: v1, kind: List, items: [" + strings.Repeat("{apiVersion: v1, kind: Pod}, ", 100) + "]}\n" + strings.Repeat("- *x\n", 600), "write each object once, as a document", 1102},
		{"many containers", "apiVersion: v1\nkind: Pod\nspec:\n  containers:\n" + strings.Repeat("  - {name: a, image: a}\n", 1001), "4:3 unreadable: it has more than 1000 containers, which is not read", 1},
		{"wrong fields", "apiVersion: v1\nkind: Pod\n" + wrong.String(), "more than 200 of its fields are wrong, the rest is not told: correct those first", 1},
	} {
		all := manifests(t, c.text)
		said := saidOf(all)
		if len(all) > c.most || c.last != "" && (len(said) == 0 || !strings.HasSuffix(said[len(said)-1], c.last)) || c.last == "" && len(said) > 0 {
			t.Errorf("%s: %d manifests, said %.300q", c.name, len(all), said)
		}
		for _, m := range all[max(0, len(all)-2):] {
			if (ManifestReader{}).At([]byte(c.text), m.Offset, m.Line, m.Item) == nil {
				t.Errorf("%s: item %d is not found again", c.name, m.Item)
			}
		}
	}
	nested := manifests(t, list+"items:\n- apiVersion: v1\n  kind: List\n  items:\n  - {apiVersion: v1, kind: Pod, metadata: {name: a}}\n- {apiVersion: v1, kind: Pod, metadata: {name: b}}\n")
	if len(nested) != 2 || nested[0].Ref.Name != "a" || nested[1].Ref.Name != "b" || nested[1].Item != 2 {
		t.Errorf("Lists in a List: %+v", nested)
	}
}

// TestNoValue: what is wrong with a value is told without it, wherever it stands.
func TestNoValue(t *testing.T) {
	lines := strings.SplitAfter(deployment+"---\napiVersion: v1\nkind: Secret\nmetadata: {name: a}\ntype: Opaque\nimmutable: no\ndata:\n  a: YQ==\nstringData:\n  b: c\n", "\n")
	for _, secret := range []string{"tr0ub4dor", "98765432109876543210", "12345.678", "*tr0ub4dor", "[tr0ub4dor]", "'tr0ub4dor' x", "!tr0ub4dor x"} {
		for i, line := range lines {
			key, _, ok := strings.Cut(line, ": ")
			if !ok || strings.Contains(key, "apiVersion") || strings.Contains(key, "kind") || strings.Contains(line, "name: ") {
				continue
			}
			text := strings.Join(lines[:i], "") + key + ": " + secret + "\n" + strings.Join(lines[i+1:], "")
			for _, said := range saidOf(manifests(t, text)) {
				if strings.Contains(said, strings.Trim(secret, "*[]'! x")) {
					t.Errorf("%s: %s", key, said)
				}
			}
		}
	}
}

// TestDocuments: documents are told apart, lines count through the file, and a list is its items.
func TestDocuments(t *testing.T) {
	text := "# Source: web/templates/a.yaml\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n--- # next\n\n---\napiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: b, namespace: other}\n- apiVersion: v1\n  kind: Namespace\n  metadata: {name: c}\n"
	var got []string
	for _, m := range manifests(t, text) {
		got = append(got, fmt.Sprintf("%d %s/%s %s %d", m.Line, m.Ref.Namespace, m.Ref, m.Source, m.Item))
		if at := (ManifestReader{}).At([]byte(text), m.Offset, m.Line, m.Item).Place(m.Ref, "metadata.name"); at != m.Place(m.Ref, "metadata.name") {
			t.Errorf("%s is found again at %v", m.Ref, at)
		}
	}
	want := []string{"1 shop/configmap/a web/templates/a.yaml 0", "11 other/configmap/b web/templates/a.yaml 1", "14 /namespace/c web/templates/a.yaml 2"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestManifestSecrets: what is secret is told of by its place, and is neither in a fact nor in the object.
func TestManifestSecrets(t *testing.T) {
	text := strings.Replace(deployment, "        ports:", "        env:\n        - {name: DB_PASSWORD, value: tr0ub4dor-and-3}\n        ports:", 1) +
		"---\napiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {key: aHVudGVyMg==}\n"
	all := manifests(t, text)
	want := []string{"18:11 plain-secret: variable DB_PASSWORD of container app", "27:8 plain-secret: key key of Secret s"}
	if diff := cmp.Diff(want, saidOf(all)); diff != "" {
		t.Error(diff)
	}
	files, err := Files(SnapshotOf(all...))
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range files {
		if strings.Contains(string(data), "tr0ub4dor") || strings.Contains(string(data), "hunter2") || strings.Contains(string(data), "aHVudGVyMg") {
			t.Errorf("%s has the secret", name)
		}
	}
}

// TestWaivers: a comment holds for its line and what lies deeper, or for the whole document above its first line.
func TestWaivers(t *testing.T) {
	text := "# inquest:ignore * all of it, until 2027-01-31\napiVersion: v1\nkind: Pod\nspec:\n  # inquest:ignore RES101,RES102 no limits here until 2027-02-28\n  containers:\n  - name: app\n    image: a # inquest:ignore IMG101\n  volumes: []\n"
	var got []string
	for _, w := range waiversIn([]byte(text), 11) {
		got = append(got, fmt.Sprintf("%d %d-%d %s %q %s", w.Line, w.First, w.Last, strings.Join(w.Rules, "+"), w.Reason, w.Until.Format("2006-01-02")))
	}
	want := []string{`11 11-21 * "all of it" 2027-01-31`, `15 16-18 RES101+RES102 "no limits here" 2027-02-28`, `18 18-18 IMG101 "" 0001-01-01`}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestManifestFiles: a folder is read in order, charts and kustomizations are rendered by the programs for them, and what cannot
// be is said.
func TestManifestFiles(t *testing.T) {
	dir, bin := t.TempDir(), t.TempDir()
	for name, text := range map[string]string{
		"b.yaml": deployment, "a/x.yml": deployment, "a/.hidden/y.yaml": deployment, "note.txt": "no",
		"chart/Chart.yaml": "name: c", "chart/templates/t.yaml": "{{ no }}", "kust/kustomization.yaml": "resources: []", "kust/patch.yaml": "x: y",
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(bin, "helm"), []byte("#!/bin/sh\necho \"# $*\"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", bin)
	files, err := ManifestFiles{Values: []string{"v.yaml"}}.Find(t.Context(), []string{dir})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		name, _ := filepath.Rel(dir, f.Name)
		names = append(names, filepath.ToSlash(name))
		data, err := f.Data(&bytes.Buffer{})
		if want := "# template release " + f.Name + " --values v.yaml\n\n"; err != nil && name != "kust" || f.Rendered == "helm" && string(data) != want {
			t.Errorf("%s is %q, %v", f.Name, data, err)
		}
	}
	if want := []string{"a/x.yml", "b.yaml", "chart", "kust"}; !slices.Equal(names, want) {
		t.Errorf("found %v, want %v", names, want)
	}
	if _, err := files[len(files)-1].Data(&bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), "kust cannot be rendered: kustomize is not installed; install it") {
		t.Errorf("without kustomize: %v", err)
	}
	if _, err := (ManifestFiles{}).Find(t.Context(), []string{filepath.Join(dir, "c.yaml")}); err == nil || !strings.Contains(err.Error(), "there is no file or folder") {
		t.Errorf("a file that is not there: %v", err)
	}
}

// TestCommand: what a program prints is returned, with how it failed and why; one that is ended is not waited for, though what it has started
// holds its output open.
func TestCommand(t *testing.T) {
	for script, want := range map[string][2]string{
		"echo a":                             {"a\n", "<nil>"},
		"echo a; exit 3":                     {"a\n", "exit status 3"},
		"echo one >&2; echo two >&2; exit 4": {"", "exit status 4: two"},
	} {
		out, err := Command(t.Context(), []string{"sh", "-c", script})
		if string(out) != want[0] || fmt.Sprint(err) != want[1] {
			t.Errorf("%s: %q, %v", script, out, err)
		}
	}
	started := filepath.Join(t.TempDir(), "started")
	ctx, cancel := context.WithCancelCause(t.Context())
	ended := make(chan error, 1)
	go func() {
		_, err := Command(ctx, []string{"sh", "-c", "sleep 600 & echo $! > " + started + ".new; mv " + started + ".new " + started + "; wait"})
		ended <- err
	}()
	var pid int
	for pid == 0 {
		if text, err := os.ReadFile(started); err == nil {
			pid, _ = strconv.Atoi(strings.TrimSpace(string(text)))
		}
		runtime.Gosched()
	}
	left, err := os.FindProcess(pid)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = left.Kill() }()
	cancel(errors.New("enough"))
	if err := <-ended; err == nil || err.Error() != "enough" {
		t.Errorf("ended with %v", err)
	}
}

// TestManifestLines: what YAML takes for the end of a line and an editor does not moves nothing.
func TestManifestLines(t *testing.T) {
	lines := strings.Count(deployment, "\n")
	for _, tt := range []struct {
		name, text string
		want       int
	}{
		{"what is not YAML", deployment + "# a\u2028b\u0085c\rd\u2029&", lines + 1},
		{"a field that there is not", deployment + "# a\u2028#b\u0085#c\r#d\r\nbogus: 1\n", lines + 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []int
			ManifestReader{File: "x.yaml", Namespace: "shop"}.Read([]byte(tt.text), func(m *Manifest) {
				for _, f := range m.Facts {
					got = append(got, m.Place(f.About, f.Where).Line)
				}
			})
			if len(got) == 0 || got[len(got)-1] != tt.want {
				t.Errorf("it stands in the lines %d, expected the last to be %d", got, tt.want)
			}
		})
	}
}

// TestManifestAny: whatever is read, nothing panics, and each fact has a line of the text.
func TestManifestAny(t *testing.T) {
	lines := strings.SplitAfter(deployment+"---\n- &a [b]\n- *a\n{}: []\n", "\n")
	rapid.Check(t, func(t *rapid.T) {
		var b strings.Builder
		for _, i := range rapid.SliceOfN(rapid.IntRange(0, len(lines)-1), 0, 40).Draw(t, "lines") {
			b.WriteString(lines[i])
		}
		text := b.String() + rapid.String().Draw(t, "end")
		most := strings.Count(text, "\n") + 2
		ManifestReader{File: "x.yaml", Namespace: "shop", Strangers: true}.Read([]byte(text), func(m *Manifest) {
			SnapshotOf(m)
			for _, f := range m.Facts {
				if at := m.Place(f.About, f.Where); at.Line < 1 || at.Line > most {
					t.Fatalf("%s stands at %v of %d lines", f.Text, at, most)
				}
			}
		})
	})
}
