// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// TestWritersOfANode keeps who closed a node, and nothing of what its kubelet and the controllers write.
func TestWritersOfANode(t *testing.T) {
	now := metav1.Now()
	entry := func(manager, subresource, fields string) metav1.ManagedFieldsEntry {
		return metav1.ManagedFieldsEntry{Manager: manager, Subresource: subresource, Time: &now, FieldsV1: metav1.NewFieldsV1(fields)}
	}
	node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: "n1", ManagedFields: []metav1.ManagedFieldsEntry{
		entry("kubectl-cordon", "", `{"f:spec":{"f:unschedulable":{},"f:providerID":{}}}`),
		entry("kube-controller-manager", "", `{"f:spec":{"f:taints":{}}}`),
		entry("kubelet", "status", `{"f:status":{"f:conditions":{}}}`),
	}}}
	writers(node)
	var kept []string
	for _, e := range node.ManagedFields {
		kept = append(kept, e.Manager+" "+string(e.FieldsV1.GetRawBytes()))
	}
	if diff := cmp.Diff([]string{`kubectl-cordon {"f:spec":{"f:unschedulable":{}}}`}, kept); diff != "" {
		t.Errorf("writers differ (-want +got):\n%s", diff)
	}
}
