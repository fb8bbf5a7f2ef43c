// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	quantity "k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/regex"
)

// A box is a container as kubectl describes it: its spec and, below a pod, its status.
type box struct {
	spec   corev1.Container
	status corev1.ContainerStatus
	told   bool                // it has a status
	state  *stateText          // the state that is being read
	field  string              // the field that is being read
	lines  map[string][]string // what is below a field of several lines
}

// A stateText gathers the lines of one state.
type stateText struct {
	of     string // State or Last State
	kind   string // Running, Waiting, Terminated
	fields map[string]string
	last   string // the field that was read last, which a line without a key continues
}

var (
	// boxName is the line that begins a container: two blanks below a pod, three below a template.
	boxName = regex.New(`^ {2,3}([a-z0-9](?:[-a-z0-9]*[a-z0-9])?):$`)
	// boxField is a field of a container, at four blanks; text edited by hand may have another indent.
	boxField = regex.New(`^ {3,}([A-Z][A-Za-z ]*[A-Za-z]):(?:[ \t]+(.*))?$`)
)

var boxFields = keySet(`Container ID|Image|Image ID|Port|Ports|Host Port|Host Ports|SeccompProfile|Command|Args|State|Last State|
	Ready|Restart Count|Limits|Requests|Liveness|Readiness|Startup|Environment Variables from|Environment|Mounts|Devices`)

var stateFields = keySet(`Reason|Message|Exit Code|Signal|Started|Finished`)

// readBoxes reads the containers of a section.
func readBoxes(s *section, p *part) []box {
	if s == nil {
		return nil
	}
	var list []box
	for _, line := range s.body {
		if m := boxName.FindStringSubmatch(line); m != nil && (len(list) == 0 || !list[len(list)-1].inMessage()) {
			list = append(list, box{spec: corev1.Container{Name: m[1]}, lines: map[string][]string{}})
			list[len(list)-1].status.Name = m[1]
		} else if len(list) > 0 {
			list[len(list)-1].read(line, p)
		}
	}
	for i := range list {
		list[i].finish(p)
	}
	return list
}

// inMessage tells whether what follows may be the text of a process: a termination message has any lines.
func (b *box) inMessage() bool { return b.state != nil && b.state.last == "Message" }

// read takes one line of a container.
func (b *box) read(line string, p *part) {
	indent := len(line) - len(strings.TrimLeft(line, " "))
	m := boxField.FindStringSubmatch(line)
	if m != nil && b.state != nil && stateFields[m[1]] {
		b.state.fields[m[1]], b.state.last = m[2], m[1]
		return
	}
	if m != nil && indent <= 5 && boxFields[m[1]] {
		b.closeState(p)
		b.field = m[1]
		b.set(m[1], strings.TrimSpace(m[2]))
		return
	}
	switch {
	case b.inMessage():
		b.state.fields["Message"] += "\n" + line
	case b.state == nil && b.field != "":
		b.lines[b.field] = append(b.lines[b.field], strings.TrimRight(strings.TrimPrefix(line, "      "), " "))
	}
}

// set takes a field that has one value.
func (b *box) set(key, value string) {
	switch key {
	case "State", "Last State":
		b.told = true
		b.state = &stateText{of: key, kind: value, fields: map[string]string{}}
	case "Container ID":
		b.told = true
		b.status.ContainerID = value
	case "Image":
		b.spec.Image, b.status.Image = value, value
	case "Image ID":
		b.status.ImageID = value
	case "Ready":
		b.status.Ready = value == "True"
	case "Restart Count":
		if n, err := strconv.ParseInt(value, 10, 32); err == nil {
			b.status.RestartCount = int32(n)
		}
	case "Port", "Ports", "Host Port", "Host Ports":
		b.ports(value, strings.HasPrefix(key, "Host"))
	case "Liveness":
		b.spec.LivenessProbe = readProbe(value)
	case "Readiness":
		b.spec.ReadinessProbe = readProbe(value)
	case "Startup":
		b.spec.StartupProbe = readProbe(value)
	}
}

// closeState turns the lines of a state into one.
func (b *box) closeState(p *part) {
	if b.state == nil {
		return
	}
	state := b.state.state(p)
	if b.state.of == "State" {
		b.status.State = state
	} else {
		b.status.LastTerminationState = state
	}
	b.state = nil
}

func (d *stateText) state(p *part) corev1.ContainerState {
	at := func(key string) metav1.Time { return metav1.NewTime(p.saw(parseTime(d.fields[key]))) }
	reason := strings.TrimSpace(d.fields["Reason"])
	switch d.kind {
	case "Running":
		return corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: at("Started")}}
	case "Waiting":
		return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: strings.TrimSpace(d.fields["Message"])}}
	case "Terminated":
		t := &corev1.ContainerStateTerminated{
			Reason: reason, Message: strings.TrimRight(d.fields["Message"], " \n"), StartedAt: at("Started"), FinishedAt: at("Finished"),
		}
		if n, err := strconv.ParseInt(strings.TrimSpace(d.fields["Exit Code"]), 10, 32); err == nil {
			t.ExitCode = int32(n)
		}
		if n, err := strconv.ParseInt(strings.TrimSpace(d.fields["Signal"]), 10, 32); err == nil {
			t.Signal = int32(n)
		}
		return corev1.ContainerState{Terminated: t}
	}
	return corev1.ContainerState{}
}

