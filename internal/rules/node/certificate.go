// SPDX-License-Identifier: Apache-2.0

package node

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

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
clock. A file that the node's agent finds expired counts only while the node does not report: one that reports uses another, and a later certificate in the same file is its renewal. A certificate "signed by unknown authority" has not expired. A line in the log of an application is about the application.

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
		facts := slices.DeleteFunc(troubles(p, "cert-expired"), func(f evidence.Fact) bool { return unused(p, f) })
		if len(facts) == 0 {
			return
		}
		what := "has expired"
		if holds(facts[0].Text, "is before") {
			what = "is not valid yet, so its clock is probably wrong"
		}
		sure, message := diagnosis.Certain, fmt.Sprintf("a certificate that the kubelet of %s uses %s: it cannot talk to the API server", nodeName(p), what)
		if inFile(facts[0]) && !holds(facts[0].Where, "kubelet-client") {
			sure, message = diagnosis.Likely, fmt.Sprintf("a certificate on %s has expired, and its kubelet does not report", nodeName(p))
		}
		p.Report(diagnosis.Finding{
			Confidence: sure, Message: message, Facts: append(few(facts), few(offClock(p))...),
			Fixes: []diagnosis.Fix{
				{Title: "Look at the node's clock and at the dates of its certificates", Command: "date -u; openssl x509 -noout -dates -in /var/lib/kubelet/pki/kubelet-client-current.pem"},
				{Title: "Approve the signing request that waits, if there is one", Command: "kubectl get csr"},
			},
		})
	},
}

// unused tells whether an expired certificate that the agent found in a file keeps nobody from talking: the node reports since,
// or nobody knows whether it does, or the file has another one.
func unused(p *diagnosis.Pass, f evidence.Fact) bool {
	ready, known := condition(p.Node(), corev1.NodeReady)
	return inFile(f) && (!known || ready.Status != corev1.ConditionUnknown || renewed(p, f))
}

// inFile tells whether the agent found it in a file, and nobody said what it is used for.
func inFile(f evidence.Fact) bool { return strings.HasPrefix(f.Where, "file ") }

// renewed tells whether the agent has found another certificate in the file since, which is valid.
func renewed(p *diagnosis.Pass, f evidence.Fact) bool {
	return slices.ContainsFunc(heard(p, "cert-expiry"), func(g evidence.Fact) bool { return g.Where == f.Where && g.At.After(f.At) && g.Value > 0 })
}

// expiring returns what the agent tells of certificates that are to run out soon and were not renewed: they prove nothing.
func expiring(p *diagnosis.Pass) []evidence.Fact {
	return slices.DeleteFunc(heard(p, "cert-expiring"), func(f evidence.Fact) bool { return renewed(p, f) })
}
