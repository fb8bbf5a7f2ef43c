// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// Manager is the field manager of what is written, by which managedFields tell it from others (KEP-555).
const Manager = "inquest-fix"

// A Cluster is where fixes are carried out. The API server decides what its client may do.
type Cluster struct {
	Objects dynamic.Interface
	Mask    func(runtime.Object) int // masks secrets in an object that is to be shown, in place
	Now     func() time.Time
}

// A kind is one that fixes may change.
type kind struct {
	resource schema.GroupVersionResource
	global   bool // it has no namespace
	empty    func() evidence.Object
}

// kinds are all that fixes may change. Each has a role of its own in deploy/rbac/fix.yaml; a test compares them.
var kinds = map[string]kind{
	"Deployment":              {appsv1.SchemeGroupVersion.WithResource("deployments"), false, func() evidence.Object { return &appsv1.Deployment{} }},
	"StatefulSet":             {appsv1.SchemeGroupVersion.WithResource("statefulsets"), false, func() evidence.Object { return &appsv1.StatefulSet{} }},
	"DaemonSet":               {appsv1.SchemeGroupVersion.WithResource("daemonsets"), false, func() evidence.Object { return &appsv1.DaemonSet{} }},
	"CronJob":                 {batchv1.SchemeGroupVersion.WithResource("cronjobs"), false, func() evidence.Object { return &batchv1.CronJob{} }},
	"Job":                     {batchv1.SchemeGroupVersion.WithResource("jobs"), false, func() evidence.Object { return &batchv1.Job{} }},
	"PersistentVolumeClaim":   {corev1.SchemeGroupVersion.WithResource("persistentvolumeclaims"), false, func() evidence.Object { return &corev1.PersistentVolumeClaim{} }},
	"ResourceQuota":           {corev1.SchemeGroupVersion.WithResource("resourcequotas"), false, func() evidence.Object { return &corev1.ResourceQuota{} }},
	"Service":                 {corev1.SchemeGroupVersion.WithResource("services"), false, func() evidence.Object { return &corev1.Service{} }},
	"HorizontalPodAutoscaler": {autoscalingv2.SchemeGroupVersion.WithResource("horizontalpodautoscalers"), false, func() evidence.Object { return &autoscalingv2.HorizontalPodAutoscaler{} }},
	"StorageClass":            {storagev1.SchemeGroupVersion.WithResource("storageclasses"), true, func() evidence.Object { return &storagev1.StorageClass{} }},
}

// of returns a client of the objects that ref is one of.
func (c *Cluster) of(ref evidence.Ref) dynamic.ResourceInterface {
	k := kinds[ref.Kind]
	if k.global {
		return c.Objects.Resource(k.resource)
	}
	return c.Objects.Resource(k.resource).Namespace(ref.Namespace)
}

// typed returns an object by its Go type.
func typed(u *unstructured.Unstructured) (evidence.Object, error) {
	k, known := kinds[u.GetKind()]
	if !known {
		return nil, fmt.Errorf("read %s: kind %s is not one that fixes change", u.GetName(), u.GetKind())
	}
	o := k.empty()
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, o); err != nil {
		return nil, fmt.Errorf("read %s: %w", refTo(u), err)
	}
	return o, nil
}

func refTo(u *unstructured.Unstructured) evidence.Ref {
	return evidence.RefTo(u.GetKind(), u.GetNamespace(), u.GetName())
}

// named names an object to a person.
func named(ref evidence.Ref) string {
	if ref.Namespace == "" {
		return ref.String()
	}
	return ref.String() + " in namespace " + ref.Namespace
}

// noise are the parts of metadata that the API server keeps for itself.
var noise = []string{"managedFields", "resourceVersion", "generation", "creationTimestamp", "uid", "selfLink"}

// settled returns a copy without status and what the API server keeps for itself: what a person has set.
func settled(u *unstructured.Unstructured) *unstructured.Unstructured {
	c := u.DeepCopy()
	delete(c.Object, "status")
	for _, field := range noise {
		unstructured.RemoveNestedField(c.Object, "metadata", field)
	}
	return c
}

// shown returns an object as it may be shown, by its Go type: plain, and secrets masked.
func (c *Cluster) shown(u *unstructured.Unstructured) (evidence.Object, error) {
	o, err := plain(u)
	if err == nil {
		c.Mask(o)
	}
	return o, err
}

// plain returns an object by its Go type: settled, and without a copy of itself.
func plain(u *unstructured.Unstructured) (evidence.Object, error) {
	o, err := typed(settled(u))
	if err != nil {
		return nil, err
	}
	annotations := o.GetAnnotations()
	delete(annotations, corev1.LastAppliedConfigAnnotation)
	o.SetAnnotations(annotations)
	return o, nil
}

// may tells whether the API server allows whoever asks to do something to an object (SelfSubjectAccessReview).
func (c *Cluster) may(ctx context.Context, verb string, ref evidence.Ref) (bool, error) {
	k := kinds[ref.Kind]
	review := map[string]any{
		"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
		"spec": map[string]any{"resourceAttributes": map[string]any{
			"verb": verb, "group": k.resource.Group, "version": k.resource.Version, "resource": k.resource.Resource, "namespace": ref.Namespace, "name": ref.Name,
		}},
	}
	reviews := schema.GroupVersionResource{Group: "authorization.k8s.io", Version: "v1", Resource: "selfsubjectaccessreviews"}
	answer, err := c.Objects.Resource(reviews).Create(ctx, &unstructured.Unstructured{Object: review}, metav1.CreateOptions{})
	if err != nil {
		return false, fmt.Errorf("ask whether %s may be patched: %w", named(ref), err)
	}
	allowed, _, err := unstructured.NestedBool(answer.Object, "status", "allowed")
	return allowed, err
}

// who returns the name that the API server knows the asker by (SelfSubjectReview, KEP-3325); "" where it does not say.
func (c *Cluster) who(ctx context.Context) string {
	reviews := schema.GroupVersionResource{Group: "authentication.k8s.io", Version: "v1", Resource: "selfsubjectreviews"}
	review := map[string]any{"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
	answer, err := c.Objects.Resource(reviews).Create(ctx, &unstructured.Unstructured{Object: review}, metav1.CreateOptions{})
	if err != nil {
		return "" // an API server before 1.28 does not know the question
	}
	name, _, _ := unstructured.NestedString(answer.Object, "status", "userInfo", "username")
	return name
}

// words are those of an API server's refusal, without what repeats the name of the object, which is said before.
func words(err error) string {
	var status apierrors.APIStatus
	if !errors.As(err, &status) {
		return err.Error()
	}
	s := status.Status()
	if d := s.Details; s.Code == http.StatusUnprocessableEntity && d != nil && len(d.Causes) > 0 {
		var all []string
		for _, cause := range d.Causes {
			all = append(all, strings.TrimPrefix(cause.Field+": "+cause.Message, ": "))
		}
		return strings.Join(all, "; ")
	}
	return s.Message
}
