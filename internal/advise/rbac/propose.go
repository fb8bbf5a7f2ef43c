// SPDX-License-Identifier: Apache-2.0

package rbac

import (
	"fmt"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
)

// A Role is one that is proposed: a ClusterRole where it has no namespace.
type Role struct {
	Name      string     `json:"name"`
	Namespace string     `json:"namespace,omitempty"`
	Rules     []Proposed `json:"rules"`
}

// A Proposed is one of its rules.
type Proposed struct {
	Rule   rbacv1.PolicyRule `json:"rule"`
	Needed int               `json:"needed"`         // requests of the log that were refused without it
	Kept   string            `json:"kept,omitempty"` // why it stays though none was
}

const (
	mostNamespaces = 3 // that a right is given in one by one, where it was given everywhere
	mostNamed      = 4 // names that a right is narrowed to, where it was not
)

// A proposer finds the least role for what was asked for.
type proposer struct {
	uses    map[Request]*Use
	grants  []Grant // but those that everybody has
	passing map[string]bool
	needs   map[right][]Request
	kept    []atom
	notes   []string
}

// A right is a verb on a resource, wherever.
type right struct{ verb, group, resource string }

// An atom is a right as it is to be given.
type atom struct {
	namespace string
	right
	names []string
	path  string
	kept  string
}

// propose returns the least roles that allow what was asked for and granted, but for what everybody has.
func propose(who Subject, act *Activity, grants []Grant, passing map[string]bool, kept []atom) (roles []Role, notes []string) {
	p := &proposer{uses: map[Request]*Use{}, passing: passing, needs: map[right][]Request{}, kept: kept}
	for _, g := range grants {
		if !g.standard {
			p.grants = append(p.grants, g)
		}
	}
	var wild []Request
	for r, use := range act.uses() {
		switch {
		case use.Asked == 0 || allowedBy(grants, r, func(g *Grant) bool { return g.standard }):
		case r.wild():
			wild = append(wild, r)
		default:
			p.uses[r] = use
			p.needs[right{r.Verb, r.Group, r.Resource}] = append(p.needs[right{r.Verb, r.Group, r.Resource}], r)
		}
	}
	if len(wild) > 0 {
		p.notes = append(p.notes, fmt.Sprintf("no rule is proposed for %d different requests, as a role takes what has a * in it for many: %s", len(wild), slices.MinFunc(wild, compare)))
	}
	roles = fold(who, slices.Concat(p.atoms(), p.kept))
	count(roles, p.uses)
	return roles, p.notes
}

func allowedBy(grants []Grant, r Request, which func(*Grant) bool) bool {
	return slices.ContainsFunc(grants, func(g Grant) bool {
		_, ok := g.allows(r)
		return ok && which(&g)
	})
}

func (p *proposer) atoms() []atom {
	var all []atom
	for _, k := range slices.SortedFunc(keys(p.needs), compareRights) {
		asks := p.needs[k]
		slices.SortFunc(asks, compare)
		if k.resource == "" {
			for _, path := range p.paths(asks) {
				all = append(all, atom{right: k, path: path})
			}
			continue
		}
		all = append(all, p.place(k, asks)...)
		all = append(all, p.pair(k, all)...)
	}
	return all
}

// place says where, and for which names, a right is to be given: never more widely than it was granted.
func (p *proposer) place(k right, asks []Request) []atom {
	names := p.names(k, asks)
	var all []atom
	for _, namespace := range p.namespaces(k, asks) {
		all = append(all, atom{namespace: namespace, right: k, names: within(names, asks, namespace)})
	}
	if slices.ContainsFunc(asks, p.granted) && slices.ContainsFunc(all, func(a atom) bool { return !p.given(a) }) {
		return p.oneByOne(k, asks)
	}
	return all
}

func (p *proposer) granted(r Request) bool { return allowedBy(p.grants, r, anyGrant) }

func anyGrant(*Grant) bool { return true }

// given tells whether all that an atom gives was granted.
func (p *proposer) given(a atom) bool {
	names := a.names
	if len(names) == 0 {
		names = []string{""}
	}
	for _, name := range names {
		if !p.granted(Request{Verb: a.verb, Group: a.group, Resource: a.resource, Namespace: a.namespace, Name: name}) {
			return false
		}
	}
	return true
}

// oneByOne gives a right as it was granted for each request, what holds most widely first.
func (p *proposer) oneByOne(k right, asks []Request) []atom {
	slices.SortStableFunc(asks, func(a, b Request) int { return p.narrow(a) - p.narrow(b) })
	var all []atom
	for _, r := range asks {
		if slices.ContainsFunc(all, func(a atom) bool { return a.allows(r) }) {
			continue
		}
		a := atom{namespace: r.Namespace, right: k}
		if p.byName(r) {
			a.names = []string{r.Name}
			if i := slices.IndexFunc(all, func(other atom) bool { return other.namespace == a.namespace && len(other.names) > 0 }); i >= 0 {
				all[i].names = append(all[i].names, r.Name)
				slices.Sort(all[i].names)
				continue
			}
		}
		all = append(all, a)
	}
	return all
}

// narrow orders requests by how widely what grants them holds.
func (p *proposer) narrow(r Request) int {
	n := 0
	if r.Namespace != "" {
		n = 2
	}
	if p.byName(r) {
		n++
	}
	return n
}

