// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/scheme"
)

// ownerOf returns who would put back what a plan changes, by the object and by the autoscalers that are about it. What only may be so
// is a warning of the plan.
func (c *Cluster) ownerOf(ctx context.Context, plan *Plan) (Owner, bool) {
	o, owned := OwnerOf(plan.Live, plan.Fix.Patch)
	if !owned {
		o = c.autoscaler(ctx, plan)
	}
	if plan.Owner = o; o.Kind != "" {
		return o, true
	}
	plan.Warned = append(plan.Warned, doubts(plan.Live)...)
	return o, false
}

// autoscaler asks for the HorizontalPodAutoscaler that sets the replicas which a plan changes, before it has done so once. One of an object
// that is scaled to none is off, unless KEDA made it, whose operator scales from there.
func (c *Cluster) autoscaler(ctx context.Context, plan *Plan) Owner {
	replicas := func(p fieldPath) bool { return len(p) == 2 && p[0].field == "spec" && p[1].field == "replicas" }
	if !slices.ContainsFunc(touches(plan.Live, plan.Fix.Patch), replicas) {
		return Owner{}
	}
	of := autoscalingv2.SchemeGroupVersion.WithResource("horizontalpodautoscalers")
	list, err := c.Objects.Resource(of).Namespace(plan.Live.GetNamespace()).List(ctx, metav1.ListOptions{})
	if err != nil {
		plan.Warned = append(plan.Warned, fmt.Sprintf("whether a HorizontalPodAutoscaler sets its replicas is not known: %s", words(err)))
		return Owner{}
	}
	now, set, _ := unstructured.NestedInt64(plan.Live.Object, "spec", "replicas")
	for i := range list.Items {
		u := &list.Items[i]
		kind, _, _ := unstructured.NestedString(u.Object, "spec", "scaleTargetRef", "kind")
		name, _, _ := unstructured.NestedString(u.Object, "spec", "scaleTargetRef", "name")
		if kind != plan.Live.GetKind() || name != plan.Live.GetName() {
			continue
		}
		if ref := metav1.GetControllerOf(u); ref != nil && ref.Kind == "ScaledObject" {
			name := ref.Kind + " " + inNamespace(u, ref.Name)
			return Owner{ownerScaler, name, "minReplicaCount and maxReplicaCount of " + name}
		}
		if now > 0 || !set {
			name := "HorizontalPodAutoscaler " + inNamespace(u, u.GetName())
			return Owner{ownerScaler, name, "minReplicas and maxReplicas of " + name}
		}
	}
	return Owner{}
}

// madeFrom: an operator that made the object from its custom resource may name that without calling it the controller. Where a person has
// set the very field, the operator left that be.
func madeFrom(live *unstructured.Unstructured, managed []metav1.ManagedFieldsEntry, touched []fieldPath) Owner {
	ref := custom(live)
	program, someone := setBy(managed, touched)
	if ref == nil || someone && program == "" {
		return Owner{}
	}
	name := ref.Kind + " " + inNamespace(live, ref.Name)
	return Owner{ownerOperator, name, "the spec of " + name}
}

// custom returns an owner that is no kind of Kubernetes itself: those are named for the garbage collector alone.
func custom(live *unstructured.Unstructured) *metav1.OwnerReference {
	refs := live.GetOwnerReferences()
	i := slices.IndexFunc(refs, func(r metav1.OwnerReference) bool {
		gv, err := schema.ParseGroupVersion(r.APIVersion)
		return err == nil && !scheme.Scheme.IsGroupRegistered(gv.Group)
	})
	if i < 0 {
		return nil
	}
	return &refs[i]
}

// byKapp: kapp labels what it deploys with its app, and sets all of it again with the next deploy; its controller does so all the time
// (carvel.dev, kapp, "Labels and annotations").
func byKapp(live *unstructured.Unstructured) Owner {
	id := live.GetLabels()["kapp.k14s.io/app"]
	if id == "" {
		return Owner{}
	}
	return Owner{ownerKapp, "app " + id, "the manifests of the app that is labelled kapp.k14s.io/app=" + id}
}

// byAddons: the addon manager applies its manifests every minute, except to what is only to exist (kubernetes
// cluster/addons/addon-manager/README.md).
func byAddons(live *unstructured.Unstructured) Owner {
	if live.GetLabels()["addonmanager.kubernetes.io/mode"] != "Reconcile" {
		return Owner{}
	}
	return Owner{ownerAddons, "of the control plane", "its manifest among the addons of the control plane"}
}

// byLabel: a label of any other program is a claim where a program has set the very field, too.
func byLabel(live *unstructured.Unstructured, managed []metav1.ManagedFieldsEntry, touched []fieldPath) Owner {
	by := live.GetLabels()["app.kubernetes.io/managed-by"]
	program, _ := setBy(managed, touched)
	if by == "" || person(by) || program == "" {
		return Owner{}
	}
	name := by
	if program != by {
		name += " (field manager " + program + ")"
	}
	return Owner{ownerManager, name, "what " + by + " sets it from"}
}

// doubts are what may put a value back, and has not been seen to.
func doubts(live *unstructured.Unstructured) []string {
	var all []string
	if ref := custom(live); ref != nil {
		all = append(all, fmt.Sprintf("%s %s is named as its owner, and may put the old value back", ref.Kind, inNamespace(live, ref.Name)))
	}
	if by := live.GetLabels()["app.kubernetes.io/managed-by"]; by != "" && !person(by) {
		all = append(all, fmt.Sprintf("its label app.kubernetes.io/managed-by says %s, which may put the old value back", by))
	}
	return all
}

// setBy returns a program that has set one of the fields, and tells whether a person has.
func setBy(managed []metav1.ManagedFieldsEntry, touched []fieldPath) (program string, someone bool) {
	for i := range managed {
		m := &managed[i]
		if m.Subresource == "status" || !sets(m, touched) {
			continue
		}
		if person(m.Manager) {
			someone = true
		} else {
			program = cmp.Or(program, strings.TrimSpace(m.Manager))
		}
	}
	return program, someone
}
