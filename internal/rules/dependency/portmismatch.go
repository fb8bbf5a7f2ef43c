// SPDX-License-Identifier: Apache-2.0

package dependency

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// PortMismatch recognises a call to a port that a Service does not have or leads nowhere.
var PortMismatch = &diagnosis.Rule{
	ID:    "DEP004",
	Title: "Service does not have the port, or leads to the wrong one",
	Doc: `
The program called a Service on a port that the Service does not have, or the Service leads from that port to a port of its pods on
which none of their containers says that it listens.

**How it is told from its look-alikes.** The host is a Service that is known, with endpoints that may well be ready. The first case is
certain from its spec: a cluster IP answers on the ports of the Service only, and others are refused or time out. The second is only likely,
because containers need not declare their ports: it needs pods that declare some, and not this one, and a refusal. Headless
Services lead to the pods directly and are left out.

**What to do.** Correct the port in the caller's configuration, or port and targetPort of the Service.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Container,
	Needs:    evidence.Status,
	Also:     evidence.Logs | evidence.Spec,
	Effect:   diagnosis.DependencyDown,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		c := callOf(p)
		if c.class != portMismatch {
			return
		}
		_, port := c.Host()
		ports := citePorts(c.service)
		f := c.finding(p, fmt.Sprintf("it has no port %s, only %s", port, portsOf(c.service)), ports...)
		var patch *diagnosis.Patch
		if hasPort(c.service, port) {
			target := wrongTarget(c.service, c.pods, port)
			patch = leading(c.service, c.pods, port)
			f = c.finding(p, fmt.Sprintf("it leads to port %s of its pods, and none of their containers has that", target), ports...)
		}
		f.Fixes = []diagnosis.Fix{{
			Title: fmt.Sprintf("Correct the port that is called, or port and targetPort of Service %s", c.service.Name), Command: fmt.Sprintf("kubectl -n %s edit service %s", c.service.Namespace, c.service.Name),
		}}
		if patch != nil {
			f.Fixes = append([]diagnosis.Fix{{
				Title: fmt.Sprintf("Let port %s of Service %s lead to the one port that its pods have", port, c.service.Name), Risk: diagnosis.Restart, Patch: patch,
			}}, f.Fixes...)
		}
		p.Report(f)
	},
}

// leading makes a port of a Service lead to the port of its pods, where they all declare the same one and no other.
func leading(s *corev1.Service, pods []*corev1.Pod, port string) *diagnosis.Patch {
	has := map[int32]bool{}
	for _, pod := range pods {
		for i := range pod.Spec.Containers {
			for _, cp := range pod.Spec.Containers[i].Ports {
				has[cp.ContainerPort] = true
			}
		}
	}
	ports := slices.Collect(maps.Keys(has))
	at := slices.IndexFunc(s.Spec.Ports, func(sp corev1.ServicePort) bool { return fmt.Sprint(sp.Port) == port })
	if len(ports) != 1 || at < 0 {
		return nil
	}
	fields := fmt.Sprintf(`{"spec":{"ports":[{"port":%s,"targetPort":%d}]}}`, port, ports[0])
	return &diagnosis.Patch{Target: evidence.RefOf(s), Type: diagnosis.Strategic, Data: fields}
}

// citePorts cites the ports of a Service and where they lead.
func citePorts(s *corev1.Service) []evidence.Fact {
	var facts []evidence.Fact
	for i, sp := range s.Spec.Ports {
		text := fmt.Sprintf("port %d", sp.Port)
		if target := sp.TargetPort.String(); target != "0" {
			text += ", targetPort " + target
		}
		facts = append(facts, evidence.Fact{
			Kind: evidence.Spec, Source: evidence.FromSpec, About: evidence.RefOf(s), Where: fmt.Sprintf("spec.ports[%d]", i), Text: text,
		})
	}
	return facts
}
