// SPDX-License-Identifier: Apache-2.0

package rbac

import (
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// NewObjectsOfFiles is NewObjects of manifests, or of part of a cluster: a role that is not there may still be in the cluster. Those for
// people that every API server makes (kubernetes plugin/pkg/auth/authorizer/rbac/bootstrappolicy/policy.go) are taken to be as it makes
// them, unless they were read; of any other it is not known what it gives.
func NewObjectsOfFiles(all []evidence.Object) *Objects {
	o := newObjects(all)
	o.partial = true
	for name, rules := range userFacing {
		if o.cluster[name] == nil {
			o.cluster[name] = defaultRole(name, rules)
			o.byDefault[name] = true
		}
	}
	o.aggregate()
	return o
}

// The verbs of the default roles.
const (
	look   = "get list watch"
	write  = "create update patch delete deletecollection"
	toRole = "rbac.authorization.k8s.io/aggregate-to-"
)

// A defaultRule has the verbs, the groups and the resources of a rule. The core's group is core here.
type defaultRule struct{ verbs, groups, resources string }

// userFacing are the default roles for people, of Kubernetes 1.37 without its alpha features. Those without rules are made of those
// whose label says so.
var userFacing = map[string][]defaultRule{
	"cluster-admin": {{"*", "*", "*"}, {"*", "", "*"}},
	"admin":         nil,
	"edit":          nil,
	"view":          nil,
	"system:aggregate-to-admin": {
		{"create", "authorization.k8s.io", "localsubjectaccessreviews"},
		{look + " " + write, rbacv1.GroupName, "roles rolebindings"},
	},
	"system:aggregate-to-edit": {
		{look, "core", "pods/attach pods/proxy pods/exec pods/portforward secrets services/proxy"},
		{"impersonate", "core", "serviceaccounts"},
		{write, "core", "pods pods/attach pods/proxy pods/exec pods/portforward"},
		{"create", "core", "pods/eviction"},
		{write, "core", "replicationcontrollers replicationcontrollers/scale serviceaccounts services services/proxy persistentvolumeclaims configmaps secrets"},
		{"create", "core", "serviceaccounts/token"},
		{write, "core events.k8s.io", "events"},
		{write, "apps", "statefulsets statefulsets/scale daemonsets deployments deployments/scale deployments/rollback replicasets replicasets/scale"},
		{write, "autoscaling", "horizontalpodautoscalers"},
		{write, "batch", "jobs cronjobs"},
		{write, "extensions", "daemonsets deployments deployments/scale deployments/rollback ingresses replicasets replicasets/scale replicationcontrollers/scale networkpolicies"},
		{write, "policy", "poddisruptionbudgets"},
		{write, "networking.k8s.io", "networkpolicies ingresses"},
		{look + " " + write, "coordination.k8s.io", "leases"},
		{write, "resource.k8s.io", "resourceclaims resourceclaimtemplates"},
	},
	"system:aggregate-to-view": {
		{look, "core", "pods replicationcontrollers replicationcontrollers/scale serviceaccounts services services/status endpoints persistentvolumeclaims persistentvolumeclaims/status configmaps"},
		{look, "core", "limitranges resourcequotas bindings pods/status resourcequotas/status namespaces/status replicationcontrollers/status pods/log"},
		{look, "core", "namespaces"},
		{look, "core events.k8s.io", "events"},
		{look, "discovery.k8s.io", "endpointslices"},
		{look, "apps", "controllerrevisions statefulsets statefulsets/status statefulsets/scale daemonsets daemonsets/status deployments deployments/status deployments/scale replicasets replicasets/status replicasets/scale"},
		{look, "autoscaling", "horizontalpodautoscalers horizontalpodautoscalers/status"},
		{look, "batch", "jobs cronjobs cronjobs/status jobs/status"},
		{look, "extensions", "daemonsets daemonsets/status deployments deployments/scale deployments/status ingresses ingresses/status replicasets replicasets/scale replicasets/status replicationcontrollers/scale networkpolicies"},
		{look, "policy", "poddisruptionbudgets poddisruptionbudgets/status"},
		{look, "networking.k8s.io", "networkpolicies ingresses ingresses/status"},
		{look, "resource.k8s.io", "resourceclaims resourceclaims/status resourceclaimtemplates"},
	},
}

// partOf says which role each is a part of.
var partOf = map[string]string{
	"edit": "admin", "view": "edit", "system:aggregate-to-admin": "admin", "system:aggregate-to-edit": "edit", "system:aggregate-to-view": "view",
}

func defaultRole(name string, rules []defaultRule) *rbacv1.ClusterRole {
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{}}}
	if whole := partOf[name]; whole != "" {
		role.Labels[toRole+whole] = "true"
	}
	if len(rules) == 0 {
		role.AggregationRule = &rbacv1.AggregationRule{ClusterRoleSelectors: []metav1.LabelSelector{{MatchLabels: map[string]string{toRole + name: "true"}}}}
	}
	for _, r := range rules {
		if r.groups == "" {
			role.Rules = append(role.Rules, rbacv1.PolicyRule{Verbs: strings.Fields(r.verbs), NonResourceURLs: strings.Fields(r.resources)})
			continue
		}
		groups := strings.Fields(r.groups)
		if groups[0] == "core" {
			groups[0] = ""
		}
		role.Rules = append(role.Rules, rbacv1.PolicyRule{Verbs: strings.Fields(r.verbs), APIGroups: groups, Resources: strings.Fields(r.resources)})
	}
	return role
}
