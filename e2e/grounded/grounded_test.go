// SPDX-License-Identifier: Apache-2.0

package grounded

import "testing"

func TestSays(t *testing.T) {
	pod := map[string]any{
		"endpoints": nil,
		"metadata": map[string]any{"deletionTimestamp": "2026-01-01T00:00:00Z", "managedFields": []any{
			map[string]any{"manager": "kubectl-create", "operation": "Update"}, map[string]any{"manager": "helm", "operation": "Apply"},
		}},
		"spec": map[string]any{
			"nodeSelector": map[string]any{"example.com/disk": "ssd"},
			"containers":   []any{map[string]any{"name": "app", "command": []any{"/bin/sh", "-c", "exit 3"}}},
		},
		"status": map[string]any{
			"conditions": []any{map[string]any{"type": "Ready", "status": "False", "message": "a, b"}},
			"containerStatuses": []any{map[string]any{"name": "app", "lastState": map[string]any{
				"terminated": map[string]any{"exitCode": int64(137), "reason": "OOMKilled"},
			}}},
		},
	}
	for _, c := range []struct {
		path, text string
		want       bool
	}{
		{"status.containerStatuses[app].lastState.terminated", "exitCode 137, reason OOMKilled", true},
		{"status.containerStatuses[0].lastState.terminated.exitCode", "exitCode 137", true},
		{"status.containerStatuses[app].lastState.terminated", "exitCode 13, reason OOMKilled", false},
		{"status.containerStatuses[web].lastState.terminated", "exitCode 137", false},
		{"status.conditions[Ready]", "status False, message a, b", true},
		{"spec.containers[app].command", "command /bin/sh -c exit 3", true},
		{"spec.nodeSelector.example.com/disk", "disk ssd", false},
		{"spec.nodeSelector.example.com/disk", "example.com/disk ssd", true},
		{"metadata.deletionTimestamp", "deletionTimestamp 2026-01-01T00:00:00Z", true},
		{"metadata.managedFields[helm]", "manager helm, operation Apply", true},
		{"metadata.managedFields[helm]", "manager helm, operation Update", false},
		{"status.phase", "phase Running", false},
		{"spec.nodeSelector[example.com/disk]", "example.com/disk ssd", true},
		{"spec.containers", "containers 1", true},
		{"spec.containers", "containers 2", false},
		{"spec.containers", "containers [app]", true},
		{"spec.volumes", "volumes 0", true},
		{"spec.volumes", "volumes 1", false},
		{"endpoints", "endpoints 0", true},
		{"spec.nodeSelector", "nodeSelector map[example.com/disk:ssd]", true},
	} {
		if got := Says(pod, c.path, c.text); got != c.want {
			t.Errorf("Says(%s, %q) = %v", c.path, c.text, got)
		}
	}
}
