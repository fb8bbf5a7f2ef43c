// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
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
	s := &stage{own: "case"}
	if list, err := s.read([]byte("kind: Node\nmetadata: {name: n1}")); err == nil {
		t.Errorf("read %v", list)
	}
}
