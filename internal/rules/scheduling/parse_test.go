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
			[]reason{{device, 1, "Insufficient nvidia.com/gpu"}, {taint, 2, "node(s) had untolerated taint(s)"}},
		},
		{
			"0/2 nodes are available: 1 node(s) had taint {node.kubernetes.io/disk-pressure: }, that the pod didn't tolerate, 1 Too many pods.",
			[]reason{{taint, 1, "node(s) had taint {node.kubernetes.io/disk-pressure: }, that the pod didn't tolerate"}, {podCount, 1, "Too many pods"}},
		},
		{
			"0/2 nodes are available: 1 node(s) didn't match pod anti-affinity rules, 1 node(s) were unschedulable.",
			[]reason{{apart, 1, "node(s) didn't match pod anti-affinity rules"}, {cordon, 1, "node(s) were unschedulable"}},
		},
		{
			"0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims. preemption: 0/2 nodes are available",
			[]reason{{claim, 2, "pod has unbound immediate PersistentVolumeClaims"}},
		},
		{
			"0/4 nodes are available: 1 node(s) had untolerated taint {a.b/c: }, 3 Insufficient cpu. no new claims to deallocate, preemption: 0/4 nodes are available",
			[]reason{{taint, 1, "node(s) had untolerated taint {a.b/c: }"}, {room, 3, "Insufficient cpu"}},
		},
		{
			"0/3 nodes are available: 1 node(s) didn't match Pod's node affinity, 1 node(s) didn't match node selector, 1 node(s) had volume node affinity conflict.",
			[]reason{{selector, 1, "node(s) didn't match Pod's node affinity"}, {selector, 1, "node(s) didn't match node selector"}, {volumePlace, 1, "node(s) had volume node affinity conflict"}},
		},
		{"0/3 nodes are available: .", nil},
		{"0/1 nodes are available: 1 node(s) didn't match scheduler-enforced node affinity.", []reason{{other, 1, "node(s) didn't match scheduler-enforced node affinity"}}},
		{"0/3 nodes are available: preemption: 0/3 nodes are available: 3 No preemption victims found for incoming pod.", nil},
		{"0/0 nodes are available: .", []reason{{noNode, 0, "0/0 nodes are available"}}},
		{"0/3 nodes are unavailable: 3 Insufficient hugepages-2Mi.", []reason{{device, 3, "Insufficient hugepages-2Mi"}}},
		{"no nodes available to schedule pods", []reason{{noNode, 0, "no nodes available to schedule pods"}}},
		{"pod group is not ready, 1 Pending, 1 minAvailable", nil},
	}
	for _, test := range tests {
		v, ok := parse(test.message)
		if !ok {
			v.reasons = nil
		}
		if diff := cmp.Diff(test.want, v.reasons, cmp.AllowUnexported(reason{})); diff != "" || ok != (test.want != nil) {
			t.Errorf("parse(%q) = %t (-want +got):\n%s", test.message, ok, diff)
		}
	}
}

func TestOthers(t *testing.T) {
	v := verdict{nodes: 4, reasons: []reason{
		{room, 1, "Insufficient cpu"}, {taint, 2, "node(s) had untolerated taint(s)"}, {volumeUsed, 1, "node(s) had no available disk"},
	}}
	want := "; ruled out besides: 2 of 4 nodes by a taint, 1 of 4 nodes by had no available disk"
	if got := v.others(room); got != want {
		t.Errorf("others = %q, want %q", got, want)
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
