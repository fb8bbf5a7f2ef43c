// SPDX-License-Identifier: Apache-2.0

package create

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Device recognises a container whose GPU or other device the node cannot give it.
var Device = &diagnosis.Rule{
	ID:    "CRT013",
	Title: "Device of the container cannot be set up",
	Doc: `
The pod was placed because the node has the device on offer, and the runtime cannot hand it over: the driver on the node
does not answer or does not fit the libraries, the device file is gone, or the CDI specification that names it is
missing.

**How it is told from its look-alikes.** By nvidia-container-cli, CDI or the device file in the runtime's message. A
node that has no such device to offer leaves the pod Pending with "Insufficient". A device plugin that refuses makes the
kubelet turn the pod away with UnexpectedAdmissionError. A program that finds no GPU in a container that started was not
given one.

**What to do.** On that node run the driver's own tool (nvidia-smi). After an upgrade of the driver reboot the node or
reload the module ("driver/library version mismatch"). Restart the device plugin there, so that it writes its CDI files
again.

The wordings are those of the NVIDIA container toolkit (nvidia-container-cli), containerd internal/cri (CDI) and runc.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Container,
	Needs:  evidence.Spec | evidence.Status,
	Also:   evidence.Events,
	Effect: diagnosis.NotStarted,
	CausedBy: []diagnosis.Effect{
		diagnosis.DeviceFailed, diagnosis.KernelFailed, diagnosis.RuntimeFailed, diagnosis.RolledOut,
		diagnosis.ConfigChanged,
	},
	Run: on(device, func(p *diagnosis.Pass, r *refusal) (string, []diagnosis.Fix) {
		for name, quantity := range p.Spec().Resources.Limits {
			if strings.Contains(string(name), "/") {
				fact := p.CiteSpec("resources.limits", "")
				fact.Where, fact.Text = fact.Where+"["+string(name)+"]", string(name)+" "+quantity.String()
				r.facts = append(r.facts, fact)
			}
		}
		slices.SortFunc(r.facts, func(a, b evidence.Fact) int {
			return cmp.Or(cmp.Compare(b.Source, a.Source), cmp.Compare(a.Where, b.Where))
		})
		return fmt.Sprintf("container %s could not be %s: node %s cannot give it its device: %s", p.About().Container, r.step(), p.NodeName(), said(r.text)),
			[]diagnosis.Fix{{Title: fmt.Sprintf("Check the driver of the device on node %s, and restart the device plugin there", p.NodeName()), Command: "nvidia-smi"}}
	}),
}
