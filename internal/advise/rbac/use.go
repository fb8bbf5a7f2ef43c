// SPDX-License-Identifier: Apache-2.0

package rbac

import (
	"cmp"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubeinquest/inquest/internal/rights"
)

// A RuleUse is what of one rule was used.
type RuleUse struct {
	Number    int               `json:"number"` // in its role, from 1
	Rule      rbacv1.PolicyRule `json:"rule"`
	Requests  int               `json:"requests"`            // of the log that it allows
	Unused    []Request         `json:"unused,omitempty"`    // rights that the log would show, and does not
	Unknown   []Unknown         `json:"unknown,omitempty"`   // rights that the log does not show, and need not
	Names     []string          `json:"names,omitempty"`     // that it is narrowed to, and nobody asked for
	Wildcards []Wildcard        `json:"wildcards,omitempty"` // in it
	SpareFor  string            `json:"spareFor,omitempty"`  // another rule that allows all that this one was used for
}

// An Unknown is a right of which the log cannot tell whether it was used.
type Unknown struct {
	Right Request `json:"right"`
	Why   string  `json:"why"`
}

// A Wildcard is a * of a rule, and what it was used for.
type Wildcard struct {
	Field   string   `json:"field"`
	UsedFor []string `json:"usedFor"`
}

// useOf looks a rule up in what was asked for.
func useOf(g *Grant, number int, act *Activity, j *judge) RuleUse {
	rule := g.rules[number]
	u := RuleUse{Number: number + 1, Rule: rule}
	var used, asked []Request
	for r, use := range act.uses() {
		if !g.covers(r) || !allows(&rule, r) {
			continue
		}
		if use.Asked > 0 {
			used = append(used, r)
			u.Requests += use.Asked
		} else if use.Open > 0 {
			asked = append(asked, r)
		}
	}
	for _, right := range rightsOf(&rule) {
		right = g.place(right)
		of := func(r Request) bool { return uses(right, r) }
		why := ""
		switch {
		case slices.ContainsFunc(used, of):
			continue
		case slices.ContainsFunc(asked, of):
			why = unanswered
		case g.Namespace == "" || right.Resource != "": // a RoleBinding gives no paths
			why = j.unknown(right)
		}
		if why != "" {
			u.Unknown = append(u.Unknown, Unknown{bare(right), why})
		} else {
			u.Unused = append(u.Unused, bare(right))
		}
	}
	for _, name := range rule.ResourceNames {
		if len(used) > 0 && !slices.ContainsFunc(used, func(r Request) bool { return r.Name == name }) {
			u.Names = append(u.Names, name)
		}
	}
	u.Wildcards = wildcardsOf(&rule, used)
	return u
}

// unanswered is why a right may have been used that others asked about.
const unanswered = "others asked whether it is granted, and the log does not have what they were told: log subjectaccessreviews at the level RequestResponse"

// uses are the requests of somebody, of whom the log may have nothing.
func (a *Activity) uses() map[Request]*Use {
	if a == nil {
		return nil
	}
	return a.Uses
}

// place says where a right of a grant holds.
func (g *Grant) place(right Request) Request {
	if right.Resource != "" {
		right.Namespace, right.Name = cmp.Or(g.Namespace, "*"), "*"
	}
	return right
}

// covers tells whether a request lies where a grant holds.
func (g *Grant) covers(r Request) bool {
	return g.Namespace == "" || r.Resource != "" && r.Namespace == g.Namespace
}

// bare is a right without where it holds, which is said once for a whole grant.
func bare(r Request) Request {
	r.Namespace, r.Name = "", ""
	return r
}

// rightsOf takes a rule apart.
func rightsOf(rule *rbacv1.PolicyRule) []Request {
	var all []Request
	for _, verb := range rule.Verbs {
		for _, group := range rule.APIGroups {
			for _, resource := range rule.Resources {
				all = append(all, Request{Verb: verb, Group: group, Resource: resource})
			}
		}
		for _, path := range rule.NonResourceURLs {
			all = append(all, Request{Verb: verb, Path: path})
		}
	}
	return all
}

// uses tells whether a request makes use of a right.
func uses(right, r Request) bool {
	if right.Verb != "*" && right.Verb != r.Verb {
		return false
	}
	if r.Resource == "" {
		return right.Resource == "" && pathMatches(right.Path, r.Path)
	}
	return right.Resource != "" && (right.Group == "*" || right.Group == r.Group) && rights.Matches(right.Resource, r.Resource)
}

