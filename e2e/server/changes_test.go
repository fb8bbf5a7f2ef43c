// SPDX-License-Identifier: Apache-2.0

//go:build e2e

package server

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestChanges has things change that a real API server serves: what no Event tells of them is on the first page.
func TestChanges(t *testing.T) {
	control.namespace(t, "changes")
	r := serve(t, "changes", "admin", "--db", filepath.Join(t.TempDir(), "history.db"))
	selector := &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
	template := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: selector.MatchLabels}, Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "app:1"}}}}
	apps, claims := control.AppsV1(), control.CoreV1().PersistentVolumeClaims("changes")
	d, err := apps.Deployments("changes").Create(t.Context(), &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "front"}, Spec: appsv1.DeploymentSpec{Selector: selector, Template: template}}, metav1.CreateOptions{})
	must(t, err)
	s, err := apps.StatefulSets("changes").Create(t.Context(), &appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Name: "store"}, Spec: appsv1.StatefulSetSpec{Selector: selector, Template: template}}, metav1.CreateOptions{})
	must(t, err)
	c, err := claims.Create(t.Context(), &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Name: "data"}, Spec: corev1.PersistentVolumeClaimSpec{
		AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
		Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
	}}, metav1.CreateOptions{})
	must(t, err)
	told := func() string { _, body := (caller{base: r.url, token: "admin"}).ask(t, "/?format=json"); return body }
	n := int32(1)
	eventually(t, time.Minute, "another number of pods is told of", func() bool { // what it was before it is watched is no change
		n++
		s.Spec.Replicas = &n
		s, err = apps.StatefulSets("changes").Update(t.Context(), s, metav1.UpdateOptions{})
		must(t, err)
		must(t, pause(t.Context(), time.Second))
		return strings.Contains(told(), "ReplicasChanged")
	})
	d.Spec.Template.Spec.Containers[0].Image = "app:2"
	_, err = apps.Deployments("changes").Update(t.Context(), d, metav1.UpdateOptions{})
	must(t, err)
	c.Status.Phase = corev1.ClaimBound
	_, err = claims.UpdateStatus(t.Context(), c, metav1.UpdateOptions{})
	must(t, err)
	for _, want := range []string{"the template of its pods changed: image app:1 → app:2", "phase Pending → Bound"} {
		eventually(t, time.Minute, "it tells "+want, func() bool { return strings.Contains(told(), want) })
	}
}
