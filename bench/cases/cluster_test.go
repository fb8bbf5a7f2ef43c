// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	const text = `
# a remark
kubectl apply --context ${HERE} -f - <<EOF
kind: LimitRange
EOF
kubectl patch deployment web -n shop -p '{"spec": {"replicas": 2}}'
kubectl patch deployment/web --type merge -p "
spec:
  replicas: 2
"
kubectl --context=kind scale deployment web --replicas=0
kubectl delete pod -l app=web,tier=front --wait=false
`
	want := []step{
		{args: []string{"apply", "-f", "-"}, stdin: "kind: LimitRange\n"},
		{args: []string{"patch", "deployment", "web", "-p", `{"spec": {"replicas": 2}}`}},
		{args: []string{"patch", "deployment/web", "--type=merge", "-p", "\nspec:\n  replicas: 2\n"}},
		{args: []string{"scale", "deployment", "web", "--replicas=0"}},
		{args: []string{"delete", "pod", "-l", "app=web,tier=front", "--wait=false"}},
	}
	got, err := parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(step{})); diff != "" {
		t.Errorf("steps differ (-want +got):\n%s", diff)
	}
}

func TestParseRefusesWhatIsNoStep(t *testing.T) {
	for _, text := range []string{
		"rm -r /data",
		"kubectl delete node n1",
		"kubectl delete namespace shop",
		"kubectl delete deployment web --all",
		"kubectl drain n1",
		"kubectl apply -f https://other/manifest.yaml",
		"kubectl delete pod web; reboot",
		"kubectl delete pod $(name)",
		"kubectl apply --kubeconfig other -f -",
		"kubectl patch node n1 -p {}",
		"kubectl delete deployment/web node/lab-1",
		"kubectl delete deployment web node/lab-1",
		"kubectl delete pod web shell",
		"kubectl delete -l app=web node",
		"kubectl delete --wait=false node lab-1",
		"kubectl patch deployment/web node/lab-1 -p {}",
		"kubectl patch -p {} node lab-1",
		"kubectl scale pod/node/lab-1 --replicas=0",
		"kubectl delete",
	} {
		if steps, err := parse(text); err == nil {
			t.Errorf("%q is taken for %q", text, steps)
		}
	}
}

const manifest = `
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {storageClassName: standard, accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: default}
spec:
  template:
    spec:
      containers:
      - {name: web, image: "docker.io/library/nginx:1.27@sha256:00"}
      - {name: own, image: registry.shop/own:1, command: [/own]}
      - {name: shell, image: busybox, command: [sleep, "9"], volumeMounts: [{name: data, mountPath: /app/data}]}
`

func TestReadPlacesAndDresses(t *testing.T) {
	s := &stage{own: "case"}
	s.use("case")
	list, err := s.read([]byte(manifest))
	if err != nil {
		t.Fatal(err)
	}
	var kinds []string
	for _, o := range list {
		kinds = append(kinds, o.kind()+" "+o.name())
	}
	if diff := cmp.Diff([]string{"PersistentVolumeClaim data", "PersistentVolume case-data", "Deployment web"}, kinds); diff != "" {
		t.Fatalf("objects differ (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"case", "shop"}, s.namespaces); diff != "" {
		t.Errorf("namespaces differ (-want +got):\n%s", diff)
	}
	text, err := json.Marshal(list[2].pod()["containers"])
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"command":["nginx"]`, `"command":["sleep","9"]`, `"mountPath":"/opt/app/data"`, `"image":"registry.shop/own:1"`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("containers lack %s: %s", want, text)
		}
	}
	if n := strings.Count(string(text), appImage); n != 2 {
		t.Errorf("%d containers run the lab's image, want 2", n)
	}
}

func TestImagesThatAreTheFaultStay(t *testing.T) {
	s := &stage{testCase: testCase{Category: "image-not-found"}, own: "case"}
	list, err := s.read([]byte("kind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: web, image: 'nginx:none'}]}"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(list[0].pod())
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), `"image":"nginx:none"`) {
		t.Errorf("the pod is %s", text)
	}
}

func TestReadRefusesWhatReachesFurther(t *testing.T) {
	for _, text := range []string{
		"kind: Node\nmetadata: {name: n1}",
		"kind: List\nitems: [{kind: Node, metadata: {name: n1}}]",
		"kind: List\nitems: [{kind: List, items: [{kind: ClusterRole, metadata: {name: all}}]}]",
		"kind: NodeList\nitems: [{kind: Node, metadata: {name: n1}}]",
		"kind: Deployment\nmetadata: {name: web}\nitems: [{kind: Node, metadata: {name: n1}}]",
		"kind: IngressClass\nmetadata: {name: other}",
		"kind: FlowSchema\nmetadata: {name: other}",
		"metadata: {name: web}",
	} {
		s := &stage{own: "case", namespaces: []string{"case"}}
		if list, err := s.read([]byte(text)); err == nil {
			t.Errorf("%q is read as %v", text, list)
		}
	}
}

