// SPDX-License-Identifier: Apache-2.0

package control

import (
	"fmt"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// AggregatedDown recognises an API that another server should serve and does not.
var AggregatedDown = &diagnosis.Rule{
	ID:    "CTL006",
	Title: "Aggregated API is not available",
	Doc: `
A part of the API is served by a program in the cluster, such as metrics.k8s.io by metrics-server, and that does not answer. Autoscalers see no figures, kubectl is slow or complains, and no namespace can be deleted, because the
namespace controller must ask every API for what is left.

**How it is told from its look-alikes.** By the condition Available of the APIService, which names the Service and the reason. An API that was never installed has no APIService. A custom resource definition is served by the API server itself.

**What to do.** Look at the Service that is named and the pods behind it. If the program is gone for good, delete the APIService.

The condition is written in kubernetes staging/src/k8s.io/kube-aggregator/pkg/controllers/status. Recorded from Kubernetes 1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Cluster,
	Needs:    evidence.Control,
	Effect:   diagnosis.DependencyDown,
	CausedBy: []diagnosis.Effect{diagnosis.NetworkFailed, diagnosis.ProcessFailed, diagnosis.NodeLost},
	Run: func(p *diagnosis.Pass) {
		for _, f := range measured(p, "api-unavailable") {
			name, rest, _ := strings.Cut(f.Text, ",")
			rest = strings.TrimPrefix(rest, " served by ")
			service, why, _ := strings.Cut(rest, " is not available ")
			_, why, _ = strings.Cut(why, ": ")
			namespace, _, _ := strings.Cut(service, "/")
			p.Report(diagnosis.Finding{
				Confidence: diagnosis.Certain, Facts: []evidence.Fact{f},
				Message: fmt.Sprintf("the aggregated API %s, which Service %s is to serve, is not available (%s)", name, strings.TrimRight(service, ","), why),
				Fixes:   look("Look at the pods behind Service "+strings.TrimRight(service, ","), "kubectl get apiservice "+name+"; kubectl -n "+namespace+" get pods,endpointslices"),
			})
		}
	},
}
