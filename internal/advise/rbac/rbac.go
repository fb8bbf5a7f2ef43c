// SPDX-License-Identifier: Apache-2.0

// Package rbac compares what roles grant with what was asked for, as audit logs of the API server tell it: which rules, verbs, resources
// and names nobody used, which of them lead to more rights, and the least role under which the same requests pass again.
//
// It decides as the RBAC authorizer of the API server does (kubernetes plugin/pkg/auth/authorizer/rbac), on requests that are read as the API
// server reads them (apiserver pkg/endpoints/request). Everything here is a function of values: objects, a log, and an audit policy.
package rbac

import (
	"cmp"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubeinquest/inquest/internal/rights"
)

// A Request is what an authorizer is asked: a verb on a resource, or on a path that is none. As a right, * in a field stands for all.
type Request struct {
	Verb      string `json:"verb"`
	Group     string `json:"group,omitempty"`
	Resource  string `json:"resource,omitempty"` // with its subresource: pods/log
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name,omitempty"` // as the authorizer sees it: that of an object to be created is not known to it
	Path      string `json:"path,omitempty"` // of what is no resource
}

// String says it as kubectl names things: "get pods/log in shop", "update leases.coordination.k8s.io/leader in shop", "get /metrics".
func (r Request) String() string {
	if r.Resource == "" {
		return r.Verb + " " + r.Path
	}
	text := r.Verb + " " + resourceName(r.Group, r.Resource)
	if r.Name != "" {
		text += " " + r.Name
	}
	if r.Namespace != "" {
		text += " in " + r.Namespace
	}
	return text
}

// resourceName is as kubectl api-resources has it: the group after the resource, but for those of the core.
func resourceName(group, resource string) string {
	if group == "" {
		return resource
	}
	base, sub, deep := strings.Cut(resource, "/")
	if deep {
		sub = "/" + sub
	}
	return base + "." + group + sub
}

func compare(a, b Request) int {
	return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Group, b.Group), cmp.Compare(a.Resource, b.Resource), cmp.Compare(a.Verb, b.Verb),
		cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
}

// allows tells whether a rule grants a request, wherever it holds.
func allows(rule *rbacv1.PolicyRule, r Request) bool {
	return grants(rule, r) && (r.Resource == "" || len(rule.ResourceNames) == 0 || slices.Contains(rule.ResourceNames, r.Name))
}

// grants is allows, whatever names the rule is narrowed to.
func grants(rule *rbacv1.PolicyRule, r Request) bool {
	if r.Resource != "" {
		return rights.Right{Verb: r.Verb, Group: r.Group, Resource: r.Resource}.GrantedBy(rule)
	}
	return rights.Has(rule.Verbs, r.Verb) && slices.ContainsFunc(rule.NonResourceURLs, func(url string) bool { return pathMatches(url, r.Path) })
}

// pathMatches: * at the end of a rule's path stands for whatever follows.
func pathMatches(rule, path string) bool {
	return rule == "*" || rule == path || strings.HasSuffix(rule, "*") && strings.HasPrefix(path, strings.TrimRight(rule, "*"))
}

// A Subject is whom bindings name.
type Subject struct {
	Kind      string `json:"kind"` // ServiceAccount, User or Group
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
}

const accountPrefix = "system:serviceaccount:"

// SubjectOf tells who a user name of the API server is.
func SubjectOf(user string) Subject {
	if rest, ok := strings.CutPrefix(user, accountPrefix); ok {
		if namespace, name, ok := strings.Cut(rest, ":"); ok {
			return Subject{Kind: rbacv1.ServiceAccountKind, Namespace: namespace, Name: name}
		}
	}
	return Subject{Kind: rbacv1.UserKind, Name: user}
}

// User is the name by which the API server knows a subject that is no group.
func (s Subject) User() string {
	if s.Kind == rbacv1.ServiceAccountKind {
		return accountPrefix + s.Namespace + ":" + s.Name
	}
	return s.Name
}

// String is as the command line takes it: sa:ns/name, user:name, group:name.
func (s Subject) String() string {
	switch s.Kind {
	case rbacv1.ServiceAccountKind:
		return "sa:" + s.Namespace + "/" + s.Name
	case rbacv1.GroupKind:
		return "group:" + s.Name
	}
	return "user:" + s.Name
}

// groups are those that the API server puts a service account in (apiserver pkg/authentication/serviceaccount); it puts everybody who is
// somebody in system:authenticated.
func (s Subject) groups() []string {
	switch {
	case s.Kind == rbacv1.GroupKind:
		return []string{s.Name}
	case s.Kind == rbacv1.ServiceAccountKind:
		return []string{accounts, accounts + ":" + s.Namespace, everybody}
	case s.Name == "system:anonymous":
		return []string{nobody}
	}
	return []string{everybody}
}

// The groups of all who have logged in, of those who have not, and of all service accounts.
const (
	everybody = "system:authenticated"
	nobody    = "system:unauthenticated"
	accounts  = "system:serviceaccounts"
)
