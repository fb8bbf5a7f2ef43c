// SPDX-License-Identifier: Apache-2.0

package control

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// RequestsFail recognises an API server that answers with errors of its own.
var RequestsFail = &diagnosis.Rule{
	ID:    "CTL011",
	Title: "API server answers with errors",
	Doc: `
A part of all requests is answered with a server's error (5xx) or given up by the API server to protect itself. Who asks sees time-outs, "etcdserver: request timed out" or "the server was unable to return a response in the time allotted".

**How it is told from its look-alikes.** By the share of such answers among the requests between two looks: more than one in twenty failed, or more than one in five given up, of twenty requests at least. A client's errors (4xx), conflicts and what is not found among them, do not count. Errors of an
aggregated API are counted, too: if one is down, that is the reason.

**What to do.** Look at etcd first, then at the API server's memory and log.

The metrics are apiserver_request_total and apiserver_request_terminations_total; one in five is the mark of kubernetes-mixin.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Cluster,
	Needs:    evidence.Control,
	Effect:   diagnosis.ControlPlaneSlow,
	CausedBy: []diagnosis.Effect{diagnosis.ControlPlaneSlow, diagnosis.DependencyDown},
	Run: func(p *diagnosis.Pass) {
		for _, f := range measured(p, "requests-failed", "requests-terminated") {
			limit := failedShare
			if f.Name == "requests-terminated" {
				limit = terminatedShare
			}
			if f.Value > limit {
				p.Report(diagnosis.Finding{
					Confidence: diagnosis.Likely, Facts: []evidence.Fact{f},
					Message: fmt.Sprintf("the API server does not do what it is asked: %s", f.Text),
					Fixes:   look("Look at etcd first, then at the log of the API server", "kubectl get --raw '/readyz?verbose'; kubectl -n kube-system logs -l component=kube-apiserver --tail 100"),
				})
			}
		}
	},
}

const (
	failedShare     = 0.05
	terminatedShare = 0.2
)