// finish reads the fields that have several lines.
func (b *box) finish(p *part) {
	b.closeState(p)
	b.spec.Command, b.spec.Args = commandLine(b.lines["Command"]), commandLine(b.lines["Args"])
	b.spec.Resources.Limits, b.spec.Resources.Requests = quantities(b.lines["Limits"]), quantities(b.lines["Requests"])
	b.spec.Env = readEnv(b.lines["Environment"])
	b.spec.EnvFrom = readEnvFrom(b.lines["Environment Variables from"])
	for _, line := range b.lines["Mounts"] {
		if m := mountLine.FindStringSubmatch(strings.TrimSpace(line)); m != nil {
			mount := corev1.VolumeMount{MountPath: m[1], Name: m[2], ReadOnly: strings.HasPrefix(m[3], "ro")}
			if _, sub, ok := strings.Cut(m[3], `path="`); ok {
				mount.SubPath = strings.TrimSuffix(sub, `"`)
			}
			b.spec.VolumeMounts = append(b.spec.VolumeMounts, mount)
		}
	}
}

var mountLine = regex.New(`^(.+) from (\S+) \((.*)\)$`)

// commandLine joins the lines of a script, which kubectl prints as lines of their own: after -c there is one argument.
func commandLine(lines []string) []string {
	lines = slices.Clone(lines)
	for len(lines) > 0 && strings.TrimSpace(lines[len(lines)-1]) == "" {
		lines = lines[:len(lines)-1]
	}
	if i := slices.IndexFunc(lines, func(l string) bool { return l == "-c" || l == "-ec" || l == "-lc" }); i >= 0 && i+1 < len(lines) {
		return append(lines[:i+1], strings.Join(lines[i+1:], "\n"))
	}
	return lines
}

// quantities reads "memory:  256Mi" lines.
func quantities(lines []string) corev1.ResourceList {
	var list corev1.ResourceList
	for _, line := range lines {
		name, value, ok := strings.Cut(strings.TrimSpace(line), ":")
		amount, err := quantity.ParseQuantity(strings.TrimSpace(value))
		if !ok || err != nil || strings.ContainsAny(name, " \t") {
			continue
		}
		if list == nil {
			list = corev1.ResourceList{}
		}
		list[corev1.ResourceName(name)] = amount
	}
	return list
}

var (
	envLine    = regex.New(`^([-._a-zA-Z][-._a-zA-Z0-9]*):(?:\s+(.*))?$`)
	envKey     = regex.New(`^<set to the key '(.*)' (?:in secret|of config map) '(.*)'>\s+Optional: (true|false)$`)
	envField   = regex.New(`^(.*?) ?\((v\d\w*):([a-zA-Z.\[\]'/_-]+)\)$`)
	envFromRow = regex.New(`^(\S+)\s+(ConfigMap|Secret)(?: with prefix '(.*)')?\s+Optional: (true|false)$`)
)

// readEnv reads variables. A line that begins none goes on with the value before it.
func readEnv(lines []string) []corev1.EnvVar {
	var list []corev1.EnvVar
	for _, line := range lines {
		m := envLine.FindStringSubmatch(strings.TrimRight(line, " "))
		if m == nil {
			if n := len(list); n > 0 && list[n-1].ValueFrom == nil {
				list[n-1].Value += "\n" + strings.TrimSpace(line)
			}
			continue
		}
		list = append(list, readVariable(m[1], strings.TrimSpace(m[2])))
	}
	return list
}

func readVariable(name, value string) corev1.EnvVar {
	env := corev1.EnvVar{Name: name}
	if m := envKey.FindStringSubmatch(value); m != nil {
		optional := m[3] == "true"
		of := corev1.LocalObjectReference{Name: m[2]}
		if strings.Contains(value, "' of config map '") {
			env.ValueFrom = &corev1.EnvVarSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{LocalObjectReference: of, Key: m[1], Optional: &optional}}
		} else {
			env.ValueFrom = &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{LocalObjectReference: of, Key: m[1], Optional: &optional}}
		}
		return env
	}
	if m := envField.FindStringSubmatch(value); m != nil {
		env.ValueFrom = &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{APIVersion: m[2], FieldPath: m[3]}}
		return env
	}
	env.Value = value
	return env
}

func readEnvFrom(lines []string) []corev1.EnvFromSource {
	var list []corev1.EnvFromSource
	for _, line := range lines {
		m := envFromRow.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		optional := m[4] == "true"
		from := corev1.EnvFromSource{Prefix: m[3]}
		of := corev1.LocalObjectReference{Name: m[1]}
		if m[2] == "ConfigMap" {
			from.ConfigMapRef = &corev1.ConfigMapEnvSource{LocalObjectReference: of, Optional: &optional}
		} else {
			from.SecretRef = &corev1.SecretEnvSource{LocalObjectReference: of, Optional: &optional}
		}
		list = append(list, from)
	}
	return list
}
