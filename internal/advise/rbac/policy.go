// SPDX-License-Identifier: Apache-2.0

package rbac

import (
	"fmt"
	"slices"
	"strings"
)

// A Policy is what an API server logs (apiserver pkg/apis/audit/v1, Policy). The first rule that a request matches counts.
type Policy struct {
	Kind       string       `json:"kind"`
	OmitStages []string     `json:"omitStages"`
	Rules      []PolicyRule `json:"rules"`
}

// A PolicyRule is one of its rules; what is empty matches all.
type PolicyRule struct {
	Level           string           `json:"level"`
	Users           []string         `json:"users"`
	UserGroups      []string         `json:"userGroups"`
	Verbs           []string         `json:"verbs"`
	Resources       []GroupResources `json:"resources"`
	Namespaces      []string         `json:"namespaces"`
	NonResourceURLs []string         `json:"nonResourceURLs"`
	OmitStages      []string         `json:"omitStages"`
}

// GroupResources are resources of a group.
type GroupResources struct {
	Group         string   `json:"group"`
	Resources     []string `json:"resources"`
	ResourceNames []string `json:"resourceNames"`
}

// Validate tells what is wrong with a policy.
func (p *Policy) Validate() error {
	if p.Kind != "Policy" {
		return fmt.Errorf("its kind is %q, expected Policy of audit.k8s.io/v1", p.Kind)
	}
	for i, r := range p.Rules {
		if !slices.Contains([]string{"None", "Metadata", "Request", "RequestResponse"}, r.Level) {
			return fmt.Errorf("rule %d has the level %q, expected None, Metadata, Request or RequestResponse", i+1, r.Level)
		}
	}
	return nil
}

// match is whether a rule of a policy holds for a right, which may stand for many requests.
type match int

const (
	never match = iota
	sometimes
	always
)

// A person is a user as a policy sees it.
type person struct {
	user   string // "" for whoever is in the groups
	groups []string
}

// silent tells why requests that a right allows may be missing from the log, or "" when all are in it.
func (p *Policy) silent(who person, right Request) string {
	for i, rule := range p.Rules {
		m := rule.matches(who, right)
		if m == never {
			continue
		}
		if rule.Level == "None" || p.omits(rule, right) {
			return fmt.Sprintf("rule %d of the audit policy does not log it%s", i+1, map[match]string{sometimes: " in each case"}[m])
		}
		if m == always {
			return ""
		}
	}
	return "no rule of the audit policy logs it"
}

// omits tells whether no stage is logged in which the answer is known.
func (p *Policy) omits(rule PolicyRule, right Request) bool {
	omitted := slices.Concat(p.OmitStages, rule.OmitStages)
	return slices.Contains(omitted, "ResponseComplete") && (right.Verb != "watch" || slices.Contains(omitted, "ResponseStarted"))
}

func (r *PolicyRule) matches(who person, right Request) match {
	m := always
	narrow := func(by match) { m = min(m, by) }
	if len(r.Users) > 0 {
		narrow(of(r.Users, who.user, who.user == ""))
	}
	if len(r.UserGroups) > 0 && !slices.ContainsFunc(who.groups, func(g string) bool { return slices.Contains(r.UserGroups, g) }) {
		return never
	}
	if len(r.Verbs) > 0 {
		narrow(of(r.Verbs, right.Verb, right.Verb == "*"))
	}
	switch {
	case len(r.Namespaces) > 0 || len(r.Resources) > 0:
		if right.Resource == "" {
			return never
		}
		if len(r.Namespaces) > 0 {
			narrow(of(r.Namespaces, right.Namespace, right.Namespace == "*"))
		}
		if len(r.Resources) > 0 {
			narrow(r.resources(right))
		}
	case len(r.NonResourceURLs) > 0:
		if right.Resource != "" {
			return never
		}
		narrow(urls(r.NonResourceURLs, right.Path))
	}
	return m
}

// of matches a word against a list; open is a word that stands for many.
func of(list []string, word string, open bool) match {
	switch {
	case open:
		return sometimes
	case slices.Contains(list, word):
		return always
	}
	return never
}

func (r *PolicyRule) resources(right Request) match {
	best := never
	for _, g := range r.Resources {
		m := always
		if g.Group != "*" {
			m = of([]string{g.Group}, right.Group, right.Group == "*")
		}
		if len(g.Resources) > 0 {
			m = min(m, resourcesOf(g.Resources, right.Resource))
		}
		if len(g.ResourceNames) > 0 {
			m = min(m, of(g.ResourceNames, right.Name, right.Name == "*"))
		}
		best = max(best, m)
	}
	return best
}

// resourcesOf matches the words of a policy: pods, pods/log, pods/*, */scale, *.
func resourcesOf(list []string, resource string) match {
	base, sub, deep := strings.Cut(resource, "/")
	best := never
	for _, word := range list {
		switch {
		case word == "*" || word == resource || deep && (word == base+"/*" || word == "*/"+sub):
			return always
		case resource == "*" || base == "*" && strings.HasSuffix(word, "/"+sub) || base == "*" && strings.HasSuffix(word, "/*"):
			best = sometimes
		}
	}
	return best
}

// urls matches paths, of which either may end in *.
func urls(list []string, path string) match {
	best := never
	open, prefix := strings.HasSuffix(path, "*"), strings.TrimRight(path, "*")
	for _, word := range list {
		switch {
		case pathMatches(word, path):
			return always
		case open && strings.HasPrefix(word, prefix):
			best = sometimes
		}
	}
	return best
}
