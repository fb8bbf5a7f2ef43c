// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// A kill is one process that the kernel killed for want of memory, as a fact "oom-kill" tells it. What the kernel of that
// version does not print is empty.
type kill struct {
	evidence.Fact
	constraint        string // CONSTRAINT_MEMCG: a cgroup was at its limit; CONSTRAINT_NONE: the machine had no memory
	limit             string // the cgroup whose limit was reached (oom_memcg)
	cgroup            string // the cgroup that the process was in (task_memcg)
	task              string // the first 15 bytes of its name
	pid               int
	anon, file, shmem int64 // resident memory in KiB: its own, of files, shared (tmpfs among it)

	sure diagnosis.Confidence // that it was in the run that it was looked up for
}

var (
	killField = regex.New(`([\w-]+)=(\S+)`)
	killTask  = regex.New(` task=(.+?)(?: pid=|$)`) // a name may have spaces
)

// parseKill reads the text of a fact "oom-kill" (kernel mm/oom_kill.c, dump_oom_victim and __oom_kill_process).
func parseKill(f evidence.Fact) kill {
	k := kill{Fact: f}
	if m := killTask.FindStringSubmatch(f.Text); m != nil {
		k.task = m[1]
	}
	for _, m := range killField.FindAllStringSubmatch(f.Text, -1) {
		switch value := strings.TrimSuffix(m[2], ","); m[1] {
		case "constraint":
			k.constraint = value
		case "oom_memcg":
			k.limit = value
		case "task_memcg":
			k.cgroup = value
		case "pid":
			k.pid = int(parseKiB(value))
		case "anon-rss":
			k.anon = parseKiB(value)
		case "file-rss":
			k.file = parseKiB(value)
		case "shmem-rss":
			k.shmem = parseKiB(value)
		}
	}
	return k
}

// parseKiB reads a number, with or without the unit that the kernel puts behind it; 0 where it is none.
func parseKiB(s string) int64 {
	n, _ := strconv.ParseInt(strings.TrimSuffix(s, "kB"), 10, 64)
	return n
}

// A level is what ran out of memory.
type level uint8

const (
	ofContainer level = iota // the container's cgroup was at its limit
	ofPod                    // the pod's
	ofPods                   // that of all pods, or of all of a QoS class: what the node has for pods
	ofNode                   // the machine itself
	ofStranger               // a cgroup that is none of Kubernetes'
)

// global are the constraints under which the machine had no memory for the process, and not a control group (enum
// oom_constraint in include/linux/oom.h).
var global = []string{"CONSTRAINT_NONE", "CONSTRAINT_CPUSET", "CONSTRAINT_MEMORY_POLICY"}

var (
	// A static pod has the hash of its manifest for a UID. Where the kubelet has a slice of its own, as on a node that is itself
	// a container, that one's name comes first: "kubelet-kubepods.slice".
	podGroup  = regex.New(`pod([0-9a-f]{8}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{12}|[0-9a-f]{32})`)
	podsGroup = regex.New(`^(?:(?:[a-z]+-)?kubepods(?:-burstable|-besteffort)?(?:\.slice)?|burstable|besteffort)$`)
	ours      = regex.New(`^$|kubepods|` + podGroup.String()) // where it is not told, it is no stranger's
)

// level tells whose limit it was by the last element of the cgroup's path, which the kubelet and the runtimes name alike
// with and without systemd (kubernetes pkg/kubelet/cm).
func (k kill) level() level {
	last := path.Base(k.limit)
	switch {
	case slices.Contains(global, k.constraint):
		return ofNode
	case podsGroup.MatchString(last):
		return ofPods
	case podGroup.MatchString(last):
		return ofPod
	case !ours.MatchString(k.limit):
		return ofStranger
	}
	return ofContainer
}

// hits tells whether the killed process was in that run of a container: by the run where the record is about one, by the
// container's id where both are known, else by the pod that the fact is about, and the time.
func (k kill) hits(a evidence.Attempt, id string) bool {
	if k.About.Attempt != evidence.NoAttempt {
		return k.About == a.Of
	}
	if in := containerID.FindAllString(k.cgroup, -1); len(in) > 0 && id != "" { // the last: the node may be a container itself
		return in[len(in)-1] == id
	}
	here := slices.Contains([]evidence.Ref{a.Of.Object(), a.Of.InAttempt(evidence.NoAttempt)}, k.About)
	return here && !k.At.Before(a.Started.Add(-slack)) && (a.Finished.IsZero() || !k.At.After(a.Finished.Add(slack)))
}

var containerID = regex.New(`[0-9a-f]{64}`)

// slack covers the whole seconds of the status and that the kernel's clock is converted.
const slack = 3 * time.Second

// killsIn returns the kills within one run of the pass's container, oldest first: those that can be another's as well only
// where there are no others.
func killsIn(p *diagnosis.Pass, a evidence.Attempt) []kill {
	var list, shared []kill
	for _, f := range p.Facts(evidence.Host, "oom-kill") {
		k := parseKill(f)
		if !k.hits(a, idOf(p.Status(), a)) {
			continue
		}
		switch k.sure = k.surely(p, a); k.sure {
		case 0:
		case diagnosis.Possible:
			shared = append(shared, k)
		default:
			list = append(list, k)
		}
	}
	if len(list) == 0 {
		return shared
	}
	return list
}

// idOf returns the runtime's id of the container that attempt a was, without the runtime's name; "" for a run that the
// status, which may be none, does not tell of.
func idOf(st *corev1.ContainerStatus, a evidence.Attempt) string {
	if st == nil || a.Where == evidence.FromRuntime.String() {
		return ""
	}
	id := st.ContainerID
	if strings.HasSuffix(a.Where, "lastState.terminated") {
		id = st.LastTerminationState.Terminated.ContainerID
	}
	return id[strings.LastIndexByte(id, '/')+1:]
}

// kernelSaw tells whether the kernel log is known to reach from before the run began until after it ended, so that no kill in it
// means that there was none. A node's agent takes a second or two to tell of a record, and says what it missed.
func kernelSaw(p *diagnosis.Pass, a evidence.Attempt) bool {
	facts := p.Facts(evidence.Host)
	missed := func(f evidence.Fact) bool {
		return f.Name == "missed" && strings.HasPrefix(f.Text, "kernel: ") && f.At.After(a.Started)
	}
	return p.Lacks(evidence.Host) == 0 && p.Now().Sub(a.Finished) >= told && !slices.ContainsFunc(facts, missed) &&
		slices.ContainsFunc(facts, func(f evidence.Fact) bool { return saysBefore(f, a.Started) })
}

// told is how long it may take until a record of the kernel is among the facts.
const told = 5 * time.Second

// saysBefore tells whether a fact is the kernel's word from before a time.
func saysBefore(f evidence.Fact, at time.Time) bool {
	return f.Source == evidence.FromKernel && !f.At.IsZero() && f.At.Before(at)
}