func TestReadPlacesTheItemsOfAList(t *testing.T) {
	s := &stage{own: "case", namespaces: []string{"case"}}
	list, err := s.read([]byte("kind: List\nitems: [{kind: Namespace, metadata: {name: shop}}, {kind: Service, metadata: {name: web, namespace: shop}}]"))
	if err != nil {
		t.Fatal(err)
	}
	if len(list) != 1 || list[0].ref() != "Service/web" {
		t.Errorf("read %v", list)
	}
	if diff := cmp.Diff([]string{"case", "shop"}, s.namespaces); diff != "" {
		t.Errorf("namespaces differ (-want +got):\n%s", diff)
	}
}

func TestSharedThingsKeepTheirLabels(t *testing.T) {
	s := &stage{own: "case", namespaces: []string{"case"}}
	list, err := s.read([]byte("kind: PersistentVolume\nmetadata: {name: disk, labels: {type: ssd}}\n---\nkind: StorageClass\nmetadata: {name: fast}"))
	if err != nil {
		t.Fatal(err)
	}
	want := []any{map[string]any{"type": "ssd", mark: "case"}, map[string]any{mark: "case"}}
	if diff := cmp.Diff(want, []any{list[0].meta()["labels"], list[1].meta()["labels"]}); diff != "" {
		t.Errorf("labels differ (-want +got):\n%s", diff)
	}
}

// existing is a cluster in which everything called kube-system or standard is there already; it writes down what kubectl is
// told, each command with the names of the objects that it reads.
func existing(t *testing.T) (cl *cluster, told func() string) {
	t.Helper()
	dir := t.TempDir()
	program, log := filepath.Join(dir, "kubectl"), filepath.Join(dir, "log")
	script := `#!/bin/sh
names=
case " $* " in *" -f - "*) names=$(grep -o '"name":"[^"]*"' | tr '\n' ' ') ;; esac
echo "$* $names" >>` + log + `
case "$1 $names" in create*kube-system*|create*standard*) exit 1 ;; esac
`
	if err := os.WriteFile(program, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return &cluster{kubectl: program}, func() string {
		text, err := os.ReadFile(log)
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		return string(text)
	}
}

func TestOnlyWhatWasMadeIsStruck(t *testing.T) {
	cl, told := existing(t)
	s := &stage{own: "case", namespaces: []string{"case", "kube-system"}}
	if err := cl.set(t.Context(), s); err == nil {
		t.Error("a namespace that is there already is taken")
	}
	cl.strike(t.Context(), s)
	if !strings.Contains(told(), "delete pods --all -n case ") {
		t.Errorf("the case's own namespace is not struck:\n%s", told())
	}
	for line := range strings.Lines(told()) {
		if strings.Contains(line, "kube-system") && (strings.HasPrefix(line, "delete") || strings.HasPrefix(line, "apply")) {
			t.Errorf("what was there is touched: %s", line)
		}
	}
}

func TestAStepAddsNoNamespace(t *testing.T) {
	cl, told := existing(t)
	s := &stage{own: "case", namespaces: []string{"case"}, opened: []string{"case"}}
	st := step{args: []string{"apply", "-f", "-"}, stdin: "kind: ConfigMap\nmetadata: {name: coredns, namespace: kube-system}"}
	if err := cl.take(t.Context(), s, st); err == nil {
		t.Error("the step is taken")
	}
	cl.strike(t.Context(), s)
	if strings.Contains(told(), "kube-system") {
		t.Errorf("what was there is touched:\n%s", told())
	}
}

func TestSharedThingsThatAreThereStay(t *testing.T) {
	cl, told := existing(t)
	s := &stage{own: "case", namespaces: []string{"case"}, opened: []string{"case"}}
	class := func(name string) step {
		return step{args: []string{"apply", "-f", "-"}, stdin: "kind: StorageClass\nmetadata: {name: " + name + "}"}
	}
	if err := cl.take(t.Context(), s, class("standard")); err == nil {
		t.Error("the step is taken")
	}
	if strings.Contains(told(), "apply") {
		t.Errorf("what was there is touched:\n%s", told())
	}
	for range 2 { // its own may be changed
		if err := cl.take(t.Context(), s, class("fast")); err != nil {
			t.Error(err)
		}
	}
	if n := strings.Count(told(), "create --save-config -f - \"name\":\"fast\""); n != 1 {
		t.Errorf("made %d times, want once:\n%s", n, told())
	}
}

func TestCasesWithTheSameSharedThingTakeTurns(t *testing.T) {
	s := &stage{own: "case", namespaces: []string{"case"}}
	list, err := s.read([]byte("kind: PriorityClass\nmetadata: {name: high}\n---\nkind: Secret\nmetadata: {name: key}"))
	if err != nil {
		t.Fatal(err)
	}
	s.needed = list
	if diff := cmp.Diff([]string{"PriorityClass/high", "case"}, s.claims()); diff != "" {
		t.Errorf("claims differ (-want +got):\n%s", diff)
	}
}
