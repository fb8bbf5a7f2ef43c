// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/kubeinquest/inquest/internal/diagnosis"
)

const (
	memory   = `{"spec":{"template":{"spec":{"containers":[{"name":"app","resources":{"limits":{"memory":"128Mi"}}}]}}}}`
	replicas = `{"spec":{"replicas":2}}`
	pointAt  = `[{"op":"replace","path":"/spec/template/spec/containers/0/resources/limits/memory","value":"128Mi"}]`
	pointAdd = `[{"op":"add","path":"/spec/template/spec/containers/-","value":{"name":"side"}}]`
)

// managed is one manager of the fields of a Deployment.
func managed(manager, operation, subresource, fields string) string {
	return "{manager: " + manager + ", operation: " + operation + ", subresource: '" + subresource + "', fieldsType: FieldsV1, fieldsV1: " + fields + "}"
}

const limits = `{"f:spec": {"f:template": {"f:spec": {"f:containers": {'k:{"name":"app"}': {".": {}, "f:resources": {"f:limits": {"f:memory": {}}}}}}}}}`

func TestOwnerOf(t *testing.T) {
	for name, test := range map[string]struct {
		metadata, patch, want string
	}{
		"nobody":             {"", memory, ""},
		"kubectl apply":      {"managedFields: [" + managed("kubectl-client-side-apply", "Update", "", limits) + "]", memory, ""},
		"kubectl SSA":        {"managedFields: [" + managed("kubectl", "Apply", "", limits) + "]", memory, ""},
		"kubectl scale":      {"managedFields: [" + managed("kubectl", "Update", "scale", `{"f:spec": {"f:replicas": {}}}`) + "]", replicas, ""},
		"a script, once":     {"managedFields: [" + managed("deploy.test", "Update", "", limits) + "]", memory, ""},
		"a pipeline":         {"managedFields: [" + managed("ci", "Apply", "", limits) + "]", memory, "field manager ci"},
		"a pipeline, by RFC": {"managedFields: [" + managed("ci", "Apply", "", limits) + "]", pointAt, "field manager ci"},
		"a pipeline, a list": {"managedFields: [" + managed("ci", "Apply", "", limits) + "]", pointAdd, "field manager ci"},
		"another field":      {"managedFields: [" + managed("ci", "Apply", "", limits) + "]", replicas, ""},
		"another container":  {"managedFields: [" + managed("ci", "Apply", "", limits) + "]", `{"spec":{"template":{"spec":{"containers":[{"name":"web","image":"b"}]}}}}`, ""},
		"all is one field":   {"managedFields: [" + managed("ci", "Apply", "", `{"f:spec": {}}`) + "]", memory, "field manager ci"},
		"HPA":                {"managedFields: [" + managed("kube-controller-manager", "Update", "scale", `{"f:spec": {"f:replicas": {}}}`) + "]", replicas, "autoscaler of Deployment web"},
		"HPA, other field":   {"managedFields: [" + managed("kube-controller-manager", "Update", "scale", `{"f:spec": {"f:replicas": {}}}`) + "]", memory, ""},
		"VPA":                {"managedFields: [" + managed("vpa-updater", "Update", "resize", limits) + "]", memory, "autoscaler of Deployment web"},
		"Terraform":          {"managedFields: [" + managed("Terraform", "Update", "", limits) + "]", memory, "field manager Terraform"},
		"Helm":               {`annotations: {meta.helm.sh/release-name: shop, meta.helm.sh/release-namespace: prod}`, memory, "Helm release prod/shop"},
		"Helm, by manager":   {"managedFields: [" + managed("helm", "Update", "", `{"f:spec": {"f:replicas": {}}}`) + "]", memory, "Helm release of this object"},
		"Helm, rendered":     {`labels: {app.kubernetes.io/managed-by: Helm, app.kubernetes.io/instance: shop}`, memory, "Helm release shop"},
		"Argo CD":            {`annotations: {argocd.argoproj.io/tracking-id: "shop:apps/Deployment:prod/web"}`, memory, "Argo CD Application shop"},
		"Argo CD, elsewhere": {`annotations: {argocd.argoproj.io/tracking-id: "team_shop:apps/Deployment:prod/web"}`, memory, "Argo CD Application team/shop"},
		"Argo CD, copied":    {`annotations: {argocd.argoproj.io/tracking-id: "shop:apps/Deployment:prod/other"}`, memory, ""},
		"Argo CD, by label":  {`labels: {argocd.argoproj.io/instance: shop}`, memory, "Argo CD Application shop"},
		"Argo CD, renders Helm": {`labels: {app.kubernetes.io/managed-by: Helm, app.kubernetes.io/instance: shop}, managedFields: [` +
			managed("argocd-controller", "Apply", "", `{"f:spec": {"f:replicas": {}}}`) + "]", memory, "Argo CD Application shop"},
		"a label that charts set": {`labels: {app.kubernetes.io/instance: shop}`, memory, ""},
		"Flux":                    {`labels: {kustomize.toolkit.fluxcd.io/name: apps, kustomize.toolkit.fluxcd.io/namespace: flux-system}`, memory, "Flux Kustomization flux-system/apps"},
		"Flux, a chart": {`labels: {app.kubernetes.io/managed-by: Helm, helm.toolkit.fluxcd.io/name: shop, helm.toolkit.fluxcd.io/namespace: prod}, annotations: {meta.helm.sh/release-name: shop}`,
			memory, "Flux HelmRelease prod/shop"},
		"Flux, by manager":  {"managedFields: [" + managed("kustomize-controller", "Apply", "", `{"f:spec": {"f:replicas": {}}}`) + "]", memory, "Flux kustomize-controller"},
		"Kustomize":         {`annotations: {config.kubernetes.io/origin: "path: base/web.yaml"}`, memory, "Kustomize"},
		"Kustomize's label": {`labels: {app.kubernetes.io/managed-by: kustomize-v5.8.0}`, memory, "Kustomize"},
		"an operator, whose labels are Helm's": {`annotations: {meta.helm.sh/release-name: shop}, ownerReferences: [{apiVersion: db.example.com/v1, kind: Database, name: shop, uid: u, controller: true}]`,
			memory, "operator Database prod/shop"},
		"Kubernetes":     {`ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: shop, uid: u, controller: true}]`, memory, "controller Deployment prod/shop"},
		"no controller":  {`ownerReferences: [{apiVersion: db.example.com/v1, kind: Database, name: shop, uid: u}]`, memory, ""},
		"OLM":            {`labels: {olm.owner: etcd.v1, olm.owner.kind: ClusterServiceVersion, olm.owner.namespace: ops}`, memory, "operator ClusterServiceVersion ops/etcd.v1"},
		"no patch":       {`labels: {kustomize.toolkit.fluxcd.io/name: apps}`, "", "Flux Kustomization prod/apps"},
		"a broken patch": {"managedFields: [" + managed("ci", "Apply", "", limits) + "]", `{"spec"`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			o, owned := OwnerOf(ownedDeployment(t, test.metadata), patchOf(test.patch))
			if got := o.String(); got != test.want || owned != (test.want != "") {
				t.Errorf("the owner is %q, %v; want %q", got, owned, test.want)
			}
			if owned && o.Kind != ownerKustomize && o.Where == "" {
				t.Errorf("%s: nobody is told what to change", o)
			}
		})
	}
}

