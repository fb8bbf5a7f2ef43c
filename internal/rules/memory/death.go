// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"cmp"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// A class is who ran out of memory, as far as kernel, status and spec can tell. This is the one place that decides which
// rule of the family speaks about an end.
type class uint8

const (
	none        class = iota // the end has nothing to do with memory
	ownLimit                 // the container was at its limit and its main process was killed
	childKilled              // a child was killed at the limit, and the main process ended with a code of its own
	endedWell                // a child was killed, and the main process ended with exit code 0
	falseLabel               // nothing was killed: the label OOMKilled is wrong
	belowInit                // the limit does not even let the runtime start the process
	podLimit                 // the pod's containers were at their common limit
	allPods                  // all pods of the node together were at the limit of what the node has for them
	machine                  // the node had no memory left
)

// A death is an ended attempt with what bears on its memory.
type death struct {
	evidence.Attempt
	class   class
	kills   []kill             // of this attempt
	limit   *resource.Quantity // the container's own; nil without one
	ordered bool
	order   evidence.Order
	system  []systemKill   // the node's Events of the seconds of the end
	count   *evidence.Fact // what the control group's count of kills says of its seconds, where nothing else does; nil without it
}

// deathOf reads the end that the pass looks at. The kernel's word counts most; without it that of the runtime, which takes
// the label OOMKilled from a counter of the container's cgroup that only rises.
func deathOf(p *diagnosis.Pass) death {
	return diagnosis.Memo(p, "memory", func() death { return readDeath(p) })
}

func readDeath(p *diagnosis.Pass) death {
	d := death{Attempt: p.Attempt(), limit: limitOf(p)}
	d.order, d.ordered = p.Order()
	d.kills = killsIn(p, d.Attempt)
	d.system = d.systemKills(p)
	switch {
	case slices.Contains(startErrors, d.Reason):
		if d.class = d.initKilled(); tooLowForInit(d.Message, d.limit) {
			d.class = belowInit
		}
	case len(d.kills) > 0:
		d.class = d.byKernel(p)
	case d.Reason == "OOMKilled":
		d.class = d.byLabel(p)
	case d.ExitCode == 137 && d.Reason == "Error" && !d.ordered && len(d.system) > 0:
		d.class = machine
	case d.Reason == "Error" && !d.ordered && d.ExitCode != 143:
		if f, known := counted(p, d.Attempt); known {
			d.count, d.class = &f, d.byCount(p)
		}
	}
	return d
}

// startErrors are the reasons of containers whose process could not be run: of the CRI, and of Docker.
var startErrors = []string{"StartError", "ContainerCannotRun"}

// around is how far from an end an Event may be that tells of it: whole seconds, and the kubelet reads the kernel's log.
const around = 5 * time.Second

// near tells whether an Event of that time may tell of the end.
func (d *death) near(at time.Time) bool { return at.Sub(d.Finished).Abs() <= around }

// byKernel says what the kernel's record makes of the end: whose limit it was, and whether the main process was it.
func (d *death) byKernel(p *diagnosis.Pass) class {
	last := d.kills[len(d.kills)-1]
	since := d.Finished.Sub(last.At)
	if last.At.IsZero() { // a log without dates, of which the container's id says that it was in this run
		since = 0
	}
	if since > time.Minute && d.ExitCode != 0 || since > slack && d.ordered {
		if d.Reason == "OOMKilled" {
			return falseLabel
		}
		return none // a child was killed long before, and something else ended the container
	}
	switch d.ExitCode {
	case 137:
	case 0:
		return endedWell
	default:
		return childKilled
	}
	switch last.level() {
	case ofNode, ofStranger:
		return machine
	case ofPods:
		return allPods
	case ofPod:
		if len(p.PodSpec().Containers) > 1 || sharedLimit(p) != nil {
			return podLimit
		} // of a single container the pod's limit is its own, and the sandbox counts as well
	}
	return ownLimit
}

// byLabel says what the label OOMKilled is worth by itself.
func (d *death) byLabel(p *diagnosis.Pass) class {
	switch {
	case d.ExitCode == 137 && len(d.system) > 0: // one kill accounts for the Event and for the label, which counts kills of any sort
		return machine
	case kernelSaw(p, d.Attempt), d.ordered && d.ExitCode == 0, d.ExitCode == 143:
		return falseLabel
	case d.ExitCode == 0:
		return endedWell
	case d.ExitCode != 137:
		return childKilled
	case d.limit != nil:
		return ownLimit
	case sharedLimit(p) != nil:
		return podLimit
	case p.PodStatus().QOSClass == "": // no pod is without one: this is a summary, which need not tell of a limit
		return ownLimit
	}
	return machine
}

// specOf returns the pass's container as the spec has it, an empty one where it does not.
func specOf(p *diagnosis.Pass) *corev1.Container {
	if c := p.Spec(); c != nil {
		return c
	}
	return &corev1.Container{}
}

// limitOf returns the memory limit of the pass's container, nil without one.
func limitOf(p *diagnosis.Pass) *resource.Quantity { return orNil(specOf(p).Resources.Limits.Memory()) }

// sharedLimit returns the memory limit of the pass's pod, nil without one.
func sharedLimit(p *diagnosis.Pass) *resource.Quantity {
	return orNil(cmp.Or(p.PodSpec().Resources, &corev1.ResourceRequirements{}).Limits.Memory())
}

func orNil(limit *resource.Quantity) *resource.Quantity {
	if limit.IsZero() {
		return nil
	}
	return limit
}

// killFacts returns the kernel's records of the death as facts, the newest three.
func (d *death) killFacts() []evidence.Fact {
	var facts []evidence.Fact
	for _, k := range d.kills[max(0, len(d.kills)-3):] {
		facts = append(facts, k.Fact)
	}
	return facts
}

// victim returns the kernel's last record of the death; false without one.
func (d *death) victim() (kill, bool) {
	if len(d.kills) == 0 {
		return kill{}, false
	}
	return d.kills[len(d.kills)-1], true
}
