// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
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
counts only together with a limit of 16Mi or less, or where the kernel recorded that it killed a process of that run at the limit of its
container or pod, as it is where runc finds "a stopped process" to start. Other errors of starting are about the command, mounts or the node,
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
			Message: fmt.Sprintf("container %s could not be started: its memory limit%s is too low for the runtime itself", d.Of.Container, of(d.limit)),
		}
		if d.roomy() {
			f.Message = fmt.Sprintf("container %s could not be started: its memory limit%s is too low, or taken before its program runs", d.Of.Container, of(d.limit))
		}
		withLimit(p, &f, d.limit)
		p.Report(f)
	},
}

// fewBytes is a limit under which runc itself, about 8 MiB in size, has no room.
const fewBytes = 16 << 20

var initDied = regex.New(`signal: killed|cannot allocate memory|: EOF\b|EOF: unknown|connection reset by peer|broken pipe|cannot start a (?:container that has stopped|stopped process)|exit status 137|memory\.(?:max|limit_in_bytes)`)

var limitTooLow = regex.New(`(?i)oom-killed|memory limit too low|unable to set memory limit|minimum memory limit`)

// tooLowForInit tells whether the runtime could not start the process for want of memory: it says so since runc 1.1, and
// before that, with a very low limit, that its init went away.
func tooLowForInit(message string, limit *resource.Quantity) bool {
	return limitTooLow.MatchString(message) || limit != nil && limit.Value() <= fewBytes && initDied.MatchString(message)
}

// roomy tells whether the container's limit is one under which the runtime's init has room.
func (d *death) roomy() bool { return d.limit != nil && d.limit.Value() > fewBytes }

// initGone tells whether the runtime found its own init gone under a limit that it had been started under before, where nobody knows of the kernel
// why.
func (d *death) initGone(p *diagnosis.Pass) bool {
	tried := d.Attempt
	tried.Started = d.Finished.Add(-around) // it has no beginning of its own
	return d.class == none && slices.Contains(startErrors, d.Reason) && initDied.MatchString(d.Message) && d.roomy() && d.Of.Attempt > 0 &&
		!kernelSaw(p, tried)
}

// initKilled says what the kernel's record makes of a run that was not started: runc need not see why its init went away, as where it was killed
// between being made and being started ("cannot start a stopped process").
func (d *death) initKilled() class {
	if len(d.kills) == 0 {
		return none
	}
	switch d.kills[len(d.kills)-1].level() {
	case ofNode, ofStranger:
		return machine
	case ofPods:
		return allPods
	}
	return belowInit
}
