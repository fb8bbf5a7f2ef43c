// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"net/url"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/kubeinquest/inquest/internal/regex"
)

// probeText matches a probe: "http-get http://:8080/healthz delay=0s timeout=1s period=10s #success=1 #failure=3"; kubectl
// 1.37 spells the thresholds out.
var probeText = regex.New(`^(\S+)(?: (.*?))? delay=(\d+)s timeout=(\d+)s period=(\d+)s (?:#success|successThreshold)=(\d+) (?:#failure|failureThreshold)=(\d+)`)

// readProbe reads a probe as kubectl describe prints it; nil when it is none.
func readProbe(text string) *corev1.Probe {
	m := probeText.FindStringSubmatch(text)
	if m == nil {
		return nil
	}
	number := func(i int) int32 {
		n, err := strconv.ParseInt(m[i], 10, 32)
		if err != nil {
			return 0
		}
		return int32(n)
	}
	probe := &corev1.Probe{
		InitialDelaySeconds: number(3), TimeoutSeconds: number(4), PeriodSeconds: number(5),
		SuccessThreshold: number(6), FailureThreshold: number(7),
	}
	switch m[1] {
	case "exec":
		probe.Exec = &corev1.ExecAction{Command: strings.Fields(strings.Trim(m[2], "[]"))}
	case "http-get":
		probe.HTTPGet = readGet(m[2])
	case "tcp-socket":
		if i := strings.LastIndexByte(m[2], ':'); i >= 0 {
			probe.TCPSocket = &corev1.TCPSocketAction{Host: m[2][:i], Port: intstr.Parse(m[2][i+1:])}
		}
	case "grpc":
		address, service, _ := strings.Cut(strings.TrimSpace(m[2]), " ")
		if port, err := strconv.ParseInt(strings.TrimPrefix(address, "<pod>:"), 10, 32); err == nil {
			probe.GRPC = &corev1.GRPCAction{Port: int32(port), Service: &service}
		}
	}
	return probe
}

// readGet reads the address of an HTTP probe. Its port may be a name, which is no URL.
func readGet(text string) *corev1.HTTPGetAction {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok {
		return nil
	}
	address, path, _ := strings.Cut(rest, "/")
	host, port := address, ""
	if i := strings.LastIndexByte(address, ':'); i >= 0 {
		host, port = address[:i], address[i+1:]
	}
	if clean, err := url.PathUnescape(path); err == nil {
		path = clean
	}
	return &corev1.HTTPGetAction{
		Scheme: corev1.URIScheme(strings.ToUpper(scheme)), Host: host, Port: intstr.Parse(port), Path: "/" + path,
	}
}

// portText matches one port: "8080/TCP", "8080/TCP (http)".
var portText = regex.New(`^(\d+)/(TCP|UDP|SCTP)(?: \((.+)\))?$`)

// ports reads the ports of a container, or those of its host, which are in the same order.
func (b *box) ports(text string, host bool) {
	for i, one := range strings.Split(text, ", ") {
		m := portText.FindStringSubmatch(strings.TrimSpace(one))
		if m == nil {
			continue
		}
		n, err := strconv.ParseInt(m[1], 10, 32)
		if err != nil {
			continue
		}
		if !host {
			b.spec.Ports = append(b.spec.Ports, corev1.ContainerPort{ContainerPort: int32(n), Protocol: corev1.Protocol(m[2]), Name: m[3]})
		} else if i < len(b.spec.Ports) {
			b.spec.Ports[i].HostPort = int32(n)
		}
	}
}