// TestWhere: what to change is named as far as the object tells.
func TestWhere(t *testing.T) {
	for metadata, want := range map[string]string{
		`{labels: {helm.sh/chart: shop-1.2.3}, annotations: {meta.helm.sh/release-name: shop}}`:                        "the values of release prod/shop, chart shop-1.2.3",
		`{annotations: {config.kubernetes.io/origin: "path: base/web.yaml\nrepo: https://example.com/shop\nref: v1"}}`: "base/web.yaml in https://example.com/shop",
	} {
		if o, _ := OwnerOf(ownedDeployment(t, metadata), patchOf(memory)); o.Where != want {
			t.Errorf("%s is changed at %q, want %q", metadata, o.Where, want)
		}
	}
}

func ownedDeployment(t *testing.T, metadata string) *unstructured.Unstructured {
	t.Helper()
	var meta, object map[string]any
	if err := yaml.Unmarshal([]byte("{"+trimBraces(metadata)+"}"), &meta); err != nil {
		t.Fatal(err)
	}
	manifest := `{apiVersion: apps/v1, kind: Deployment, spec: {replicas: 1, template: {spec: {containers: [{name: app, resources: {limits: {memory: 64Mi}}}]}}}}`
	if err := yaml.Unmarshal([]byte(manifest), &object); err != nil {
		t.Fatal(err)
	}
	if meta == nil {
		meta = map[string]any{}
	}
	meta["name"], meta["namespace"] = "web", "prod"
	object["metadata"] = meta
	return &unstructured.Unstructured{Object: object}
}

func trimBraces(s string) string {
	if s != "" && s[0] == '{' {
		return s[1 : len(s)-1]
	}
	return s
}

func patchOf(data string) *diagnosis.Patch {
	switch {
	case data == "":
		return nil
	case data[0] == '[':
		return &diagnosis.Patch{Type: diagnosis.JSONPatch, Data: data}
	}
	return &diagnosis.Patch{Type: diagnosis.Strategic, Data: data}
}
