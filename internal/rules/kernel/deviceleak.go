// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// DeviceLeak recognises a network device that cannot be removed.
var DeviceLeak = &diagnosis.Rule{
	ID:    "KRN008",
	Title: "Network device cannot be removed",
	Doc: `
A network namespace is being taken down, which is what happens when a pod ends, and a device in it still has users: the
kernel waits and says so every ten seconds. It takes namespaces down one after the other, so those of other pods wait as well;
before Linux 4.17 none can be made meanwhile, and pods stay in ContainerCreating or Terminating.

**How it is told from its look-alikes.** By "unregister_netdevice: waiting for … to become free. Usage count = …". A line or two that
stop are a late release and harmless, so that the finding is only possible with fewer than three; a count that never falls is a leaked reference: a bug of the kernel or of a network module. A network plugin that
fails to set up a pod leaves no such line.

**What to do.** Restart the node: nothing else frees it. Change the kernel version, or that of the module (of the network plugin, of IPv6, of
a mesh) that holds the reference.

The line is written in net/core/dev.c.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Node,
	Needs:  evidence.Host,
	Also:   evidence.Spec | evidence.Status,
	Effect: diagnosis.KernelFailed,
	Run: func(p *diagnosis.Pass) {
		facts := records(p, "netdev-leak")
		if len(facts) == 0 {
			return
		}
		device := waitingFor.ReplaceAllString(facts[len(facts)-1].Text, "$1 (usage count $2)")
		confidence := diagnosis.Certain
		if len(facts) < telling {
			confidence = diagnosis.Possible
		}
		p.Report(diagnosis.Finding{
			Confidence: confidence, Facts: few(facts),
			Message: fmt.Sprintf("the kernel of %s waits for network device %s to become free (unregister_netdevice): the take-down of a network namespace is stuck%s", nodeName(p), device, times(facts)),
			Fixes:   []diagnosis.Fix{reboot(p, ": nothing else frees the device"), onNode("See whether it goes on", "dmesg -T | grep unregister_netdevice | tail")},
		})
	},
}

// telling is how many records it takes, ten seconds apart, to tell a leak from a late release.
const telling = 3

var waitingFor = regex.New(`^.*waiting for (\S+) to become free\. Usage count = (-?\d+).*$`)
