// SPDX-License-Identifier: Apache-2.0

// Package access holds the rules about roles and who has them, as manifests grant them.
package access

import (
	"fmt"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/rights"
)

// Rules are the rules of this family in order of id. They are about what is written before anything has run.
var Rules = []*diagnosis.Rule{
	Wildcard,
	Escalates,
	BindsAdmin,
	Controls,
}

// rulesOf returns the rules of a role, nil of what is none and of what an API server makes by itself.
func rulesOf(p *diagnosis.Pass) (all []rbacv1.PolicyRule) {
	object := p.Object(p.About())
	switch o := object.(type) {
	case *rbacv1.Role:
		all = o.Rules
	case *rbacv1.ClusterRole:
		all = o.Rules
	}
	if len(all) == 0 || object.GetLabels()["kubernetes.io/bootstrapping"] != "" {
		return nil
	}
	return all
}

// cite makes a fact of one rule of the pass's role.
func cite(p *diagnosis.Pass, where, text string) evidence.Fact {
	return evidence.Fact{Kind: evidence.Spec, Source: evidence.FromSpec, About: p.About(), Where: where, Text: text}
}

// leads reports each rule of the pass's role that opens ways to other rights. What a rule is narrowed to with resourceNames is left
// alone; wildcards are a rule of their own.
func leads(p *diagnosis.Pass, which func(*rights.Way) bool, how, fix string) {
	for i, r := range rulesOf(p) {
		if len(r.ResourceNames) > 0 || slices.Contains(r.Verbs, "*") || slices.Contains(r.Resources, "*") {
			continue
		}
		var gives []string
		for k := range rights.Ways {
			w := &rights.Ways[k]
			if which(w) && len(w.OpenedBy(&r)) > 0 && !slices.Contains(gives, w.Gives) {
				gives = append(gives, w.Gives)
			}
		}
		if len(gives) == 0 {
			continue
		}
		p.Report(diagnosis.Finding{
			Confidence: diagnosis.Possible,
			Message:    fmt.Sprintf("%s %s: it %s", p.About(), how, strings.Join(gives, "; it ")),
			Facts:      []evidence.Fact{cite(p, fmt.Sprintf("rules[%d]", i), strings.Join(r.Verbs, ", ")+" "+strings.Join(r.Resources, ", "))},
			Fixes:      []diagnosis.Fix{{Title: fmt.Sprintf(fix, p.About().Name)}},
		})
	}
}
