// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"net"
	"strings"
)

// A ServiceName is a Service that a host name may mean.
type ServiceName struct{ Namespace, Name string }

// Host returns the target without its port, and the port, "" where it has none.
func (d Dependency) Host() (host, port string) {
	if host, port, err := net.SplitHostPort(d.Target); err == nil {
		return host, port
	}
	return strings.Trim(d.Target, "[]"), ""
}

// IsAddress tells whether the target is an IP address.
func (d Dependency) IsAddress() bool {
	host, _ := d.Host()
	return net.ParseIP(host) != nil
}

// Services lists the Services that the target may mean to a pod of a namespace, the likeliest first, by how cluster DNS
// names them: service, service.namespace, pod.service of a StatefulSet, each with or without "svc" and the domain
// (Kubernetes DNS specification). Sure tells that the name can mean nothing but a Service.
func (d Dependency) Services(namespace string) (names []ServiceName, sure bool) {
	host, _ := d.Host()
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	if d.IsAddress() || host == "localhost" {
		return nil, false
	}
	before, after, inCluster := strings.Cut(host, ".svc")
	if inCluster && (after == "" || after[0] == '.') {
		host = before
	} else {
		inCluster = false
	}
	switch parts := strings.Split(host, "."); {
	case len(parts) == 1:
		return []ServiceName{{namespace, parts[0]}}, true
	case len(parts) == 2 && inCluster:
		return []ServiceName{{parts[1], parts[0]}}, true
	case len(parts) == 2:
		return []ServiceName{{parts[1], parts[0]}, {namespace, parts[1]}}, false
	case len(parts) == 3 && inCluster:
		return []ServiceName{{parts[2], parts[1]}}, true
	}
	return nil, false
}
