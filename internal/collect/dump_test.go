// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/kubeinquest/inquest/internal/evidence"
)

const crashed = `apiVersion: v1
kind: Pod
metadata: {name: web-0, namespace: shop, uid: u1, resourceVersion: "7"}
spec: {nodeName: n1, containers: [{name: app, image: web}, {name: side, image: side}]}
status:
  phase: Running
  containerStatuses:
  - name: app
    restartCount: 3
    state: {running: {startedAt: 2026-08-24T10:05:00Z}}
    lastState: {terminated: {exitCode: 1, reason: Error, startedAt: 2026-08-24T10:04:00Z, finishedAt: 2026-08-24T10:05:00Z}}
  - name: side
    ready: true
    state: {running: {startedAt: 2026-08-24T10:00:00Z}}
`

// dumps are the layouts of several tools with the same pod and its logs: of run 2 of the container app, and of its run 3.
var dumps = map[string]map[string]string{
	"must-gather": {
		"must-gather/namespaces/shop/core/pods.yaml":                          "---\napiVersion: v1\nitems:\n- " + strings.ReplaceAll(strings.TrimSpace(crashed), "\n", "\n  ") + "\nkind: PodList\nmetadata: {}\n",
		"must-gather/namespaces/shop/pods/web-0/app/app/logs/current.log":     "run three\n",
		"must-gather/namespaces/shop/pods/web-0/app/app/logs/previous.log":    "run two\n",
		"must-gather/namespaces/shop/pods/web-0/side/side/logs/current.log":   "aside\n",
		"must-gather/cluster-scoped-resources/core/nodes/n1.yaml":             "apiVersion: v1\nkind: Node\nmetadata: {name: n1}\n",
		"must-gather/cluster-scoped-resources/apiextensions/crds/gizmos.yaml": "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: gizmos}\n",
	},
	"support bundle": {
		"b/cluster-resources/pods/shop.json":                        `{"kind": "PodList", "apiVersion": "v1", "items": [{"metadata": {"name": "web-0", "namespace": "shop"}, "spec": {"nodeName": "n1", "containers": [{"name": "app"}, {"name": "side"}]}, "status": {"phase": "Running", "containerStatuses": [{"name": "app", "restartCount": 3, "state": {"running": {"startedAt": "2026-08-24T10:05:00Z"}}, "lastState": {"terminated": {"exitCode": 1, "reason": "Error", "finishedAt": "2026-08-24T10:05:00Z"}}}]}}]}`,
		"b/cluster-resources/nodes.json":                            `[{"metadata": {"name": "n1"}, "status": {"nodeInfo": {"bootID": "b"}}}]`,
		"b/cluster-resources/pods/logs/shop/web-0/app.log":          "run three\n",
		"b/cluster-resources/pods/logs/shop/web-0/app-previous.log": "run two\n",
		"b/version.yaml": "apiVersion: troubleshoot.sh/v1beta2\nkind: SupportBundle\n",
	},
	"cluster-info dump": {
		"shop/pods.json":        `{"kind": "PodList", "apiVersion": "v1", "items": [{"metadata": {"name": "web-0", "namespace": "shop"}, "spec": {"nodeName": "n1", "containers": [{"name": "app"}, {"name": "side"}]}, "status": {"phase": "Running", "containerStatuses": [{"name": "app", "restartCount": 3, "state": {"running": {"startedAt": "2026-08-24T10:05:00Z"}}, "lastState": {"terminated": {"exitCode": 1, "reason": "Error", "finishedAt": "2026-08-24T10:05:00Z"}}}]}}]}`,
		"nodes.json":            `{"kind": "NodeList", "apiVersion": "v1", "items": [{"metadata": {"name": "n1"}}]}`,
		"shop/web-0/logs.txt":   "==== START logs for container app of pod shop/web-0 ====\nrun three\n==== END logs for container app of pod shop/web-0 ====\n==== START logs for container side of pod shop/web-0 ====\naside\n==== END logs for container side of pod shop/web-0 ====\n",
		"shop/app-previous.log": "run two\n",
	},
}

func TestDumps(t *testing.T) {
	for name, files := range dumps {
		for form, pack := range map[string]func(testing.TB, map[string]string) string{
			"folder": packFolder, "zip": packZip, "tar.gz": packTarGz,
		} {
			t.Run(name+" "+form, func(t *testing.T) {
				checkDump(t, pack(t, files))
			})
		}
	}
}

// checkDump opens a dump and finds the node, the pod and its two logs.
func checkDump(t *testing.T, path string) {
	t.Helper()
	source, err := Open(path, Reading{Now: noon})
	if err != nil {
		t.Fatal(err)
	}
	s, err := source.Snapshot(t.Context(), evidence.Selection{})
	if err != nil {
		t.Fatal(err)
	}
	if got := namesOf(s); got != "node/n1 pod/web-0" {
		t.Errorf("objects are %s", got)
	}
	logs := map[string]string{}
	for _, l := range s.Logs {
		logs[l.Of.String()] = strings.TrimSpace(l.Text)
	}
	if logs["pod/web-0[app]#3"] != "run three" || logs["pod/web-0[app]#2"] != "run two" {
		t.Errorf("logs are %v", logs)
	}
}

