// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"fmt"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// OOMKilled recognises a container whose main process the kernel killed at the container's own memory limit.
var OOMKilled = &diagnosis.Rule{
	ID:    "MEM001",
	Title: "Container exceeded its memory limit",
	Doc: `
The container's processes asked for more memory than its limit allows, and the kernel killed the main process with
SIGKILL. The runtime saw the kill in the container's cgroup and reports exit code 137 with the reason OOMKilled. With
memory.oom.group, which the kubelet sets under cgroup v2 since 1.28, all processes of the container are killed together,
whichever of them asked for too much.

**How it is told from its look-alikes.** Exit code 137 alone says only SIGKILL: a failed liveness probe, a deletion and
a stranger's kill -9 end with it too, and then the reason is Error. OOMKilled with another exit code is left to other
rules: the runtime's counter covers child processes and earlier kills, so the label may be wrong. The kernel's own record,
where the node's log is at hand, settles it: it names the cgroup whose limit was reached, which may be that of the pod, of all
pods, or none; then other rules speak. Without that record the finding is likely and no more: the label looks the same where all
pods of the node together were at their limit, and no Event tells of that. Without a memory limit the container cannot have exceeded one. A SystemOOM Event of the
node in the seconds of the end is about the node and no limit: without the kernel's word another rule speaks then. A memory limit of the pod
that several containers share speaks against the container's own. Where the kubelet ordered the container to stop
and its grace period had passed, SIGKILL was the kubelet's, and the finding is only possible.

What the run used in its last minutes, where the node's agent sampled it, tells how it came to that, though not why: memory that rose
within seconds after minutes far below is a burst, memory that rose over minutes a leak or a cache without a bound, and a run that was
close to its limit all the time has one that is too small. Where the label is missing, and the count of the container's control group says
that a process of it was killed in those seconds, the finding is likely.

**What to do.** Compare the limit with what the program needs at its peak. Raise the limit if the need is real; look for
a leak if each run takes about the same long time to die. A runtime with a heap of its own (JVM, Node.js) needs a heap setting
below the limit; a Go program should know the limit by GOMEMLIMIT.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Attempt,
	Needs:    evidence.Status | evidence.Spec,
	Also:     evidence.Events | evidence.Host | evidence.Usage,
	Effect:   diagnosis.OutOfMemory,
	CausedBy: []diagnosis.Effect{diagnosis.MemoryMisfit, diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		d := deathOf(p)
		if d.class != ownLimit {
			return
		}
		f := diagnosis.Finding{
			At: d.Finished, Confidence: diagnosis.Certain, Facts: append([]evidence.Fact{d.Fact()}, d.killFacts()...),
			Message: fmt.Sprintf("container %s was killed by the kernel at its memory limit", d.Of.Container),
		}
		f.Message += of(d.limit)
		withLimit(p, &f, d.limit)
		if d.limit == nil && len(d.kills) == 0 {
			f.Message = fmt.Sprintf("container %s was killed by the kernel for memory, at a limit that is not part of this evidence", d.Of.Container)
		}
		killed, _ := d.victim()
		f.Message += killed.holding()
		d.course(p, &f)
		f.Fixes = append(f.Fixes, goLimit(p, d.limit)...)
		if len(d.kills) > 1 && d.kills[0].At.Add(slack).After(d.kills[len(d.kills)-1].At) {
			f.Message += fmt.Sprintf("; all of its %d processes were killed together", len(d.kills))
		}
		d.doubts(p, &f)
		d.citeCount(&f)
		d.unsure(&f)
		d.afterOrder(&f)
		p.Report(f)
	},
}

// doubts lowers the confidence where no record of the kernel says whose limit it was, and cites what speaks against the
// container's own.
func (d *death) doubts(p *diagnosis.Pass, f *diagnosis.Finding) {
	if len(d.kills) > 0 {
		return
	}
	f.Confidence = diagnosis.Likely
	if shared := sharedLimit(p); shared != nil && len(p.PodSpec().Containers) > 1 {
		f.Against = append(f.Against, citeShared(p, shared))
	}
	if d.ordered && d.order.GraceExpired(d.Attempt) {
		f.Confidence = diagnosis.Possible
		f.Against = append(f.Against, d.order.Event.Fact())
	}
}

// withLimit cites a container's memory limit in a finding and proposes to raise it, where it has one.
func withLimit(p *diagnosis.Pass, f *diagnosis.Finding, limit *resource.Quantity) {
	if limit != nil {
		f.Facts = append(f.Facts, p.CiteSpec("resources.limits.memory", limit))
		f.Fixes = []diagnosis.Fix{raise(p, limit)}
	}
}

// of words a limit behind the word for it, "" without one.
func of(limit *resource.Quantity) string {
	if limit == nil {
		return ""
	}
	return " of " + limit.String()
}

func citeShared(p *diagnosis.Pass, limit *resource.Quantity) evidence.Fact {
	return evidence.Fact{
		Kind: evidence.Spec, Source: evidence.FromSpec, About: p.About().Object(),
		Where: "spec.resources.limits.memory", Text: "memory " + limit.String(),
	}
}

// raise proposes what the vertical pod autoscaler gives a container after it ran out of memory: a fifth more, at least
// 100 MiB (kubernetes/autoscaler, OOMBumpUpRatio and OOMMinBumpUp).
func raise(p *diagnosis.Pass, limit *resource.Quantity) diagnosis.Fix {
	const mib = 1 << 20
	bytes := max(limit.Value()+limit.Value()/5, limit.Value()+100*mib)
	to := fmt.Sprintf("%dMi", (bytes+mib-1)/mib)
	return diagnosis.Fix{
		Title: fmt.Sprintf("Raise the memory limit of %s from %s to %s, and look for a leak if it dies again", p.About().Container, limit, to),
		Risk:  diagnosis.Restart,
		Patch: p.PatchContainer(map[string]any{"resources": map[string]any{"limits": map[string]any{"memory": to}}}),
	}
}
