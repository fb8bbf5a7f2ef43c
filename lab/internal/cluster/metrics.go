// SPDX-License-Identifier: Apache-2.0

package cluster

import (
	"context"
	"fmt"
)

// applyMetricsServer tells the API server where metrics.k8s.io is: an ordinary
// process of the control plane, behind a Service without a selector.
func (a api) applyMetricsServer(ctx context.Context) error {
	const name, namespace = "metrics-server", "kube-system"
	metadata := map[string]any{"name": name, "namespace": namespace, "labels": map[string]any{"kubernetes.io/service-name": name}}
	objects := []struct {
		path   string
		object map[string]any
	}{
		{"/api/v1/namespaces/" + namespace + "/services/" + name, map[string]any{
			"apiVersion": "v1", "kind": "Service", "metadata": metadata,
			"spec": map[string]any{"ports": []any{map[string]any{"name": "https", "port": 443, "targetPort": metricsPort}}},
		}},
		{"/apis/discovery.k8s.io/v1/namespaces/" + namespace + "/endpointslices/" + name, map[string]any{
			"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": metadata,
			"addressType": "IPv4",
			"ports":       []any{map[string]any{"name": "https", "port": metricsPort, "protocol": "TCP"}},
			"endpoints":   []any{map[string]any{"addresses": []string{controlIP}, "conditions": map[string]any{"ready": true}}},
		}},
		{"/apis/apiregistration.k8s.io/v1/apiservices/v1beta1.metrics.k8s.io", map[string]any{
			"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService",
			"metadata": map[string]any{"name": "v1beta1.metrics.k8s.io"},
			"spec": map[string]any{
				"group": "metrics.k8s.io", "version": "v1beta1", "groupPriorityMinimum": 100, "versionPriority": 100,
				"insecureSkipTLSVerify": true, "service": map[string]any{"name": name, "namespace": namespace},
			},
		}},
	}
	for _, o := range objects {
		if err := a.apply(ctx, o.path, o.object); err != nil {
			return fmt.Errorf("register metrics-server: %w", err)
		}
	}
	return nil
}
