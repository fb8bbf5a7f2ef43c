// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"fmt"
	"strings"
	"time"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Machine recognises a container that the kernel killed for the want of memory of the whole node.
var Machine = &diagnosis.Rule{
	ID:    "MEM009",
	Title: "Container was killed because its node had no memory left",
	Doc: `
The node as a whole had no memory left, no cgroup was at its limit, and the kernel chose a process by size and by the score that the
kubelet gives its pods: BestEffort first, then Burstable pods by how much they take of the node. The victim need not be
the one that grew.

**How it is told from its look-alikes.** The kernel's record has no cgroup limit (constraint CONSTRAINT_NONE, "Out of memory" without
"Memory cgroup"). Without it, a SystemOOM Event of the node in the seconds of the death, or that the container is marked OOMKilled and
neither it nor its pod has a memory limit that it could have reached, makes it likely. The Event settles nothing where the container is marked, has a limit and
the victim has no name that it would give: that is only possible. Of several containers that ended in those seconds it is about the one that the
victim is named like. A pod that the kubelet evicts because memory
runs low has the reason Evicted, and its own rule. Where the node's agent sampled it, it is told whether the victim had grown itself, and
which containers of the node grew most in the minute before.

**What to do.** Give the container a request near to what it takes, so that the scheduler counts it and its score is better, and
the pods that grow a limit. Reserve memory for the system (systemReserved, evictionHard), so that the kubelet evicts before the
kernel kills.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Attempt,
	Needs:    evidence.Status | evidence.Spec,
	Also:     evidence.Events | evidence.Host | evidence.Usage,
	Effect:   diagnosis.OutOfMemory,
	CausedBy: []diagnosis.Effect{diagnosis.NodePressure, diagnosis.NodeSaturated},
	Run: func(p *diagnosis.Pass) {
		d := deathOf(p)
		if d.class != machine {
			return
		}
		f := diagnosis.Finding{
			At: d.Finished, Confidence: diagnosis.Likely, Facts: append([]evidence.Fact{d.Fact()}, d.killFacts()...),
			Message: fmt.Sprintf("container %s was killed by the kernel because its node %shad no memory left", d.Of.Container, spaced(p.NodeName())),
			Fixes:   []diagnosis.Fix{{Title: fmt.Sprintf("Give %s a memory request near to what it takes, and the pods of the node that grow a limit", d.Of.Container), Command: "kubectl top pods -A --sort-by=memory"}},
		}
		d.citeSystem(p, &f)
		if len(d.kills) > 0 {
			f.Confidence = diagnosis.Certain
		} else if d.limit != nil && d.count != nil {
			peak, _ := usedBy(p, d.Of, "memory.peak")
			f.Message += fmt.Sprintf(": it never had more than %s of its limit of %s", bytes(peak.Value), d.limit)
			f.Facts = append(f.Facts, peak)
		} else if len(d.system) == 0 { // and then it has no limit, nor its pod
			f.Message = fmt.Sprintf("container %s has no memory limit and was killed by the kernel: its node %sran out of memory, or its pod did", d.Of.Container, spaced(p.NodeName()))
			f.Facts = append(f.Facts, evidence.Fact{
				Kind: evidence.Status, Source: evidence.FromStatus, About: d.Of.Object(), Where: "status.qosClass", Text: fmt.Sprintf("qosClass %s", p.PodStatus().QOSClass),
			})
		}
		if d.limit == nil {
			f.Message += fmt.Sprintf(" (QoS class %s, no limit)", p.PodStatus().QOSClass)
		}
		if len(d.kills) == 0 && d.ordered && d.order.GraceExpired(d.Attempt) {
			f.Confidence = diagnosis.Possible
			f.Against = append(f.Against, d.order.Event.Fact())
		}
		d.citeCount(&f)
		d.unsure(&f)
		d.afterOrder(&f)
		d.victimOf(p, &f)
		name(&f, grower(p, d.Finished))
		p.Report(f)
	},
}

func spaced(name string) string { return strings.TrimLeft(name+" ", " ") }

// grower returns the row of the kernel's table of tasks for the process that held most at that time.
func grower(p *diagnosis.Pass, at time.Time) kill {
	return largest(p.Facts(evidence.Host, "oom-task"), at)
}

func largest(rows []evidence.Fact, at time.Time) (top kill) {
	for _, f := range rows {
		k := parseTask(f)
		if f.At.Sub(at).Abs() <= around && k.anon > top.anon {
			top = k
		}
	}
	return top
}

// parseTask reads the text of a fact "oom-task", a row of the table that the kernel prints with a kill.
func parseTask(f evidence.Fact) kill {
	k := parseKill(f)
	_, k.task, _ = strings.Cut(f.Text, " name=")
	for _, m := range killField.FindAllStringSubmatch(f.Text, -1) {
		if m[1] == "rss" {
			k.anon = parseKiB(m[2])
		}
	}
	return k
}

// name says in a finding which process held most.
func name(f *diagnosis.Finding, top kill) {
	if top.task == "" {
		return
	}
	f.Message += fmt.Sprintf("; process %s (%d) held most, %s", top.task, top.pid, mebibytes(top.anon))
	f.Facts = append(f.Facts, top.Fact)
}
