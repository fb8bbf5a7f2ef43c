// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"cmp"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"

	"github.com/kubeinquest/inquest/internal/diagnosis"
)

// An Owner is who would put a value back: whoever applies the object from elsewhere. What it says comes from the cluster and is to be
// escaped before it is shown.
type Owner struct {
	Kind  string // one of the kinds of owners below
	Name  string // of the release, Application, Kustomization or object, with its kind where Kind does not say it
	Where string // what to change instead, as far as the object itself tells: a chart, a file, the spec of an object
}

// The kinds of owners. An operator makes the object from its custom resource.
const (
	ownerHelm      = "Helm"
	ownerArgo      = "Argo CD"
	ownerFlux      = "Flux"
	ownerKustomize = "Kustomize"
	ownerOperator  = "operator"
	ownerScaler    = "autoscaler"
	ownerCore      = "controller"    // one of Kubernetes itself
	ownerManager   = "field manager" // one that is known by nothing but what it set
	ownerKapp      = "kapp"
	ownerAddons    = "addon manager"
)

// String names the owner as a sentence does: "Flux Kustomization flux-system/apps".
func (o Owner) String() string { return strings.TrimSpace(o.Kind + " " + o.Name) }

// place says where to change instead what it sets.
func (o Owner) place() string {
	if o.Where == "" {
		return "where " + o.Kind + " has it from"
	}
	return "in " + o.Where
}

// OwnerOf returns who sets the fields that a patch touches, and false for nobody but people. A controller outranks labels, since
// operators copy these from their custom resource to what they make; labels and annotations outrank managedFields, since these name a
// program and not which of its releases.
func OwnerOf(live *unstructured.Unstructured, patch *diagnosis.Patch) (Owner, bool) {
	var touched []fieldPath
	if patch != nil {
		touched = touches(live, patch)
	}
	managed := live.GetManagedFields()
	for _, o := range []Owner{
		scaler(live, managed, touched), controlledBy(live), madeFrom(live, managed, touched), byOLM(live), byFlux(live), byArgo(live, managed),
		byHelm(live), byKapp(live), byAddons(live), byManager(live, managed, touched), rendered(live), byLabel(live, managed, touched),
	} {
		if o.Kind != "" {
			return o, true
		}
	}
	return Owner{}, false
}

// scaler: who sets replicas through the subresource scale does so again: kube-controller-manager for HorizontalPodAutoscalers (kubernetes
// pkg/controller/podautoscaler), KEDA's operator to and from none. Vertical autoscalers set requests themselves, under a name that says so.
func scaler(live *unstructured.Unstructured, managed []metav1.ManagedFieldsEntry, touched []fieldPath) Owner {
	of := live.GetKind() + " " + live.GetName()
	for i := range managed {
		m := &managed[i]
		switch {
		case !sets(m, touched):
		case strings.HasPrefix(m.Manager, "vpa-"):
			return Owner{ownerScaler, "of " + of, "resourcePolicy of the VerticalPodAutoscaler that sizes " + of}
		case m.Subresource != "scale" || person(m.Manager):
		case m.Manager == "kube-controller-manager":
			return Owner{ownerScaler, "of " + of, "minReplicas and maxReplicas of the HorizontalPodAutoscaler that scales " + of}
		case strings.HasPrefix(m.Manager, "keda"):
			return Owner{ownerScaler, "KEDA", "minReplicaCount and maxReplicaCount of the ScaledObject that scales " + of}
		default:
			return Owner{ownerScaler, m.Manager, "what " + m.Manager + " scales " + of + " by"}
		}
	}
	return Owner{}
}

// controlledBy: a controller makes the object from the spec of its owner, and puts back what differs.
func controlledBy(live *unstructured.Unstructured) Owner {
	ref := metav1.GetControllerOf(live)
	if ref == nil {
		return Owner{}
	}
	name := ref.Kind + " " + inNamespace(live, ref.Name)
	o := Owner{ownerOperator, name, "the spec of " + name}
	if gv, err := schema.ParseGroupVersion(ref.APIVersion); err == nil && scheme.Scheme.IsGroupRegistered(gv.Group) {
		o.Kind = ownerCore // of Kubernetes itself: a ReplicaSet is made from its Deployment
	}
	return o
}

// byOLM: what the Operator Lifecycle Manager installs has labels instead of a controlling owner (operator-framework/operator-lifecycle-
// manager pkg/controller/registry, ownerutil).
func byOLM(live *unstructured.Unstructured) Owner {
	labels := live.GetLabels()
	name := labels["olm.owner"]
	if name == "" {
		return Owner{}
	}
	name = cmp.Or(labels["olm.owner.kind"], "ClusterServiceVersion") + " " + inNamespace(live, name, labels["olm.owner.namespace"])
	return Owner{ownerOperator, name, "spec.config of the Subscription that installs " + name}
}

// byFlux: kustomize-controller and helm-controller label what they apply (fluxcd.io, Kustomization and HelmRelease documents).
func byFlux(live *unstructured.Unstructured) Owner {
	for _, kind := range []struct{ name, group, where string }{
		{"HelmRelease", "helm.toolkit.fluxcd.io", "spec.values of "}, {"Kustomization", "kustomize.toolkit.fluxcd.io", "the manifests at spec.path of "},
	} {
		if name := live.GetLabels()[kind.group+"/name"]; name != "" {
			name = kind.name + " " + inNamespace(live, name, live.GetLabels()[kind.group+"/namespace"])
			return Owner{ownerFlux, name, kind.where + name}
		}
	}
	return Owner{}
}

