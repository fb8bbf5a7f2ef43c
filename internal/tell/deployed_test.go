// SPDX-License-Identifier: Apache-2.0

package tell

import (
	"os"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"sigs.k8s.io/yaml"
)

// TestDeployed: in the manifests of the server there is a way from Prometheus to its metrics, and of objects only what every cluster knows.
func TestDeployed(t *testing.T) {
	data, err := os.ReadFile("../../deploy/server/base/server.yaml")
	must(t, err)
	var server appsv1.Deployment
	var metrics corev1.Service
	var policy networkingv1.NetworkPolicy
	for doc := range strings.SplitSeq(string(data), "\n---\n") {
		var head struct {
			APIVersion, Kind string
			Metadata         struct{ Name string }
		}
		must(t, yaml.Unmarshal([]byte(doc), &head))
		group, _, _ := strings.Cut(head.APIVersion, "/")
		if !slices.Contains([]string{"v1", "apps", "rbac.authorization.k8s.io", "networking.k8s.io"}, group) {
			t.Errorf("%s is not in every cluster", head.APIVersion)
		}
		switch head.Kind + " " + head.Metadata.Name {
		case "Deployment inquest-server":
			must(t, yaml.UnmarshalStrict([]byte(doc), &server))
		case "Service inquest-server-metrics":
			must(t, yaml.UnmarshalStrict([]byte(doc), &metrics))
		case "NetworkPolicy inquest-server":
			must(t, yaml.UnmarshalStrict([]byte(doc), &policy))
		}
	}
	c := server.Spec.Template.Spec.Containers[0]
	if !slices.Contains(c.Ports, corev1.ContainerPort{Name: "metrics", ContainerPort: 8739}) || !slices.Contains(c.Env, corev1.EnvVar{Name: "INQUEST_METRICS_LISTEN", Value: ":8739"}) {
		t.Error("the server does not serve metrics on its port of that name")
	}
	if len(metrics.Spec.Ports) != 1 || metrics.Spec.Ports[0].TargetPort.String() != "metrics" || metrics.Annotations["prometheus.io/port"] != "8739" {
		t.Errorf("the Service of metrics leads elsewhere: %+v", metrics.Spec.Ports)
	}
	open := 0
	for _, in := range policy.Spec.Ingress {
		for _, p := range in.Ports {
			if p.Port.String() == "metrics" {
				if open++; len(in.From) != 1 {
					t.Error("anybody reads metrics, which name workloads of all namespaces")
				}
			}
		}
	}
	want(t, "ways to the metrics", open, 1)
}
