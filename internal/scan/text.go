// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kubeinquest/inquest/internal/report"
)

// Text writes the findings that count for people, by file and line; those that have cost the most come first.
func (o Output) Text(r *Result) string {
	var b strings.Builder
	o.costly(&b, r)
	file := ""
	for i := range r.Findings {
		f := &r.Findings[i]
		if !f.Counts() && !o.All {
			continue
		}
		if f.File != file {
			if file != "" {
				b.WriteByte('\n')
			}
			file = f.File
			b.WriteString(report.Escape(file) + "\n")
		}
		o.finding(&b, f)
	}
	if file != "" {
		b.WriteByte('\n')
	}
	b.WriteString(o.summary(r))
	return b.String()
}

// costly tells what the findings have cost that have cost anything, what is known where none has, and what could not be looked at.
func (o Output) costly(b *strings.Builder, r *Result) {
	var list []*Finding
	for i := range r.Findings {
		if f := &r.Findings[i]; f.Counts() && f.Cost.Explained > 0 {
			list = append(list, f)
		}
	}
	if len(list) > 0 {
		b.WriteString("What has cost the most:\n")
	} else if r.priced {
		b.WriteString(report.Wrapped("", unpriced(r.restarts), o.Width))
	}
	slices.SortStableFunc(list, func(a, b *Finding) int { return b.Cost.Explained - a.Cost.Explained })
	for _, f := range list[:min(len(list), 10)] {
		b.WriteString(report.Wrapped("  - ", fmt.Sprintf("%s:%d %s: %s", report.Escape(f.File), f.Line, f.Rule, f.Cost.String()), o.Width))
	}
	if len(r.NotPriced) > 0 {
		b.WriteString("Not checked:\n")
	}
	for _, why := range r.NotPriced {
		b.WriteString(report.Wrapped("  - ", report.Escape(why), o.Width))
	}
	if r.priced || len(r.NotPriced) > 0 {
		b.WriteByte('\n')
	}
}

// unpriced says that no finding explains a restart, and of how many that could be told.
func unpriced(all Cost) string {
	if all.Deaths == 0 {
		return "no restart is known of what the findings are about"
	}
	return fmt.Sprintf("no finding explains a restart: the cause is known of %d of %s of what they are about", all.Known, count(all.Deaths, "restart"))
}

var colors = map[Severity]string{Note: "2", Warning: "33", Error: "1;31"}

func (o Output) finding(b *strings.Builder, f *Finding) {
	place := fmt.Sprintf("%d:%d", f.Line, max(f.Column, 1))
	word := fmt.Sprintf("%-7s", f.Severity)
	first := fmt.Sprintf("  %-7s %s ", place, word)
	text := report.Escape(f.Message)
	if f.Tool == Ours {
		first += fmt.Sprintf("%-6s ", f.Rule)
	} else { // the names of others may take half a line
		text = report.Escape(f.Tool+" "+f.Rule) + ": " + text
	}
	if len(f.Also) > 0 {
		text += " (also " + report.Escape(strings.Join(f.Also, ", ")) + ")"
	}
	switch {
	case f.Waived != "":
		text += " [waived: " + report.Escape(f.Waived) + "]"
	case f.Known:
		text += " [known]"
	}
	set := report.Wrapped(first, text, o.Width)
	if o.Color {
		set = strings.Replace(set, word, "\x1b["+colors[f.Severity]+"m"+word+"\x1b[0m", 1)
	}
	b.WriteString(set)
	if f.Fix != "" && f.Counts() {
		b.WriteString(report.Wrapped(strings.Repeat(" ", 18)+"-> ", report.Escape(f.Fix), o.Width))
	}
	if f.Cost.Explained > 0 {
		b.WriteString(report.Wrapped(strings.Repeat(" ", 18), f.Cost.String(), o.Width))
	}
}

func (o Output) summary(r *Result) string {
	by, waived, known := r.Count()
	var parts []string
	for _, s := range []Severity{Error, Warning, Note} {
		if n := by[s]; n > 0 {
			parts = append(parts, count(n, s.String()))
		}
	}
	found := strings.Join(parts, ", ")
	if found == "" {
		found = "nothing found"
	}
	if waived > 0 {
		found += fmt.Sprintf("; %d waived", waived)
	}
	if known > 0 {
		found += fmt.Sprintf("; %d known from the baseline", known)
	}
	found += " in " + count(r.Manifests, "manifest") + " of " + count(r.Files, "file")
	if r.Made > 0 {
		found += fmt.Sprintf(" (%d made by controllers of others are judged by these)", r.Made)
	}
	if r.Unknown > 0 {
		found += fmt.Sprintf(" (of %s only the YAML was judged: the kind is not Kubernetes' own)", count(r.Unknown, "manifest"))
	}
	return report.Wrapped("", found, o.Width)
}

func count(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
