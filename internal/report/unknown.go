// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// shortReasons is how many reasons for not having looked the short form gives.
const shortReasons = 6

// undetermined prints the deaths that nothing explains, with what would settle them.
func (t *text) undetermined(list []Undetermined) {
	if len(list) == 0 {
		return
	}
	t.WriteByte('\n')
	t.para("", span{"undetermined", bold})
	for _, same := range sameDeaths(list) {
		u := &list[same[0]]
		spans := []span{{Escape(u.About.within(t.home)), bold}, {restart(u.About), dim}}
		if !u.At.IsZero() {
			spans = append(spans, span{" " + t.when(u.At), dim})
		}
		t.para("   ", append(spans, span{": " + Escape(u.Message), plain})...)
		if len(same) > 1 {
			t.para("   ", span{"the same: " + Escape(sameNames(list, same)), plain})
		}
		for _, s := range u.SettledBy {
			t.para("     settled by ", span{Escape(s), plain})
		}
	}
}

// measured prints the figures of a control plane, each once.
func (t *text) measured(facts []Fact) {
	if len(facts) == 0 {
		return
	}
	t.WriteByte('\n')
	t.para("", span{"measured", bold})
	said := map[string]bool{}
	for i := range facts {
		if f := &facts[i]; !said[f.Text] {
			said[f.Text] = true
			t.para("   ", span{Escape(f.Text), plain}, span{"  (" + Escape(f.Where) + ")", dim})
		}
	}
}

// sameNames names the others of a group of deaths.
func sameNames(list []Undetermined, same []int) string {
	names := make([]string, 0, len(same))
	for _, i := range same[1:] {
		names = append(names, list[i].About.String()+restart(list[i].About))
	}
	return someOf(names, 8)
}

// sameDeaths groups deaths that read alike but for the name and the time; each group holds indices, the newest first.
func sameDeaths(list []Undetermined) [][]int {
	var groups [][]int
	index := map[string]int{}
	for i := range list {
		u := &list[i]
		key := strings.Join(append([]string{u.About.Namespace, u.About.Container, masked(u.Message, u.About)}, u.SettledBy...), "\x00")
		g, ok := index[key]
		if !ok {
			g = len(groups)
			index[key] = g
			groups = append(groups, nil)
		}
		groups[g] = append(groups[g], i)
	}
	for _, g := range groups {
		slices.SortStableFunc(g, func(a, b int) int { return list[b].At.Compare(list[a].At) })
	}
	return groups
}

// A reason is why something was not looked at, and what.
type reason struct {
	why    string
	rules  []string
	kinds  []string
	things []string
}

// reasons joins skipped rules and gaps that have the same reason, in the order of the report.
func reasons(r *Report, home string) []*reason {
	var list []*reason
	get := func(why string) *reason {
		if i := slices.IndexFunc(list, func(r *reason) bool { return r.why == why }); i >= 0 {
			return list[i]
		}
		list = append(list, &reason{why: why})
		return list[len(list)-1]
	}
	for i := range r.Skipped {
		s := &r.Skipped[i]
		x := get(s.Why)
		x.rules = add(x.rules, s.Rule)
		x.things = add(x.things, s.About.within(home))
		for _, kind := range s.Missing {
			x.kinds = add(x.kinds, kind)
		}
	}
	for i := range r.Gaps {
		g := &r.Gaps[i]
		x := get(g.Why)
		x.kinds = add(x.kinds, g.Kind)
		x.things = add(x.things, g.About.within(home))
	}
	return list
}

func add(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}

// notChecked prints what could not be looked at, each reason once: silence would be read as health.
func (t *text) notChecked(r *Report) {
	list := reasons(r, t.home)
	if len(list) == 0 {
		return
	}
	t.WriteByte('\n')
	t.para("", span{"not checked", bold})
	for i, x := range list {
		if i == shortReasons && len(list) > shortReasons+1 && !t.Wide {
			t.more = true
			t.para("   ", span{fmt.Sprintf("and %d more reasons", len(list)-i), dim})
			return
		}
		t.reason(x)
	}
}

func (t *text) reason(x *reason) {
	rules, things := 3, 3
	if t.Wide {
		rules, things = 8, len(x.things)
	}
	what, why, of := x.phrase(rules, things)
	t.para("   ", span{Escape(what), bold}, span{": " + Escape(why), plain}, span{Escape(of), dim})
}

// phrase says what was not looked at, why, and of which things, naming at most that many rules and things.
func (x *reason) phrase(rules, things int) (what, why, of string) {
	what = strings.Join(x.kinds, ", ")
	if len(x.rules) > 0 {
		what = strings.TrimSpace(what + " for " + someOf(x.rules, rules))
	}
	if len(x.things) > 1 || x.things[0] != "cluster" {
		of = " (" + someOf(x.things, things) + ")"
	}
	return what, x.why, of
}

// hint says where the rest is.
func (t *text) hint(groups []group, brief bool) {
	var parts []string
	if brief && groups[0].About.Kind != "" {
		first := groups[0].About
		parts = append(parts, t.Inquest+" why "+quote(first.typeName())+namespaceFlag(first))
	}
	if len(groups) > 0 {
		parts = append(parts, t.Inquest+" explain "+Escape(groups[0].Rule))
	}
	if t.more {
		parts = append(parts, "-o wide")
	}
	if len(parts) > 0 {
		t.WriteByte('\n')
		t.para("", span{"more: " + Escape(strings.Join(parts, ", ")), dim})
	}
}

func namespaceFlag(t Thing) string {
	if t.Namespace == "" {
		return ""
	}
	return " -n " + quote(t.Namespace)
}

// Lacks lists the evidence that could not be had, each reason once, a line each.
func Lacks(gaps []evidence.Gap) string {
	t := &text{Options: Options{Wide: true}, printer: printer{width: 80}}
	for _, x := range reasons(&Report{Gaps: each(gaps, newGap)}, "") {
		t.reason(x)
	}
	return t.String()
}
