// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"cmp"
	"slices"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// Merge adds what other tools found, under the same policy. What two tools say of one place is one finding, ours before
// others': it then names who says so too, and matters as much as the strictest of them says. What is accepted takes nothing along that is
// not accepted itself. What the policy does not want to hear of is heard of nobody, unless it names the other's rule. The root is the folder that absolute paths are shortened by.
func (j Job) Merge(r *Result, others []Finding, root string) {
	var spans spans
	if len(others) > 0 {
		spans = r.spans(j, root)
	}
	for i := range others {
		f := &others[i]
		f.File = spans.path(f)
		f.Severity = j.Policy.severityOf(f)
		spans.locate(f)
		if f.Waived == "" {
			j.Policy.accept(f, spans.waivers[f.File])
		}
	}
	for i := range r.Findings {
		r.Findings[i].File = relative(r.Findings[i].File, root)
	}
	r.Findings = append(r.Findings, others...)
	r.drop()
	if len(others) > 0 {
		r.Findings = joined(r.Findings)
	}
	order(r.Findings)
	fingerprint(r.Findings)
}

// locate gives a finding of another tool the object that it lies in: the one that the tool names, or around its line, or the only one of the
// file. Where the tool tells no line of it, it has the first.
func (s spans) locate(f *Finding) {
	var named, around *span
	in := s.of[f.File]
	for i := range in {
		here := f.Line >= in[i].first && f.Line <= in[i].last
		if here || len(in) == 1 {
			around = &in[i]
		}
		if in[i].isOf(f.About) && (named == nil || here) {
			named = &in[i]
		}
	}
	if at := cmp.Or(named, around); at != nil {
		f.About = at.about
		f.Line = cmp.Or(f.Line, at.first)
	}
	f.Line = max(f.Line, 1)
}

// sameOfOurs returns the rule of ours that says just what a finding of another tool says: a waiver of that holds for this as well.
// Of several things that a rule of ours may say, another tool's is one, and not the one that was accepted.
func sameOfOurs(f *Finding) string {
	if same, _ := alike().of(f); f.Tool != Ours && !alike().wide[same] {
		return same
	}
	return ""
}

// A claim is what a finding says of what: findings of one claim are one.
type claim struct {
	what, file string
	about      evidence.Ref
	line       int  // where no object is known, or the rule has no like
	waived     bool // an accepted finding is never one with another that counts
}

func claimOf(f *Finding) claim {
	what, known := alike().of(f)
	c := claim{what: what, file: f.File, about: f.About.Object(), waived: f.Waived != ""}
	if !known {
		c.what = f.Tool + "/" + f.Rule + "\x00" + f.Message
	}
	if c.about.Kind == "" || !known {
		c.line = f.Line
	}
	return c
}

// joined makes one finding of those of several tools that say the same. Those of one tool stay as they are, but for what it
// says twice. It takes the room of what it is given.
func joined(findings []Finding) []Finding {
	slices.SortStableFunc(findings, func(a, b Finding) int { return cmp.Compare(rank(a.Tool), rank(b.Tool)) })
	first := map[claim]int{}
	list := findings[:0]
	for i := range findings {
		f := &findings[i]
		at := claimOf(f)
		before, said := first[at]
		if !said && !at.waived && sameOfOurs(f) != "" { // it is accepted where all that we say of the same is
			at.waived = true
			if before, said = first[at]; !said {
				at.waived = false
			}
		}
		if said && list[before].Tool != f.Tool {
			list[before].join(f)
			continue
		}
		if said && f.Tool != Ours && list[before].Line == f.Line && list[before].Message == f.Message {
			continue
		}
		if !said {
			first[at] = len(list)
		}
		list = append(list, *f)
	}
	return list
}

// join takes in what another tool says of the same.
func (f *Finding) join(other *Finding) {
	if also := other.Tool + " " + other.Rule; !slices.Contains(f.Also, also) {
		f.Also = append(f.Also, also)
	}
	f.Severity = max(f.Severity, other.Severity)
}

// rank puts ours before those of others, which are in order of their names.
func rank(tool string) string {
	if tool == Ours {
		return ""
	}
	return tool
}
