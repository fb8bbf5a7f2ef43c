// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	apiresource "k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	metricsv1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"

	"github.com/kubeinquest/inquest/internal/collect/apitest"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// TestTuneLive: of a workload of a cluster that is well its use is read, the autoscaler that is there, and the Services that lead to it.
func TestTuneLive(t *testing.T) {
	s := slowStarters(0, 2)
	d, rs := evidence.List[*appsv1.Deployment](s)[0], evidence.List[*appsv1.ReplicaSet](s)[0]
	app := &d.Spec.Template.Spec.Containers[0]
	app.Ports = []corev1.ContainerPort{{ContainerPort: 8080}, {ContainerPort: 9090}}
	selector := &metav1.LabelSelector{MatchLabels: map[string]string{"app": "web"}}
	d.Spec.Selector, rs.Spec.Selector, d.UID, rs.UID, rs.Labels, rs.OwnerReferences[0].UID = selector, selector, "d", "r", selector.MatchLabels, "d"
	for _, pod := range evidence.List[*corev1.Pod](s) {
		pod.Spec.Containers[0], pod.OwnerReferences[0].UID = *app, "r"
		pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{Type: corev1.PodReady, Status: corev1.ConditionTrue})
		m := &metricsv1.PodMetrics{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: pod.Name}, Timestamp: metav1.NewTime(s.Taken)}
		m.Containers = []metricsv1.ContainerMetrics{{Name: "app", Usage: corev1.ResourceList{corev1.ResourceMemory: apiresource.MustParse("70Mi")}}}
		s.Objects = append(s.Objects, m)
	}
	h := &autoscalingv2.HorizontalPodAutoscaler{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "h"}}
	h.Spec.MaxReplicas, h.Spec.ScaleTargetRef = 4, autoscalingv2.CrossVersionObjectReference{Kind: "Deployment", Name: "web"}
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web"}}
	service.Spec.Selector, service.Spec.Ports = selector.MatchLabels, []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt32(9090)}}
	s.Objects, s.Has = append(s.Objects, h, service), s.Has|evidence.Usage
	server := apitest.New(t, s.Freeze())
	kubeconfig := filepath.Join(t.TempDir(), "config")
	text := fmt.Sprintf("apiVersion: v1\nkind: Config\nclusters: [{name: a, cluster: {server: %q}}]\n"+
		"contexts: [{name: a, context: {cluster: a, user: a}}]\ncurrent-context: a\nusers: [{name: a, user: {}}]\n", server.URL)
	if err := os.WriteFile(kubeconfig, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for topic, wants := range map[string][]string{
		"resources": {"2 samples of its memory", "highest use of memory that is known 70Mi", "horizontalpodautoscaler/h gives it 1 to 4 replicas"},
		"probes":    {"it asks port 8080, and its Services send requests to port 9090"},
	} {
		args := []string{topic, "deploy/web", "-n", "shop", "--kubeconfig", kubeconfig}
		if topic == "resources" {
			args = append(args, "--sample", "0s")
		}
		lacks := func(said string) bool {
			return slices.ContainsFunc(wants, func(want string) bool { return !strings.Contains(said, want) })
		}
		said := ""
		for range 3 { // the machine may be too busy for the time that a request may take
			out, _ := tuning(t, 0, args...)
			if said = flat(out); !lacks(said) {
				break
			}
		}
		if lacks(said) {
			t.Errorf("%s: it lacks one of %q:\n%s", topic, wants, said)
		}
	}
}
