// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"

	"github.com/kubeinquest/inquest/internal/advise/rbac"
	"github.com/kubeinquest/inquest/internal/report"
)

// width is what a terminal has at least.
const width = 80

// A page is a text that is being written: of the cluster, so each line is escaped.
type page struct{ strings.Builder }

// line writes a text at an indent, and what does not fit below it two further in.
func (p *page) line(indent int, format string, args ...any) {
	room, first := width-indent, true
	for words := strings.Fields(report.Escape(fmt.Sprintf(format, args...))); len(words) > 0; {
		n, length := 1, len([]rune(words[0]))
		for n < len(words) && length+1+len([]rune(words[n])) <= room {
			length += 1 + len([]rune(words[n]))
			n++
		}
		p.WriteString(strings.Repeat(" ", indent) + strings.Join(words[:n], " ") + "\n")
		if words = words[n:]; first {
			indent, room, first = indent+2, room-2, false
		}
	}
}

// accessText says who may do what, and did: of each in a line, or of some in full.
func accessText(answer *accessReport, full bool) string {
	var p page
	if answer.Log != nil {
		p.head(answer.Log)
	}
	if !full {
		p.table(answer)
		return p.String()
	}
	for i := range answer.Items {
		p.advice(&answer.Items[i], answer.Log)
	}
	return p.String()
}

func (p *page) head(l *logSummary) {
	p.line(0, "audit log of %s from %s on: %s", l.Length, l.From.Format(time.RFC3339), report.Plural(l.Requests, "request"))
	if l.Broken > 0 {
		p.line(2, "%s could not be read, and what they told is missing below: %s", report.Plural(l.Broken, "line"), strings.Join(l.Examples, "; "))
	}
	for _, text := range l.Overflows {
		p.line(2, "%s", text)
	}
	if !l.Policy {
		p.line(2, "no audit policy was given: what the log leaves out is told by what is in it; name the policy with --policy")
	}
	p.WriteString("\n")
}

// table has a line for each subject.
func (p *page) table(answer *accessReport) {
	w := tabwriter.NewWriter(&p.Builder, 0, 0, 2, ' ', 0)
	if answer.Log == nil {
		fmt.Fprintln(w, "SUBJECT\tRULES\tWAYS")
	} else {
		fmt.Fprintln(w, "SUBJECT\tREQUESTS\tREFUSED\tRULES\tUNUSED\tWAYS")
	}
	for i := range answer.Items {
		a := &answer.Items[i]
		rules, unused, refused := countRules(a)
		if answer.Log == nil {
			fmt.Fprintf(w, "%s\t%s\t%s\n", report.Escape(a.Subject.String()), orMore(strconv.Itoa(rules), a), orMore(countWays(a.Ways), a))
		} else {
			fmt.Fprintf(w, "%s\t%d\t%d\t%s\t%s\t%s\n", report.Escape(a.Subject.String()), a.Requests, refused, orMore(strconv.Itoa(rules), a),
				orMore(strconv.Itoa(unused), a), orMore(countWays(a.Ways), a))
		}
	}
	_ = w.Flush() // a builder takes all
	p.unread(answer)
	p.WriteString("\nWays lead to more rights. Name somebody with --subject to see them, what was\nused, and the least role.\n")
}

// unread names the roles that were not read, without which an answer says too little.
func (p *page) unread(answer *accessReport) {
	if roles := answer.unread(); len(roles) > 0 {
		p.WriteString("\n")
		p.line(0, "What these roles give is not known, as they are not among what was read: %s. Whoever has one may have more rules and ways than it says (+).", strings.Join(roles, ", "))
	}
}

// orMore marks a count of what somebody has of whom not all is known.
func orMore(text string, a *rbac.Advice) string {
	if len(a.Unread()) > 0 && text != toEverything {
		return text + "+"
	}
	return text
}

// countRules counts the rules that somebody has, those of them that nobody used, and the requests that were refused.
func countRules(a *rbac.Advice) (rules, unused, refused int) {
	for _, g := range a.Grants {
		for _, r := range g.Rules {
			rules++
			if r.Requests == 0 && len(r.Unknown) == 0 {
				unused++
			}
		}
	}
	for _, r := range a.Refused {
		refused += r.Times
	}
	return rules, unused, refused
}

const toEverything = "everything"

// countWays says how many there are, or that one of them is to everything.
func countWays(all []rbac.Way) string {
	if slices.ContainsFunc(all, func(w rbac.Way) bool { return w.Rights[0].Verb == "*" && w.Namespace == "" }) {
		return toEverything
	}
	return strconv.Itoa(len(all))
}

