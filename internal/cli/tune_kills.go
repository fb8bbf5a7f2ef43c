// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// elsewhere are the rules that say of an end which is marked OOMKilled that no limit of the container's own was reached: a higher one would
// not have helped.
var elsewhere = []string{"MEM005", "MEM007", "MEM008", "MEM009"}

// notItsOwn says of ends that are marked OOMKilled why they tell nothing of the container's limit, by the rules that know.
func (p *program) notItsOwn(s *evidence.Snapshot) map[evidence.Ref]string {
	asked := *s
	asked.Asked = nil
	for _, pod := range evidence.List[*corev1.Pod](s) {
		asked.Asked = append(asked.Asked, evidence.RefOf(pod))
		for _, run := range s.Attempts(evidence.RefOf(pod)) {
			if run.Reason == "OOMKilled" {
				asked.Each = append(slices.Clone(asked.Each), run.Of)
			}
		}
	}
	rules := slices.DeleteFunc(slices.Clone(p.rules), func(r *diagnosis.Rule) bool { return !slices.Contains(elsewhere, r.ID) })
	why := map[evidence.Ref]string{}
	for _, f := range diagnosis.Run(&asked, rules).Findings {
		if f.Confidence >= diagnosis.Likely {
			why[f.About] = f.Message
		}
	}
	return why
}