// byArgo: Argo CD tracks by an annotation that names the application and the very object, so that a copied one is no claim, or by a
// label, by default one that charts set as well (argo-cd.readthedocs.io, Resource Tracking).
func byArgo(live *unstructured.Unstructured, managed []metav1.ManagedFieldsEntry) Owner {
	labels := live.GetLabels()
	id := strings.SplitN(live.GetAnnotations()["argocd.argoproj.io/tracking-id"], ":", 3)
	name := labels["argocd.argoproj.io/instance"]
	switch {
	case len(id) == 3 && strings.HasSuffix("/"+id[1], "/"+live.GetKind()) && strings.HasSuffix(id[2], "/"+live.GetName()):
		name = strings.Replace(id[0], "_", "/", 1) // an application outside Argo CD's namespace: namespace_name
	case name == "" && managedBy(managed, "argocd"):
		name = cmp.Or(labels["app.kubernetes.io/instance"], "of this object")
	}
	if name == "" {
		return Owner{}
	}
	return Owner{ownerArgo, "Application " + name, "the manifests at spec.source of Application " + name}
}

// byHelm: Helm annotates what a release installs, and takes over nothing without these annotations (helm.sh, FAQ of Helm 3).
func byHelm(live *unstructured.Unstructured) Owner {
	notes := live.GetAnnotations()
	name := notes["meta.helm.sh/release-name"]
	if name == "" {
		return Owner{}
	}
	return helmOwner(live, "release "+inNamespace(live, name, notes["meta.helm.sh/release-namespace"]))
}

func helmOwner(live *unstructured.Unstructured, name string) Owner {
	o := Owner{ownerHelm, name, "the values of " + name}
	if chart := live.GetLabels()["helm.sh/chart"]; chart != "" {
		o.Where += ", chart " + chart
	}
	return o
}

// byManager: programs that apply again and again, wherever they show among the managers of the object, and for any other that it
// applies the very field from the server's side. What is merely updated may have been so once, by a script.
func byManager(live *unstructured.Unstructured, managed []metav1.ManagedFieldsEntry, touched []fieldPath) Owner {
	for i := range managed {
		m := &managed[i]
		again := sets(m, touched)
		switch {
		case m.Subresource != "" || person(m.Manager):
		case strings.HasPrefix(m.Manager, "argocd"):
			return Owner{ownerArgo, "Application of this object", "the manifests of its Application"}
		case m.Manager == "kustomize-controller", m.Manager == "helm-controller":
			return Owner{ownerFlux, m.Manager, "what " + m.Manager + " applies"}
		case m.Manager == "helm":
			return helmOwner(live, "release of this object")
		case again && (m.Operation == metav1.ManagedFieldsOperationApply || strings.HasPrefix(strings.ToLower(m.Manager), "terraform")):
			return Owner{ownerManager, m.Manager, "what is applied as " + m.Manager}
		}
	}
	return Owner{}
}

// rendered: what a person applied, but made of a chart or a kustomization: the next render puts the old value back. Kustomize says so
// when buildMetadata asks it to (kubectl.docs.kubernetes.io, buildMetadata).
func rendered(live *unstructured.Unstructured) Owner {
	by := live.GetLabels()["app.kubernetes.io/managed-by"]
	origin := live.GetAnnotations()["config.kubernetes.io/origin"]
	switch {
	case by == "Helm":
		return helmOwner(live, "release "+cmp.Or(live.GetLabels()["app.kubernetes.io/instance"], "of this object"))
	case origin != "" || strings.HasPrefix(by, "kustomize"):
		var from struct{ Path, Repo, Ref string }
		_ = yaml.Unmarshal([]byte(origin), &from) // what is no YAML names no file
		where := cmp.Or(from.Path, "the resources of its kustomization")
		if from.Repo != "" {
			where += " in " + from.Repo
		}
		return Owner{ownerKustomize, "", where}
	}
	return Owner{}
}

// person tells whether a manager of fields is a person's program: kubectl in each of its ways, editors and consoles, and what there was
// before managers were kept.
func person(manager string) bool {
	for _, prefix := range []string{"kubectl", "inquest", "k9s", "oc", "Mozilla", "node-fetch", "before-first-apply"} {
		if manager == prefix || strings.HasPrefix(manager, prefix+"-") {
			return true
		}
	}
	return false
}

func managedBy(managed []metav1.ManagedFieldsEntry, prefix string) bool {
	for i := range managed {
		if strings.HasPrefix(managed[i].Manager, prefix) && managed[i].Subresource == "" {
			return true
		}
	}
	return false
}

// inNamespace is the name with the first namespace that is known, or with the object's.
func inNamespace(live *unstructured.Unstructured, name string, namespaces ...string) string {
	if namespace := cmp.Or(append(namespaces, live.GetNamespace())...); namespace != "" {
		return namespace + "/" + name
	}
	return name
}