func wildcardsOf(rule *rbacv1.PolicyRule, used []Request) []Wildcard {
	var all []Wildcard
	add := func(field string, list []string, of func(Request) string) {
		if !slices.ContainsFunc(list, func(s string) bool { return strings.Contains(s, "*") }) {
			return
		}
		words := map[string]bool{}
		for _, r := range used {
			words[of(r)] = true
		}
		all = append(all, Wildcard{field, sortedKeys(words)})
	}
	add("verbs", rule.Verbs, func(r Request) string { return r.Verb })
	add("apiGroups", rule.APIGroups, func(r Request) string { return r.Group })
	add("resources", rule.Resources, func(r Request) string { return resourceName(r.Group, r.Resource) })
	add("nonResourceURLs", rule.NonResourceURLs, func(r Request) string { return r.Path })
	return all
}

// A judge tells what the absence of a request from a log means.
type judge struct {
	log    *Log
	policy *Policy
	who    person
	act    *Activity
	seen   map[string]bool // resources and kinds of verbs that anybody asked for
}

func newJudge(log *Log, policy *Policy, who person, act *Activity) *judge {
	j := &judge{log: log, policy: policy, who: who, act: act, seen: map[string]bool{}}
	for _, a := range log.Users {
		for r := range a.Uses {
			j.seen[resourceName(r.Group, r.Resource)] = true
			j.seen[kindOf(r.Verb)] = true
			if act == a {
				j.seen["own "+kindOf(r.Verb)] = true
			}
		}
	}
	if who.user == "" && act != nil { // a group
		for r := range act.Uses {
			j.seen["own "+kindOf(r.Verb)] = true
		}
	}
	return j
}

func kindOf(verb string) string {
	if slices.Contains(reads, verb) {
		return "read"
	}
	return "write"
}

var reads = []string{"get", "list", "watch"}

// kubelets' rights are asked for by kubelets, of whoever comes to them (kubernetes pkg/kubelet/server/auth.go).
var kubelets = []string{"nodes/metrics", "nodes/stats", "nodes/log", "nodes/proxy", "nodes/pods", "nodes/healthz", "nodes/configz", "nodes/spec", "nodes/checkpoint"}

// unknown tells why a right may have been used though the log has no such request, or "".
func (j *judge) unknown(right Request) string {
	switch {
	case asideOf(right):
		return "it is asked for while another request is admitted, and leaves none of its own"
	case j.log.Missed > 0:
		return "the log has more different requests than are kept"
	case j.delegated(right):
		return "others may ask whether it is granted, and the log does not have what they ask: log subjectaccessreviews at the level RequestResponse"
	case j.policy != nil:
		return j.policy.silent(j.who, right)
	case j.act == nil:
		return "the log has nothing at all of it: give the audit policy with --policy to know whether it would"
	case right.Resource == "" && !j.seen[""]:
		return "the log has no request for a path that is no resource: an audit policy may leave them out"
	case right.Resource != "" && right.Verb != "*" && !j.seen["own "+kindOf(right.Verb)]:
		return "the log has no " + kindOf(right.Verb) + " of it: an audit policy may leave them out"
	case right.Resource != "" && !strings.Contains(right.Group+right.Resource, "*") && !j.seen[resourceName(right.Group, right.Resource)]:
		return "the log has no such request of anybody: an audit policy may leave them out"
	}
	return ""
}

// delegated tells whether a right is one that only SubjectAccessReviews may ask about, of which the log has some without their content.
func (j *judge) delegated(right Request) bool {
	if j.log.Reviews == 0 {
		return false
	}
	foreign := strings.Contains(right.Group, ".") && !strings.HasSuffix(right.Group, ".k8s.io") && !j.seen[resourceName(right.Group, right.Resource)]
	return right.Resource == "" || foreign || right.Group == "" && slices.Contains(kubelets, right.Resource)
}

// asideOf tells whether a right is looked up only while another request is admitted: to give away rights that one has not (kubernetes
// pkg/registry/rbac), to sign certificates (plugin/pkg/admission/certificates), to own by blockOwnerDeletion (plugin/pkg/admission/gc), and
// use, by which policies are chosen.
func asideOf(right Request) bool {
	return slices.Contains([]string{"bind", "escalate", "approve", "sign", "attest", "use"}, right.Verb) || strings.HasSuffix(right.Resource, "/finalizers")
}
