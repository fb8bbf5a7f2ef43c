// SPDX-License-Identifier: Apache-2.0

package rbac

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// TestDefaults: files that bind the default roles for people need not have them; what another role gives that they lack is not known.
func TestDefaults(t *testing.T) {
	bound := func(role string) *rbacv1.RoleBinding {
		return &rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Name: role, Namespace: "shop"}, RoleRef: rbacv1.RoleRef{Kind: "ClusterRole", Name: role},
			Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Name: "cart", Namespace: "shop"}},
		}
	}
	own := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "things", Labels: map[string]string{toRole + "edit": "true"}}, Rules: []rbacv1.PolicyRule{rule("get example.com things")}}
	read := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "view"}, Rules: []rbacv1.PolicyRule{rule("get - pods")}}
	asks := []Request{
		{Verb: "delete", Resource: "nodes", Namespace: "shop"}, {Verb: "create", Group: rbacv1.GroupName, Resource: "rolebindings", Namespace: "shop"},
		{Verb: "get", Resource: "secrets", Namespace: "shop"}, {Verb: "get", Resource: "configmaps", Namespace: "shop"}, {Verb: "get", Group: "example.com", Resource: "things", Namespace: "shop"},
	}
	for _, c := range []struct {
		name, role string
		files      bool
		objects    []evidence.Object
		want       string // missing, not read, by default; and what it allows of the above
	}{
		{"files, cluster-admin", "cluster-admin", true, nil, "false false true [true true true true true]"},
		{"files, admin", "admin", true, nil, "false false true [false true true true false]"},
		{"files, edit", "edit", true, nil, "false false true [false false true true false]"},
		{"files, view", "view", true, nil, "false false true [false false false true false]"},
		{"files with a part of admin", "admin", true, []evidence.Object{own}, "false false true [false true true true true]"},
		{"files with view itself", "view", true, []evidence.Object{read}, "false false false [false false false false false]"},
		{"files, another role", "gone", true, nil, "false true false [false false false false false]"},
		{"a cluster, admin", "admin", false, nil, "true false false [false false false false false]"},
	} {
		of := NewObjects
		if c.files {
			of = NewObjectsOfFiles
		}
		o := of(append([]evidence.Object{bound(c.role)}, c.objects...))
		g := o.grantsTo(cart, nil)[0]
		var may []bool
		for _, r := range asks {
			_, ok := g.allows(r)
			may = append(may, ok)
		}
		if diff := cmp.Diff(c.want, fmt.Sprint(g.Missing, g.Unread, g.Default, may)); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

// TestUnread: a role that was not read is named, and the proposal says that it may be too little.
func TestUnread(t *testing.T) {
	o := NewObjectsOfFiles([]evidence.Object{&rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "x"}, RoleRef: rbacv1.RoleRef{Kind: "ClusterRole", Name: "gone"},
		Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Name: "cart", Namespace: "shop"}},
	}})
	log := reading(t, entry(cart.User(), "list", "/api/v1/nodes", ""))
	a := (&Advisor{Objects: o, Log: log}).Advise(cart)
	want := "[ClusterRole/gone] [what ClusterRole/gone gives is not known, so that it may be too little: read these roles too] [{list nodes 1}]"
	if got := fmt.Sprint(a.Unread(), a.Notes, a.Beyond); got != want {
		t.Error(got)
	}
}
