// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"cmp"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// HostPortTaken recognises a pod whose hostPort something else on the node has.
var HostPortTaken = &diagnosis.Rule{
	ID:    "SBX010",
	Title: "Port of the host is taken",
	Doc: `
The pod asks for a port of the node (hostPort), and the runtime cannot take it there: a program of the node has it,
which the scheduler knows nothing of, or another pod that is on the host's network or was put on the node without the
scheduler.

**How it is told from its look-alikes.** By "cannot open hostport", "address already in use" or "port is already
allocated" in the newest FailedCreatePodSandBox Event while the pod has no sandbox. A pod whose port the kubelet knows
to be another pod's is turned away with the reason NodePorts. A pod that no node has a free port for stays unscheduled.
A process that cannot bind in a container that runs ends by itself.

**What to do.** Use a Service instead of a hostPort, or another port; or end what has it on the node (ss -ltnp).

The wordings are those of CRI-O's host port manager, of the plugin portmap and of dockerd.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Pod,
	Needs:    evidence.Status | evidence.Events,
	Also:     evidence.Spec,
	Effect:   diagnosis.SandboxFailed,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		fail := failed(p)
		if fail.why != hostPort {
			return
		}
		f := diagnosis.Finding{At: fail.at, Confidence: diagnosis.Likely, Facts: fail.facts}
		wanted := ports(p.PodSpec())
		f.Message = fmt.Sprintf("pod %s cannot have its host port on node %s: it is taken", p.About().Name, p.NodeName())
		for _, pod := range diagnosis.List[*corev1.Pod](p, evidence.RefTo("Node", "", p.NodeName())) {
			for _, port := range ports(&pod.Spec) {
				if !slices.ContainsFunc(wanted, port.same) || pod.Status.Phase != corev1.PodRunning {
					continue
				}
				f.Message = fmt.Sprintf("pod %s cannot have host port %s on node %s: pod %s/%s has it", p.About().Name, port.name, p.NodeName(), pod.Namespace, pod.Name)
				f.Facts = append(f.Facts, evidence.Fact{
					Kind: evidence.Spec, Source: evidence.FromSpec, About: evidence.RefOf(pod), Where: port.where, Text: port.text,
				})
			}
		}
		f.Fixes = []diagnosis.Fix{{Title: "Reach the pod through a Service instead of a host port, or free the port on the node", Command: "ss -ltnp"}}
		p.Report(f)
	},
}

// A taken is a port of the host that a pod takes, and the field that says so.
type taken struct{ name, where, text string } // name: "8080/TCP"

func (t taken) same(other taken) bool { return t.name == other.name }

// ports returns the ports of the host that a pod takes. On the host's network the API server sets each hostPort to the
// port of the container (kubernetes pkg/apis/core/v1/defaults.go).
func ports(spec *corev1.PodSpec) (list []taken) {
	for i, c := range slices.Concat(spec.InitContainers, spec.Containers) {
		in := "containers"
		if i < len(spec.InitContainers) {
			in = "initContainers"
		}
		for j, port := range c.Ports {
			if port.HostPort != 0 {
				list = append(list, taken{
					name:  fmt.Sprintf("%d/%s", port.HostPort, cmp.Or(port.Protocol, corev1.ProtocolTCP)),
					where: fmt.Sprintf("spec.%s[%s].ports[%d].hostPort", in, c.Name, j),
					text:  fmt.Sprintf("hostPort %d", port.HostPort),
				})
			}
		}
	}
	return list
}
