// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"
)

// TestTheRoleGrantsWhatIsRead compares the role that is shipped with what a visit may ask for.
func TestTheRoleGrantsWhatIsRead(t *testing.T) {
	data, err := os.ReadFile("../../deploy/rbac/reader.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var role rbacv1.ClusterRole
	if err := yaml.UnmarshalStrict(data, &role); err != nil {
		t.Fatal(err)
	}
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
	for _, resource := range kubeletPaths {
		read = append(read, "/"+resource+" get")
	}
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
