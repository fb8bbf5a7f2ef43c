// SPDX-License-Identifier: Apache-2.0

package node

import (
	"fmt"
	"time"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// LeaseLate recognises a kubelet that does not get its heartbeat through.
var LeaseLate = &diagnosis.Rule{
	ID:    "NOD020",
	Title: "Kubelet cannot renew its lease",
	Doc: `
The kubelet tells every ten seconds that it lives by renewing a lease, and could not, or could not write its status. After 40 or 50 seconds without one the node counts as NotReady and its pods are deleted after five
more minutes, though they run well.

**How it is told from its look-alikes.** By the kubelet's own log, at least three times within two minutes: so the kubelet lives, and the way to the API server, the API server itself or the credentials are at fault. "context deadline exceeded" means slow,
"connection refused" that nobody listens, "certificate" and "Unauthorized" credentials. A kubelet that is dead logs nothing.

**What to do.** If many nodes have it at once look at the API server and etcd, else at this node's network.

The words are in kubernetes component-helpers/apimachinery/lease and pkg/kubelet/kubelet_node_status.go.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Node,
	Needs:    evidence.Host,
	Also:     evidence.Node | evidence.Spec | evidence.Status,
	Effect:   diagnosis.LeaseLost,
	CausedBy: []diagnosis.Effect{diagnosis.ControlPlaneSlow, diagnosis.NetworkFailed, diagnosis.CertExpired, diagnosis.KernelFailed},
	Run: func(p *diagnosis.Pass) {
		facts := together(troubles(p, "lease-failed", "status-failed"))
		if len(facts) == 0 {
			return
		}
		var known []evidence.Fact // what the node's agent knows of certificates and clock
		why := "the API server does not take it"
		switch text := facts[len(facts)-1].Text; {
		case holds(text, "refused"):
			why = "nobody listens at the API server's address"
		case holds(text, "no route to host", "unreachable"):
			why = "there is no way to the API server"
		case holds(text, "x509", "Unauthorized", "forbidden"):
			why = "the API server does not accept its credentials"
			known = few(append(expiring(p), offClock(p)...))
		case holds(text, "deadline exceeded", "i/o timeout", "timed out"):
			why = "the API server does not answer in time"
		}
		p.Report(diagnosis.Finding{
			Confidence: diagnosis.Certain, Facts: append(few(facts), known...),
			Message: fmt.Sprintf("the kubelet of %s cannot renew its lease%s: %s", nodeName(p), times(facts), why),
			Fixes:   look("See whether other nodes have it too, and whether the API server answers from here", "kubectl get leases -n kube-node-lease; curl -k https://API-SERVER:6443/readyz"),
		})
	},
}

// lateWindow is within which time failures belong together: at ten seconds each it takes no more than half of it to lose the
// lease.
const lateWindow = 2 * time.Minute

// together returns the records from the first time on that there were many within the window.
func together(facts []evidence.Fact) []evidence.Fact {
	for i := manyRefusals - 1; i < len(facts); i++ {
		if first := i - manyRefusals + 1; facts[i].At.Sub(facts[first].At) <= lateWindow {
			return facts[first:]
		}
	}
	return nil
}
