// SPDX-License-Identifier: Apache-2.0

package control

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// CheckFailed recognises an API server that finds itself unwell.
var CheckFailed = &diagnosis.Rule{
	ID:    "CTL003",
	Title: "API server fails its own checks",
	Doc: `
The API server checks itself, and a load balancer takes it out while it is not ready: etcd does not answer it, its caches are not filled, or one of the things that it does at its start has not been done.

**How it is told from its look-alikes.** By the lines that begin with [-] in /readyz or /livez. "etcd" or "etcd-readiness" is etcd's fault and not the API server's; "informer-sync" and poststarthook right after a start pass; "shutdown" is an
orderly end. An API server that cannot be reached at all gives no answer and no finding.

**What to do.** With etcd: look at etcd. Else at the API server's log, by the name of the check.

The checks are in kubernetes staging/src/k8s.io/apiserver/pkg/server/healthz.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Cluster,
	Needs:  evidence.Control,
	Effect: diagnosis.ControlPlaneSlow,
	Run: func(p *diagnosis.Pass) {
		failed := measured(p, "check-failed")
		if len(failed) == 0 {
			return
		}
		var names []string
		for _, f := range failed { // by /readyz and by /livez
			if name, _, _ := strings.Cut(f.Text, " "); !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
		message := fmt.Sprintf("the API server fails its own checks: %s", strings.Join(names, ", "))
		fix := look("Look at the log of the API server, by the name of the check", "kubectl get --raw '/readyz?verbose'; kubectl -n kube-system logs -l component=kube-apiserver --tail 100")
		if slices.ContainsFunc(names, func(name string) bool { return strings.HasPrefix(name, "etcd") }) {
			message = "etcd does not answer the API server in time, so nothing can be written or read for certain"
			fix = look("Look at etcd: whether it runs, has a leader and room on its disk", "etcdctl endpoint health --cluster; etcdctl alarm list")
		}
		p.Report(diagnosis.Finding{Confidence: diagnosis.Certain, Facts: failed[:min(len(failed), 4)], Message: message, Fixes: fix})
	},
}
