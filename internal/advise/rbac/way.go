// SPDX-License-Identifier: Apache-2.0

package rbac

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubeinquest/inquest/internal/rights"
)

// A Way is a right that leads to others (https://kubernetes.io/docs/concepts/security/rbac-good-practices/).
type Way struct {
	Rights    []Request `json:"rights"`
	Gives     string    `json:"gives"`
	Binding   string    `json:"binding"`
	Role      string    `json:"role"`
	Rule      int       `json:"rule"`
	Namespace string    `json:"namespace,omitempty"` // where it holds; everywhere when empty
	Names     []string  `json:"names,omitempty"`     // that it is narrowed to
	Used      int       `json:"used"`                // requests of the log
	Reaches   []string  `json:"reaches,omitempty"`   // accounts that it makes one, the mightiest first
	To        string    `json:"to,omitempty"`        // the group that it is given to

	accounts bool // it makes one a service account of where it holds
}

// everything is what a rule without bounds gives.
var everything = rights.Way{Gives: "everything: all that is not said below as well", Accounts: true}

// waysOf finds those that the rules of a grant open.
func waysOf(g *Grant, act *Activity) []Way {
	var all []Way
	for i := range g.rules {
		rule := &g.rules[i]
		if grants(rule, Request{Verb: "*", Group: "*", Resource: "*"}) && len(rule.ResourceNames) == 0 {
			all = append(all, found(g, i, act, &everything, []Request{{Verb: "*", Group: "*", Resource: "*"}}))
			continue
		}
		for k := range rights.Ways {
			w := &rights.Ways[k]
			if w.Cluster && g.Namespace != "" {
				continue
			}
			var opened []Request
			for _, r := range w.OpenedBy(rule) {
				opened = append(opened, Request{Verb: r.Verb, Group: r.Group, Resource: r.Resource})
			}
			if len(opened) > 0 {
				all = append(all, found(g, i, act, w, opened))
			}
		}
	}
	return all
}

func found(g *Grant, rule int, act *Activity, w *rights.Way, opened []Request) Way {
	f := Way{Rights: opened, Gives: w.Gives, accounts: w.Accounts, Binding: g.Binding, Role: g.Role, Rule: rule + 1, Namespace: g.Namespace, Names: g.rules[rule].ResourceNames, To: g.To}
	if act == nil {
		return f
	}
	for r, use := range act.Uses {
		if g.covers(r) && allows(&g.rules[rule], r) && slices.ContainsFunc(opened, func(right Request) bool { return uses(right, r) }) {
			f.Used += use.Asked
		}
	}
	return f
}

// mostReached is how many accounts are named that a way makes one.
const mostReached = 3

// allPowerful is more than there are ways.
const allPowerful = 1000

// mights tells of each service account how mighty it is, where roles give it ways to more.
func (o *Objects) mights() map[Subject]int {
	might := map[Subject]int{}
	for _, s := range o.all() {
		if s.Kind == rbacv1.ServiceAccountKind {
			might[s] = o.might(s)
		}
	}
	return might
}

// reach names the accounts that ways make one, the mightiest first.
func reach(from Subject, all []Way, might map[Subject]int) {
	for i := range all {
		w := &all[i]
		if !w.accounts {
			continue
		}
		var reached []Subject
		for account, n := range might {
			if n > 0 && account != from && w.makes(account) {
				reached = append(reached, account)
			}
		}
		slices.SortFunc(reached, func(a, b Subject) int { return cmp.Or(might[b]-might[a], compareSubjects(a, b)) })
		for _, account := range reached[:min(len(reached), mostReached)] {
			text := account.String()
			if might[account] > allPowerful {
				text += ", which may do everything"
			}
			w.Reaches = append(w.Reaches, text)
		}
		if more := len(reached) - mostReached; more > 0 {
			w.Reaches = append(w.Reaches, fmt.Sprintf("%d more", more))
		}
	}
}

// makes tells whether a way makes one an account: in the way's namespace, and of its names where these are of accounts.
func (w *Way) makes(account Subject) bool {
	ofAccounts := strings.HasPrefix(w.Rights[0].Resource, "serviceaccounts")
	return (w.Namespace == "" || w.Namespace == account.Namespace) && (!ofAccounts || len(w.Names) == 0 || slices.Contains(w.Names, account.Name))
}

// might orders accounts: who may everything comes before all others, then it counts ways.
func (o *Objects) might(s Subject) int {
	n := 0
	for _, g := range o.grantsTo(s, nil) {
		if g.standard {
			continue
		}
		for _, w := range waysOf(&g, nil) {
			if n++; w.Gives == everything.Gives && g.Namespace == "" {
				n += allPowerful
			}
		}
	}
	return n
}
