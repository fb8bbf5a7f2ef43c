// SPDX-License-Identifier: Apache-2.0

package rbac

import (
	"cmp"
	"iter"
	"maps"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
)

// order is in which verbs are written.
var order = []string{"get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"}

func compareVerbs(a, b string) int {
	place := func(verb string) int {
		if i := slices.Index(order, verb); i >= 0 {
			return i
		}
		return len(order)
	}
	return cmp.Or(place(a)-place(b), cmp.Compare(a, b))
}

func compareRights(a, b right) int {
	return cmp.Or(cmp.Compare(a.group, b.group), cmp.Compare(a.resource, b.resource), compareVerbs(a.verb, b.verb))
}

func keys[K comparable, V any](m map[K]V) iter.Seq[K] { return maps.Keys(m) }

// fold writes rights as few rules: one for the resources of a group that the same verbs are given on. No right is in two of them.
func fold(who Subject, atoms []atom) []Role {
	type place struct{ namespace, kept, group, names, resource string }
	verbs := map[place]map[string]bool{}
	for _, a := range atoms {
		at := place{a.namespace, a.kept, a.group, strings.Join(a.names, "\n"), a.resource}
		if a.path != "" {
			at.names = "/" // a list of paths
			at.resource = a.path
		}
		if verbs[at] == nil {
			verbs[at] = map[string]bool{}
		}
		verbs[at][a.verb] = true
	}
	type same struct{ namespace, kept, group, names, verbs string }
	resources := map[same][]string{}
	for at, set := range verbs {
		of := same{at.namespace, at.kept, at.group, at.names, strings.Join(slices.SortedFunc(maps.Keys(set), compareVerbs), " ")}
		resources[of] = append(resources[of], at.resource)
	}
	roles := map[string]*Role{}
	for of, list := range resources {
		slices.Sort(list)
		role := roles[of.namespace]
		if role == nil {
			role = &Role{Name: roleName(who, of.namespace), Namespace: of.namespace}
			roles[of.namespace] = role
		}
		rule := rbacv1.PolicyRule{Verbs: strings.Fields(of.verbs)}
		if of.names == "/" {
			rule.NonResourceURLs = list
		} else {
			rule.APIGroups, rule.Resources = []string{of.group}, list
			if of.names != "" {
				rule.ResourceNames = strings.Split(of.names, "\n")
			}
		}
		role.Rules = append(role.Rules, Proposed{Rule: rule, Kept: of.kept})
	}
	var all []Role
	for _, namespace := range sortedKeys(roles) {
		slices.SortFunc(roles[namespace].Rules, compareProposed)
		all = append(all, *roles[namespace])
	}
	return all
}

func compareProposed(a, b Proposed) int {
	x, y := a.Rule, b.Rule
	return cmp.Or(cmp.Compare(a.Kept, b.Kept), slices.Compare(x.APIGroups, y.APIGroups), slices.Compare(x.Resources, y.Resources), slices.Compare(x.ResourceNames, y.ResourceNames),
		slices.Compare(x.NonResourceURLs, y.NonResourceURLs), slices.CompareFunc(x.Verbs, y.Verbs, compareVerbs))
}

// roleName says whose it is, and no two subjects have the same: only names of users and groups have a colon.
func roleName(who Subject, namespace string) string {
	switch {
	case who.Kind != rbacv1.ServiceAccountKind:
		return inName.Replace(who.String()) + ":least"
	case who.Namespace == namespace:
		return who.Name + "-least"
	}
	return "sa:" + who.Namespace + ":" + who.Name + ":least"
}

// inName writes what the name of an object does not have, each differently.
var inName = strings.NewReplacer("/", "=2F", "%", "=25", "=", "=3D")

// count tells of each rule how many requests no other one allows.
func count(roles []Role, uses map[Request]*Use) {
	for r, use := range uses {
		if only := sole(roles, r); only != nil {
			only.Needed += use.Asked
		}
	}
}

// sole is the one rule that allows a request, or nil when there are more, or none.
func sole(roles []Role, r Request) *Proposed {
	var only *Proposed
	for i := range roles {
		g := Grant{Namespace: roles[i].Namespace}
		for k := range roles[i].Rules {
			rule := &roles[i].Rules[k]
			if !g.covers(r) || !allows(&rule.Rule, r) {
				continue
			}
			if only != nil {
				return nil
			}
			only = rule
		}
	}
	return only
}