func packFolder(t testing.TB, files map[string]string) string {
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func packZip(t testing.TB, files map[string]string) string {
	var buf bytes.Buffer
	zw := zip.NewWriter(&buf)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		w, err := zw.Create(name)
		if err == nil {
			_, err = w.Write([]byte(files[name]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return packed(t, "a.zip", buf.Bytes())
}

func packTarGz(t testing.TB, files map[string]string) string {
	var buf bytes.Buffer
	zw := gzip.NewWriter(&buf)
	tw := tar.NewWriter(zw)
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := tw.WriteHeader(&tar.Header{Name: name, Mode: 0o600, Size: int64(len(files[name]))}); err != nil {
			t.Fatal(err)
		}
		if _, err := tw.Write([]byte(files[name])); err != nil {
			t.Fatal(err)
		}
	}
	if err := tw.Close(); err != nil {
		t.Fatal(err)
	}
	if err := zw.Close(); err != nil {
		t.Fatal(err)
	}
	return packed(t, "a.tar.gz", buf.Bytes())
}

func packed(t testing.TB, name string, data []byte) string {
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestDumpsRefuseWhatBundlesRefuse opens dumps that lead out, and one that is a bomb.
func TestDumpsRefuseWhatBundlesRefuse(t *testing.T) {
	link := packFolder(t, map[string]string{"pod.yaml": crashed})
	if err := os.Symlink("/etc/passwd", filepath.Join(link, "etc")); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ path, want string }{
		"link":  {link, "neither a plain file nor a folder"},
		"slip":  {packZip(t, map[string]string{"../pod.yaml": crashed}), "not a plain path"},
		"tar":   {packTarGz(t, map[string]string{"a/../../pod.yaml": crashed}), "not a plain path"},
		"bomb":  {packTarGz(t, map[string]string{"web.log": strings.Repeat("\n", 200<<20)}), "times the size of the archive"},
		"twice": {packed(t, "a.zip", zipNames(t, "a.log", "a.log")), "name appears twice"},
	} {
		source, err := Open(c.path, Reading{Now: noon})
		if err == nil {
			_, err = source.Snapshot(t.Context(), evidence.Selection{})
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: the error is %v, want %q", name, err, c.want)
		}
	}
}

// TestWatchEndsWithItsLastState reads changes, oldest first, and an older object in another file.
func TestWatchEndsWithItsLastState(t *testing.T) {
	state := func(version int, waiting string) string {
		return fmt.Sprintf(`{"type": "MODIFIED", "object": {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web-0", "namespace": "shop", "uid": "u", "resourceVersion": "%d"}, "spec": {"containers": [{"name": "app"}]}, "status": {"phase": "Pending", "containerStatuses": [{"name": "app", "state": {"waiting": %s}}]}}}`, version, waiting)
	}
	failed := state(8, `{"reason": "ErrImagePull", "message": "manifest unknown"}`)
	backsOff := state(9, `{"reason": "ImagePullBackOff", "message": "Back-off pulling image"}`)
	for name, files := range map[string]map[string]string{
		"one stream": {"watch.json": failed + "\n" + backsOff},
		"two files":  {"a.json": backsOff, "b.json": failed},
	} {
		s, _, err := pileOf(t, files)
		if err != nil {
			t.Fatal(err)
		}
		pod, _ := evidence.Get[*evidence.Pod](s, "shop", "web-0")
		if w := pod.Status.ContainerStatuses[0].State.Waiting; w.Reason != "ImagePullBackOff" || !strings.HasSuffix(w.Message, ": ErrImagePull: manifest unknown") {
			t.Errorf("%s: %+v", name, w)
		}
	}
}

func TestLogsFindTheirRun(t *testing.T) {
	for file, want := range map[string]string{
		"logs/web-0.log": "pod/web-0[app]#3", "previous-web-0.txt": "pod/web-0[app]#2", "web-0-side.log": "pod/web-0[side]#0",
		"var/log/pods/shop_web-0_u1/app/2.log": "pod/web-0[app]#3", "the.log": "pod/web-0[app]#3", "web-0_app_prev.log": "pod/web-0[app]#2",
	} {
		s, notices, err := pileOf(t, map[string]string{"pod.yaml": crashed, file: "2026-08-24T10:04:59Z ERROR out of luck\n"})
		if err != nil {
			t.Fatal(err)
		}
		if len(s.Logs) != 1 || s.Logs[0].Of.String() != want {
			t.Errorf("%s: logs %+v, want %s (%v)", file, s.Logs, want, notices)
		}
	}
	s, _, err := pileOf(t, map[string]string{"pod.yaml": crashed, "all.txt": "[pod/web-0/app] one\n[pod/web-0/side] two\n[pod/web-0/app] three\n"})
	if err != nil || len(s.Logs) != 2 || s.Logs[0].Text != "one\nthree\n" {
		t.Errorf("logs with a prefix: %+v, %v", s.Logs, err)
	}
}

// TestRecognise tells forms apart by content.
func TestRecognise(t *testing.T) {
	for text, want := range map[string]form{
		"":                formNothing,
		"\x00\x01":        formBinary,
		`{"kind": "Pod"}`: formJSON,
		`[{"a": 1}]`:      formJSON,
		"{\"level\":\"info\",\"msg\":\"a\"}\n{\"level\":\"info\",\"msg\":\"b\"}\n": formLog,
		"[info] started\n":                          formLog,
		"apiVersion: v1\nkind: Pod\n":               formYAML,
		"---\nitems:\n- kind: Pod\n":                formYAML,
		"NAME   STATUS   AGE\nshop   Active   5m\n": formPaste,
		"$ kubectl get ns\nNAME   STATUS   AGE\n":   formPaste,
		podText: formPaste,
		"Error from server (NotFound): pods \"a\" not found": formRefusal,
		"2026-08-24 10:00:00 INFO started\n":                 formLog,
		"Dear all,\nit is broken\n":                          formOther,
	} {
		if got := recognise("", []byte(text)); got != want {
			t.Errorf("%.40q is taken for form %d, want %d", text, got, want)
		}
	}
}
