// SPDX-License-Identifier: Apache-2.0

package rights

import (
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
)

// A Way is a kind of right that leads to others (https://kubernetes.io/docs/concepts/security/rbac-good-practices/).
type Way struct {
	Verbs     string // of any of them
	Group     string
	Resources string // on any of them
	Gives     string // what its holder does by it
	Accounts  bool   // it makes one a service account of where it holds
	Cluster   bool   // of the whole cluster alone: one that holds in a namespace gives nothing
	Usual     bool   // controllers need it for what they are for
}

const (
	rbac      = rbacv1.GroupName
	admission = "admissionregistration.k8s.io"
	templates = "create update patch"
	byPods    = "runs pods as any service account, by their template"
)

// Ways are all that are known.
var Ways = []Way{
	{Verbs: "escalate", Group: rbac, Resources: "roles clusterroles", Gives: "writes roles with rights that it has not"},
	{Verbs: "bind", Group: rbac, Resources: "roles clusterroles", Gives: "gives itself roles with rights that it has not"},
	{Verbs: "impersonate", Resources: "users groups", Gives: "acts as anybody, in any group", Cluster: true},
	{Verbs: "impersonate", Resources: "serviceaccounts", Gives: "acts as service accounts", Accounts: true},
	{Verbs: "create", Resources: "serviceaccounts/token", Gives: "makes tokens of service accounts", Accounts: true},
	{Verbs: "get create", Resources: "nodes/proxy", Gives: "runs commands in every pod of the nodes, past admission and the audit log", Cluster: true},
	{Verbs: "get create", Resources: "pods/exec pods/attach", Gives: "runs commands in pods, with their accounts and what they mount", Accounts: true},
	{Verbs: "update patch", Resources: "pods/ephemeralcontainers", Gives: "runs a container beside those of a pod, with its account", Accounts: true},
	{Verbs: "get list watch", Resources: "secrets", Gives: "reads Secrets: passwords, keys, tokens"},
	{Verbs: "create", Resources: "secrets", Gives: "makes Secrets of the type service-account-token, which are filled with tokens", Accounts: true, Usual: true},
	{Verbs: "create", Resources: "pods", Gives: "runs pods as any service account, and where Pod Security admits it as root on a node", Accounts: true, Usual: true},
	{Verbs: templates, Group: "apps", Resources: "deployments daemonsets statefulsets replicasets", Gives: byPods, Accounts: true, Usual: true},
	{Verbs: templates, Group: "batch", Resources: "jobs cronjobs", Gives: byPods, Accounts: true, Usual: true},
	{Verbs: templates, Resources: "replicationcontrollers podtemplates", Gives: byPods, Accounts: true, Usual: true},
	{Verbs: templates, Group: admission, Resources: "mutatingwebhookconfigurations mutatingadmissionpolicies mutatingadmissionpolicybindings", Gives: "changes what anybody creates, while it is admitted", Cluster: true},
	{Verbs: templates, Group: admission, Resources: "validatingwebhookconfigurations", Gives: "reads all that anybody writes, Secrets too, while it is admitted", Cluster: true},
	{Verbs: "update patch", Group: "certificates.k8s.io", Resources: "certificatesigningrequests/approval", Gives: "has certificates signed for other users", Cluster: true},
	{Verbs: "update patch", Group: "certificates.k8s.io", Resources: "certificatesigningrequests/status", Gives: "signs certificates for other users", Cluster: true},
	{Verbs: templates, Group: "apiregistration.k8s.io", Resources: "apiservices", Gives: "answers in the API server's place, and gets what is sent there", Cluster: true, Usual: true},
	{Verbs: "create", Resources: "persistentvolumes", Gives: "mounts any path of a node", Cluster: true, Usual: true},
	{Verbs: "update patch", Resources: "namespaces", Gives: "takes the labels away by which Pod Security is enforced", Usual: true},
	{Verbs: "update patch", Resources: "nodes nodes/status", Gives: "draws pods, and so their tokens and Secrets, to a node", Cluster: true, Usual: true},
}

// OpenedBy are the rights of a way that a rule grants.
func (w *Way) OpenedBy(rule *rbacv1.PolicyRule) (rights []Right) {
	for resource := range strings.FieldsSeq(w.Resources) {
		for verb := range strings.FieldsSeq(w.Verbs) {
			if r := (Right{verb, w.Group, resource}); r.GrantedBy(rule) && useful(rule, verb, resource) {
				rights = append(rights, r)
			}
		}
	}
	return rights
}

// useful tells whether a rule that is narrowed to names lets the verb through: what is made anew has no name yet.
func useful(rule *rbacv1.PolicyRule, verb, resource string) bool {
	return len(rule.ResourceNames) == 0 || verb != "create" || strings.Contains(resource, "/")
}
