// SPDX-License-Identifier: Apache-2.0

package access

import (
	"fmt"
	"slices"
	"strings"

	rbacv1 "k8s.io/api/rbac/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Wildcard recognises a role with a wildcard.
var Wildcard = &diagnosis.Rule{
	ID:    "RBC101",
	Title: "Role grants everything of something",
	Doc: `
A rule of the role has * for verbs, resources, API groups, or paths that are no resources. It grants also what nobody thought of: resources of a kind
that is installed later, resources of the same name in another group, and verbs as deletecollection, impersonate or escalate.

**How it is told from its look-alikes.** A role of the cluster's own, with the label kubernetes.io/bootstrapping, is left alone, and so is one that only
collects others by aggregationRule.

**What to do.** Name the verbs and resources. From an audit log, inquest rbac proposes the least role that would have done.
`,
	Stage:  diagnosis.Experimental,
	Scope:  diagnosis.Workload,
	Needs:  evidence.Spec,
	Effect: diagnosis.NotAdmitted,
	Run: func(p *diagnosis.Pass) {
		for i, r := range rulesOf(p) {
			for _, field := range wildcards(&r) {
				p.Report(diagnosis.Finding{
					Confidence: diagnosis.Possible,
					Message:    fmt.Sprintf("%s grants %s", p.About(), grants(&r, field)),
					Facts:      []evidence.Fact{cite(p, fmt.Sprintf("rules[%d].%s", i, field), "*")},
					Fixes:      []diagnosis.Fix{{Title: fmt.Sprintf("Name the %s that %s needs", field, p.About().Name)}},
				})
			}
		}
	},
}

// wildcards are the fields of a rule with one. That of groups is told with the others where there are others.
func wildcards(r *rbacv1.PolicyRule) (fields []string) {
	if slices.Contains(r.Verbs, "*") {
		fields = append(fields, "verbs")
	}
	if slices.Contains(r.Resources, "*") {
		fields = append(fields, "resources")
	}
	if len(fields) == 0 && slices.Contains(r.APIGroups, "*") {
		fields = append(fields, "apiGroups")
	}
	if slices.Contains(r.NonResourceURLs, "*") {
		fields = append(fields, "nonResourceURLs")
	}
	return fields
}

// grants says what a rule gives by the wildcard of a field.
func grants(r *rbacv1.PolicyRule, field string) string {
	switch {
	case field == "nonResourceURLs":
		return strings.Join(r.Verbs, ", ") + " on every path that is no resource"
	case field == "apiGroups":
		return strings.Join(r.Verbs, ", ") + " on " + strings.Join(r.Resources, ", ") + " in every API group"
	case len(r.Resources) == 0:
		return "* of " + field + " on " + strings.Join(r.NonResourceURLs, ", ")
	}
	return "* of " + field + " on " + strings.Join(r.Resources, ", ") + " in " + groups(r.APIGroups)
}

func groups(names []string) string {
	if len(names) == 1 && names[0] == "" {
		return "the core group"
	}
	return "groups " + strings.Join(names, ", ")
}
