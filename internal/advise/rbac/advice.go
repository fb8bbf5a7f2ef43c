// SPDX-License-Identifier: Apache-2.0

package rbac

import (
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"
)

// An Advice compares what one subject may with what it did.
type Advice struct {
	Subject  Subject    `json:"subject"`
	Groups   []string   `json:"groups,omitempty"` // that the log has it in, beside those of its kind
	Requests int        `json:"requests"`         // of the log, refused ones too
	Grants   []GrantUse `json:"grants,omitempty"`
	Ways     []Way      `json:"ways,omitempty"`    // to more rights
	Beyond   []Asked    `json:"beyond,omitempty"`  // what was let through, and none of these roles allows
	Refused  []Asked    `json:"refused,omitempty"` // by an authorizer
	Open     []Asked    `json:"open,omitempty"`    // by others in its name, of which the log does not have the answer
	DryRuns  []Asked    `json:"dryRuns,omitempty"` // what was asked for as a dry run and not otherwise
	Proposal []Role     `json:"proposal,omitempty"`
	Replay   Replay     `json:"replay"`
	Notes    []string   `json:"notes,omitempty"`  // on the proposal
	Missed   []string   `json:"missed,omitempty"` // what a log of this length may not have
}

// A GrantUse is a grant, and what of its rules was used.
type GrantUse struct {
	Grant
	Rules []RuleUse `json:"rules,omitempty"`
}

// Asked is a request and how often it was made.
type Asked struct {
	Request Request `json:"request"`
	Times   int     `json:"times"`
}

// A Replay asks the proposed roles, and what everybody has, for all that was asked for and let through.
type Replay struct {
	Requests int     `json:"requests"`
	Refused  []Asked `json:"refused,omitempty"`
}

// Advisor compares; what it is given does not change meanwhile.
type Advisor struct {
	Objects *Objects
	Log     *Log    // nil: there is none, and only what is granted is told
	Policy  *Policy // nil: what the log leaves out is told by what is in it

	might map[Subject]int
}

// Advise compares for one subject.
func (a *Advisor) Advise(who Subject) Advice {
	if a.might == nil {
		a.might = a.Objects.mights()
	}
	advice := Advice{Subject: who}
	var act *Activity
	if a.Log != nil {
		act = a.Log.Of(who)
	}
	if act != nil {
		advice.Groups = slices.DeleteFunc(slices.Sorted(slices.Values(act.Groups)), func(g string) bool { return slices.Contains(who.groups(), g) })
	}
	grants := a.Objects.grantsTo(who, advice.Groups)
	for _, g := range grants {
		if !g.standard {
			advice.Ways = append(advice.Ways, waysOf(&g, act)...)
		}
	}
	reach(who, advice.Ways, a.might)
	if a.Log == nil {
		for _, g := range grants {
			if !g.standard {
				advice.Grants = append(advice.Grants, GrantUse{Grant: g, Rules: plain(&g)})
			}
		}
		return advice
	}
	a.compare(&advice, who, act, grants)
	return advice
}

// plain are the rules of a grant of which no log tells.
func plain(g *Grant) []RuleUse {
	var all []RuleUse
	for i, rule := range g.rules {
		all = append(all, RuleUse{Number: i + 1, Rule: rule})
	}
	return all
}

func (a *Advisor) compare(advice *Advice, who Subject, act *Activity, grants []Grant) {
	as := person{groups: append(who.groups(), advice.Groups...)}
	if who.Kind != rbacv1.GroupKind {
		as.user = who.User()
	}
	j := newJudge(a.Log, a.Policy, as, act)
	for i := range grants {
		if !grants[i].standard {
			advice.Grants = append(advice.Grants, useOfGrant(&grants[i], act, j))
		}
	}
	spare(advice.Grants, act)
	sum(advice, act, grants)
	advice.Proposal, advice.Notes = propose(who, act, grants, a.Log.Passing, keptOf(advice.Grants, grants, act))
	if unread := advice.Unread(); len(unread) > 0 {
		advice.Notes = append(advice.Notes, "what "+strings.Join(unread, ", ")+" gives is not known, so that it may be too little: read these roles too")
	}
	advice.Replay = replay(advice.Proposal, act, grants)
	advice.Missed = missed(a.Log, act, advice.Grants)
}

