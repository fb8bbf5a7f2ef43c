// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"fmt"
	"slices"
	"time"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// ChildLost recognises a container that lives on while the kernel kills its children at the memory limit.
var ChildLost = &diagnosis.Rule{
	ID:    "MEM003",
	Title: "Processes of a running container are killed for memory",
	Doc: `
The kernel killed a process of the container at its memory limit, and the main process lives on: nothing restarts, the pod is
Ready, and what shows is work that is lost: a worker that is gone, a request that was cut off, an import that never ends.

**How it is told from its look-alikes.** Only the kernel tells: its record names the container's cgroup, and no run of the container
ended with it. The Kubernetes API shows nothing of it; the runtime's event is not passed on unless the container ends. A kill
older than an hour, or in an earlier run, is history; of one in the last five seconds the status may have yet to tell that the container
ended with it; where the log has no dates, that it was in this run makes it likely. Where all processes die together (memory.oom.group), this cannot happen.
Where the record and the status tell no container, the kill is that one's which ended with it, or which the victim is named like;
where more than one fits, the finding is only possible. Without the kernel's log the count of the container's control group tells, which the
node's agent reads: that of the present run, as it rose within the hour. It does not tell which process it was, nor at whose limit.

**What to do.** Raise the limit or run fewer workers at once. Let the main process end when a child that it needs is lost, so
that the loss shows.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Container,
	Needs:    evidence.Status | evidence.Spec,
	Also:     evidence.Host | evidence.Usage | evidence.Signals,
	Effect:   diagnosis.OutOfMemory,
	CausedBy: []diagnosis.Effect{diagnosis.MemoryMisfit, diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		runs := p.Attempts()
		if len(runs) == 0 || runs[len(runs)-1].Ended() {
			return
		}
		run := runs[len(runs)-1].Of
		recent := slices.DeleteFunc(killsIn(p, runs[len(runs)-1]), func(k kill) bool {
			return !k.At.IsZero() && p.Now().Sub(k.At) > time.Hour || hitFirst(p, run, k) // of the latter the status has yet to tell
		})
		if len(recent) == 0 {
			lostByCount(p, run)
			return
		}
		outlived := slices.DeleteFunc(slices.Clone(recent), func(k kill) bool { return p.Now().Sub(k.At) < untold })
		sure, said := diagnosis.Certain, fmt.Sprintf(", %d times in the last hour, and the container lives on without it", len(outlived))
		if len(outlived) == 0 {
			sure, said = diagnosis.Possible, " just now, and the status does not tell yet whether the container lives on without it"
		} else {
			recent = outlived
		}
		last := recent[len(recent)-1]
		if last.At.IsZero() { // a log without dates, of which the container's id says that it was in this run
			sure, said = diagnosis.Likely, ", at a time that its log does not tell, and the container lives on without it"
		}
		f := diagnosis.Finding{
			At: last.At, Confidence: sure,
			Message: fmt.Sprintf("the kernel killed process %s (%d) in container %s for memory%s", last.task, last.pid, p.About().Container, said),
		}
		for _, k := range recent[max(0, len(recent)-3):] {
			f.Facts = append(f.Facts, k.Fact)
		}
		withLimit(p, &f, limitOf(p))
		unsure(&f, last, diagnosis.Possible)
		p.Report(f)
	},
}

// untold is how long it may take until the status tells that a container has ended: the kubelet looks at its runtime once a second, and
// writes a status after what it does about it.
const untold = 5 * time.Second

// hitFirst tells whether, by the trace of signals, the kernel ended process 1 of a run with a kill: with it, or with one of its own at
// the same time, as it does where all of a control group goes.
func hitFirst(p *diagnosis.Pass, run evidence.Ref, k kill) bool {
	return slices.ContainsFunc(p.Facts(evidence.Signals, "signal-kernel"), func(f evidence.Fact) bool {
		return f.About == run && f.Value == 9 && f.At.Sub(k.At).Abs() < time.Second
	})
}

// lostByCount reports kills of which only the count is known.
func lostByCount(p *diagnosis.Pass, run evidence.Ref) {
	var f diagnosis.Finding
	kills := 0
	for _, count := range p.Facts(evidence.Usage, "memory.oom-kill") {
		if age := p.Now().Sub(count.At); count.About == run && age >= untold && age <= time.Hour {
			kills += int(count.Value)
			f.Facts = append(f.Facts, count)
		}
	}
	if kills == 0 {
		return
	}
	f.At, f.Confidence = f.Facts[len(f.Facts)-1].At, diagnosis.Certain
	f.Message = fmt.Sprintf("the kernel killed processes in container %s for memory, %d of them in the last hour, and the container lives on without them", p.About().Container, kills)
	f.Facts = f.Facts[max(0, len(f.Facts)-3):]
	if peak, known := usedBy(p, run, "memory.peak"); known {
		f.Facts = append(f.Facts, peak)
	}
	withLimit(p, &f, limitOf(p))
	p.Report(f)
}
