// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"
)

// roleIn reads a role that is shipped.
func roleIn(t *testing.T, file string) (role rbacv1.ClusterRole) {
	t.Helper()
	data, err := os.ReadFile("../../deploy/rbac/" + file)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict(data, &role); err != nil {
		t.Fatal(err)
	}
	return role
}

func TestTheRoleForKubelets(t *testing.T) {
	role := roleIn(t, "kubelets.yaml")
	want := []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: slices.Sorted(maps.Values(kubeletPaths)), Verbs: []string{"get"}}}
	slices.Sort(role.Rules[0].Resources)
	if diff := cmp.Diff(want, role.Rules); diff != "" {
		t.Errorf("deploy/rbac/kubelets.yaml grants other than is read (-read +granted):\n%s", diff)
	}
}

func TestTheRoleForAccess(t *testing.T) {
	rule := rbacv1.PolicyRule{APIGroups: []string{rbacv1.GroupName}, Verbs: []string{"list"}}
	for _, r := range accessKinds {
		rule.Resources = append(rule.Resources, r.plural)
	}
	slices.Sort(rule.Resources)
	if diff := cmp.Diff([]rbacv1.PolicyRule{rule}, roleIn(t, "access.yaml").Rules); diff != "" {
		t.Errorf("deploy/rbac/access.yaml grants other than is read (-read +granted):\n%s", diff)
	}
}

// TestTheRoleGrantsWhatIsRead compares the role that is shipped with what a visit may ask for.
func TestTheRoleGrantsWhatIsRead(t *testing.T) {
	role := roleIn(t, "reader.yaml")
	var granted, paths []string
	for _, rule := range role.Rules {
		paths = append(paths, rule.NonResourceURLs...)
		for _, name := range rule.Resources {
			granted = append(granted, rule.APIGroups[0]+"/"+name+" "+strings.Join(rule.Verbs, ","))
		}
	}
	only := map[string]string{
		"Pod": "get,list,watch", // why --watch
		"Log": "get", "ConfigMap": "get", "Event": "list", "ResourceQuota": "list", "LimitRange": "list",
		"APIService":    "list",
		"EndpointSlice": "list", "NetworkPolicy": "list",
		"ControllerRevision": "list", "HorizontalPodAutoscaler": "list", "PodDisruptionBudget": "list",
	}
	var read []string
	for kind, r := range resources {
		verbs := only[kind]
		if verbs == "" {
			verbs = "get,list"
		}
		read = append(read, r.group+"/"+r.plural+" "+verbs)
	}
	if diff := cmp.Diff(controlPaths, paths); diff != "" {
		t.Errorf("deploy/rbac/reader.yaml grants other paths than are read (-read +granted):\n%s", diff)
	}
	slices.Sort(granted)
	slices.Sort(read)
	if diff := cmp.Diff(read, granted); diff != "" {
		t.Errorf("deploy/rbac/reader.yaml grants other than is read (-read +granted):\n%s", diff)
	}
}
