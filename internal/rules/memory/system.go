// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// A systemKill is the kubelet's word that the kernel killed a process for the want of the whole machine. Since 1.17 it tells
// such kills from those at a limit by the group that the kernel names (VictimContainerName in cadvisor's oomparser, which is
// "/" where the kernel names none), and says who the victim was.
type systemKill struct {
	evidence.Event
	sure  diagnosis.Confidence // that it was in the run and not in another of the pod
	named bool                 // the victim has a name that the container would give it
}

// systemKills returns the SystemOOM Events of the node that may tell of the end.
func (d *death) systemKills(p *diagnosis.Pass) []systemKill {
	var list []systemKill
	for _, e := range systemEvents(p) {
		if !d.near(e.First) && !d.near(e.Last) { // of the others that an Event counts the time is not known
			continue
		}
		k := kill{Fact: evidence.Fact{About: d.Of.Object(), At: d.Finished}, task: victimOf(e)}
		if sure := k.surely(p, d.Attempt); sure > 0 {
			list = append(list, systemKill{e, sure, k.fits(specOf(p))})
		}
	}
	return list
}

// systemEvents returns the kubelet's SystemOOM Events of the node. Where there is none, those of node-problem-detector, which quotes
// the kernel's line of every kill: one at a control group's limit says so (mm/oom_kill.c, __oom_kill_process).
func systemEvents(p *diagnosis.Pass) []evidence.Event {
	if events := p.NodeEvents("SystemOOM"); len(events) > 0 {
		return events
	}
	return slices.DeleteFunc(p.NodeEvents("OOMKilling"), func(e evidence.Event) bool {
		return !strings.Contains(e.Message, "Out of memory: Kill") || strings.Contains(e.Message, "Memory cgroup out of memory")
	})
}

// victimOf returns the name of the process that such an Event tells of, "" where it does not.
func victimOf(e evidence.Event) string {
	if m := quotedVictim.FindStringSubmatch(e.Message); m != nil {
		return m[2]
	}
	_, victim, _ := strings.Cut(e.Message, "victim process: ")
	name, _, _ := strings.Cut(victim, ", pid: ")
	return name
}

var quotedVictim = regex.New(`Killed? process (\d+),? \(([^()]*)\)`)

// citeSystem cites the Events of the node in a finding that its memory was what ran out, with what speaks against that: that
// another container fits as well, or that the container has a limit which it may have been at, and that the victim's name is none that it
// would give.
func (d *death) citeSystem(p *diagnosis.Pass, f *diagnosis.Finding) {
	for _, s := range d.system {
		f.Facts = append(f.Facts, s.Fact())
	}
	if len(d.kills) > 0 || len(d.system) == 0 {
		return
	}
	if !slices.ContainsFunc(d.system, func(s systemKill) bool { return s.sure > diagnosis.Possible }) {
		f.Confidence = diagnosis.Possible
		f.Message += "; the node's Event tells of one kill, and more than one container of the pod ended with it"
	}
	if d.Reason == "OOMKilled" && d.limit != nil && !slices.ContainsFunc(d.system, func(s systemKill) bool { return s.named }) {
		f.Confidence = diagnosis.Possible
		f.Message = fmt.Sprintf("container %s was killed by the kernel, because its node %shad no memory left or at its own limit of %s", d.Of.Container, spaced(p.NodeName()), d.limit)
		f.Against = append(f.Against, p.CiteSpec("resources.limits.memory", d.limit))
	}
}

// afterOrder says in a finding of a kill that the kernel tells of that the kubelet had ordered the container to stop before it.
func (d *death) afterOrder(f *diagnosis.Finding) {
	if len(d.kills) == 0 || !d.ordered || d.order.Inferred {
		return
	}
	f.Message += fmt.Sprintf(", %s after the kubelet had ordered it to stop (%s)", d.order.Waited(d.Attempt).Round(time.Second), d.order.By)
	f.Facts = append(f.Facts, d.order.Event.Fact())
}
