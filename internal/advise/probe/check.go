// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// A Check is something that is wrong with what a probe asks, whatever its numbers are.
type Check struct {
	Field string // of the container: "livenessProbe"
	Says  string // what is wrong and what follows
	Do    string // what to do, a verb phrase
}

// check looks at what the probes of a container ask.
func check(o *Subject) []Check {
	p := Of(&o.Spec)
	list := o.paths()
	for _, f := range []struct {
		name string
		*corev1.Probe
	}{{"startupProbe", p.Startup}, {"livenessProbe", p.Liveness}, {"readinessProbe", p.Readiness}} {
		if f.Probe != nil {
			list = append(list, port(o, f.name, f.Probe)...)
			list = append(list, heavy(f.name, f.Probe)...)
		}
	}
	return append(append(list, o.serving(p.Readiness)...), roles(p)...)
}

// roles checks that each probe asks what it is for.
func roles(p Probes) (list []Check) {
	live := p.Liveness
	if live == nil {
		return nil
	}
	if sameQuestion(live, p.Readiness) && !(&proposal{Probes: p}).sooner(p.Readiness) {
		list = append(list, Check{"livenessProbe", "it asks the same as the readiness probe: whatever makes the container unable to serve for a while also restarts it, which cures nothing where a dependency is down", "ask in the liveness probe only whether the program itself still works"})
	}
	if p.Startup != nil && p.Startup.TCPSocket != nil && live.TCPSocket == nil {
		list = append(list, Check{"startupProbe", "it only opens a connection, and passes before the program can answer its liveness probe", "ask in it what the liveness probe asks"})
	}
	if live.TCPSocket != nil {
		list = append(list, Check{"livenessProbe", "it only opens a connection, which the kernel does for a program that hangs too", "ask for an answer, with httpGet, grpc or exec"})
	}
	if what := dependency(live); what != "" {
		list = append(list, Check{"livenessProbe", what + ": when that is down, each container that asks it is restarted at once", "leave dependencies to the readiness probe"})
	}
	return list
}

// clients are programs that ask another server, unless they are told of this host.
var clients = []string{"psql", "pg_isready", "mysql", "mysqladmin", "mariadb-admin", "redis-cli", "mongosh", "mongo", "curl", "wget", "nc", "grpc_health_probe", "rabbitmqctl", "kafka-topics.sh", "cqlsh"}

// deep are parts of paths that by custom ask for more than the program itself (Spring Boot, ASP.NET, MicroProfile Health).
var deep = []string{"ready", "readyz", "readiness", "deep", "dependencies", "db", "database", "full"}

// dependency says what the liveness probe asks beyond the container, as far as that can be seen; "" where it does not.
func dependency(p *corev1.Probe) string {
	switch {
	case p.HTTPGet != nil && p.HTTPGet.Host != "" && !local(p.HTTPGet.Host):
		return "it asks another host, " + p.HTTPGet.Host
	case p.TCPSocket != nil && p.TCPSocket.Host != "" && !local(p.TCPSocket.Host):
		return "it asks another host, " + p.TCPSocket.Host
	case p.HTTPGet != nil:
		for part := range strings.SplitSeq(strings.ToLower(p.HTTPGet.Path), "/") {
			if slices.Contains(deep, part) {
				return "it asks for " + p.HTTPGet.Path + ", which by its name tells of what the program depends on too"
			}
		}
	case p.Exec != nil:
		return asksElsewhere(strings.Fields(strings.Join(p.Exec.Command, " ")))
	}
	return ""
}

// asksElsewhere looks in a command for a client with another host.
func asksElsewhere(words []string) string {
	for i, word := range words {
		if !slices.Contains(clients, path.Base(word)) {
			continue
		}
		for j, arg := range words[i+1:] {
			host, named := strings.CutPrefix(arg, "--host=")
			if _, rest, ok := strings.Cut(arg, "://"); ok {
				host, named = rest, true
			} else if (arg == "-h" || arg == "--host") && i+j+2 < len(words) {
				host, named = words[i+j+2], true
			}
			if host, _, _ = strings.Cut(host, "/"); named && !local(strings.Split(host, ":")[0]) {
				return "its command " + path.Base(word) + " asks another host, " + host
			}
		}
	}
	return ""
}

