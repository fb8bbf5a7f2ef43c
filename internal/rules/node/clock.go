// SPDX-License-Identifier: Apache-2.0

package node

import (
	"fmt"
	"math"
	"slices"
	"time"

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
counter and is no trouble. A small correction is its daily work. The node's agent compares the clock with that of the API server: two seconds are too many, and what has come back below one is over.

**What to do.** See that the node reaches its servers of time (UDP port 123, or that of the cloud provider), and step the clock.

The words are those of chrony (reference.c) and ntpd.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Node,
	Needs:  evidence.Host,
	Also:   evidence.Node | evidence.Spec | evidence.Status,
	Effect: diagnosis.CertExpired,
	Run: func(p *diagnosis.Pass) {
		facts := offClock(p)
		if len(facts) == 0 {
			return
		}
		p.Report(diagnosis.Finding{
			Confidence: diagnosis.Certain, Facts: few(facts),
			Message: fmt.Sprintf("the clock of %s %s: certificates, leases and tokens look wrong there", nodeName(p), wrongBy(facts[len(facts)-1])),
			Fixes:   look("See that the node reaches its servers of time, and step its clock", "chronyc tracking; chronyc sources; chronyc makestep"),
		})
	},
}

// corrected tells whether the agent has found the clock right after that: its offset to the API server's is below a second again.
func corrected(p *diagnosis.Pass, f evidence.Fact) bool {
	offsets := heard(p, "clock-offset")
	if len(offsets) == 0 {
		return false
	}
	last := offsets[len(offsets)-1]
	return last.At.After(f.At) && math.Abs(last.Value) < 1
}

// offClock returns what says that the node's clock is off. What the kernel says of a counter is not about the time, and what a time keeper
// said long ago on a node that is well is history; an agent tells once, and when it is over.
func offClock(p *diagnosis.Pass) []evidence.Fact {
	history := len(troubles(p, "clock")) == 0
	return slices.DeleteFunc(heard(p, "clock"), func(f evidence.Fact) bool {
		return f.Source == evidence.FromKernel || history && f.Where != "clock" || corrected(p, f)
	})
}

// wrongBy says how the clock is wrong, as far as is known.
func wrongBy(f evidence.Fact) string {
	by := time.Duration(f.Value * float64(time.Second)).Round(time.Second)
	switch {
	case by > 0:
		return fmt.Sprintf("is %s ahead of the API server's", by)
	case by < 0:
		return fmt.Sprintf("is %s behind the API server's", -by)
	}
	return "is off or cannot be set"
}
