// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// A Plan is what a fix would do to a cluster, before it is applied.
type Plan struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"` // "Plan"
	Subject    Thing    `json:"subject"`
	Cause      Claim    `json:"cause"`
	Number     int      `json:"number"` // of the fix, from 1, as --fix takes it
	Fix        Fix      `json:"fix"`
	DryRun     string   `json:"dryRun"`            // "accepted" by the API server, "refused" by it, or "none" was made
	Diff       []string `json:"diff"`              // a unified diff without its head, secrets masked
	Restarts   []string `json:"restarts"`          // what it restarts, and how much of it at once
	Refuted    []string `json:"refuted"`           // what would show that the fix is wrong
	Warned     []string `json:"warned,omitempty"`  // what else to know before it is applied
	Owner      string   `json:"owner,omitempty"`   // who would put the old value back
	Undoes     string   `json:"undoes,omitempty"`  // the act that it takes back; such a plan has no cause and no number
	Undo       any      `json:"undo,omitempty"`    // a JSON patch that puts the object back
	NoUndo     string   `json:"noUndo,omitempty"`  // why there is none
	Refused    string   `json:"refused,omitempty"` // why it may not be applied, in a sentence
	Because    string   `json:"because,omitempty"` // and in a word
	Others     []Option `json:"others"`            // the other fixes
}

// A Claim is a finding in short.
type Claim struct {
	Rule       string `json:"rule"`
	Confidence string `json:"confidence"`
	About      Thing  `json:"about"`
	Message    string `json:"message"`
}

// An Option is a fix that can be chosen by its number.
type Option struct {
	Number int    `json:"number"`
	Rule   string `json:"rule"`
	Title  string `json:"title"`
	Patch  bool   `json:"patch"` // it is a patch, and not for a person alone to carry out
}

// Encode returns the plan as JSON or YAML.
func (p *Plan) Encode(form string) ([]byte, error) {
	p.APIVersion, p.Kind = APIVersion, "Plan"
	if form == "yaml" {
		return YAMLOf(p)
	}
	return JSONOf(p)
}

// Text returns the plan for a terminal.
func (p *Plan) Text(o Options) string {
	t := &text{Options: o, home: home(p.Subject)}
	t.width, t.color, t.Inquest = max(cmp.Or(o.Width, 80), minWidth), o.Color, cmp.Or(o.Inquest, "inquest")
	if p.Undoes != "" {
		t.para("", span{Escape(subject(p.Subject)), bold}, span{": undo of act " + Escape(p.Undoes), plain})
		t.WriteByte('\n')
	} else {
		t.para("", span{Escape(subject(p.Subject)), bold}, span{fmt.Sprintf(": fix %d of %d", p.Number, len(p.Others)+1), plain})
		t.WriteByte('\n')
		c := &p.Cause
		t.para("cause     ", span{Escape(c.Rule) + " ", bold}, span{c.Confidence, confidenceStyle(c.Confidence)},
			span{" " + Escape(c.About.within(t.home)), bold}, span{": " + Escape(c.Message), plain})
	}
	t.para("fix       ", span{Escape(p.Fix.Title), green}, span{p.Fix.disturbs(), dim})
	t.changes(p)
	for i, s := range p.Restarts {
		t.para(label("restarts", i), span{Escape(s), plain})
	}
	for i, s := range p.Refuted {
		t.para(label("refuted", i), span{Escape(s), plain})
	}
	for i, s := range p.Warned {
		t.para(label("but", i), span{Escape(s), yellow})
	}
	switch {
	case p.Undoes != "":
	case p.NoUndo != "":
		t.para("undo      ", span{"there is none: " + Escape(p.NoUndo), yellow})
	case p.Undo != nil:
		t.para("undo      ", span{"puts it back exactly, while what the fix sets is still so: " + t.Inquest + " fix --undo ID", plain})
	}
	if p.Refused != "" {
		t.WriteByte('\n')
		t.para("not applied: ", span{Escape(p.Refused), yellow})
		if !slices.Contains(vain, p.Because) {
			t.command("  ", p.Fix.Line(t.Kubectl))
		}
	}
	for i := range p.Others {
		if i == 0 {
			t.WriteByte('\n')
		}
		t.option(&p.Others[i])
	}
	return t.String()
}

// vain are the words for why a fix is not applied where nobody should do it by hand either, or where its command was shown before.
var vain = []string{"no-patch", "gone", "recreated", "stale", "owned", "masked", "nothing", "rejected"}

// label names the first of several lines that belong together.
func label(name string, i int) string {
	if i > 0 {
		name = ""
	}
	return fmt.Sprintf("%-10s", name)
}

// changes prints what the patch changes, and what the API server said of it.
func (t *text) changes(p *Plan) {
	dry := map[string]string{
		"accepted": "accepted by the API server, which would make of it:", "refused": "refused by the API server; by itself the patch makes:",
	}[p.DryRun]
	switch {
	case p.Fix.Patch == nil:
		t.command("          ", p.Fix.Line(t.Kubectl))
		return
	case dry == "":
		dry = "none was made; by itself the patch makes:"
	}
	if len(p.Diff) == 0 {
		dry = strings.TrimSuffix(strings.Replace(dry, "by itself the patch makes:", "the object is not at hand", 1), ", which would make of it:")
	}
	t.para("dry run   ", span{dry, plain})
	for _, line := range p.Diff {
		style := plain
		switch {
		case strings.HasPrefix(line, "+"):
			style = green
		case strings.HasPrefix(line, "-"):
			style = red
		case strings.HasPrefix(line, "@"):
			style = dim
		}
		for rest := []rune(Escape(line)); ; { // all of it: it is what is agreed to
			n := min(len(rest), max(t.width-2, 20))
			t.put(span{"  " + string(rest[:n]), style})
			t.WriteByte('\n')
			if rest = rest[n:]; len(rest) == 0 {
				break
			}
		}
	}
}

func (t *text) option(o *Option) {
	what := "for a person: "
	if o.Patch {
		what = ""
	}
	t.para(fmt.Sprintf("--fix %-3d ", o.Number), span{what + Escape(o.Title), plain}, span{" (" + Escape(o.Rule) + ")", dim})
}