func local(host string) bool {
	return host == "" || host == "localhost" || strings.HasPrefix(host, "127.") || host == "[" || host == "::1" || host == "0.0.0.0" ||
		strings.HasPrefix(host, "$") // a variable, as of its own address
}

// dear are programs whose start alone takes a good part of a second of a processor.
var dear = []string{"java", "python", "python3", "node", "ruby", "php", "dotnet", "perl", "kubectl", "mongosh", "cqlsh", "rabbitmqctl", "rabbitmq-diagnostics", "kafka-topics.sh", "kafka-broker-api-versions.sh", "nodetool", "aws", "gcloud", "az"}

// seldom is how far apart the starts of such a program should be, in seconds.
const seldom = 30

// heavy finds a command that takes more than it tells.
func heavy(field string, p *corev1.Probe) []Check {
	if p.Exec == nil {
		return nil
	}
	for word := range strings.FieldsSeq(strings.Join(p.Exec.Command, " ")) {
		if name := path.Base(word); slices.Contains(dear, name) && p.PeriodSeconds < seldom {
			return []Check{{field, fmt.Sprintf("its command starts %s every %ds, within the container's own limits: under load that is what fails first", name, p.PeriodSeconds), "ask over HTTP, TCP or gRPC, or less often"}}
		}
	}
	return nil
}

// serving checks that the readiness probe asks where Services send requests, as far as they name ports of this container.
func (o *Subject) serving(q *corev1.Probe) []Check {
	if q == nil || q.Exec != nil {
		return nil
	}
	name, number := target(q)
	var served []string
	for _, p := range o.Spec.Ports {
		if (p.Protocol == "" || p.Protocol == corev1.ProtocolTCP) && o.asked(p) {
			served = append(served, strconv.Itoa(int(p.ContainerPort)))
		}
		if p.Name != "" && p.Name == name {
			number = p.ContainerPort
		}
	}
	if len(served) == 0 || number == 0 || slices.Contains(served, strconv.Itoa(int(number))) {
		return nil
	}
	to := strings.Join(served, " and ")
	return []Check{{"readinessProbe", fmt.Sprintf("it asks port %d, and its Services send requests to port %s: it can be ready while nothing answers there", number, to), "ask port " + served[0] + ", or see to it that the other answers only while that does"}}
}

// target is the port that a probe asks, by name or number.
func target(p *corev1.Probe) (name string, number int32) {
	switch {
	case p.HTTPGet != nil:
		return p.HTTPGet.Port.StrVal, p.HTTPGet.Port.IntVal
	case p.TCPSocket != nil:
		return p.TCPSocket.Port.StrVal, p.TCPSocket.Port.IntVal
	case p.GRPC != nil:
		return "", p.GRPC.Port
	}
	return "", 0
}

// port checks what a probe names against what the container declares.
func port(o *Subject, field string, p *corev1.Probe) []Check {
	name, number := target(p)
	ports := o.Spec.Ports
	i := slices.IndexFunc(ports, func(q corev1.ContainerPort) bool {
		return name != "" && q.Name == name || name == "" && q.ContainerPort == number
	})
	switch {
	case name == "" && number == 0:
		return nil
	case i < 0 && name != "":
		return []Check{{field, fmt.Sprintf("it names the port %s, which the container does not declare: a kubelet cannot ask, and throws that away", name), "name a port that is declared, or its number"}}
	case i < 0 && len(ports) > 0:
		return []Check{{field, fmt.Sprintf("it asks port %d, and the container declares others only", number), "ask a port that the program listens on, or declare that one"}}
	case i >= 0 && ports[i].Protocol != "" && ports[i].Protocol != corev1.ProtocolTCP:
		return []Check{{field, fmt.Sprintf("it asks port %d, which is declared for %s: probes ask over TCP", ports[i].ContainerPort, ports[i].Protocol), "ask a TCP port"}}
	case i >= 0 && p.HTTPGet != nil && p.HTTPGet.Scheme != corev1.URISchemeHTTPS && strings.HasPrefix(ports[i].Name, "https"):
		return []Check{{field, fmt.Sprintf("it asks port %d in plain text, and the container calls that port %s", ports[i].ContainerPort, ports[i].Name), "set scheme: HTTPS"}}
	}
	return nil
}
