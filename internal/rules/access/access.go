// SPDX-License-Identifier: Apache-2.0

// Package access holds the rules about roles and who has them, as manifests grant them.
package access

import (
	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Rules are the rules of this family in order of id. They are about what is written before anything has run.
var Rules = []*diagnosis.Rule{
	Wildcard,
	Escalates,
	BindsAdmin,
}

// rulesOf returns the rules of a role, nil of what is none.
func rulesOf(p *diagnosis.Pass) []rbacv1.PolicyRule {
	switch o := p.Object(p.About()).(type) {
	case *rbacv1.Role:
		return o.Rules
	case *rbacv1.ClusterRole:
		return o.Rules
	}
	return nil
}

// cite makes a fact of one rule of the pass's role.
func cite(p *diagnosis.Pass, where, text string) evidence.Fact {
	return evidence.Fact{Kind: evidence.Spec, Source: evidence.FromSpec, About: p.About(), Where: where, Text: text}
}
