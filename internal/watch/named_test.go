// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// TestNamed: whatever tells of a thing in a namespace, a text that names it is known to.
func TestNamed(t *testing.T) {
	object := func(namespace, name string, owners ...string) metav1.ObjectMeta {
		m := metav1.ObjectMeta{Namespace: namespace, Name: name}
		for _, owner := range owners {
			m.OwnerReferences = append(m.OwnerReferences, metav1.OwnerReference{Kind: "ReplicaSet", Name: owner})
		}
		return m
	}
	pod := func(name string) evidence.Ref { return evidence.RefTo("Pod", "bank", name) }
	s := &evidence.Snapshot{
		Objects: []evidence.Object{
			&corev1.Pod{ObjectMeta: object("shop", "web-0")}, &corev1.Pod{ObjectMeta: object("bank", "web-0")},
			&corev1.Pod{ObjectMeta: object("bank", "teller-5d-x", "teller-5d")},
			&corev1.PersistentVolume{ObjectMeta: object("", "disk"), Spec: corev1.PersistentVolumeSpec{ClaimRef: &corev1.ObjectReference{Namespace: "bank", Name: "ledger.db"}}},
			&corev1.Node{ObjectMeta: object("", "n1")},
		},
		Events: []*corev1.Event{{InvolvedObject: corev1.ObjectReference{Kind: "Pod", Namespace: "bank", Name: "guard-3"}}},
		Facts:  []evidence.Fact{{About: pod("clerk")}}, Gaps: []evidence.Gap{{About: pod("miner")}}, Logs: []evidence.Log{{Of: pod("smith")}}, Runs: []evidence.Attempt{{Of: pod("cook")}}, Absent: []evidence.Ref{pod("nobody")},
	}
	s.Freeze()
	for text, want := range map[string]string{
		"pod/web-0[app] was killed on node n1":  "bank/web-0 shop/web-0",
		"teller-5d-x, teller-5d (teller)":       "bank/teller bank/teller-5d bank/teller-5d-x",
		"ledger.db. is full of ledger":          "bank/ledger.db",
		"guard-3 clerk miner smith cook nobody": "bank/clerk bank/cook bank/guard-3 bank/miner bank/nobody bank/smith",
		"clerks, a clerk-1 and a-clerk":         "",
		"most by bank/vault.0 and lost/x":       "bank/vault bank/vault.0",
		"guard-3.bank.svc":                      "bank/guard-3",
		"":                                      "",
	} {
		var got []string
		for _, r := range named(s, text) {
			got = append(got, r.Namespace+"/"+r.Name)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q names %s, expected %s", text, got, want)
		}
	}
}
