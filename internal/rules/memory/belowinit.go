// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// BelowInit recognises a container whose memory limit does not let the runtime start its process.
var BelowInit = &diagnosis.Rule{
	ID:    "MEM006",
	Title: "Memory limit is too low to start the container at all",
	Doc: `
Before the program runs, the container runtime's own init runs in the container's cgroup, and counts against its limit. It needs some
MiB. With less it is killed by the kernel, and the container never starts: StartError with exit code 128, and no word of
OOMKilled.

**How it is told from its look-alikes.** The runtime's message says "container init was OOM-killed (memory limit too low?)" (runc
libcontainer, since 1.1), or "unable to set memory limit" where it is above already when the limit is set (cgroup v1). Older runtimes only say that their init went away (EOF, signal: killed, connection reset): that
counts only together with a limit of 16Mi or less. Other errors of starting are about the command, mounts or the node,
and are another rule's. Where the limit is higher than that, something takes the memory before the program runs: files in a volume of
medium Memory that survived the run before. A limit meant in Mi and written as m or without a unit is the usual reason.

**What to do.** Raise the limit to what the program needs, 16Mi at the very least, and check its unit.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Attempt,
	Needs:    evidence.Status | evidence.Spec,
	Also:     evidence.Events | evidence.Host,
	Effect:   diagnosis.OutOfMemory,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut, diagnosis.MemoryMisfit},
	Run: func(p *diagnosis.Pass) {
		d := deathOf(p)
		if d.class != belowInit {
			return
		}
		f := diagnosis.Finding{ // from the first try on: what the runtime says of each follows from it
			At: began(p, &d), Confidence: diagnosis.Certain, Facts: append([]evidence.Fact{d.Fact()}, d.killFacts()...),
			Message: fmt.Sprintf("container %s could not be started: its memory limit is too low for the runtime itself", d.Of.Container),
		}
		if d.limit != nil {
			f.Message = fmt.Sprintf("container %s could not be started: its memory limit of %s is too low for the runtime itself", d.Of.Container, d.limit)
			if d.limit.Value() > fewBytes {
				f.Message = fmt.Sprintf("container %s could not be started: its memory limit of %s is too low, or taken before its program runs", d.Of.Container, d.limit)
			}
			f.Facts = append(f.Facts, p.CiteSpec("resources.limits.memory", d.limit))
			f.Fixes = []diagnosis.Fix{raise(p, d.limit)}
		}
		p.Report(f)
	},
}
