// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Throttled recognises a processor that is slowed down because it is too hot.
var Throttled = &diagnosis.Rule{
	ID:    "KRN019",
	Title: "Processor is slowed down by heat",
	Doc: `
A processor got too hot and lowered its clock, so that everything on the node takes longer: start-up, answers to probes, compilation. The kernel
says so when it begins and when it ends.

**How it is told from its look-alikes.** By "temperature above threshold, cpu clock throttled" of the thermal driver, "is above" and "is throttled" since Linux 5.5, which leaves out short spikes. A container that is throttled by its CPU limit
leaves nothing in the kernel log: its control group counts that. Thermal monitoring that is only announced at boot is no event.

**What to do.** Look at fans, air and load of the machine. Probes with tight time-outs on this node fail for this reason and not for the application's.

The line is written in arch/x86/kernel/cpu/mce/therm_throt.c (drivers/thermal/intel in newer kernels).
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Node,
	Needs:  evidence.Host,
	Also:   evidence.Spec | evidence.Status,
	Effect: diagnosis.Throttled,
	Run: func(p *diagnosis.Pass) {
		if facts := records(p, "throttled"); len(facts) > 0 {
			p.Report(diagnosis.Finding{
				Confidence: diagnosis.Certain, Facts: few(facts),
				Message: fmt.Sprintf("processors of %s were slowed down because they got too hot%s", nodeName(p), times(facts)),
				Fixes:   []diagnosis.Fix{onNode("Look at fans, air and load of the machine", "sensors; turbostat --show Core,CoreTmp,Bzy_MHz --num_iterations 1")},
			})
		}
	},
}
