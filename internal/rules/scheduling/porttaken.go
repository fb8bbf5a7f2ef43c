// SPDX-License-Identifier: Apache-2.0

package scheduling

import (
	"cmp"
	"fmt"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// PortTaken recognises a pod that wants a port of its node that is taken on every one.
var PortTaken = &diagnosis.Rule{
	ID:    "SCH010",
	Title: "The host port that the pod wants is taken on every node",
	Doc: `
A container asks for a port of the node itself (hostPort, or any port of a pod with hostNetwork), and on every node that the
pod could use another pod has it. Such a workload can have one pod a node; a rolling update that starts the new pod before
the old one is gone never gets that far.

**How it is told from its look-alikes.** The scheduler says "didn't have free ports for the requested pod ports". A pod that a
kubelet turned away for its ports had a node (ADM016). A process of the node that is no pod and holds the port is not seen by
the scheduler: then the container fails with "address already in use". Where more nodes lack room it is SCH001.

**What to do.** Use a Service instead of the host port; or a DaemonSet; or no more replicas than nodes; or let a rolling
update remove a pod first (maxSurge 0).

The words are written in kubernetes pkg/scheduler/framework/plugins/nodeports; recorded from Kubernetes 1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Pod,
	Needs:    evidence.Spec | evidence.Status,
	Also:     evidence.Node | evidence.Events,
	Effect:   diagnosis.NotScheduled,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		v := read(p)
		if v.decided != port {
			return
		}
		var facts []evidence.Fact
		var ports []string
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
		v.report(p, port, fmt.Sprintf("host port %s, which pod %s wants, is taken on %s", cmp.Or(strings.Join(ports, " or "), "number"), p.About().Name, v.on(port)), facts,
			diagnosis.Fix{Title: "Use a Service instead of the host port, or have no more replicas than nodes", Command: edit(p)})
	},
}
