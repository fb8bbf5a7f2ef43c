// SPDX-License-Identifier: Apache-2.0

package rbac

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
)

func number(n int) string { return strconv.Itoa(n) }

// keptOf are rights that stay though nothing in the log needs them: what cannot be judged is not taken away. Where it is a wildcard it is not
// kept as it is, for it would be all.
func keptOf(uses []GrantUse, grants []Grant, act *Activity) []atom {
	var all []atom
	for _, g := range uses {
		for _, rule := range g.Rules {
			for _, u := range rule.Unknown {
				if r := u.Right; !r.wild() && (r.Resource != "" || g.Namespace == "") {
					all = append(all, atom{namespace: g.Namespace, right: right{r.Verb, r.Group, r.Resource}, names: rule.Rule.ResourceNames, path: r.Path, kept: u.Why})
				}
			}
		}
	}
	return slices.Concat(all, open(grants, act), aside(grants, act))
}

// wild tells whether a role would take a request for others too.
func (r Request) wild() bool {
	return strings.Contains(r.Verb+r.Group+r.Resource, "*") || strings.HasSuffix(r.Path, "*")
}

// open keeps what others asked about, of a wildcard too: the program that they asked for may not work without.
func open(given []Grant, act *Activity) []atom {
	var all []atom
	for r, use := range act.uses() {
		if use.Open == 0 || use.Asked > 0 || r.wild() || allowedBy(given, r, func(g *Grant) bool { return g.standard }) {
			continue
		}
		for i := range given {
			g := &given[i]
			if k, ok := g.allows(r); ok {
				a := atom{namespace: g.Namespace, right: right{r.Verb, r.Group, r.Resource}, path: r.Path, kept: unanswered}
				if r.Resource != "" {
					a.names = g.rules[k].ResourceNames
				}
				all = append(all, a)
				break
			}
		}
	}
	return all
}

// asides are rights that are looked up while another request is admitted, with the resources of that one.
var asides = []struct {
	verb, group, resource string
	written               []string
}{
	{"bind", rbacv1.GroupName, "clusterroles", []string{"rolebindings", "clusterrolebindings"}},
	{"bind", rbacv1.GroupName, "roles", []string{"rolebindings"}},
	{"escalate", rbacv1.GroupName, "clusterroles", []string{"clusterroles"}},
	{"escalate", rbacv1.GroupName, "roles", []string{"roles"}},
	{"approve", "certificates.k8s.io", "signers", []string{"certificatesigningrequests/approval"}},
	{"sign", "certificates.k8s.io", "signers", []string{"certificatesigningrequests/status"}},
}

// aside keeps those that a wildcard gives and that what was written may have needed.
func aside(given []Grant, act *Activity) []atom {
	var all []atom
	if act == nil {
		return nil
	}
	for _, a := range asides {
		wrote := false
		for r, use := range act.Uses {
			wrote = wrote || use.Asked > 0 && r.Group == a.group && slices.Contains(a.written, r.Resource) && kindOf(r.Verb) == "write"
		}
		for _, g := range given {
			for i := range g.rules {
				if rule := &g.rules[i]; wrote && slices.Contains(rule.Verbs, "*") && grants(rule, Request{Verb: a.verb, Group: a.group, Resource: a.resource}) {
					why := "it wrote " + strings.Join(a.written, " or ") + ", for which the API server may have looked it up"
					all = append(all, atom{namespace: g.Namespace, right: right{a.verb, a.group, a.resource}, names: rule.ResourceNames, kept: why})
				}
			}
		}
	}
	return all
}

// missed says what a log of this length may not have.
func missed(log *Log, act *Activity, grants []GrantUse) []string {
	var all []string
	length := log.To.Sub(log.From)
	for _, p := range []struct {
		least time.Duration
		what  string
	}{{24 * time.Hour, "a day: what runs nightly"}, {7 * 24 * time.Hour, "a week: what runs weekly"}, {31 * 24 * time.Hour, "a month: what runs monthly"}} {
		if length < p.least {
			all = append(all, fmt.Sprintf("the log is %s long, shorter than %s need not be in it", Span(length), p.what))
			break
		}
	}
	if act != nil && act.First.Sub(log.From) < time.Minute {
		all = append(all, "it ran already when the log begins: what it asks for at its start alone need not be in it")
	}
	var leader, custom, first []string
	for _, g := range grants {
		for _, rule := range g.Rules {
			for _, r := range rule.Unused {
				switch {
				case r.Group == "coordination.k8s.io":
					leader = append(leader, bare(r).String())
				case strings.Contains(r.Group, ".") && !strings.HasSuffix(r.Group, ".k8s.io"):
					custom = append(custom, bare(r).String())
				case r.Group == "admissionregistration.k8s.io" || r.Group == "apiextensions.k8s.io" || r.Group == "apiregistration.k8s.io" || r.Verb == "create" && r.Resource == "namespaces":
					first = append(first, bare(r).String())
				}
			}
		}
	}
	all = append(all, rare(leader, "taking over as leader")...)
	all = append(all, rare(custom, "objects of a kind that nobody may have made yet")...)
	return append(all, rare(first, "a first start, or a new version")...)
}

func rare(rights []string, when string) []string {
	if len(rights) == 0 {
		return nil
	}
	slices.Sort(rights)
	return []string{fmt.Sprintf("unused here, but perhaps needed at %s: %s", when, strings.Join(slices.Compact(rights), ", "))}
}

// Span says a length of time in its two largest units: 26h10m is "1d2h".
func Span(d time.Duration) string {
	switch d = d.Round(time.Second); {
	case d >= 24*time.Hour:
		return fmt.Sprintf("%dd%dh", d/(24*time.Hour), d%(24*time.Hour)/time.Hour)
	case d >= time.Hour:
		return fmt.Sprintf("%dh%dm", d/time.Hour, d%time.Hour/time.Minute)
	case d >= time.Minute:
		return fmt.Sprintf("%dm%ds", d/time.Minute, d%time.Minute/time.Second)
	}
	return d.String()
}
