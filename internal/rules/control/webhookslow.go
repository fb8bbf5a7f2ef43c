// SPDX-License-Identifier: Apache-2.0

package control

import (
	"fmt"
	"time"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// WebhookSlow recognises an admission webhook that holds up requests.
var WebhookSlow = &diagnosis.Rule{
	ID:    "CTL005",
	Title: "Admission webhook answers slowly",
	Doc: `
A webhook that the API server asks before it admits an object takes long. Every write that it is asked about takes as long: rollouts stall, controllers queue. Where it does not answer at all, the request fails or goes on, as its
failurePolicy says.

**How it is told from its look-alikes.** By the time of that webhook alone (apiserver_admission_webhook_admission_duration_seconds), in the mean above one second. The API server's own indicator leaves it out, and so does etcd's.

**What to do.** Look at the pods behind the webhook; narrow its rules and its namespaceSelector; give it a short timeoutSeconds.

The metric is written in kubernetes staging/src/k8s.io/apiserver/pkg/admission/metrics.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Cluster,
	Needs:    evidence.Control,
	Effect:   diagnosis.ControlPlaneSlow,
	CausedBy: []diagnosis.Effect{diagnosis.DependencyDown},
	Run: func(p *diagnosis.Pass) {
		f, ok := slow(p, "webhook-latency", webhookLimit)
		if !ok {
			return
		}
		_, sure := taken(f)
		p.Report(diagnosis.Finding{
			Confidence: sure, Facts: []evidence.Fact{f},
			Message: fmt.Sprintf("an admission webhook holds up every write that it is asked about: %s", f.Text),
			Fixes:   look("Look at the pods behind the webhook, and narrow what it is asked about", "kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations -o wide"),
		})
	},
}

// webhookLimit is the mean above which a webhook is slow; the default time-out is ten seconds.
const webhookLimit = time.Second
