// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
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
The pod asks for a port of the node (hostPort), and it is taken there: by another pod that the scheduler did not choose
the node for (nodeName in its spec, a static pod, hostNetwork), or by a program of the node itself, which the scheduler
knows nothing of.

**How it is told from its look-alikes.** By the kubelet's reason HostPortConflict or NodePorts, which is certain, or by
"address already in use", "cannot open hostport" or "port is already allocated" in the newest FailedCreatePodSandBox
Event. A pod that no node has a free port for stays unscheduled ("didn't have free ports"). A process that cannot bind
in a container that runs ends by itself.

**What to do.** Use a Service instead of a hostPort, or another port; or end what has it on the node (ss -ltnp).

The reasons are in kubernetes pkg/kubelet/lifecycle/predicate.go (NodePorts) and in kubelets before 1.9
(HostPortConflict); the wordings are those of CRI-O's host port manager and of dockerd.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Pod,
	Needs:    evidence.Status,
	Also:     evidence.Events | evidence.Spec,
	Effect:   diagnosis.SandboxFailed,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		f := diagnosis.Finding{Confidence: diagnosis.Likely}
		if st := p.PodStatus(); st.Reason == "HostPortConflict" || st.Reason == "NodePorts" {
			f.Confidence = diagnosis.Certain
			f.Facts = []evidence.Fact{{
				Kind: evidence.Status, Source: evidence.FromStatus, About: p.About(), Where: "status.reason", Text: fmt.Sprintf("reason %s, message %s", st.Reason, st.Message),
			}}
		} else if fail, ok := failed(p); ok && classify(fail.text) == hostPort {
			f.At, f.Facts = fail.at, fail.facts
		} else {
			return
		}
		wanted := ports(p.PodSpec())
		f.Message = fmt.Sprintf("pod %s cannot have its host port on node %s: it is taken", p.About().Name, p.NodeName())
		for _, pod := range diagnosis.List[*corev1.Pod](p) {
			for _, port := range ports(&pod.Spec) {
				if evidence.RefOf(pod) == p.About() || pod.Spec.NodeName != p.NodeName() || !slices.Contains(wanted, port) || pod.Status.Phase != corev1.PodRunning {
					continue
				}
				f.Message = fmt.Sprintf("pod %s cannot have host port %s on node %s: pod %s/%s has it", p.About().Name, port, p.NodeName(), pod.Namespace, pod.Name)
				f.Facts = append(f.Facts, evidence.Fact{
					Kind: evidence.Spec, Source: evidence.FromSpec, About: evidence.RefOf(pod), Where: "spec.containers.ports.hostPort", Text: "hostPort " + port,
				})
			}
		}
		f.Fixes = []diagnosis.Fix{{Title: "Reach the pod through a Service instead of a host port, or free the port on the node", Command: "ss -ltnp"}}
		p.Report(f)
	},
}

// ports returns the ports of the host that a pod takes: "8080/TCP".
func ports(spec *corev1.PodSpec) (list []string) {
	for _, c := range slices.Concat(spec.InitContainers, spec.Containers) {
		for _, port := range c.Ports {
			protocol := port.Protocol
			if protocol == "" {
				protocol = corev1.ProtocolTCP
			}
			switch {
			case port.HostPort != 0:
				list = append(list, fmt.Sprintf("%d/%s", port.HostPort, protocol))
			case spec.HostNetwork:
				list = append(list, fmt.Sprintf("%d/%s", port.ContainerPort, protocol))
			}
		}
	}
	return list
}
