// SPDX-License-Identifier: Apache-2.0

package node

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Certificate recognises a kubelet whose certificate has expired.
var Certificate = &diagnosis.Rule{
	ID:    "NOD011",
	Title: "Kubelet's certificate has expired",
	Doc: `
The kubelet and the API server do not accept each other's certificate any more, because one has run out or the node's clock is wrong. The kubelet cannot report, the node becomes
NotReady, and what is asked through the API server about its pods (logs, exec) fails.

**How it is told from its look-alikes.** By "certificate has expired or is not yet valid" in the kubelet's log, or by its own word about its bootstrap or client certificate. "not yet valid", or a current time in the line that is wrong, means the
clock. A certificate "signed by unknown authority" has not expired. A line in the log of an application is about the application.

**What to do.** Look at the date first, then renew: approve the waiting certificate signing request, or make the kubelet ask for a new one (remove
/var/lib/kubelet/pki/kubelet-client* and restart it with a valid bootstrap kubeconfig).

The words are in Go's crypto/x509 and in kubernetes pkg/kubelet/certificate/bootstrap.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Node,
	Needs:  evidence.Host,
	Also:   evidence.Node | evidence.Spec | evidence.Status,
	Effect: diagnosis.CertExpired,
	Run: func(p *diagnosis.Pass) {
		facts := troubles(p, "cert-expired")
		if len(facts) == 0 {
			return
		}
		what := "has expired"
		if holds(facts[0].Text, "is before") {
			what = "is not valid yet, so its clock is probably wrong"
		}
		p.Report(diagnosis.Finding{
			Confidence: diagnosis.Certain, Facts: few(facts),
			Message: fmt.Sprintf("a certificate that the kubelet of %s uses %s: it cannot talk to the API server", nodeName(p), what),
			Fixes: []diagnosis.Fix{
				{Title: "Look at the node's clock and at the dates of its certificates", Command: "date -u; openssl x509 -noout -dates -in /var/lib/kubelet/pki/kubelet-client-current.pem"},
				{Title: "Approve the signing request that waits, if there is one", Command: "kubectl get csr"},
			},
		})
	},
}
