// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/regex"
)

// listens is how programs say that they have opened their port.
var listens = regex.New(`(?i)\blisten(s|ing|er)?\b|\bserving\b|accept(ing)? connections|server (is )?(started|running|ready)`)

// portOf returns the port that a probe asks that is no command.
func portOf(probe *corev1.Probe) intstr.IntOrString {
	switch {
	case probe.HTTPGet != nil:
		return probe.HTTPGet.Port
	case probe.TCPSocket != nil:
		return probe.TCPSocket.Port
	}
	return intstr.FromInt32(probe.GRPC.Port)
}

// undeclared tells whether a probe asks a port by number that no container of the pod declares, while its own declares
// others. What is declared opens nothing, but it is the spec's word on where the program listens.
func undeclared(p *diagnosis.Pass, probe *corev1.Probe) bool {
	port := portOf(probe)
	if port.Type != intstr.Int || len(p.Spec().Ports) == 0 {
		return false
	}
	for _, c := range p.PodSpec().Containers {
		for _, declared := range c.Ports {
			if declared.ContainerPort == port.IntVal {
				return false
			}
		}
	}
	return true
}

// judgePort proposes the port that the container declares, where it is one.
func judgePort(p *diagnosis.Pass, f failing, consequence string) advice {
	ports := p.Spec().Ports
	asked := portOf(f.probe)
	a := advice{text: consequence}
	if f.kind == refused {
		a.text = fmt.Sprintf("and port %s is none that the container declares (%s)", asked.String(), list(ports))
	}
	fix := diagnosis.Fix{Title: fmt.Sprintf("Let the %s of %s ask a port that it listens on, instead of %s", words[f.field], p.About().Container, asked.String())}
	if len(ports) == 1 {
		handler := map[bool]string{true: "httpGet", false: "tcpSocket"}[f.probe.HTTPGet != nil]
		if f.probe.GRPC != nil {
			handler = "grpc"
		}
		fix.Title = fmt.Sprintf("Let the %s of %s ask port %d, which it declares, instead of %s", words[f.field], p.About().Container, ports[0].ContainerPort, asked.String())
		fix.Risk = diagnosis.Restart
		fix.Patch = p.PatchContainer(map[string]any{f.field: map[string]any{handler: map[string]any{"port": ports[0].ContainerPort}}})
	}
	a.fixes = []diagnosis.Fix{fix}
	return a
}

func list(ports []corev1.ContainerPort) string {
	var names []string
	for _, port := range ports {
		names = append(names, fmt.Sprint(port.ContainerPort))
	}
	return strings.Join(names, ", ")
}

// judgeScheme corrects http and https.
func judgeScheme(p *diagnosis.Pass, f failing) advice {
	scheme := map[kind]corev1.URIScheme{wantsTLS: corev1.URISchemeHTTPS, wantsPlain: corev1.URISchemeHTTP}[f.kind]
	fix := diagnosis.Fix{Title: fmt.Sprintf("Let the %s of %s ask over %s", words[f.field], p.About().Container, scheme), Risk: diagnosis.Restart}
	if f.probe.HTTPGet != nil {
		fix.Patch = p.PatchContainer(map[string]any{f.field: map[string]any{"httpGet": map[string]any{"scheme": string(scheme)}}})
	}
	return advice{fixes: []diagnosis.Fix{fix}}
}
