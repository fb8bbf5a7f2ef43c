// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

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

// likes are which rules of several tools mean the same.
type likes struct {
	what map[string]string // by tool and rule: the rule of ours, or a word where we have none
	wide map[string]bool   // those that several rules of one tool are each a part of
}

// alike says which rules of several tools mean the same as one of ours, or, where we have none, as each other.
var alike = sync.OnceValue(func() likes {
	m := likes{map[string]string{}, map[string]bool{}}
	for same, names := range map[string]string{
		"RES101": "trivy/KSV018 checkov/CKV_K8S_13 kube-linter/unset-memory-requirements-limit", "RES102": "trivy/KSV016 checkov/CKV_K8S_12 kube-linter/unset-memory-requirements",
		"RES103": "trivy/KSV015 checkov/CKV_K8S_10 kube-linter/unset-cpu-requirements", "cpu-limit": "trivy/KSV011 checkov/CKV_K8S_11 kube-linter/unset-cpu-requirements-limit",
		"PRB101": "checkov/CKV_K8S_9 kube-linter/no-readiness-probe", "no-liveness": "checkov/CKV_K8S_8 kube-linter/no-liveness-probe",
		"PRB104": "kube-linter/liveness-port kube-linter/readiness-port kube-linter/startup-port",
		"SEC102": "trivy/KSV012 checkov/CKV_K8S_23 kube-linter/run-as-non-root semgrep/run-as-non-root",
		"SEC104": "trivy/KSV014 checkov/CKV_K8S_22 kube-linter/no-read-only-root-fs semgrep/writable-filesystem-container",
		"SEC105": "trivy/KSV017 checkov/CKV_K8S_16 kube-linter/privileged-container trivy/KSV009 checkov/CKV_K8S_19 kube-linter/host-network trivy/KSV010 checkov/CKV_K8S_17 kube-linter/host-pid trivy/KSV008 checkov/CKV_K8S_18 kube-linter/host-ipc trivy/KSV023 kube-linter/sensitive-host-mounts trivy/KSV024 kube-linter/unsafe-proc-mount kube-linter/unsafe-sysctls semgrep/privileged-container semgrep/hostnetwork-pod semgrep/hostpid-pod semgrep/hostipc-pod",
		"SEC106": "trivy/KSV001 checkov/CKV_K8S_20 kube-linter/privilege-escalation-container trivy/KSV003 trivy/KSV106 checkov/CKV_K8S_28 checkov/CKV_K8S_37 kube-linter/drop-net-raw-capability trivy/KSV030 trivy/KSV104 checkov/CKV_K8S_31 semgrep/allow-privilege-escalation semgrep/seccomp-confinement-disabled",
		"IMG101": "trivy/KSV013 checkov/CKV_K8S_14 kube-linter/latest-tag", "CFG101": "kube-linter/env-var-secret trivy/KSV109",
		"CFG102": "kube-linter/duplicate-env-var", "RBC101": "trivy/KSV044 trivy/KSV046 checkov/CKV_K8S_49 kube-linter/wildcard-in-rules",
		"RBC103": "trivy/KSV111 kube-linter/cluster-admin-role-binding", "RBC104": "trivy/KSV048 kube-linter/access-to-create-pods", "RBC102": "trivy/KSV041 trivy/KSV053 trivy/KSV050 kube-linter/access-to-secrets",
		"WRK101": "kube-linter/mismatching-selector", "SET101": "kube-linter/dangling-service", "SET106": "kube-linter/non-existent-service-account",
		"SET108": "kube-linter/dangling-horizontalpodautoscaler", "SET112": "kube-linter/pdb-max-unavailable kube-linter/pdb-min-available",
		"MAN105": "kube-linter/no-extensions-v1beta", "no-network-policy": "checkov/CKV2_K8S_6 kube-linter/non-isolated-pod",
		"default-namespace": "trivy/KSV110 checkov/CKV_K8S_21 kube-linter/use-namespace", "high-user": "trivy/KSV020 checkov/CKV_K8S_40",
		"mounted-token": "trivy/KSV036 checkov/CKV_K8S_38", "docker-socket": "trivy/KSV006 checkov/CKV_K8S_27 kube-linter/docker-sock semgrep/exposing-docker-socket-hostpath",
	} {
		m.what[Ours+"/"+same] = same
		tools := map[string]bool{}
		for name := range strings.FieldsSeq(names) {
			tool, _, _ := strings.Cut(name, "/")
			m.what[name], m.wide[same] = same, m.wide[same] || tools[tool]
			tools[tool] = true
		}
	}
	return m
})

// of returns what a finding means.
func (m likes) of(f *Finding) (what string, known bool) {
	rule := firstName(f.Tool, f.Rule)
	switch f.Tool {
	case "semgrep": // its rules are named after the folders that they lie in, and some have variants
		rule = rule[strings.LastIndexByte(rule, '.')+1:]
		for _, family := range []string{"run-as-non-root", "allow-privilege-escalation"} {
			if strings.HasPrefix(rule, family) {
				rule = family
			}
		}
	case "kube-linter": // its rules about requests are about limits as well
		if strings.HasPrefix(rule, "unset-") && strings.Contains(f.Message, " limit ") {
			rule += "-limit"
		}
	}
	what, known = m.what[f.Tool+"/"+rule]
	return what, known
}

// firstName returns the name that a rule had first: Trivy has called KSV014 AVD-KSV-0014 and KSV-0014 since.
func firstName(tool, rule string) string {
	if tool != "trivy" {
		return rule
	}
	family, digits, _ := strings.Cut(strings.TrimPrefix(strings.ToUpper(rule), "AVD-"), "-")
	if number, err := strconv.Atoi(digits); err == nil && len(digits) == 4 {
		return fmt.Sprintf("%s%03d", family, number)
	}
	return rule
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
