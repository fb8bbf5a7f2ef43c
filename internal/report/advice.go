// SPDX-License-Identifier: Apache-2.0

package report

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/yaml"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// An Advice is what was measured of one thing, and what to change about it.
type Advice struct {
	APIVersion string         `json:"apiVersion"`
	Kind       string         `json:"kind"` // Advice
	Taken      time.Time      `json:"taken"`
	About      Thing          `json:"about"`
	Topic      string         `json:"topic"`               // probes, resources
	Verdict    string         `json:"verdict"`             // one sentence
	Rests      []string       `json:"rests"`               // what it rests on, in sentences
	Figures    []Figure       `json:"figures"`             // what is now against what is proposed
	Reasons    []string       `json:"reasons"`             // for what is proposed, or for leaving things as they are
	Checks     []AdviceCheck  `json:"checks"`              // what would refuse what is proposed, and what is wrong whatever the figures are
	Fields     map[string]any `json:"fields,omitempty"`    // of the object or container that are to change, as they are to be
	Fix        *Fix           `json:"fix,omitempty"`       // absent where nothing is to change
	Namespace  string         `json:"namespace,omitempty"` // that was asked about, where that is not the thing's
}

// A Figure is one measure of what is now, and of what is proposed. A time is in seconds, memory in bytes, a processor in cores.
type Figure struct {
	Name     string    `json:"name"`
	Now      *float64  `json:"now,omitempty"` // absent where there is no such bound: it never happens
	Proposed *float64  `json:"proposed,omitempty"`
	Shown    [2]string `json:"-"` // both as people read them
}

// An AdviceCheck is something that is wrong with what is there, or in the way of what is proposed.
type AdviceCheck struct {
	Where string `json:"where"`
	Says  string `json:"says"`
	Do    string `json:"do"`
}

// NewAdvice begins the advice about a thing. What it is made of is put in by whoever knows.
func NewAdvice(topic string, about evidence.Ref, taken time.Time, fix *diagnosis.Fix) Advice {
	a := Advice{
		APIVersion: APIVersion, Kind: "Advice", Topic: topic, About: ThingOf(about), Taken: taken.UTC(),
		Rests: []string{}, Figures: []Figure{}, Reasons: []string{}, Checks: []AdviceCheck{},
	}
	if fix != nil {
		f := NewFix(fix)
		a.Fix = &f
	}
	return a
}

// adviceList is a List of advice.
type adviceList struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Items      []Advice `json:"items"`
}

func adviceDocument(all []Advice) any {
	if len(all) == 1 {
		return all[0]
	}
	return adviceList{APIVersion, "AdviceList", all}
}

// AdviceJSON returns advice for programs, as JSON does with reports.
func AdviceJSON(all []Advice) ([]byte, error) { return JSONOf(adviceDocument(all)) }

// AdviceYAML returns advice for programs, as YAML does with reports.
func AdviceYAML(all []Advice) ([]byte, error) { return YAMLOf(adviceDocument(all)) }

// AdviceText returns advice for a terminal.
func AdviceText(all []Advice, o Options) string {
	t := &text{Options: o}
	t.width, t.color = max(cmp.Or(o.Width, 80), minWidth), o.Color
	for i := range all {
		if i > 0 {
			t.WriteByte('\n')
		}
		t.advice(&all[i])
	}
	return t.String()
}

func (t *text) advice(a *Advice) {
	t.para("", span{Escape(subject(a.About)), bold}, span{": " + Escape(a.Verdict), plain}, span{" (as of " + a.Taken.Format("2006-01-02T15:04:05Z") + ")", dim})
	for _, s := range a.Rests {
		t.para("  ", span{Escape(s), dim})
	}
	t.figures(a.Figures)
	for i, s := range a.Reasons {
		if i == 0 {
			t.para("  ", span{"why", bold})
		}
		t.para("  - ", span{Escape(s), plain})
	}
	for i, c := range a.Checks {
		if i == 0 {
			t.para("  ", span{"look at", bold})
		}
		t.para("  - ", span{Escape(c.Where), bold}, span{": " + Escape(c.Says), plain}, span{"; " + Escape(c.Do), green})
	}
	if a.Fix == nil {
		return
	}
	t.para("  ", span{"fix: ", green}, span{Escape(a.Fix.Title), plain}, span{a.Fix.disturbs(), dim})
	if fields, err := yaml.Marshal(a.Fields); err == nil && len(a.Fields) > 0 {
		for line := range strings.SplitSeq(strings.TrimRight(EscapeLines(string(fields)), "\n"), "\n") {
			t.WriteString("      " + line + "\n")
		}
	}
	if a.Fix.Owner != "" {
		t.para("    ", span{Escape(a.Fix.Owner) + " would put the old value back: set it where that has it from", yellow})
	}
	t.command("    ", a.Fix.Line(t.Kubectl))
}

// figures prints what is now beside what is proposed, where both are known.
func (t *text) figures(list []Figure) {
	if len(list) == 0 {
		return
	}
	wide, now := 0, len("now")
	for _, f := range list {
		wide, now = max(wide, length(f.Name)), max(now, length(Escape(f.Shown[0])))
	}
	proposes := slices.ContainsFunc(list, func(f Figure) bool { return f.Shown[1] != "" })
	line := func(name, a, b string) {
		if !proposes {
			b = ""
		}
		t.WriteString(strings.TrimRight(fmt.Sprintf("  %-*s  %-*s  %s", wide, name, now, a, b), " ") + "\n")
	}
	line("", "now", "proposed")
	for _, f := range list {
		line(Escape(f.Name), Escape(f.Shown[0]), Escape(f.Shown[1]))
	}
}
