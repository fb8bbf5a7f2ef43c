// SPDX-License-Identifier: Apache-2.0

package rbac

import (
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// What an API server makes by itself, and adds again to what it finds when it starts (kubernetes
// plugin/pkg/auth/authorizer/rbac/bootstrappolicy). What somebody has added beside that it leaves as it is.

// labelled tells whether an object has the label of these.
func labelled(object metav1.Object) bool {
	return object.GetLabels()["kubernetes.io/bootstrapping"] == "rbac-defaults"
}

// bootstrapped tells whether a binding is one of these, and it is the API server that gives it to somebody.
func (b *binding) bootstrapped(to Subject) bool {
	if !b.labelled {
		return false
	}
	controller, ofController := strings.CutPrefix(b.name, "system:controller:")
	switch {
	case !slices.Contains([]string{"", metav1.NamespaceSystem, metav1.NamespacePublic}, b.namespace):
		return false
	case ofController:
		return b.to.Name == b.name && to == account(controller)
	case b.namespace == "":
		return b.to.Name == b.name && slices.Contains(bound[b.name], to)
	}
	return b.namespace == metav1.NamespaceSystem && b.to.Kind == "Role" && strings.HasSuffix(b.name, b.to.Name) && slices.Contains(boundInSystem[b.name], to)
}

func account(name string) Subject {
	return Subject{rbacv1.ServiceAccountKind, metav1.NamespaceSystem, name}
}

func user(name string) Subject { return Subject{Kind: rbacv1.UserKind, Name: name} }

func group(name string) Subject { return Subject{Kind: rbacv1.GroupKind, Name: name} }

// bound are the ClusterRoleBindings, each of the ClusterRole of its name, and boundInSystem the RoleBindings; but for those of controllers.
var (
	bound = map[string][]Subject{
		"cluster-admin":                           {group("system:masters")},
		"system:monitoring":                       {group("system:monitoring")},
		"system:discovery":                        {group(everybody)},
		"system:basic-user":                       {group(everybody)},
		"system:public-info-viewer":               {group(everybody), group(nobody)},
		"system:node-proxier":                     {user("system:kube-proxy")},
		"system:kube-controller-manager":          {user("system:kube-controller-manager")},
		"system:kube-dns":                         {account("kube-dns")},
		"system:kube-scheduler":                   {user("system:kube-scheduler")},
		"system:volume-scheduler":                 {user("system:kube-scheduler")},
		"system:service-account-issuer-discovery": {group(accounts)},
		"system:cluster-trust-bundle-discovery":   {group(accounts)},
	}
	boundInSystem = map[string][]Subject{
		"system::extension-apiserver-authentication-reader": {user("system:kube-controller-manager"), user("system:kube-scheduler")},
		"system::leader-locking-kube-controller-manager":    {user("system:kube-controller-manager"), account("kube-controller-manager"), account("leader-election-controller")},
		"system::leader-locking-kube-scheduler":             {user("system:kube-scheduler"), account("kube-scheduler")},
	}
)

// defaultRoles are those that are bound to all who have logged in, or to all service accounts. Nobody is to ask for what they give.
var defaultRoles = []string{
	"system:discovery", "system:basic-user", "system:public-info-viewer", "system:service-account-issuer-discovery", "system:cluster-trust-bundle-discovery",
}

// defaultRules are theirs, for where there are only manifests.
var defaultRules = []rbacv1.PolicyRule{
	{Verbs: []string{"get"}, NonResourceURLs: []string{
		"/livez", "/readyz", "/healthz", "/version", "/version/", "/openapi", "/openapi/*", "/api", "/api/*", "/apis", "/apis/*",
		"/.well-known/openid-configuration", "/.well-known/openid-configuration/", "/openid/v1/jwks", "/openid/v1/jwks/",
	}},
	{Verbs: []string{"create"}, APIGroups: []string{"authorization.k8s.io"}, Resources: []string{"selfsubjectaccessreviews", "selfsubjectrulesreviews"}},
	{Verbs: []string{"create"}, APIGroups: []string{"authentication.k8s.io"}, Resources: []string{"selfsubjectreviews"}},
}

// trustRules are what system:cluster-trust-bundle-discovery gives, which not every cluster has.
var trustRules = []rbacv1.PolicyRule{{Verbs: []string{"get", "list", "watch"}, APIGroups: []string{"certificates.k8s.io"}, Resources: []string{"clustertrustbundles"}}}

// unchanged tells whether one of the default roles gives no more than the API server has it give.
func (o *Objects) unchanged(name string) bool {
	role := o.cluster[name]
	if role == nil || !labelled(role) {
		return false
	}
	by := Grant{rules: slices.Concat(defaultRules, trustRules)}
	for i := range role.Rules {
		for _, right := range rightsOf(&role.Rules[i]) {
			if _, ok := by.allows(right); !ok {
				return false
			}
		}
	}
	return true
}
