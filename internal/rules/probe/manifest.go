// SPDX-License-Identifier: Apache-2.0

package probe

import (
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// Manifests are the rules of this family about what is written before anything has run, in order of id.
var Manifests = []*diagnosis.Rule{
	NoReadiness,
	SameAsReadiness,
	SlowStart,
	ProbePort,
	Impatient,
	Dependent,
}

// lasting returns the pass's container as the spec has it, where it is to run for as long as its pod; nil of an init
// container and of a job's.
func lasting(p *diagnosis.Pass) *corev1.Container {
	owners := p.Owners()
	if len(owners) > 0 && (owners[0].Kind == "Job" || owners[0].Kind == "CronJob") {
		return nil
	}
	if policy := p.PodSpec().RestartPolicy; policy != "" && policy != corev1.RestartPolicyAlways {
		return nil
	}
	for i := range p.PodSpec().Containers {
		if c := &p.PodSpec().Containers[i]; c.Name == p.About().Container {
			return c
		}
	}
	return nil
}

// probesOf returns the probes of a container by the names of their fields, in a fixed order.
func probesOf(c *corev1.Container) []failing {
	var list []failing
	for field, probe := range map[string]*corev1.Probe{"startupProbe": c.StartupProbe, "livenessProbe": c.LivenessProbe, "readinessProbe": c.ReadinessProbe} {
		if probe != nil {
			list = append(list, failing{field: field, probe: probe})
		}
	}
	slices.SortFunc(list, func(a, b failing) int { return strings.Compare(a.field, b.field) })
	return list
}

// unnamed returns the name of the port that a probe asks and the container does not have; "" where it has it.
func unnamed(c *corev1.Container, probe *corev1.Probe) string {
	if probe.HTTPGet == nil && probe.TCPSocket == nil {
		return ""
	}
	port := portOf(probe)
	has := slices.ContainsFunc(c.Ports, func(d corev1.ContainerPort) bool { return d.Name == port.StrVal })
	if port.Type != intstr.String || has || strings.Trim(port.StrVal, "0123456789") == "" {
		return ""
	}
	return port.StrVal
}

// slowStarters are programs that are known to need a minute or more until they answer: those on a JVM with much to load, and
// databases that may have to recover.
var slowStarters = strings.Fields(`java jre jdk openjdk temurin corretto spring tomcat jetty wildfly jboss keycloak elasticsearch opensearch
	logstash kafka cassandra jenkins sonarqube nexus nexus3 artifactory confluence jira bitbucket gitlab neo4j
	activemq solr zookeeper mssql oracle`)

// starts tells how long a container may need to start, as far as its image and command tell.
func starts(c *corev1.Container) (least time.Duration, why string) {
	line := c.Image + " " + strings.Join(append(append([]string(nil), c.Command...), c.Args...), " ")
	for word := range strings.FieldsFuncSeq(line, betweenWords) {
		if slices.ContainsFunc(slowStarters, func(name string) bool { return len(name) == len(word) && strings.EqualFold(name, word) }) {
			return 2 * time.Minute, fmt.Sprintf(", and %s is known to take long", word)
		}
	}
	return 31 * time.Second, ""
}

// betweenWords tells of what is no part of a word, as a regular expression has it.
func betweenWords(r rune) bool {
	return r != '_' && (r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r))
}

// elsewhere matches a command of a probe that asks another host: a client with a host that is not its own.
var elsewhere = regex.New(`\b(?:curl|wget)\b.*?\bhttps?://([A-Za-z0-9.-]+)|\b(?:psql|pg_isready|mysql|mysqladmin|redis-cli|mongosh?|nc)\b.*?(?:\s-h\s*|--host[= ])([A-Za-z0-9.-]+)`)

// own are the names by which a program calls itself.
var own = []string{"localhost", "127.0.0.1", "0.0.0.0", ""}

// other returns the host that a probe asks and that is not the pod's own; "" where there is none.
func other(h corev1.ProbeHandler) string {
	host := ""
	switch {
	case h.HTTPGet != nil:
		host = h.HTTPGet.Host
	case h.TCPSocket != nil:
		host = h.TCPSocket.Host
	case h.Exec != nil:
		if m := elsewhere.FindStringSubmatch(strings.Join(h.Exec.Command, " ")); m != nil {
			host = m[1] + m[2]
		}
	}
	if slices.Contains(own, host) {
		return ""
	}
	return host
}

// absent makes a fact of a field that the container does not have. It stands where the container does.
func absent(p *diagnosis.Pass, field string) evidence.Fact { return p.CiteSpec(field, "is not set") }
