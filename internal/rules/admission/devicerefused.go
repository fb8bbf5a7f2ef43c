// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"fmt"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// DeviceRefused recognises a pod that its node turned away because a device could not be given to it.
var DeviceRefused = &diagnosis.Rule{
	ID:    "ADM017",
	Title: "The kubelet could not give the pod what it was promised",
	Doc: `
The kubelet has to hand the pod its devices (GPUs, interfaces) before it takes it, and could not: the device plugin had restarted
or was not yet registered after a reboot, the devices are unhealthy, or fewer are free than the scheduler thought. An error in
handing out exclusive CPUs or memory is told the same way.

**How it is told from its look-alikes.** The pod has a node, the phase Failed and the reason UnexpectedAdmissionError, with the name of
the resource in the message. Where no node offers the resource the pod is Pending (SCH004). NUMA alignment has a reason of its own
(ADM018), and so has plain want of room (ADM014).

**What to do.** Look at the device plugin's pod on that node, and at its log. A controller makes another pod, which works once the
plugin is registered; what is left of this one has to be deleted.

The words are written in kubernetes pkg/kubelet/lifecycle/predicate.go and pkg/kubelet/cm/devicemanager/manager.go.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Pod,
	Needs:    evidence.Status,
	Effect:   diagnosis.NotAdmitted,
	CausedBy: []diagnosis.Effect{diagnosis.NodeRestarted, diagnosis.DeviceFailed, diagnosis.ConfigChanged},
	Run: func(p *diagnosis.Pass) {
		r := rejected(p)
		if r.reason != "UnexpectedAdmissionError" {
			return
		}
		said := strings.TrimSuffix(strings.TrimRight(strings.Join(strings.Fields(r.said), " "), "."), ", which is unexpected")
		message := fmt.Sprintf("the kubelet of %s turned pod %s away: %s", where(p), p.About().Name, said)
		look := diagnosis.Fix{Title: "Look at what the kubelet says of it", Command: "kubectl describe node " + p.NodeName()}
		if m := unhealthy.FindStringSubmatch(r.said); m != nil {
			message = fmt.Sprintf("the kubelet of %s turned pod %s away because no device of %s is healthy there", where(p), p.About().Name, m[1])
			look = plugin(p)
		}
		if m := tooFew.FindStringSubmatch(r.said); m != nil {
			message = fmt.Sprintf("the kubelet of %s turned pod %s away: it asks for %s of %s, and %s are free", where(p), p.About().Name, m[2], m[1], m[3])
			look = plugin(p)
		}
		r.report(p, message, nil, look, again(p))
	},
}

var (
	unhealthy = regex.New(`no healthy devices present; cannot allocate unhealthy devices ([^\s,]+)`)
	tooFew    = regex.New(`requested number of devices unavailable for ([^\s.]+(?:\.[^\s.]+)*)\. Requested: (\d+), Available: (\d+)`)
)

func plugin(p *diagnosis.Pass) diagnosis.Fix {
	return diagnosis.Fix{
		Title:   "Look at the device plugin's pod on that node, and at its log",
		Command: "kubectl get pods -A -o wide --field-selector spec.nodeName=" + p.NodeName(),
	}
}
