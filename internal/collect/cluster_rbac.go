// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"context"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// accessKinds are those that say who may do what. No visit reads them: they have a role of their own, in deploy/rbac/access.yaml.
var accessKinds = map[string]resource{
	"ClusterRole":        {"rbac.authorization.k8s.io", "v1", "clusterroles", true, evidence.Spec},
	"ClusterRoleBinding": {"rbac.authorization.k8s.io", "v1", "clusterrolebindings", true, evidence.Spec},
	"Role":               {"rbac.authorization.k8s.io", "v1", "roles", false, evidence.Spec},
	"RoleBinding":        {"rbac.authorization.k8s.io", "v1", "rolebindings", false, evidence.Spec},
}

// resourceOf is where a kind is served.
func resourceOf(kind string) resource {
	if r, ok := resources[kind]; ok {
		return r
	}
	return accessKinds[kind]
}

// Access reads all roles and bindings of the cluster. There is no answer without each of these lists: what somebody may do is in any of them.
func (c Cluster) Access(ctx context.Context) ([]evidence.Object, error) {
	a, err := c.open(usualLimits)
	if err != nil {
		return nil, err
	}
	defer a.close()
	var all []evidence.Object
	for _, kind := range []string{"ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"} {
		if c.Progress != nil {
			c.Progress("reading " + accessKinds[kind].plural)
		}
		list, _, err := a.list(ctx, query{kind: kind}, nil)
		if err != nil {
			return nil, a.explain(lookError{"list", evidence.RefTo(kind, "", ""), err})
		}
		all = append(all, list...)
	}
	return all, nil
}
