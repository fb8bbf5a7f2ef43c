// SPDX-License-Identifier: Apache-2.0

package node

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// RuntimeAway recognises a container runtime that was away, hung or slow for a while.
var RuntimeAway = &diagnosis.Rule{
	ID:    "NOD022",
	Title: "Container runtime was away or slow for a while",
	Doc: `
The container runtime was restarted, hung or took seconds to answer, and answers now. What asked it meanwhile failed: probes that run a command in a container time out, sandboxes and containers are not
made in time. Containers go on by themselves when a runtime is restarted; the end of one meanwhile may have been seen by nobody.

**How it is told from its look-alikes.** By the node's agent, which asks the runtime each second and times the answers, and by what pods show that began while it lasted or soon after: a probe by a command that timed out or could not be run,
a call out of time, an end that nobody saw. A probe by HTTP, TCP or gRPC does not ask the runtime and has another reason, and so has what a registry or a network plugin did not answer. What failed before the runtime became slow did not fail for it. A runtime that still does not answer is NOD004's.
An absence from which nothing followed is an update, and not told.

**What to do.** Find out why: an update, the runtime's own log, a disk that is slow, too many containers. Give probes that run a command a longer timeoutSeconds, or let them ask over HTTP.

The calls are those of CRI (ListContainers, ListPodSandbox, ContainerStatus).
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Node,
	Needs:    evidence.Host | evidence.Status,
	Also:     evidence.Spec | evidence.Events,
	Effect:   diagnosis.RuntimeFailed,
	CausedBy: []diagnosis.Effect{diagnosis.KernelFailed, diagnosis.DeviceFailed, diagnosis.NodeSaturated, diagnosis.NodePressure, diagnosis.StorageFull},
	Change:   true,
	Run: func(p *diagnosis.Pass) {
		for _, a := range absences(p) {
			followed := suffered(p, a.from, a.to)
			if len(followed) == 0 {
				continue
			}
			p.Report(diagnosis.Finding{
				At: a.from, Until: a.to.Add(aftermath), Confidence: diagnosis.Certain, Facts: append(few(a.facts), few(followed)...),
				Message: fmt.Sprintf("the container runtime of %s %s", nodeName(p), a.what),
				Fixes:   look("Find out what held the runtime up: its log, the disk, an update", "journalctl -u containerd -n 50 --no-pager; iostat -xz 1 5"),
			})
		}
	},
}

// An absence is a spell of a runtime, in words.
type absence struct {
	spell
	what string
}

// absences returns when the runtime hung, was away or was slow and answered again, oldest first. Slow answers within a few
// minutes of each other, of which an agent tells one a minute, are one.
func absences(p *diagnosis.Pass) []absence {
	var list []absence
	for _, s := range spells(p, "runtime-hung", "runtime-answers") {
		if !s.to.IsZero() && !aboutOne(s.facts[0]) {
			list = append(list, absence{s, fmt.Sprintf("did not answer for %s", s.to.Sub(s.from).Round(time.Second))})
		}
	}
	for _, s := range spells(p, "runtime-gone", "runtime-back") {
		if !s.to.IsZero() {
			list = append(list, absence{s, fmt.Sprintf("was gone for %s, as when it is restarted", s.to.Sub(s.from).Round(time.Second))})
		}
	}
	list = append(list, slow(p)...)
	slices.SortStableFunc(list, func(a, b absence) int { return cmp.Or(a.from.Compare(b.from), cmp.Compare(a.what, b.what)) })
	return slices.CompactFunc(list, func(b, a absence) bool { return !b.from.After(a.to) }) // two calls that hang at once
}

// slowWindow is within which time slow answers belong together.
const slowWindow = 3 * time.Minute

func slow(p *diagnosis.Pass) []absence {
	var list []absence
	for _, f := range heard(p, "runtime-slow") {
		answered := f.At.Add(time.Duration(f.Value * float64(time.Second)))
		if n := len(list); n > 0 && f.At.Sub(list[n-1].to) <= slowWindow {
			list[n-1].facts, list[n-1].to = append(list[n-1].facts, f), answered
			continue
		}
		list = append(list, absence{spell: spell{f.At, answered, []evidence.Fact{f}}})
	}
	for i := range list {
		longest := slices.MaxFunc(list[i].facts, func(a, b evidence.Fact) int { return cmp.Compare(a.Value, b.Value) })
		list[i].what = fmt.Sprintf("took up to %.1f s to answer", longest.Value)
	}
	return list
}
