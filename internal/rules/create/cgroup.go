// SPDX-License-Identifier: Apache-2.0

package create

import (
	"fmt"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Cgroup recognises a container that the kernel gives no cgroup.
var Cgroup = &diagnosis.Rule{
	ID:    "CRT009",
	Title: "Cgroup of the container or pod cannot be made",
	Doc: `
The runtime or the kubelet cannot make the control group for the pod or the container, or cannot write its limits. Three
faults do that: kubelet and runtime disagree on the driver (systemd or cgroupfs), the kernel has run out of cgroups
because dead ones are not freed, or a limit has a value that the kernel does not take.

**How it is told from its look-alikes.** By the word cgroup in the runtime's message or in the Event
FailedCreatePodContainer. "no space left on device" about a cgroup is no disk: it is a controller that is full, or a
cpuset without CPUs. A container whose memory limit is too small to start in is killed, and says so.

**What to do.** "expected cgroupsPath to be of format": set the same cgroupDriver in the kubelet and the runtime. "no
space left" or "cannot allocate memory" on mkdir: count /proc/cgroups, reboot the node, upgrade its kernel. "invalid
argument": correct the limit.

The wordings are those of runc (opencontainers/cgroups) and kubernetes pkg/kubelet/cm.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Container,
	Needs:  evidence.Spec | evidence.Status,
	Also:   evidence.Events,
	Effect: diagnosis.NotStarted,
	CausedBy: []diagnosis.Effect{
		diagnosis.KernelFailed, diagnosis.RuntimeFailed, diagnosis.NodePressure, diagnosis.NodeSaturated,
		diagnosis.ConfigChanged, diagnosis.OutOfMemory,
	},
	Run: func(p *diagnosis.Pass) {
		on(cgroup, func(p *diagnosis.Pass, r *refusal) (string, []diagnosis.Fix) {
			return fmt.Sprintf("container %s could not be %s for its cgroup: %s", p.About().Container, r.step(), said(r.text)), []diagnosis.Fix{cgroupFix(p, r.text)}
		})(p)
		if !first(p) || started(p.PodStatus()) {
			return
		}
		e := newest(p.Events("FailedCreatePodSandBox", "FailedCreatePodContainer"))
		if e.Reason != "FailedCreatePodContainer" && classify(e.Message) != cgroup {
			return
		}
		p.Report(diagnosis.Finding{
			About: p.About().Object(), At: e.First, Confidence: diagnosis.Likely, Facts: []evidence.Fact{e.Fact(), unstarted(p)},
			Message: fmt.Sprintf("pod %s cannot begin on node %s because its cgroup cannot be made: %s", p.About().Name, p.NodeName(), said(e.Message)),
			Fixes:   []diagnosis.Fix{cgroupFix(p, e.Message)},
		})
	},
}

func cgroupFix(p *diagnosis.Pass, text string) diagnosis.Fix {
	switch {
	case strings.Contains(text, "cgroupsPath to be of format"):
		return diagnosis.Fix{Title: fmt.Sprintf("Set the same cgroup driver in the kubelet and the runtime of node %s", p.NodeName())}
	case strings.Contains(text, "no space left on device"), strings.Contains(text, "cannot allocate memory"):
		return diagnosis.Fix{
			Title: fmt.Sprintf("Count the cgroups of node %s; where dead ones pile up drain and reboot it, and upgrade its kernel", p.NodeName()), Command: "cat /proc/cgroups",
		}
	case strings.Contains(text, "invalid argument"):
		return diagnosis.Fix{Title: "Correct the limit that the message names: the kernel does not take its value"}
	}
	return diagnosis.Fix{Title: fmt.Sprintf("Look at the cgroups below kubepods on node %s, and at the kubelet's log there", p.NodeName())}
}
