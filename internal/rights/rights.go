// SPDX-License-Identifier: Apache-2.0

// Package rights reads rules of roles as the RBAC authorizer of the API server does, and knows which rights lead to others.
package rights

import (
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
)

// A Right is a verb on a resource, with its subresource: pods/log.
type Right struct{ Verb, Group, Resource string }

// GrantedBy tells whether a rule grants a right, whatever names the rule is narrowed to.
func (r Right) GrantedBy(rule *rbacv1.PolicyRule) bool {
	return Has(rule.Verbs, r.Verb) && Has(rule.APIGroups, r.Group) && slices.ContainsFunc(rule.Resources, func(of string) bool { return Matches(of, r.Resource) })
}

// Has tells whether a list of a rule has a word, or *.
func Has(list []string, word string) bool {
	return slices.ContainsFunc(list, func(s string) bool { return s == "*" || s == word })
}

// Matches tells whether what a rule has for a resource means one: it names it, all of them, or one subresource of all of them.
func Matches(rule, resource string) bool {
	if rule == "*" || rule == resource {
		return true
	}
	_, sub, deep := strings.Cut(resource, "/")
	return deep && rule == "*/"+sub
}
