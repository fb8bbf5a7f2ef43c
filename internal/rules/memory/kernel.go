// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
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
}

var (
	killField = regexp.MustCompile(`([\w-]+)=(\S+)`)
	killTask  = regexp.MustCompile(` task=(.+?)(?: pid=|$)`) // a name may have spaces
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
	n, err := strconv.ParseInt(strings.TrimSuffix(s, "kB"), 10, 64)
	if err != nil {
		return 0
	}
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

var (
	// A static pod has the hash of its manifest for a UID. Where the kubelet has a slice of its own, as on a node that is itself
	// a container, that one's name comes first: "kubelet-kubepods.slice".
	podGroup  = regexp.MustCompile(`pod([0-9a-f]{8}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{4}[-_][0-9a-f]{12}|[0-9a-f]{32})`)
	podsGroup = regexp.MustCompile(`^(?:(?:[a-z]+-)?kubepods(?:-burstable|-besteffort)?(?:\.slice)?|burstable|besteffort)$`)
)

// level tells whose limit it was by the last element of the cgroup's path, which the kubelet and the runtimes name alike
// with and without systemd (kubernetes pkg/kubelet/cm).
func (k kill) level() level {
	last := path.Base(k.limit)
	switch {
	case k.constraint != "" && k.constraint != "CONSTRAINT_MEMCG", k.constraint == "" && k.limit == "" && k.cgroup == "", k.limit == "/":
		return ofNode
	case podsGroup.MatchString(last):
		return ofPods
	case podGroup.MatchString(last):
		return ofPod
	case k.limit != "" && !podGroup.MatchString(k.limit) && !strings.Contains(k.limit, "kubepods"):
		return ofStranger
	}
	return ofContainer
}

// podUID returns the UID of the pod that the process was in, or "".
func (k kill) podUID() string {
	if m := podGroup.FindStringSubmatch(k.cgroup); m != nil {
		return strings.ReplaceAll(m[1], "_", "-")
	}
	return ""
}

// hits tells whether the killed process was in that run of a container: by the container's id where the path has one,
// else by the thing that the fact is about and the time.
func (k kill) hits(pod evidence.Ref, uid string, a evidence.Attempt, id string) bool {
	in := k.podUID()
	switch {
	case id != "" && strings.Contains(k.cgroup, id):
		return true
	case in != "" && uid != "" && in != uid, in == "" && k.About.Object() != pod:
		return false
	case k.About.Container != "" && k.About.Container != a.Of.Container, id != "" && containerID.MatchString(path.Base(k.cgroup)):
		return false
	}
	return !k.At.Before(a.Started.Add(-slack)) && (a.Finished.IsZero() || !k.At.After(a.Finished.Add(slack)))
}

var containerID = regexp.MustCompile(`[0-9a-f]{64}`)

// slack covers the whole seconds of the status and that the kernel's clock is converted.
const slack = 3 * time.Second

// killsIn returns the kills within one run of the pass's container, oldest first.
func killsIn(p *diagnosis.Pass, a evidence.Attempt) []kill {
	var list []kill
	for _, f := range p.Facts(evidence.Host, "oom-kill") {
		if k := parseKill(f); k.hits(a.Of.Object(), string(p.PodMeta().UID), a, idOf(p, a)) {
			list = append(list, k)
		}
	}
	return list
}

// idOf returns the runtime's id of the container that attempt a was, without the runtime's name.
func idOf(p *diagnosis.Pass, a evidence.Attempt) string {
	st := p.Status()
	if st == nil {
		return ""
	}
	id := st.ContainerID
	if a.Ended() {
		id = ""
		for _, state := range []*corev1.ContainerStateTerminated{st.LastTerminationState.Terminated, st.State.Terminated} {
			if state != nil && state.FinishedAt.Time.Equal(a.Finished) {
				id = state.ContainerID
			}
		}
	}
	return id[strings.LastIndexByte(id, '/')+1:]
}

// kernelSaw tells whether the kernel log is known to reach back before the run began, so that no kill in it means that
// there was none.
func kernelSaw(p *diagnosis.Pass, a evidence.Attempt) bool {
	for _, f := range p.Facts(evidence.Host) {
		if f.Source == evidence.FromKernel && !f.At.IsZero() && f.At.Before(a.Started) {
			return p.Lacks(evidence.Host) == 0
		}
	}
	return false
}
