// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"fmt"
	"strings"

	batchv1 "k8s.io/api/batch/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// NoDeadline recognises a CronJob that a pause can stop for good.
var NoDeadline = &diagnosis.Rule{
	ID:    "WRK103",
	Title: "CronJob may not catch up after a pause",
	Doc: `
The CronJob has no startingDeadlineSeconds. After more than 100 starts that were missed, while it was suspended, its controller was down or clocks differed, it is not started
any more ("too many missed start times").

**How it is told from its look-alikes.** The schedule runs several times an hour, so that 100 missed starts are a day or so. Of a daily job it would take months.

**What to do.** Set startingDeadlineSeconds to a few minutes: what is missed by more is left out.
`,
	Stage:  diagnosis.Experimental,
	Scope:  diagnosis.Workload,
	Needs:  evidence.Spec,
	Effect: diagnosis.Unavailable,
	Run: func(p *diagnosis.Pass) {
		c, ok := p.Object(p.About()).(*batchv1.CronJob)
		if !ok || c.Spec.StartingDeadlineSeconds != nil || !often(c.Spec.Schedule) {
			return
		}
		p.Report(diagnosis.Finding{
			Confidence: diagnosis.Possible,
			Message:    fmt.Sprintf("CronJob %s has no startingDeadlineSeconds: after 100 missed starts it is not started any more", c.Name),
			Facts:      []evidence.Fact{spec(p, "spec.schedule", c.Spec.Schedule)},
			Fixes:      []diagnosis.Fix{{Title: fmt.Sprintf("Set startingDeadlineSeconds of CronJob %s to 300", c.Name)}},
		})
	},
}

// often tells whether a schedule starts more than once an hour: its minutes are several.
func often(schedule string) bool {
	minutes, _, _ := strings.Cut(strings.TrimSpace(schedule), " ")
	return strings.ContainsAny(minutes, "*,/-")
}
