// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/util/duration"

	"github.com/kubeinquest/inquest/internal/diagnosis"
)

// Options says how a report is shown to people. The zero value is plain text in 80 columns.
type Options struct {
	Width   int      // columns of the terminal; 0: 80
	Color   bool     // use terminal colours, which never carry meaning of their own
	Wide    bool     // everything, instead of what is needed to act
	Inquest string   // how this program is called: "kubectl inquest"; "": "inquest"
	Kubectl []string // how commands begin: with the flags that name the cluster that was asked; nil: "kubectl"
}

// minWidth is where hanging indents stop making sense.
const minWidth = 40

// What the short form shows of each cause. Everything is in the wide one.
const (
	shortFacts  = 4
	shortLeads  = 8
	shortCauses = 8   // of more than these only the claims are shown: what is one to look at first?
	shortText   = 240 // runes of one fact
	wideText    = 4096
)

// Text returns the reports for a terminal: for each what was asked, its causes with what follows from them, their
// facts, fixes and counter-evidence, the deaths that stay undetermined, and what was not checked.
func Text(reports []Report, o Options) string {
	o.Inquest = cmp.Or(o.Inquest, "inquest")
	t := &text{Options: o}
	t.width, t.color = max(cmp.Or(o.Width, 80), minWidth), o.Color
	for i := range reports {
		if i > 0 {
			t.WriteByte('\n')
		}
		t.report(&reports[i])
	}
	return t.String()
}

// text is a printer in the middle of one report.
type text struct {
	printer
	Options
	taken time.Time
	home  string // the namespace that goes without saying
	more  bool   // something was left out
}

func (t *text) report(r *Report) {
	t.taken, t.home, t.more = r.Taken, home(r.Subject), false
	t.head(r)
	groups := grouped(r.Causes)
	brief := !t.Wide && len(groups) > shortCauses
	t.more = brief
	for i := range groups {
		if i == 0 || !brief {
			t.WriteByte('\n')
		}
		t.cause(i+1, &groups[i], brief)
	}
	t.undetermined(r.Undetermined)
	t.measured(r.Measured)
	t.notChecked(r)
	t.hint(groups, brief)
}

// head says what was asked, when, and what came of it.
func (t *text) head(r *Report) {
	spans := []span{{Escape(subject(r.Subject)), bold}, {": " + verdict(r), plain}}
	spans = append(spans, span{" (as of " + r.Taken.Format("2006-01-02T15:04:05Z") + ")", dim})
	t.para("", spans...)
}

func subject(s Thing) string {
	switch {
	case s.Kind == "":
		return "cluster"
	case s.Kind == "ControlPlane":
		return "control plane"
	case s.Namespace == "":
		return s.typeName()
	}
	name := s.typeName()
	if s.Container != "" {
		name += "[" + s.Container + "]"
	}
	return name + " in namespace " + s.Namespace
}

// verdict is the report in one line. No finding is no proof of health, so it says what was looked at.
func verdict(r *Report) string {
	looked := Plural(r.Pods, "pod") + " looked at"
	var parts []string
	if n := len(grouped(r.Causes)); n > 0 {
		parts = append(parts, Plural(n, "cause"))
	}
	if n := len(r.Undetermined); n > 0 {
		if len(parts) == 0 {
			parts = append(parts, "no cause found")
		}
		pods := len(slices.DeleteFunc(slices.Clone(r.Undetermined), func(u Undetermined) bool { return u.About.Container != "" }))
		if n > pods {
			parts = append(parts, Plural(n-pods, "death")+" undetermined")
		}
		if pods > 0 {
			parts = append(parts, Plural(pods, "pod")+" in trouble that no rule recognises")
		}
	}
	if len(parts) == 0 {
		if slices.ContainsFunc(r.Gaps, func(g Gap) bool { return r.Subject != (Thing{}) && g.About == r.Subject && g.Kind == "status" }) {
			return "no cause found, and how it is now is not known"
		}
		return "no trouble found, " + looked
	}
	if r.Pods != 1 {
		parts = append(parts, looked)
	}
	return strings.Join(parts, ", ")
}