// advice tells all of one subject.
func (p *page) advice(a *rbac.Advice, l *logSummary) {
	switch {
	case l == nil:
		p.line(0, "%s", a.Subject)
	case a.Requests == 0:
		p.line(0, "%s: the log has no request of it", a.Subject)
	default:
		p.line(0, "%s: %s in the log", a.Subject, report.Plural(a.Requests, "request"))
	}
	if len(a.Grants) == 0 {
		p.line(2, "no binding gives it anything")
	}
	for i := range a.Grants {
		p.grant(&a.Grants[i], l != nil)
	}
	p.ways(a.Ways, l != nil)
	beyond := "let through, though none of these roles allows it: they have changed, or another authorizer did"
	if len(a.Unread()) > 0 {
		beyond = "let through, and none of the roles that were read allows it"
	}
	p.asked(beyond, a.Beyond)
	p.asked("refused in the log", a.Refused)
	p.asked("asked by others whether it may, and the log does not have what they were told", a.Open)
	p.asked("asked for as dry runs alone", a.DryRuns)
	if l != nil {
		p.proposal(a)
	}
	p.WriteString("\n")
}

func (p *page) grant(g *rbac.GrantUse, judged bool) {
	where := "everywhere"
	if g.Namespace != "" {
		where = "in " + g.Namespace
	}
	if g.To != "" {
		where += ", as one of " + g.To
	}
	p.line(2, "%s gives %s %s", g.Binding, g.Role, where)
	if g.Missing {
		p.line(4, "there is no such role: nothing is given")
	}
	if g.Unread {
		p.line(4, "the role is not among what was read: what it gives is not known")
	}
	if g.Default {
		p.line(4, "the role is not among what was read: these are its rules as every API server makes them by default")
	}
	for i := range g.Rules {
		r := &g.Rules[i]
		p.line(4, "%d. %s", r.Number, ruleText(&r.Rule))
		if judged {
			p.use(r)
		}
	}
}

// use says what of a rule was used, and what was not.
func (p *page) use(r *rbac.RuleUse) {
	if r.Requests == 0 && len(r.Unused) > 0 && len(r.Unknown) == 0 {
		p.line(7, "unused")
		return
	}
	if r.Requests > 0 {
		p.line(7, "used by %s", report.Plural(r.Requests, "request"))
		for _, w := range r.Wildcards {
			p.line(7, "* of %s was used for %s alone", w.Field, strings.Join(quoteEmpty(w.UsedFor), ", "))
		}
	}
	if len(r.Unused) > 0 {
		p.line(7, "unused: %s", rights(r.Unused))
	}
	if len(r.Names) > 0 {
		p.line(7, "names that nobody asked for: %s", strings.Join(r.Names, ", "))
	}
	if r.SpareFor != "" {
		p.line(7, "spare: all of that is also allowed by %s", r.SpareFor)
	}
	why := map[string][]rbac.Request{}
	var order []string
	for _, u := range r.Unknown {
		if why[u.Why] == nil {
			order = append(order, u.Why)
		}
		why[u.Why] = append(why[u.Why], u.Right)
	}
	for _, reason := range order {
		p.line(7, "cannot be judged: %s: %s", rights(why[reason]), reason)
	}
}

func (p *page) ways(all []rbac.Way, judged bool) {
	if len(all) == 0 {
		return
	}
	p.line(2, "ways to more rights")
	for _, w := range all {
		where, used := "", ""
		if w.Namespace != "" {
			where = " in " + w.Namespace
		}
		if len(w.Names) > 0 {
			where = " named " + strings.Join(w.Names, ", ") + where
		}
		if judged {
			used = ", unused"
			if w.Used > 0 {
				used = ", used by " + report.Plural(w.Used, "request")
			}
		}
		p.line(4, "%s%s (%s, rule %d%s): %s", rights(w.Rights), where, w.Role, w.Rule, used, w.Gives)
		if len(w.Reaches) > 0 {
			p.line(6, "accounts with such ways: %s", strings.Join(w.Reaches, "; "))
		}
	}
}

// mostShown is how many requests of a kind are listed.
const mostShown = 20

func (p *page) asked(what string, all []rbac.Asked) {
	if len(all) == 0 {
		return
	}
	p.line(2, "%s", what)
	for _, a := range all[:min(len(all), mostShown)] {
		p.line(4, "%s (%s)", a.Request, times(a.Times))
	}
	if more := len(all) - mostShown; more > 0 {
		p.line(4, "and %d more, which -o json has", more)
	}
}

func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

