// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/diagnosis"
)

// WaiverRule is the id under which waivers that do not hold are told.
const WaiverRule = "waiver"

// A Policy says how much findings matter and which are accepted, whichever tool they are of. It is a file of YAML:
//
//	failOn: error
//	rules:
//	- rule: trivy/KSV-0014     # a rule of another tool; * stands for any run of letters
//	  severity: note         # off, note, warning, error
//	waivers:
//	- rule: RES101
//	  path: deploy/dev/*     # optional, as object
//	  object: deployment/web
//	  reason: the node pool has nothing else on it
//	  until: 2027-01-31
type Policy struct {
	FailOn  string    `json:"failOn,omitempty"`
	Rules   []Measure `json:"rules,omitempty"`
	Waivers []Accept  `json:"waivers,omitempty"`
	Today   time.Time `json:"-"` // by which waivers lapse
}

// A Measure is how much the findings of some rules matter. The last one that matches counts.
type Measure struct {
	Rule     string `json:"rule"`
	Severity string `json:"severity"`
}

// An Accept is a waiver for what no comment can be written into.
type Accept struct {
	Rule   string `json:"rule"`
	Path   string `json:"path,omitempty"`
	Object string `json:"object,omitempty"`
	Reason string `json:"reason"`
	Until  string `json:"until"`
}

// ReadPolicy reads a policy, strictly. What it says of ours must be about rules that there are: of a name that is written wrong nothing
// would come, and nobody would know.
func ReadPolicy(data []byte, ours []*diagnosis.Rule) (Policy, error) {
	var p Policy
	if err := collect.DecodeStrict(data, &p); err != nil {
		return p, err
	}
	if p.FailOn != "" {
		if _, err := ParseSeverity(p.FailOn); err != nil {
			return p, fmt.Errorf("failOn: %w", err)
		}
	}
	for _, m := range p.Rules {
		if _, err := ParseSeverity(m.Severity); err != nil {
			return p, fmt.Errorf("rule %s: %w", m.Rule, err)
		}
		if m.Rule == "" {
			return p, errors.New("a measure names no rule: expected as RES101, trivy/KSV-0014 or trivy/*")
		}
		if why := strange(m.Rule, ours); why != "" {
			return p, fmt.Errorf("rule %s: %s", m.Rule, why)
		}
	}
	for i, w := range p.Waivers {
		if w.Rule == "" || w.Reason == "" || w.Until == "" {
			return p, fmt.Errorf("waiver %d: it needs rule, reason and until", i+1)
		}
		if _, err := time.Parse(time.DateOnly, w.Until); err != nil {
			return p, fmt.Errorf("waiver %d: until %q is no day as 2027-01-31", i+1, w.Until)
		}
		if why := strange(w.Rule, ours); why != "" {
			return p, fmt.Errorf("waiver %d: rule %s: %s", i+1, w.Rule, why)
		}
	}
	return p, nil
}

// severity returns how much a finding of a rule matters; byDefault is what its tool says.
func (p Policy) severity(tool, rule string, byDefault Severity) Severity {
	s := byDefault
	if tool == Ours {
		if own, ok := matters[rule]; ok {
			s = own
		}
	}
	for _, m := range p.Rules {
		if matches(m.Rule, tool, rule) {
			if said, err := ParseSeverity(m.Severity); err == nil {
				s = said
			}
		}
	}
	return s
}

// severityOf returns how much a finding of another tool matters: nothing where the rule of ours that says the same is off, and no measure names
// the other's.
func (p Policy) severityOf(f *Finding) Severity {
	named := slices.ContainsFunc(p.Rules, func(m Measure) bool { return matches(m.Rule, f.Tool, f.Rule) })
	if own := sameOfOurs(f); own != "" && !named && p.severity(Ours, own, f.Severity) == Off {
		return Off
	}
	return p.severity(f.Tool, f.Rule, f.Severity)
}

// matches tells whether a pattern means a rule: "RES101" and "RES*" of ours, "trivy/KSV-0014" and "*/*" of others'.
func matches(pattern, tool, rule string) bool {
	if !strings.Contains(pattern, "/") {
		pattern = Ours + "/" + pattern
	}
	of, name, _ := strings.Cut(pattern, "/")
	return like(of, tool) && (like(name, rule) || like(firstName(tool, name), firstName(tool, rule)))
}

// like matches text with a pattern in which * stands for anything, slashes too; it looks back to the last star alone, so that no pattern
// takes long.
func like(pattern, text string) bool {
	pattern, text = strings.ToLower(pattern), strings.ToLower(text)
	star, resume, p, t := -1, 0, 0, 0
	for t < len(text) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, resume = p, t
			p++
		case p < len(pattern) && pattern[p] == text[t]:
			p, t = p+1, t+1
		case star >= 0:
			resume++
			p, t = star+1, resume
		default:
			return false
		}
	}
	return strings.Trim(pattern[p:], "*") == ""
}

// names tells whether a pattern of a waiver means a finding: by its own rule, or by the rule of ours that means the same.
func names(pattern string, f *Finding) bool {
	own := sameOfOurs(f)
	return matches(pattern, f.Tool, f.Rule) || own != "" && matches(pattern, Ours, own)
}

// accept marks a finding as accepted where a waiver holds for it: a comment in its file, or one of the policy.
func (p Policy) accept(f *Finding, inline []collect.Waiver) {
	for _, w := range inline {
		if f.Line < w.First || f.Line > w.Last || p.lapsed(w.Reason, w.Until) != "" {
			continue
		}
		if slices.ContainsFunc(w.Rules, func(rule string) bool { return rule == "*" || names(rule, f) }) {
			f.Waived = w.Reason
			return
		}
	}
	for _, w := range p.Waivers {
		until, err := time.Parse(time.DateOnly, w.Until)
		if err != nil || p.lapsed(w.Reason, until) != "" || !names(w.Rule, f) {
			continue
		}
		if like(cmp.Or(w.Path, "*"), f.File) && like(cmp.Or(w.Object, "*"), f.About.Object().String()) {
			f.Waived, f.external = w.Reason, true
			return
		}
	}
}

// lapsed says why a waiver does not hold, or "".
func (p Policy) lapsed(reason string, until time.Time) string {
	switch {
	case reason == "":
		return "gives no reason"
	case until.IsZero():
		return "does not say until when it holds"
	case p.Today.After(until.AddDate(0, 0, 1)):
		return "has lapsed: it held until " + until.Format(time.DateOnly)
	}
	return ""
}