func (a *atom) allows(r Request) bool {
	return (a.namespace == "" || a.namespace == r.Namespace) && (len(a.names) == 0 || slices.Contains(a.names, r.Name))
}

// pair gives list to who watches: a watch that is too old is begun anew with it (https://kubernetes.io/docs/reference/using-api/api-concepts,
// 410 Gone), which a log need not have seen.
func (p *proposer) pair(k right, before []atom) []atom {
	list := right{"list", k.group, k.resource}
	if k.verb != "watch" || len(p.needs[list]) > 0 {
		return nil
	}
	var all []atom
	for _, a := range before {
		one := Request{Verb: "list", Group: k.group, Resource: k.resource, Namespace: a.namespace}
		if a.right == k && p.granted(one) {
			a.right = list
			all = append(all, a)
		}
	}
	if len(all) > 0 {
		p.notes = append(p.notes, "list of "+resourceName(k.group, k.resource)+" is given beside watch, by which a watch that has grown too old begins anew, though the log has none")
	}
	return all
}

// namespaces are where a right is to hold; "" is everywhere. A namespace that came or went meanwhile is none to write a Role for.
func (p *proposer) namespaces(k right, asks []Request) []string {
	base, _, _ := strings.Cut(k.resource, "/")
	set, bound, passing := map[string]bool{}, true, false
	for _, r := range asks {
		if r.Namespace == "" || base == "namespaces" && k.group == "" {
			return []string{""}
		}
		set[r.Namespace] = true
		passing = passing || p.passing[r.Namespace]
		bound = bound && p.bound(r)
	}
	if bound || len(set) <= mostNamespaces && !passing && !p.listsAll(k) {
		return sortedKeys(set)
	}
	return []string{""}
}

// bound tells whether what was asked is granted by RoleBindings alone.
func (p *proposer) bound(r Request) bool {
	return p.granted(r) && !allowedBy(p.grants, r, func(g *Grant) bool { return g.Namespace == "" })
}

// listsAll tells whether who gets something by name reads all of its kind anyhow.
func (p *proposer) listsAll(k right) bool {
	return k.verb == "get" && slices.ContainsFunc(slices.Concat(p.needs[right{"list", k.group, k.resource}], p.needs[right{"watch", k.group, k.resource}]), func(r Request) bool {
		return r.Namespace == "" && r.Name == ""
	})
}

// named are resources of which a program has its own, by a name that it knows.
var named = []string{
	"leases", "configmaps", "secrets", "serviceaccounts/token", "mutatingwebhookconfigurations", "validatingwebhookconfigurations", "customresourcedefinitions", "apiservices",
}

// names are what a right is narrowed to: what it was granted for, or what the asker itself writes by that name. What is made anew has no name
// yet, and a list has none at all.
func (p *proposer) names(k right, asks []Request) []string {
	if k.verb == "deletecollection" || k.verb == "create" && !strings.Contains(k.resource, "/") {
		return nil
	}
	set, granted := map[string]bool{}, true
	for _, r := range asks {
		if r.Name == "" || r.Name == manyNames {
			return nil
		}
		set[r.Name] = true
		granted = granted && p.byName(r)
	}
	names := sortedKeys(set)
	if granted {
		return names
	}
	if k.verb == "list" || k.verb == "watch" || len(names) > mostNamed || !slices.Contains(named, k.resource) {
		return nil
	}
	if k.resource == "secrets" || k.resource == "serviceaccounts/token" || !slices.ContainsFunc(names, func(name string) bool { return !p.writes(k, name) }) {
		return names
	}
	return nil
}

// byName tells whether what was asked is granted by rules that name it alone.
func (p *proposer) byName(r Request) bool {
	unnamed := r
	unnamed.Name = ""
	return p.granted(r) && !p.granted(unnamed)
}

func (p *proposer) writes(k right, name string) bool {
	for _, verb := range []string{"update", "patch", "delete"} {
		if slices.ContainsFunc(p.needs[right{verb, k.group, k.resource}], func(r Request) bool { return r.Name == name }) {
			return true
		}
	}
	return false
}

// within are the names that were asked for in a namespace.
func within(names []string, asks []Request, namespace string) []string {
	if namespace == "" {
		return names
	}
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool {
		return !slices.ContainsFunc(asks, func(r Request) bool { return r.Namespace == namespace && r.Name == name })
	})
}

// mostPaths are given one by one of what lies in one folder; where there are more, all of it is given, if that was granted.
const mostPaths = 8

func (p *proposer) paths(asks []Request) []string {
	within := map[string]int{}
	for _, r := range asks {
		within[folder(r.Path)]++
	}
	var all []string
	for _, r := range asks {
		if in := folder(r.Path); len(in) > 1 && within[in] > mostPaths && p.granted(Request{Verb: r.Verb, Path: in + "*"}) {
			r.Path = in + "*"
		}
		if !slices.ContainsFunc(all, func(url string) bool { return pathMatches(url, r.Path) }) {
			all = append(all, r.Path)
		}
	}
	return all
}

// folder is a path without its last part.
func folder(path string) string { return path[:strings.LastIndex(path, "/")+1] }