func (p *page) proposal(a *rbac.Advice) {
	if len(a.Proposal) == 0 {
		p.line(2, "the least role: none; it %s", noRole(a))
	} else {
		p.line(2, "the least role, as -o roles writes it")
	}
	for _, role := range a.Proposal {
		kind, where := "ClusterRole", "everywhere"
		if role.Namespace != "" {
			kind, where = "Role", "in "+role.Namespace
		}
		p.line(4, "%s %s, %s", kind, role.Name, where)
		for i := range role.Rules {
			r := &role.Rules[i]
			if r.Kept != "" {
				p.line(6, "%s: stays, as it cannot be judged", ruleText(&r.Rule))
				continue
			}
			p.line(6, "%s: without it %s would be refused", ruleText(&r.Rule), report.Plural(r.Needed, "request"))
		}
	}
	if len(a.Replay.Refused) > 0 {
		p.asked("of the log it would have refused", a.Replay.Refused)
	} else {
		p.line(4, "of the log it would have refused nothing: %s asked again", report.Plural(a.Replay.Requests, "request"))
	}
	for _, note := range slices.Concat(a.Notes, a.Missed) {
		p.line(4, "%s", note)
	}
}

// ruleText says a rule in a line: "get,list pods,services", "update leases.coordination.k8s.io named cart".
func ruleText(r *rbacv1.PolicyRule) string {
	text := strings.Join(r.Verbs, ",") + " " + strings.Join(r.NonResourceURLs, ",")
	if len(r.Resources) > 0 {
		text = strings.Join(r.Verbs, ",") + " " + strings.Join(r.Resources, ", ")
		if groups := strings.Join(r.APIGroups, ", "); groups != "" {
			text += " of " + groups
		}
	}
	if len(r.ResourceNames) > 0 {
		text += " named " + strings.Join(r.ResourceNames, ", ")
	}
	return text
}

// rights says several: the verbs of each resource together.
func rights(all []rbac.Request) string {
	verbs := map[string][]string{}
	var order []string
	for _, r := range all {
		of := strings.TrimPrefix(rbac.Request{Group: r.Group, Resource: r.Resource, Path: r.Path}.String(), " ")
		if verbs[of] == nil {
			order = append(order, of)
		}
		verbs[of] = append(verbs[of], r.Verb)
	}
	var parts []string
	for i, of := range order {
		own := strings.Join(verbs[of], ",")
		if i > 0 && own == strings.Join(verbs[order[i-1]], ",") {
			parts[len(parts)-1] += ", " + of
			continue
		}
		parts = append(parts, own+" "+of)
	}
	return strings.Join(parts, "; ")
}

func quoteEmpty(words []string) []string {
	words = slices.Clone(words)
	for i, w := range words {
		if w == "" {
			words[i] = `""`
		}
	}
	return words
}

// noRole says why somebody needs none.
func noRole(a *rbac.Advice) string {
	if len(a.Beyond) > 0 {
		return "asked for nothing that a role which was read allows"
	}
	return "asked for nothing but what everybody may"
}

// rolesOf writes the proposed roles and their bindings, as kubectl apply takes them.
func rolesOf(all []rbac.Advice) ([]byte, error) {
	var b bytes.Buffer
	for i := range all {
		a := &all[i]
		if len(a.Proposal) == 0 {
			fmt.Fprintf(&b, "# %s needs no role: it %s\n", report.Escape(a.Subject.String()), noRole(a))
		}
		if roles := a.Unread(); len(roles) > 0 {
			fmt.Fprintf(&b, "# what %s gives to %s is not known, so that this may be too little\n", report.Escape(strings.Join(roles, ", ")), report.Escape(a.Subject.String()))
		}
		for _, role := range a.Proposal {
			for _, object := range objectsOf(a.Subject, role) {
				data, err := yaml.Marshal(object)
				if err != nil {
					return nil, fmt.Errorf("write role %s: %w", role.Name, err)
				}
				fmt.Fprintf(&b, "---\n%s", report.EscapeLines(string(data)))
			}
		}
	}
	return b.Bytes(), nil
}

// objectsOf are a role and its binding.
func objectsOf(who rbac.Subject, role rbac.Role) []any {
	meta := map[string]any{"name": role.Name}
	if role.Namespace != "" {
		meta["namespace"] = role.Namespace
	}
	kind := "ClusterRole"
	if role.Namespace != "" {
		kind = "Role"
	}
	subject := rbacv1.Subject{Kind: who.Kind, Name: who.Name, Namespace: who.Namespace}
	if who.Kind != rbacv1.ServiceAccountKind {
		subject.APIGroup = rbacv1.GroupName
	}
	var rules []rbacv1.PolicyRule
	for _, r := range role.Rules {
		rules = append(rules, r.Rule)
	}
	version := rbacv1.SchemeGroupVersion.String()
	return []any{
		map[string]any{"apiVersion": version, "kind": kind, "metadata": meta, "rules": rules},
		map[string]any{
			"apiVersion": version, "kind": kind + "Binding", "metadata": meta,
			"roleRef":  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: kind, Name: role.Name},
			"subjects": []rbacv1.Subject{subject},
		},
	}
}
