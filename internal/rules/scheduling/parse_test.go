// SPDX-License-Identifier: Apache-2.0

package scheduling

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParse(t *testing.T) {
	tests := []struct {
		message string
		want    []reason
	}{
		{
			"0/3 nodes are available: 1 Insufficient nvidia.com/gpu, 2 node(s) had untolerated taint(s). preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.",
			[]reason{{room, 1, "Insufficient nvidia.com/gpu"}, {taint, 2, "node(s) had untolerated taint(s)"}},
		},
		{
			"0/2 nodes are available: 1 node(s) had taint {node.kubernetes.io/disk-pressure: }, that the pod didn't tolerate, 1 Too many pods.",
			[]reason{{taint, 1, "node(s) had taint {node.kubernetes.io/disk-pressure: }, that the pod didn't tolerate"}, {room, 1, "Too many pods"}},
		},
		{
			"0/2 nodes are available: 1 node(s) didn't match pod anti-affinity rules, 1 node(s) were unschedulable.",
			[]reason{{later, 1, "node(s) didn't match pod anti-affinity rules"}, {taint, 1, "node(s) were unschedulable"}},
		},
		{"0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims. preemption: 0/2 nodes are available", nil},
		{"no nodes available to schedule pods", nil},
	}
	for _, test := range tests {
		v, ok := parse(test.message)
		if diff := cmp.Diff(test.want, v.reasons, cmp.AllowUnexported(reason{})); diff != "" || ok != (test.want != nil) {
			t.Errorf("parse(%q) = %t (-want +got):\n%s", test.message, ok, diff)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("0/2 nodes are available: 1 Insufficient memory, 1 node(s) had untolerated taint(s). preemption: none")
	f.Add("0/99999999999999999999 nodes are available: 99999999999999999999 x, , .")
	f.Fuzz(func(t *testing.T, message string) {
		if v, ok := parse(message); ok && len(v.reasons) == 0 {
			t.Errorf("parse(%q) found nothing and says that it did", message)
		}
	})
}
