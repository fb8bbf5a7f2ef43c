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
older than an hour, or in an earlier run, is history; where the log has no dates, that it was in this run makes it likely. Where all processes die together (memory.oom.group), this cannot happen.
Where the record and the status tell no container, the kill is that one's which ended with it, or which the victim is named like;
where more than one fits, the finding is only possible.

**What to do.** Raise the limit or run fewer workers at once. Let the main process end when a child that it needs is lost, so
that the loss shows.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Container,
	Needs:    evidence.Status | evidence.Spec,
	Also:     evidence.Host,
	Effect:   diagnosis.OutOfMemory,
	CausedBy: []diagnosis.Effect{diagnosis.MemoryMisfit, diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		runs := p.Attempts()
		if len(runs) == 0 || runs[len(runs)-1].Ended() {
			return
		}
		recent := slices.DeleteFunc(killsIn(p, runs[len(runs)-1]), func(k kill) bool { return !k.At.IsZero() && p.Now().Sub(k.At) > time.Hour })
		if len(recent) == 0 {
			return
		}
		last := recent[len(recent)-1]
		f := diagnosis.Finding{
			At: last.At, Confidence: diagnosis.Certain,
			Message: fmt.Sprintf("the kernel killed process %s (%d) in container %s for memory, %d times in the last hour, and the container lives on without it", last.task, last.pid, p.About().Container, len(recent)),
		}
		if last.At.IsZero() { // a log without dates, of which the container's id says that it was in this run
			f.Confidence = diagnosis.Likely
			f.Message = fmt.Sprintf("the kernel killed process %s (%d) in container %s for memory, at a time that its log does not tell, and the container lives on without it", last.task, last.pid, p.About().Container)
		}
		for _, k := range recent[max(0, len(recent)-3):] {
			f.Facts = append(f.Facts, k.Fact)
		}
		withLimit(p, &f, limitOf(p))
		unsure(&f, last, diagnosis.Possible)
		p.Report(f)
	},
}
