// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// PortHeld recognises a pod that its node turned away because another pod has its host port.
var PortHeld = &diagnosis.Rule{
	ID:    "ADM016",
	Title: "The kubelet turned the pod away because its host port is taken",
	Doc: `
The pod asks for a port of the node, and another pod of that node has it. The scheduler would have sent it elsewhere: it did not
know of the other pod, as of a static one, or the manifest names the node and bypasses the scheduler.

**How it is told from its look-alikes.** The pod has a node, the phase Failed and the reason NodePorts (before 1.19 PodFitsHostPorts,
earlier HostPortConflict), and no container ran. Where the scheduler finds the port taken on every node the pod is Pending
(SCH010). A port that a process of the node holds is not seen by the kubelet: the container then fails by itself.

**What to do.** Use a Service instead of the host port, or leave nodeName out; find the pod that has the port.

The words are written in kubernetes pkg/kubelet/lifecycle/predicate.go; recorded from Kubernetes 1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Pod,
	Needs:    evidence.Spec | evidence.Status,
	Effect:   diagnosis.NotAdmitted,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		r := rejected(p)
		if !slices.Contains([]string{"NodePorts", "PodFitsHostPorts", "HostPortConflict"}, r.reason) {
			return
		}
		var ports []string
		facts := pinned(p)
		for _, c := range p.PodSpec().Containers {
			for i, o := range c.Ports {
				if o.HostPort == 0 {
					continue
				}
				ports = append(ports, fmt.Sprint(o.HostPort))
				facts = append(facts, evidence.Fact{
					Kind: evidence.Spec, Source: evidence.FromSpec, About: p.About(),
					Where: fmt.Sprintf("spec.containers[%s].ports[%d].hostPort", c.Name, i), Text: fmt.Sprintf("hostPort %d", o.HostPort),
				})
			}
		}
		which := "a host port that it wants"
		if len(ports) > 0 {
			which = "host port " + strings.Join(ports, " or ") + ", which it wants"
		}
		fix := diagnosis.Fix{Title: "Use a Service instead of the host port"}
		if len(pinned(p)) > 0 {
			fix.Title += ", or leave nodeName out so that the scheduler finds a node where the port is free"
		}
		fix.Command = "kubectl get pods -A -o wide --field-selector spec.nodeName=" + p.NodeName()
		r.report(p, fmt.Sprintf("the kubelet of %s turned pod %s away because another pod there has %s", where(p), p.About().Name, which), facts, fix, again(p))
	},
}
