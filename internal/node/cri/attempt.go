// SPDX-License-Identifier: Apache-2.0

package cri

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/record"
)

// How much is kept of what a runtime says.
const (
	maxText    = 1024    // bytes of a message
	maxName    = 512     // of a name, an id, an image, a path
	maxInfo    = 1 << 20 // of the verbose information
	maxCommand = 4096    // of a command
	maxArgs    = 64      // words of a command
	maxMounts  = 64
)

// Labels and annotations of the kubelet (pkg/kubelet/kuberuntime/labels.go, k8s.io/kubelet pkg/types).
const (
	labelPod       = "io.kubernetes.pod.name"
	labelNamespace = "io.kubernetes.pod.namespace"
	labelUID       = "io.kubernetes.pod.uid"
	labelContainer = "io.kubernetes.container.name"
	noteRestarts   = "io.kubernetes.container.restartCount"
)

// States of containers, in the numbers of CRI.
const (
	created uint64 = iota
	running
	exited
)

// A sighting is what a list says of a container.
type sighting struct {
	id, sandbox, uid string
	of               evidence.Ref
	state            uint64
	created          time.Time
	image, digest    string
}

// sight reads an element of a list. It is not ok for a container that the kubelet did not make.
func sight(c container) (s sighting, ok bool) {
	s = sighting{
		id: cut(c.id, maxName), sandbox: cut(c.sandbox, maxName), state: c.state, created: at(c.created), image: cut(c.image, maxName), digest: cut(c.ref, maxName),
	}
	s.uid, s.of, ok = owner(c.labels)
	name := cut(c.labels[labelContainer], maxName)
	s.of = s.of.InContainer(name).InAttempt(attemptOf(c.labels[noteRestarts], c.attempt))
	return s, ok && name != "" && s.id != ""
}

// owner reads whose a container or sandbox is.
func owner(labels map[string]string) (uid string, pod evidence.Ref, ok bool) {
	uid = cut(labels[labelUID], maxName)
	pod = evidence.RefTo("Pod", cut(labels[labelNamespace], maxName), cut(labels[labelPod], maxName))
	return uid, pod, uid != "" && pod.Name != "" && pod.Namespace != ""
}

// attemptOf returns the number of a run, which is the restart count that the kubelet gave it: as an annotation, and as the
// attempt of the container's metadata, which are the same unless somebody else made it.
func attemptOf(note string, attempt uint32) int {
	if n, err := strconv.ParseUint(note, 10, 31); err == nil {
		return int(n)
	}
	return int(min(attempt, math.MaxInt32))
}

// run is what the list alone says.
func (s sighting) run(runtime string) record.Run {
	return record.Run{
		Of: s.of, ID: s.id, Sandbox: s.sandbox, State: stateOf(s.state), Image: s.image, Digest: s.digest, Runtime: runtime, Created: s.created,
	}
}

// fill adds what the status says.
func fill(run record.Run, c condition) record.Run {
	run.State = stateOf(c.state)
	if t := at(c.created); !t.IsZero() {
		run.Created = t
	}
	run.Started, run.Finished, run.ExitCode = at(c.started), at(c.finished), int(c.exitCode)
	run.Reason, run.Message = cut(c.reason, maxName), cut(c.message, maxText)
	run.Image, run.Digest = cmp.Or(cut(c.image, maxName), run.Image), cmp.Or(cut(c.ref, maxName), run.Digest)
	if len(run.Mounts) == 0 {
		run.Mounts = c.mounts
	}
	return run
}

func mount(from, to string, readonly bool) string {
	m := cut(from, maxName) + ":" + cut(to, maxName)
	if readonly {
		m += ":ro"
	}
	return m
}

// verbose is what is read of the information that containerd and CRI-O give when asked for more. Of the environment only what
// settings keeps outlives it.
type verbose struct {
	SandboxID   string `json:"sandboxID"`
	RuntimeSpec struct {
		Process struct {
			Args []string `json:"args"`
			Env  []string `json:"env"`
		} `json:"process"`
		Mounts []struct {
			Destination string   `json:"destination"`
			Type        string   `json:"type"`
			Source      string   `json:"source"`
			Options     []string `json:"options"`
		} `json:"mounts"`
	} `json:"runtimeSpec"`
}

// detail adds the command, and the mounts if the status had none, from the verbose information. What cannot be read leaves
// the run as it was.
func detail(run record.Run, text string) record.Run {
	var v verbose
	if text == "" || len(text) > maxInfo || json.Unmarshal([]byte(text), &v) != nil {
		return run
	}
	run.Command, run.Settings = command(v.RuntimeSpec.Process.Args), settings(v.RuntimeSpec.Process.Env)
	run.Sandbox = cmp.Or(run.Sandbox, cut(v.SandboxID, maxName))
	if len(run.Mounts) > 0 {
		return run
	}
	for _, m := range v.RuntimeSpec.Mounts {
		if m.Type != "bind" || len(run.Mounts) >= maxMounts {
			continue
		}
		readonly := false
		for _, o := range m.Options {
			readonly = readonly || o == "ro"
		}
		run.Mounts = append(run.Mounts, mount(m.Source, m.Destination, readonly))
	}
	return run
}

// command keeps of a command the program and the names of its flags. The kubelet has put the values of variables in place of their
// names, those of Secrets too; the pod's spec has what was asked for.
func command(args []string) []string {
	var kept []string
	size := 0
	for i, a := range args {
		if i >= maxArgs || size >= maxCommand {
			return append(kept, fmt.Sprintf("… (%d more)", len(args)-i))
		}
		if name, _, valued := strings.Cut(a, "="); i > 0 && strings.HasPrefix(a, "-") && valued {
			a = name + "=…"
		} else if i > 0 && !strings.HasPrefix(a, "-") {
			a = "…"
		}
		a = cut(a, maxCommand-size)
		size += len(a) + 1
		kept = append(kept, a)
	}
	return kept
}

func stateOf(s uint64) string {
	switch s {
	case created:
		return record.Created
	case running:
		return record.Running
	case exited:
		return record.Exited
	}
	return record.Unknown
}

// at is a time of CRI; 0 is none.
func at(nanoseconds int64) time.Time {
	if nanoseconds <= 0 {
		return time.Time{}
	}
	return time.Unix(0, nanoseconds).UTC()
}

// cut bounds a text and makes it valid UTF-8.
func cut(s string, most int) string {
	if len(s) > most {
		return strings.ToValidUTF8(s[:most], "") + "…"
	}
	return strings.ToValidUTF8(s, "?")
}
