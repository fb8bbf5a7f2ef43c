// SPDX-License-Identifier: Apache-2.0

package storage

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
)

// MountFailed recognises a volume that cannot be mounted for a reason that no other rule knows.
var MountFailed = &diagnosis.Rule{
	ID:    "STO017",
	Title: "Volume cannot be mounted",
	Doc: `
The kubelet, or the driver on its node, tried to mount a volume of the pod and failed with an error of its own: the driver's
rpc error, a mount option that is not known, a path in use, a token that could not be had. The pod waits in ContainerCreating, and
the kubelet tries again, ever more seldom, for as long as the pod exists.

**How it is told from its look-alikes.** What is known more closely has rules of its own: a missing object, a driver that is not
there, another node that has the volume, a server, a broken file system, a path. This is what remains, with the words after the
volume's name. Failures that are over are not told: the pod has got past mounting then.

**What to do.** The error is the driver's or the kubelet's; the log of the driver's pod on that node has the whole of it.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Pod,
	Needs:    mountEvidence,
	Effect:   diagnosis.VolumeFailed,
	CausedBy: causes,
	Run: func(p *diagnosis.Pass) {
		for _, f := range failures(p, other) {
			if f.volume == "" {
				continue
			}
			f.report(p, fmt.Sprintf("%s of pod %s cannot be mounted on node %s: %s", f.name(p), p.About().Name, p.NodeName(), reason(after(f.Message))),
				diagnosis.Fix{Title: "Mend what the error names; the kubelet tries again by itself", Command: describe(p)})
		}
		for _, f := range failures(p, pathless) {
			if !f.ofNode(p) {
				f.report(p, fmt.Sprintf("%s of pod %s cannot be mounted on node %s: %s", f.name(p), p.About().Name, p.NodeName(), reason(after(f.Message))),
					diagnosis.Fix{Title: "Mend what the error names; the kubelet tries again by itself", Command: describe(p)})
			}
		}
	},
}
