// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestWhatCoversIsAbove holds the index that ranking works with to the relation that it stands for.
func TestWhatCoversIsAbove(t *testing.T) {
	named := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: "shop", Name: name} }
	rs := &appsv1.ReplicaSet{ObjectMeta: named("web-1")}
	rs.OwnerReferences = owned("Deployment", "web")
	pod := &corev1.Pod{ObjectMeta: named("web-1-a"), Spec: corev1.PodSpec{NodeName: "n1", Volumes: []corev1.Volume{
		{Name: "data", VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "data"}}},
		{Name: "tmp", VolumeSource: corev1.VolumeSource{Ephemeral: &corev1.EphemeralVolumeSource{}}},
	}}}
	pod.OwnerReferences = owned("ReplicaSet", "web-1")
	s := (&Snapshot{Objects: []Object{rs, pod, &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1"}}}}).Freeze()
	app := RefOf(pod).InContainer("app")
	things := []Ref{
		Cluster, RefTo("Namespace", "", "shop"), RefTo("Node", "", "n1"), RefTo("Node", "", "n2"), RefOf(rs), RefOf(pod),
		RefTo("Deployment", "shop", "web"), RefTo("Deployment", "shop", "other"), RefTo("Pod", "shop", "other"), app, app.InAttempt(2),
		RefTo("PersistentVolumeClaim", "shop", "data"), RefTo("PersistentVolumeClaim", "shop", "web-1-a-tmp"), RefTo("PersistentVolumeClaim", "shop", "other"),
	}
	covering := 0
	for _, a := range things {
		for _, b := range things {
			above := slices.Contains(s.Above(b), a.Object())
			if s.Covers(a, b) {
				covering++
			}
			if s.Covers(a, b) && !above {
				t.Errorf("%s covers %s and is not above it", a, b)
			}
			if above && a.Container == "" && !s.Covers(a, b) {
				t.Errorf("%s is above %s and does not cover it", a, b)
			}
		}
	}
	if covering < 40 {
		t.Errorf("only %d pairs cover each other", covering)
	}
}
