// SPDX-License-Identifier: Apache-2.0

package rights

import (
	"fmt"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
)

// TestOpenedBy: wildcards open ways as names do, another group does not, and names narrow what is made anew to nothing.
func TestOpenedBy(t *testing.T) {
	for _, c := range []struct {
		group, resource, verb, name string
		want                        string
	}{
		{"", "pods", "create", "", "[{create  pods}]"},
		{"*", "pods", "*", "", "[{create  pods}]"},
		{"metrics.k8s.io", "pods", "create", "", "[]"},
		{"", "pods", "get", "", "[]"},
		{"", "pods", "create", "web", "[]"},
		{"", "pods/exec", "create", "web", "[{create  pods/exec}]"},
		{"", "*/exec", "get", "", "[{get  pods/exec}]"},
	} {
		rule := rbacv1.PolicyRule{APIGroups: []string{c.group}, Resources: []string{c.resource}, Verbs: []string{c.verb}}
		if c.name != "" {
			rule.ResourceNames = []string{c.name}
		}
		got := []Right{}
		for i := range Ways {
			got = append(got, Ways[i].OpenedBy(&rule)...)
		}
		if fmt.Sprint(got) != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
