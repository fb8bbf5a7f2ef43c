// SPDX-License-Identifier: Apache-2.0

package scan

import (
	"slices"
	"strings"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/diagnosis"
)

// maxRuleName bounds the name of a rule for which the nearest is looked for.
const maxRuleName = 64

// strange says that what a policy or a waiver calls a rule is none of ours, and which is meant; "" of what is one. A pattern must mean
// one at least. Of other tools' rules nobody here knows what there is.
func strange(pattern string, ours []*diagnosis.Rule) string {
	name := pattern
	if tool, rule, others := strings.Cut(pattern, "/"); others {
		if !strings.EqualFold(tool, Ours) {
			return ""
		}
		name = rule
	}
	ids := []string{WaiverRule}
	for _, r := range ours {
		ids = append(ids, r.ID)
	}
	for said, same := range alike().what { // what we have no rule for goes by a word
		if said == Ours+"/"+same {
			ids = append(ids, same)
		}
	}
	if slices.ContainsFunc(ids, func(id string) bool { return like(name, id) }) {
		return ""
	}
	if bare := strings.ToUpper(strings.Trim(name, "*")); bare != "" && len(bare) <= maxRuleName {
		if near := collect.Nearest(bare, ids); len(near) > 0 {
			meant := max(0, slices.IndexFunc(near, func(id string) bool { return letters(id) == letters(bare) }))
			return "there is no such rule of scan, did you mean " + near[meant] + "?"
		}
	}
	return "there is no such rule of scan: inquest explain lists them, and one of another tool has its name before it, as trivy/KSV-0014"
}

// letters returns those of a name in order, by which RSE101 is known as RES101.
func letters(name string) string {
	list := []byte(name)
	slices.Sort(list)
	return string(list)
}