// cause prints one numbered entry: the claim, what follows from it, and, unless brief, what it rests on and what to do.
func (t *text) cause(n int, g *group, brief bool) {
	number := fmt.Sprintf("%d. ", n)
	t.claim(number, &g.Cause, Thing{})
	indent := strings.Repeat(" ", length(number))
	if others := g.others(); others != "" {
		t.para(indent, span{"the same in " + Escape(others), plain})
	}
	left := shortLeads
	t.leads(indent, g, &left)
	if brief {
		return
	}
	t.facts(indent, "facts", g.Facts, g.About)
	t.facts(indent, "against", g.Against, g.About)
	t.fixes(indent, g.Fixes)
}

// claim prints one finding: its rule, how sure it is, the thing and the sentence. Below a finding about the same thing
// it is not named again.
func (t *text) claim(first string, c *Cause, below Thing) {
	name, run := " "+c.About.within(t.home), restart(c.About)
	if sameContainer(c.About, below) {
		name = ""
		if run == restart(below) {
			run = ""
		}
	}
	spans := []span{
		{Escape(c.Rule), bold}, {" ", plain}, {c.Confidence, confidenceStyle(c.Confidence)},
		{Escape(name), bold}, {run, dim}, {": " + Escape(c.Message), plain},
	}
	if findings, pods := reach(c); findings > 1 {
		spans = append(spans, span{fmt.Sprintf(" (explains %s in %s)", Plural(findings, "finding"), Plural(pods, "pod")), dim})
	}
	t.para(first, spans...)
}

func sameContainer(a, b Thing) bool {
	a.Attempt, b.Attempt = nil, nil
	return a == b
}

// restart tells which run of its container a thing is, in the number that kubectl shows as RESTARTS.
func restart(t Thing) string {
	if t.Attempt == nil || *t.Attempt == 0 {
		return ""
	}
	return fmt.Sprintf(" restart %d", *t.Attempt)
}

func confidenceStyle(c string) style {
	switch c {
	case "certain":
		return red
	case "likely":
		return yellow
	}
	return cyan
}

// leads prints the findings that a cause explains as a tree, at most *left of them in the short form.
func (t *text) leads(indent string, of *group, left *int) {
	groups := grouped(of.Leads)
	for i := range groups {
		if !t.Wide && *left == 0 {
			t.more = true
			t.para(indent+"└─ ", span{fmt.Sprintf("and %d more", len(groups)-i), dim})
			return
		}
		*left--
		g := &groups[i]
		t.claim(indent+"└─ ", &g.Cause, of.About)
		if others := g.others(); others != "" {
			t.para(indent+"   ", span{"the same in " + Escape(others), plain})
		}
		t.leads(indent+"   ", g, left)
		if t.Wide {
			t.facts(indent+"   ", "facts", g.Facts, g.About)
			t.facts(indent+"   ", "against", g.Against, g.About)
			t.fixes(indent+"   ", g.Fixes)
		}
	}
}

// facts prints observations with their source, time and place.
func (t *text) facts(indent, title string, facts []Fact, about Thing) {
	shown := facts
	if !t.Wide {
		shown = firstFacts(facts)
	}
	if len(shown) == 0 {
		return
	}
	t.para(indent, span{title, bold})
	for i := range shown {
		t.fact(indent+"  ", &shown[i], about)
	}
	if n := len(facts) - len(shown); n > 0 {
		t.more = true
		t.para(indent+"  ", span{fmt.Sprintf("and %d more", n), dim})
	}
}

// firstFacts picks what the short form shows: the first facts, and of a log no more than its first line.
func firstFacts(facts []Fact) []Fact {
	var some []Fact
	logs := 0
	for _, f := range facts {
		if f.Source == "log" {
			logs++
		}
		if len(some) < shortFacts && (f.Source != "log" || logs == 1) {
			some = append(some, f)
		}
	}
	return some
}

