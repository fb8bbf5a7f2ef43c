// SPDX-License-Identifier: Apache-2.0

package remedy

import (
	"bytes"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"
)

// TestRolesGrantWhatIsWritten compares the roles that are shipped with what fixes may change.
func TestRolesGrantWhatIsWritten(t *testing.T) {
	data, err := os.ReadFile("../../deploy/rbac/fix.yaml")
	if err != nil {
		t.Fatal(err)
	}
	granted := map[string][]rbacv1.PolicyRule{}
	for _, doc := range bytes.Split(data, []byte("\n---\n"))[1:] {
		var role rbacv1.ClusterRole
		if err := yaml.UnmarshalStrict(doc, &role); err != nil {
			t.Fatal(err)
		}
		granted[role.Name] = role.Rules
	}
	used := map[string][]rbacv1.PolicyRule{}
	for name, k := range kinds {
		used[Role(name)] = []rbacv1.PolicyRule{{APIGroups: []string{k.resource.Group}, Resources: []string{k.resource.Resource}, Verbs: []string{"patch"}}}
	}
	if diff := cmp.Diff(used, granted); diff != "" {
		t.Errorf("deploy/rbac/fix.yaml grants other than is written (-written +granted):\n%s", diff)
	}
}
