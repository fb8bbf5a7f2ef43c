// SPDX-License-Identifier: Apache-2.0

package access

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Wildcard recognises a role with a wildcard.
var Wildcard = &diagnosis.Rule{
	ID:    "RBC101",
	Title: "Role grants everything of something",
	Doc: `
A rule of the role has * for verbs, resources or API groups. It grants also what nobody thought of: resources of a kind that is installed later, and verbs
as deletecollection, impersonate or escalate.

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
			for _, field := range []string{"verbs", "resources"} {
				list := map[string][]string{"verbs": r.Verbs, "resources": r.Resources}[field]
				if !slices.Contains(list, "*") || p.Object(p.About()).GetLabels()["kubernetes.io/bootstrapping"] != "" {
					continue
				}
				p.Report(diagnosis.Finding{
					Confidence: diagnosis.Possible,
					Message:    fmt.Sprintf("%s grants * of %s on %s in %s", p.About(), field, strings.Join(r.Resources, ", "), groups(r.APIGroups)),
					Facts:      []evidence.Fact{cite(p, fmt.Sprintf("rules[%d].%s", i, field), "*")},
					Fixes:      []diagnosis.Fix{{Title: fmt.Sprintf("Name the %s that %s needs", field, p.About().Name)}},
				})
			}
		}
	},
}

func groups(names []string) string {
	if len(names) == 1 && names[0] == "" {
		return "the core group"
	}
	return "groups " + strings.Join(names, ", ")
}