func (t *text) fact(indent string, f *Fact, about Thing) {
	var spans []span
	if !f.At.IsZero() {
		spans = append(spans, span{t.when(f.At) + "  ", dim})
	}
	place := f.place(about, t.home)
	limit := shortText
	if t.Wide {
		limit = wideText
	}
	said := ", finishedAt " + f.At.Format(time.RFC3339) // what the line begins with already
	lines := strings.Split(strings.TrimRight(EscapeLines(strings.Replace(f.Text, said, "", 1)), "\n"), "\n")
	if !t.Wide && len(lines) > 1 {
		t.more = true
		lines = lines[:1]
	}
	first := fmt.Sprintf("%s%-7s ", indent, f.Source)
	for i, line := range lines {
		spans = append(spans, span{clip(line, limit), plain})
		if i == len(lines)-1 && place != "" {
			spans = append(spans, span{"  (" + Escape(place) + ")", dim})
		}
		t.para(first, spans...)
		first, spans = strings.Repeat(" ", length(first)), nil
	}
}

// clip shortens text to n runes.
func clip(s string, n int) string {
	if length(s) <= n {
		return s
	}
	return string([]rune(s)[:n]) + "…"
}

// when tells a time absolutely and relative to the evidence.
func (t *text) when(at time.Time) string { return moment(at, t.taken) }

func moment(at, taken time.Time) string {
	layout := "15:04:05Z"
	if at.Format(time.DateOnly) != taken.Format(time.DateOnly) {
		layout = "2006-01-02T15:04:05Z"
	}
	return at.Format(layout) + " " + ago(taken.Sub(at))
}

// ago tells an age in the words of kubectl. The evidence is stamped in whole seconds, so what happened in its last
// second seems to lie ahead of it.
func ago(d time.Duration) string {
	if d <= -2*time.Second {
		return "in " + duration.HumanDuration(-d)
	}
	return duration.HumanDuration(max(d, 0)) + " ago"
}

// fixes prints what can be done: the best in the short form, all alternatives in the wide one.
func (t *text) fixes(indent string, fixes []Fix) {
	label := "fix"
	for i := range fixes {
		if i > 0 && !t.Wide {
			t.more = true
			return
		}
		f := &fixes[i]
		t.para(indent, span{label + ": ", green}, span{Escape(f.Title), plain}, span{f.disturbs(), dim})
		if owned := f.Owned(t.Inquest); owned != "" {
			t.para(indent+"  ", span{Escape(owned), yellow})
		}
		t.command(indent+"  ", f.Line(t.Kubectl))
		label = "or"
	}
}

// disturbs says what carrying out a fix disturbs; advice disturbs nothing, and a CronJob's next Job is made of its template, while one that
// runs goes on as it is.
func (f *Fix) disturbs() string {
	switch words := f.RiskWords(); words {
	case "advice":
		return ""
	case f.Risk:
		return " (risk: " + words + ")"
	default:
		return " (" + words + ")"
	}
}

// RiskWords is the risk as it is told to people.
func (f *Fix) RiskWords() string {
	if f.Risk == diagnosis.Restart.String() && f.Patch != nil && f.Patch.Target.Kind == "CronJob" {
		return "restarts nothing: from the next run on"
	}
	if n, alone := f.Patch.replicas(); alone && f.Risk == diagnosis.Restart.String() {
		return "restarts nothing: starts or ends pods until there are " + strconv.FormatInt(n, 10)
	}
	return f.Risk
}

// replicas is how many pods a patch wants, where it changes nothing else.
func (p *Patch) replicas() (n int64, alone bool) {
	if p == nil {
		return 0, false
	}
	var list []struct {
		Op, Path string
		Value    *int64
	}
	if json.Unmarshal([]byte(p.Data), &list) == nil {
		if len(list) != 1 || list[0].Path != "/spec/replicas" || list[0].Value == nil {
			return 0, false
		}
		return *list[0].Value, true
	}
	var object map[string]map[string]*int64
	if json.Unmarshal([]byte(p.Data), &object) != nil || len(object) != 1 || len(object["spec"]) != 1 || object["spec"]["replicas"] == nil {
		return 0, false
	}
	return *object["spec"]["replicas"], true
}

func (t *text) command(indent, command string) {
	if command == "" {
		return
	}
	for line := range strings.SplitSeq(strings.TrimSpace(EscapeLines(command)), "\n") {
		for _, part := range continued(line, t.width-length(indent)) {
			t.WriteString(indent + part + "\n")
		}
	}
}
