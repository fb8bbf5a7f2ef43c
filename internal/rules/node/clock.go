// SPDX-License-Identifier: Apache-2.0

package node

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Clock recognises a node whose clock is off.
var Clock = &diagnosis.Rule{
	ID:    "NOD019",
	Title: "Node's clock is not synchronised",
	Doc: `
The clock of the node is off, or no server of time can be reached to set it. Certificates seem not valid yet or expired, leases look old, tokens are refused, and times in logs and Events do not fit those of other
nodes.

**How it is told from its look-alikes.** By what the time keeper (chrony, ntpd, timesyncd) says of itself: that it is wrong by more than a second, or has no source. "Marking clocksource tsc as unstable" in the kernel log only chooses another
counter and is no trouble. A small correction is its daily work.

**What to do.** See that the node reaches its servers of time (UDP port 123, or that of the cloud provider), and step the clock.

The words are those of chrony (reference.c) and ntpd.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Node,
	Needs:  evidence.Host,
	Effect: diagnosis.CertExpired,
	Run: func(p *diagnosis.Pass) {
		var facts []evidence.Fact
		for _, f := range heard(p, "clock") {
			if f.Source != evidence.FromKernel {
				facts = append(facts, f)
			}
		}
		if len(facts) == 0 {
			return
		}
		p.Report(diagnosis.Finding{
			Confidence: diagnosis.Certain, Facts: few(facts),
			Message: fmt.Sprintf("the clock of %s is off or cannot be set: certificates, leases and tokens look wrong there", nodeName(p)),
			Fixes:   look("See that the node reaches its servers of time, and step its clock", "chronyc tracking; chronyc sources; chronyc makestep"),
		})
	},
}
