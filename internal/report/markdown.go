// SPDX-License-Identifier: Apache-2.0

package report

import (
	"fmt"
	"strings"
	"time"
)

// Markdown returns the reports for an issue or a chat, with everything that the wide text shows: who reads it there
// has no cluster to ask. Commands begin with kubectl, or with "kubectl" when that is nil.
func Markdown(reports []Report, kubectl []string) string {
	m := &markdown{kubectl: kubectl}
	for i := range reports {
		if i > 0 {
			m.WriteString("\n---\n\n")
		}
		m.report(&reports[i])
	}
	return m.String()
}

// markdown is a text in the middle of one report.
type markdown struct {
	strings.Builder
	kubectl []string
	taken   time.Time
	home    string
}

// line prints one line; what came from the cluster is escaped before it gets here.
func (m *markdown) line(format string, args ...any) {
	fmt.Fprintf(&m.Builder, format+"\n", args...)
}

func (m *markdown) report(r *Report) {
	m.taken, m.home = r.Taken, home(r.Subject)
	m.line("**%s: %s** (as of %s)", EscapeMarkdown(subject(r.Subject)), verdict(r), r.Taken.Format(time.RFC3339))
	for i, g := range grouped(r.Causes) {
		m.line("")
		m.claim(fmt.Sprintf("%d. ", i+1), "   ", &g)
	}
	if len(r.Undetermined) > 0 {
		m.line("\n**Undetermined**\n")
		for _, same := range sameDeaths(r.Undetermined) {
			m.undetermined(r.Undetermined, same)
		}
	}
	if list := reasons(r, m.home); len(list) > 0 {
		m.line("\n**Not checked**\n")
		for _, x := range list {
			what, why, things := x.phrase(len(x.rules), len(x.things))
			m.line("- %s: %s", EscapeMarkdown(what), EscapeMarkdown(why+things))
		}
	}
}

// claim prints a finding as a list item that begins with mark, and below it what it rests on and leads to.
func (m *markdown) claim(mark, indent string, g *group) {
	m.line("%s**%s** %s **%s**%s: %s", mark, EscapeMarkdown(g.Rule), g.Confidence,
		EscapeMarkdown(g.About.within(m.home)), restart(g.About), EscapeMarkdown(g.Message))
	if others := g.others(); others != "" {
		m.line("%s- the same in %s", indent, EscapeMarkdown(others))
	}
	for i := range g.Facts {
		m.fact(indent+"- ", &g.Facts[i], g.About)
	}
	for i := range g.Against {
		m.fact(indent+"- against: ", &g.Against[i], g.About)
	}
	for i := range g.Fixes {
		m.fix(indent, &g.Fixes[i])
	}
	leads := grouped(g.Leads)
	for i := range leads {
		m.claim(indent+"- leads to ", indent+"  ", &leads[i])
	}
}

func (m *markdown) fact(mark string, f *Fact, about Thing) {
	at := ""
	if !f.At.IsZero() {
		at = " " + moment(f.At, m.taken)
	}
	place := f.place(about, m.home)
	if place != "" {
		place = " " + EscapeMarkdown("("+place+")")
	}
	m.line("%s%s%s: %s%s", mark, f.Source, at, EscapeMarkdown(clip(f.Text, wideText)), place)
}

func (m *markdown) fix(indent string, f *Fix) {
	m.line("%s- fix: %s%s", indent, EscapeMarkdown(f.Title), f.disturbs())
	if owned := f.Owned(""); owned != "" {
		m.line("%s  %s", indent, EscapeMarkdown(owned))
	}
	command := EscapeLines(strings.TrimSpace(f.Line(m.kubectl)))
	if command == "" {
		return
	}
	fence := "```"
	for strings.Contains(command, fence) {
		fence += "`"
	}
	m.line("%s  %ssh", indent, fence)
	for line := range strings.SplitSeq(command, "\n") {
		m.line("%s  %s", indent, line)
	}
	m.line("%s  %s", indent, fence)
}

func (m *markdown) undetermined(list []Undetermined, same []int) {
	u := &list[same[0]]
	at := ""
	if !u.At.IsZero() {
		at = " " + moment(u.At, m.taken)
	}
	m.line("- **%s**%s%s: %s", EscapeMarkdown(u.About.within(m.home)), restart(u.About), at, EscapeMarkdown(u.Message))
	if len(same) > 1 {
		m.line("  - the same: %s", EscapeMarkdown(sameNames(list, same)))
	}
	for _, s := range u.SettledBy {
		m.line("  - settled by %s", EscapeMarkdown(s))
	}
}
