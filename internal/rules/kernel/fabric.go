// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Fabric recognises that links between graphics processors fail.
var Fabric = &diagnosis.Rule{
	ID:    "KRN016",
	Title: "NVLink or NVSwitch fails",
	Doc: `
The links between graphics processors of the node fail: an NVSwitch reports a fault with a number, SXid, or NVLink an error. Jobs that use several processors hang
or end in errors of NCCL, while each processor by itself is well.

**How it is told from its look-alikes.** By the driver's line about the switch or the link. An Xid of a single device is the rule about devices. A hang of NCCL
without such a line is mostly a matter of the network between nodes or of one process that did not join.

**What to do.** Drain the node; restart the fabric manager and the node; have the board replaced if it comes back.

SXid numbers are in NVIDIA's Fabric Manager guide.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Node,
	Needs:  evidence.Host,
	Also:   evidence.Spec | evidence.Status,
	Effect: diagnosis.DeviceFailed,
	Run: func(p *diagnosis.Pass) {
		facts := records(p, "nvlink")
		if len(facts) == 0 {
			return
		}
		p.Report(diagnosis.Finding{
			Confidence: diagnosis.Certain, Facts: few(facts),
			Message: fmt.Sprintf("links between the GPUs of %s fail (NVLink or NVSwitch)%s: jobs on several of them hang or end in errors", nodeName(p), times(facts)),
			Fixes: []diagnosis.Fix{
				drain(p, "Drain "+nodeName(p)+" and restart it"),
				onNode("See the state of the links", "nvidia-smi nvlink -s; systemctl status nvidia-fabricmanager"),
			},
		})
	},
}
