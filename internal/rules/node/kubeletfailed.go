// SPDX-License-Identifier: Apache-2.0

package node

import (
	"fmt"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// KubeletFailed recognises a kubelet that cannot start.
var KubeletFailed = &diagnosis.Rule{
	ID:    "NOD007",
	Title: "Kubelet cannot start",
	Doc: `
The kubelet ends at its start with an error: swap is on, its configuration cannot be read or is not valid, the host has control groups that it refuses, a flag is
unknown. The node does not register, or turns NotReady.

**How it is told from its look-alikes.** By the fatal line of the kubelet itself. A kubelet that runs and lacks its runtime, its network or its certificate says so and goes on. If its log shows that it started
and syncs pods after it, that is over.

**What to do.** Correct what the line names and start it again.

The words are in kubernetes cmd/kubelet/app/server.go and pkg/kubelet/cm/container_manager_linux.go.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Node,
	Needs:    evidence.Host,
	Also:     evidence.Node | evidence.Spec | evidence.Status,
	Effect:   diagnosis.NodeLost,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged},
	Run: func(p *diagnosis.Pass) {
		facts := troubles(p, "kubelet-failed", "kubelet-unhealthy")
		if len(facts) == 0 {
			return
		}
		last := facts[len(facts)-1]
		what := "cannot start: " + strings.TrimRight(last.Text, ".")
		if last.Name == "kubelet-unhealthy" {
			what = "does not answer its own health check (port 10248)"
		}
		p.Report(diagnosis.Finding{
			Confidence: diagnosis.Certain, At: last.At, Facts: few(facts),
			Message: fmt.Sprintf("the kubelet of %s %s", nodeName(p), what),
			Fixes:   look("Correct what its log names, and start it again", "journalctl -u kubelet -n 50 --no-pager; systemctl restart kubelet"),
		})
	},
}
