// SPDX-License-Identifier: Apache-2.0

package exit

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// PortTaken recognises a program that ends because another one listens on its port.
var PortTaken = &diagnosis.Rule{
	ID:    "EXT012",
	Title: "Port of the program is already in use",
	Doc: `
The program asked the kernel for its port and got EADDRINUSE: something in the same network namespace listens there
already. The containers of one pod share that namespace, and pods with hostNetwork share the node's.

**How it is told from its look-alikes.** By the words. Which of the two it is, the spec says: with hostNetwork another pod on
that node, or a program of the node itself, has the port; otherwise it is another container of the same pod, or the program
started twice in one container. A hostPort that is taken keeps a pod from being scheduled and never gets this far.

**What to do.** Give one of the two another port. With hostNetwork, let no two of the pods share a node (hostPort makes the
scheduler see to that).
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Attempt,
	Needs:    evidence.Status,
	Also:     evidence.Events | evidence.Logs | evidence.Spec | evidence.Signals,
	Effect:   diagnosis.ProcessFailed,
	CausedBy: with(),
	Run: func(p *diagnosis.Pass) {
		e := endOf(p)
		if e.class != portTaken {
			return
		}
		spec := p.PodSpec()
		f := e.finding(p, "")
		port := portOf(e.said)
		switch {
		case spec.HostNetwork:
			f.Message += "its port is taken on the node, whose network it shares: " + e.said
			f.Facts = append(f.Facts, evidence.Fact{Kind: evidence.Spec, Source: evidence.FromSpec, About: e.Of.Object(), Where: "spec.hostNetwork", Text: "hostNetwork true"})
			f.Fixes = []diagnosis.Fix{{Title: fmt.Sprintf("Free port %s on node %s, use another port, or declare it as hostPort so that the scheduler keeps two apart", port, p.NodeName())}}
		case len(spec.Containers)+len(spec.InitContainers) > 1:
			f.Message += "another container of the pod has its port: " + e.said
			if other := declares(spec, e.Of.Container, port); other != "" {
				f.Message = fmt.Sprintf("%s; container %s declares port %s too", f.Message, other, port)
			}
			f.Fixes = []diagnosis.Fix{{Title: "Give one of the pod's containers another port: they share one network"}}
		default:
			f.Message += "something in its own container has its port already: " + e.said
			f.Fixes = []diagnosis.Fix{{Title: "Look for a second start of the program in the entrypoint, or for two listeners with one port in its configuration"}}
		}
		p.Report(f)
	},
}

var portNumber = regex.New(`(?:[:\s]|[Pp]ort )(\d{2,5})(?:[^\d.]|$)`)

// portOf returns the port that a message names, or "".
func portOf(line string) string {
	if m := portNumber.FindStringSubmatch(line); m != nil {
		return m[1]
	}
	return "that it needs"
}

// declares returns another container that declares the port, or "".
func declares(spec *corev1.PodSpec, but, port string) string {
	for _, c := range slices.Concat(spec.InitContainers, spec.Containers) {
		for _, declared := range c.Ports {
			if c.Name != but && fmt.Sprint(declared.ContainerPort) == port {
				return c.Name
			}
		}
	}
	return ""
}
