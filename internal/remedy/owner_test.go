// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/kubernetes/scheme"
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

// ownings are Deployments with what is changed of them, and who would put that back.
var ownings = map[string]struct{ metadata, patch, want string }{
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
	"Kubernetes":    {`ownerReferences: [{apiVersion: apps/v1, kind: Deployment, name: shop, uid: u, controller: true}]`, memory, "controller Deployment prod/shop"},
	"no controller": {`ownerReferences: [{apiVersion: db.example.com/v1, kind: Database, name: shop, uid: u}]`, memory, "operator Database prod/shop"},
	"no controller, set by it": {`ownerReferences: [{apiVersion: db.example.com/v1, kind: Database, name: shop, uid: u}], managedFields: [` +
		managed("database-operator", "Update", "", limits) + "]", memory, "operator Database prod/shop"},
	"no controller, set by hand": {`ownerReferences: [{apiVersion: db.example.com/v1, kind: Database, name: shop, uid: u}], managedFields: [` +
		managed("kubectl-edit", "Update", "", limits) + "]", memory, ""},
	"no controller, Kubernetes": {`ownerReferences: [{apiVersion: v1, kind: ConfigMap, name: shop, uid: u}]`, memory, ""},
	"KEDA":                      {"managedFields: [" + managed("keda", "Update", "scale", `{"f:spec": {"f:replicas": {}}}`) + "]", replicas, "autoscaler KEDA"},
	"another scaler":            {"managedFields: [" + managed("kubeless-scaler", "Update", "scale", `{"f:spec": {"f:replicas": {}}}`) + "]", replicas, "autoscaler kubeless-scaler"},
	"kapp":                      {`labels: {kapp.k14s.io/app: "1600"}`, memory, "kapp app 1600"},
	"addon manager":             {`labels: {addonmanager.kubernetes.io/mode: Reconcile}`, memory, "addon manager of the control plane"},
	"addon, to exist":           {`labels: {addonmanager.kubernetes.io/mode: EnsureExists}`, memory, ""},
	"a label":                   {`labels: {app.kubernetes.io/managed-by: shop-operator}`, memory, ""},
	"a label, by hand":          {`labels: {app.kubernetes.io/managed-by: shop-operator}, managedFields: [` + managed("kubectl", "Update", "", limits) + "]", memory, ""},
	"a label and its program":   {`labels: {app.kubernetes.io/managed-by: shop-operator}, managedFields: [` + managed("manager", "Update", "", limits) + "]", memory, "field manager shop-operator (field manager manager)"},
	"a label, another field":    {`labels: {app.kubernetes.io/managed-by: shop-operator}, managedFields: [` + managed("manager", "Update", "", limits) + "]", replicas, ""},
	"OLM":                       {`labels: {olm.owner: etcd.v1, olm.owner.kind: ClusterServiceVersion, olm.owner.namespace: ops}`, memory, "operator ClusterServiceVersion ops/etcd.v1"},
	"no patch":                  {`labels: {kustomize.toolkit.fluxcd.io/name: apps}`, "", "Flux Kustomization prod/apps"},
	"a broken patch":            {"managedFields: [" + managed("ci", "Apply", "", limits) + "]", `{"spec"`, ""},
}

func TestOwnerOf(t *testing.T) {
	for name, test := range ownings {
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

// TestDoubts: a claim that nothing else bears out is a warning.
func TestDoubts(t *testing.T) {
	for metadata, want := range map[string]string{
		`labels: {app.kubernetes.io/managed-by: shop-operator}`:                                  "says shop-operator",
		`labels: {app.kubernetes.io/managed-by: kubectl}`:                                        "",
		`ownerReferences: [{apiVersion: db.example.com/v1, kind: Database, name: shop, uid: u}]`: "Database prod/shop is named as its owner",
	} {
		got := strings.Join(doubts(ownedDeployment(t, metadata)), "; ")
		if !strings.Contains(got, want) || (got == "") != (want == "") {
			t.Errorf("%s: %q, want %q", metadata, got, want)
		}
	}
}

// TestAutoscaler: who scales an object by a HorizontalPodAutoscaler that has not set anything yet, too.
func TestAutoscaler(t *testing.T) {
	for name, test := range map[string]struct {
		hpa, patch string
		none       bool // it is scaled to none
		want       string
	}{
		"no autoscaler":           {"", replicas, false, ""},
		"another's":               {`metadata: {name: a, namespace: prod}, spec: {scaleTargetRef: {kind: Deployment, name: api}}`, replicas, false, ""},
		"its own":                 {`metadata: {name: a, namespace: prod}, spec: {scaleTargetRef: {kind: Deployment, name: web}}`, replicas, false, "autoscaler HorizontalPodAutoscaler prod/a"},
		"another field":           {`metadata: {name: a, namespace: prod}, spec: {scaleTargetRef: {kind: Deployment, name: web}}`, memory, false, ""},
		"off, as it is at none":   {`metadata: {name: a, namespace: prod}, spec: {scaleTargetRef: {kind: Deployment, name: web}}`, replicas, true, ""},
		"KEDA's, that is at none": {`metadata: {name: a, namespace: prod, ownerReferences: [{apiVersion: keda.sh/v1alpha1, kind: ScaledObject, name: web, uid: u, controller: true}]}, spec: {scaleTargetRef: {kind: Deployment, name: web}}`, replicas, true, "autoscaler ScaledObject prod/web"},
	} {
		t.Run(name, func(t *testing.T) {
			live := ownedDeployment(t, "")
			live.Object["spec"].(map[string]any)["replicas"] = int64(1)
			if test.none {
				live.Object["spec"].(map[string]any)["replicas"] = int64(0)
			}
			client := fake.NewSimpleDynamicClient(scheme.Scheme)
			if test.hpa != "" {
				var o map[string]any
				if err := yaml.Unmarshal([]byte("{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, "+test.hpa+"}"), &o); err != nil {
					t.Fatal(err)
				}
				client = fake.NewSimpleDynamicClient(scheme.Scheme, &unstructured.Unstructured{Object: o})
			}
			plan := &Plan{Live: live, Proposal: Proposal{Fix: diagnosis.Fix{Patch: patchOf(test.patch)}}}
			o, _ := (&Cluster{Objects: client}).ownerOf(t.Context(), plan)
			if o.String() != test.want {
				t.Errorf("the owner is %q, want %q", o, test.want)
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
