// SPDX-License-Identifier: Apache-2.0

package security

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// takes returns what a container takes beyond its pod: ports of the node, and other hosts that the kubelet is sent to.
func (c visit) takes(hostNetwork bool) []violation {
	var list []violation
	for i, port := range c.Ports {
		if port.HostPort != 0 && !hostNetwork {
			list = append(list, violation{
				field: fmt.Sprintf("%s.ports[%d].hostPort", c.path, i), text: fmt.Sprintf("container %s takes port %d of its node", c.Name, port.HostPort),
				fix: "Take hostPort away and use a Service",
			})
		}
	}
	sent := func(what string, get *corev1.HTTPGetAction, socket *corev1.TCPSocketAction) {
		var host, field string
		switch {
		case get != nil && get.Host != "":
			host, field = get.Host, ".httpGet.host"
		case socket != nil && socket.Host != "":
			host, field = socket.Host, ".tcpSocket.host"
		default:
			return
		}
		hook := strings.TrimPrefix(what, "lifecycle.")
		list = append(list, violation{
			field: c.path + "." + what + field, text: fmt.Sprintf("the %s of container %s sends the kubelet to host %s", hook, c.Name, host), fix: "Take host away from the " + hook, since: 34,
		})
	}
	for i, p := range []*corev1.Probe{c.LivenessProbe, c.ReadinessProbe, c.StartupProbe} {
		if p != nil {
			sent([...]string{"livenessProbe", "readinessProbe", "startupProbe"}[i], p.HTTPGet, p.TCPSocket)
		}
	}
	if c.Lifecycle != nil {
		for i, h := range []*corev1.LifecycleHandler{c.Lifecycle.PostStart, c.Lifecycle.PreStop} {
			if h != nil {
				sent([...]string{"lifecycle.postStart", "lifecycle.preStop"}[i], h.HTTPGet, h.TCPSocket)
			}
		}
	}
	return list
}