func useOfGrant(g *Grant, act *Activity, j *judge) GrantUse {
	u := GrantUse{Grant: *g}
	for i := range g.rules {
		u.Rules = append(u.Rules, useOf(g, i, act, j))
	}
	return u
}

// spare finds rules whose use another rule allows too.
func spare(all []GrantUse, act *Activity) {
	for i := range all {
		for k := range all[i].Rules {
			if one := &all[i].Rules[k]; one.Requests > 0 {
				one.SpareFor = standIn(all, act, i, k)
			}
		}
	}
}

// standIn names a rule that allows all that another one was used for. Of two that stand in for each other the later one is spare.
func standIn(all []GrantUse, act *Activity, grant, rule int) string {
	for i := range all {
		for k := range all[i].Rules {
			if i == grant && k == rule || all[i].Rules[k].SpareFor != "" {
				continue
			}
			if covers(&all[i].Grant, k, &all[grant].Grant, rule, act) && (i < grant || i == grant && k < rule || !covers(&all[grant].Grant, rule, &all[i].Grant, k, act)) {
				return all[i].Binding + ", rule " + number(k+1)
			}
		}
	}
	return ""
}

// covers tells whether one rule allows every request that another one was used for.
func covers(one *Grant, k int, other *Grant, l int, act *Activity) bool {
	for r, use := range act.Uses {
		if use.Asked > 0 && other.covers(r) && allows(&other.rules[l], r) && !(one.covers(r) && allows(&one.rules[k], r)) {
			return false
		}
	}
	return true
}

// sum lists what was refused, what was let through by others than these roles, and what was a dry run.
func sum(advice *Advice, act *Activity, grants []Grant) {
	if act == nil {
		return
	}
	for r, use := range act.Uses {
		advice.Requests += use.Asked + use.Refused + use.Open
		if use.Open > 0 {
			advice.Open = append(advice.Open, Asked{r, use.Open})
		}
		if use.Refused > 0 {
			advice.Refused = append(advice.Refused, Asked{r, use.Refused})
		}
		if use.Asked > 0 && use.Asked == use.Dry {
			advice.DryRuns = append(advice.DryRuns, Asked{r, use.Dry})
		}
		if use.Asked > 0 && !allowedBy(grants, r, anyGrant) {
			advice.Beyond = append(advice.Beyond, Asked{r, use.Asked})
		}
	}
	for _, list := range [][]Asked{advice.Refused, advice.Open, advice.DryRuns, advice.Beyond} {
		slices.SortFunc(list, func(a, b Asked) int { return compare(a.Request, b.Request) })
	}
}

// replay asks the proposed roles for all that the log has.
func replay(roles []Role, act *Activity, grants []Grant) Replay {
	var under []Grant
	for _, role := range roles {
		g := Grant{Namespace: role.Namespace}
		for _, p := range role.Rules {
			g.rules = append(g.rules, p.Rule)
		}
		under = append(under, g)
	}
	for _, g := range grants {
		if g.standard {
			under = append(under, g)
		}
	}
	var result Replay
	if act == nil {
		return result
	}
	for r, use := range act.Uses {
		if result.Requests += use.Asked; use.Asked > 0 && !allowedBy(under, r, anyGrant) {
			result.Refused = append(result.Refused, Asked{r, use.Asked})
		}
	}
	slices.SortFunc(result.Refused, func(a, b Asked) int { return compare(a.Request, b.Request) })
	return result
}

// Unread are the roles of which it is not known what they give, as they are not among what was read.
func (a *Advice) Unread() (roles []string) {
	for i := range a.Grants {
		if g := &a.Grants[i]; g.Unread && !slices.Contains(roles, g.Role) {
			roles = append(roles, g.Role)
		}
	}
	return roles
}

// Unused counts the rights that nobody used and the log would show.
func (a *Advice) Unused() int {
	n := 0
	for _, g := range a.Grants {
		for _, r := range g.Rules {
			n += len(r.Unused) + len(r.Names)
		}
	}
	return n
}
