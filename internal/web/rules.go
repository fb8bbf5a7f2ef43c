// SPDX-License-Identifier: Apache-2.0

package web

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
)

// Rules are all rules, by family.
type Rules struct {
	Families []Family `json:"families"`
}

// A Family is the rules whose ids begin alike.
type Family struct {
	Letters string     `json:"letters"`
	Name    string     `json:"name"`
	Rules   []RuleLine `json:"rules"`
}

func (c *Console) rules(context.Context, *http.Request, Rights) (any, error) {
	list := Rules{Families: []Family{}}
	for _, r := range c.Rules {
		at := slices.IndexFunc(list.Families, func(f Family) bool { return f.Letters == letters(r.ID) })
		if at < 0 {
			at = len(list.Families)
			list.Families = append(list.Families, Family{Letters: letters(r.ID), Name: families[letters(r.ID)]})
		}
		list.Families[at].Rules = append(list.Families[at].Rules, ruleLine(r))
	}
	return list, nil
}

// A Rule is what inquest explain tells of one.
type Rule struct {
	ID        string     `json:"id"`
	Title     string     `json:"title"`
	Effect    string     `json:"effect"`
	CausedBy  []string   `json:"causedBy"`
	Needs     string     `json:"needs"`
	Also      string     `json:"also"`
	Doc       string     `json:"doc"` // Markdown
	Incidents []Incident `json:"incidents"`
}

func (c *Console) rule(ctx context.Context, r *http.Request, may Rights) (any, error) {
	at := slices.IndexFunc(c.Rules, func(rule *diagnosis.Rule) bool { return strings.EqualFold(rule.ID, r.PathValue("id")) })
	if at < 0 {
		return nil, errNotFound
	}
	rule := c.Rules[at]
	found, err := c.own().Incidents(ctx, history.Filter{Rule: rule.ID, Namespaces: may.allowed(), Limit: mostRecent})
	shown := Rule{
		ID: rule.ID, Title: rule.Title, Effect: string(rule.Effect), Needs: words(rule.Needs), Also: words(rule.Also), Doc: strings.TrimSpace(rule.Doc),
		CausedBy: []string{}, Incidents: each(found.Items, incidentOf),
	}
	for _, e := range rule.CausedBy {
		shown.CausedBy = append(shown.CausedBy, string(e))
	}
	return shown, err
}

func words(kinds evidence.Kind) string {
	var all []string
	for _, k := range kinds.Kinds() {
		all = append(all, k.String())
	}
	return strings.Join(all, ", ")
}

// A Block is a part of a rule's doc: a heading, a paragraph, an item of a list, a table's row or code.
type Block struct {
	Kind  string // h, p, li, code
	Spans []Span
}

// A Span is a piece of text; Code is what stood in backticks, Bold between two stars.
type Span struct {
	Text string
	Code bool
	Bold bool
}

// Blocks reads the doc, which has no more of Markdown than this.
func (r Rule) Blocks() []Block {
	var all []Block
	var open Block
	flush := func() {
		if len(open.Spans) > 0 {
			all = append(all, Block{open.Kind, spansOf(open.Spans[0].Text)})
		}
		open = Block{}
	}
	fenced := false
	for line := range strings.SplitSeq(r.Doc, "\n") {
		text := strings.TrimSpace(line)
		kind, rest := kindOf(line)
		switch {
		case strings.HasPrefix(text, "```"):
			flush()
			fenced = !fenced
		case fenced || kind == "code":
			if n := len(all); n > 0 && all[n-1].Kind == "code" && len(open.Spans) == 0 {
				all[n-1].Spans[0].Text += "\n" + rest
				continue
			}
			flush()
			all = append(all, Block{"code", []Span{{Text: rest}}})
		case text == "":
			flush()
		case kind != "p":
			flush()
			if open = (Block{kind, []Span{{Text: rest}}}); kind == "h" { // one line
				flush()
			}
		case len(open.Spans) > 0:
			open.Spans[0].Text += " " + text
		default:
			open = Block{"p", []Span{{Text: text}}}
		}
	}
	flush()
	return all
}

// kindOf tells what a line begins, and what of it is text.
func kindOf(line string) (kind, rest string) {
	text := strings.TrimSpace(line)
	switch {
	case strings.HasPrefix(line, "    "), strings.HasPrefix(line, "\t"), strings.HasPrefix(text, "|"):
		return "code", line
	case strings.HasPrefix(text, "#"):
		return "h", strings.TrimSpace(strings.TrimLeft(text, "#"))
	case strings.HasPrefix(text, "- "), strings.HasPrefix(text, "* "):
		return "li", text[2:]
	}
	return "p", line
}

// spansOf tells code and what is bold from other text.
func spansOf(text string) []Span {
	var spans []Span
	bold := false
	for i, part := range strings.Split(text, "`") {
		if i%2 == 1 {
			spans = append(spans, Span{Text: part, Code: true})
			continue
		}
		for j, some := range strings.Split(part, "**") {
			bold = bold != (j > 0)
			if some != "" {
				spans = append(spans, Span{Text: some, Bold: bold})
			}
		}
	}
	return spans
}
