// SPDX-License-Identifier: Apache-2.0

package scheduling

import (
	"fmt"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Unplaced recognises a pod that no scheduler places, for a reason that no other rule of the family knows.
var Unplaced = &diagnosis.Rule{
	ID:    "SCH017",
	Title: "The scheduler gives another reason why the pod has no node",
	Doc: `
A scheduler has looked at the pod and found no node, and says so in words of its own: for want of a device that a ResourceClaim
asks for, because its group of pods is not complete, because a plugin or an extender said no.

**How it is told from its look-alikes.** The condition PodScheduled is False, with a message that is not one of those that the
other rules of this family read: they all stay silent. It is the scheduler's own reason, and this finding passes it on.

**What to do.** Read what the scheduler says, and look at the things that it names; its log says more.

kubernetes pkg/scheduler/framework/plugins/dynamicresources has the words about ResourceClaims.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Pod,
	Needs:    evidence.Spec | evidence.Status,
	Also:     evidence.Node | evidence.Events,
	Effect:   diagnosis.NotScheduled,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigMissing, diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		said, facts, sure := hear(p)
		v, ok := parse(said)
		if said == "" || ok && v.decides(p) != other {
			return
		}
		if ok {
			var list []string
			for _, r := range v.of(other) {
				list = append(list, r.text)
			}
			said = strings.Join(list, ", ")
		}
		said, _, _ = strings.Cut(strings.TrimSuffix(said, "."), " preemption: ")
		p.Report(diagnosis.Finding{
			Confidence: sure, Facts: facts,
			Message: fmt.Sprintf("pod %s has no node, and its scheduler says why: %s", p.About().Name, said),
			Fixes:   []diagnosis.Fix{{Title: "Look at what the scheduler names", Command: fmt.Sprintf("kubectl describe pod -n %s %s", p.About().Namespace, p.About().Name)}},
		})
	},
}
