// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/advise"
	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Amounts are requests and limits, in bytes and processors; 0 where there is none.
type Amounts struct{ RequestMemory, LimitMemory, RequestCPU, LimitCPU float64 }

// Advice is what to do about the requests and limits of one container.
type Advice struct {
	About         evidence.Ref
	Runtime       Runtime
	Memory, CPU   Shape
	Samples       int           // of memory
	Over          time.Duration // that they were taken in
	Watched       time.Duration // the longest run of which the kernel counted the peak
	Peak          float64       // of memory, in bytes
	Kills         int
	Replicas      int                 // that there are, or that its autoscaler may give
	Inits         []corev1.Container  // the init containers of its pods
	Overhead      corev1.ResourceList // of a pod, by its RuntimeClass
	Unread        string              // why nobody knows what its pods need; "" where that is known
	Now, Proposed Amounts
	Enough        string // why nothing is proposed; "" where the record is enough
	Reasons       []string
	Checks        []Check
	Against       string         // what of its namespace that was checked against; "" where nothing is proposed
	Refusals      []Check        // what of its namespace would refuse what is proposed
	Autoscaler    map[string]any // that is proposed, as a manifest; nil where none is
	Fix           *diagnosis.Fix // nil where nothing is to change
	Fields        map[string]any // that it changes
}

// differ is the share by which an amount must be too high before it is worth a restart.
const differ = 0.1

// full is the share of a limit from which on it is said that there is little left.
const full = 0.95

// Advise says what to do about the resources of one container.
func Advise(o Subject) Advice {
	a := advised(&o)
	a.Reasons = append(append(a.Reasons, a.scaled(o.Scalers)...), quality(&o, a.Now, a.Proposed))
	return a
}

func advised(o *Subject) Advice {
	samples := all(o.Memory)
	n := o.memory()
	a := Advice{
		About: o.About, Runtime: o.runtime(), Watched: o.Watched, Memory: n.shape, CPU: shapeOf(o.CPU), Samples: len(samples), Over: span(samples), Peak: n.peak, Kills: len(o.Kills), Replicas: max(o.Replicas, mostReplicas(o.Scalers)), Inits: o.Inits, Overhead: o.Overhead,
		Now: amounts(&o.Spec), Reasons: n.reasons,
	}
	for _, text := range o.Spared {
		a.Reasons = append(a.Reasons, "marked OOMKilled, and no reason for a higher limit: "+text)
	}
	if a.Peak >= full*a.Now.LimitMemory && a.Now.LimitMemory > 0 && a.Kills == 0 && !n.fills {
		a.Reasons = append(a.Reasons, fmt.Sprintf("it was seen with %s of its limit of %s: it may soon be killed for want of memory", Bytes(a.Peak), Bytes(a.Now.LimitMemory)))
	}
	a.Proposed = a.Now
	a.Checks = append(o.runtimes(a.Now), classes(a.Now)...)
	if (a.Samples < fewSamples || a.Over < shortest) && a.Watched < shortest && a.Kills == 0 {
		a.Enough = fmt.Sprintf("not enough: %s, and advice needs %d over an hour, or an end for want of memory", a.Measured(), fewSamples)
		return a
	}
	if a.Kills > 0 && n.limit == 0 && n.shape != Leak {
		a.Enough = fmt.Sprintf("not enough: it was killed for memory %s with no limit of its own, and how much it had nobody knows: measure what it takes where there is room", often(a.Kills))
		return a
	}
	a.memory(o, n)
	a.processors(o)
	a.Checks = slices.Concat(o.runtimes(a.Proposed), classes(a.Proposed), a.scaling(o)) // as it is to be
	if a.change(o); a.Fix != nil {
		a.Against, a.Refusals = o.Within.against(), a.refusals(o)
	}
	return a
}

// Measured says how much of a record of its memory there is.
func (a *Advice) Measured() string {
	text := advise.Count(a.Samples, "sample") + " of its memory"
	if a.Over > 0 {
		text += " over " + advise.Round(a.Over)
	}
	return text
}

func amounts(c *corev1.Container) Amounts {
	r := c.Resources
	return Amounts{
		r.Requests.Memory().AsApproximateFloat64(), r.Limits.Memory().AsApproximateFloat64(),
		r.Requests.Cpu().AsApproximateFloat64(), r.Limits.Cpu().AsApproximateFloat64(),
	}
}

// memory sets request and limit: what was used at most, and that with room.
func (a *Advice) memory(o *Subject, n need) {
	if n.limit == 0 {
		return
	}
	limit := n.limit
	if h := heap(o.told()); h > 0 {
		limit = max(limit, native*h)
		a.Reasons = append(a.Reasons, fmt.Sprintf("its runtime may have a heap of %s, whatever it has used so far: the limit is that and a quarter at least", Bytes(h)))
	} else if o.runtime().Name == Java && a.Now.LimitMemory > limit {
		a.Reasons = append(a.Reasons, "its heap is a share of its limit: a lower limit would be a smaller heap, so the limit stays")
		limit = a.Now.LimitMemory
	}
	request := n.asks
	if later := lateHigh(o.Memory); n.shape == Spike && later > 0 {
		request = later * (1 + least)
		a.Reasons = append(a.Reasons, fmt.Sprintf("only its first minutes need %s, later it needs %s: the limit bears the start, the request goes by the rest", Bytes(n.peak), Bytes(later)))
	}
	if n.short && (limit < a.Now.LimitMemory || request < a.Now.RequestMemory) {
		a.Reasons = append(a.Reasons, "so short a record does not tell what it needs at other times: nothing of its memory gets less")
		request = max(request, a.Now.RequestMemory)
		limit = max(limit, a.Now.LimitMemory, request)
	}
	a.Proposed.RequestMemory, a.Proposed.LimitMemory = near(a.Now.RequestMemory, mebi(request)), near(a.Now.LimitMemory, mebi(limit))
	a.Proposed.RequestMemory = min(a.Proposed.RequestMemory, a.Proposed.LimitMemory)
}

// near keeps an amount that is right as it is: not below what it should be by more than a peak is above others, and not far above.
func near(now, then float64) float64 {
	if now >= (1-least)*then && now <= (1+differ)*then {
		return now
	}
	return then
}

func mebi(n float64) float64 { return math.Ceil(n/(1<<20)) * (1 << 20) }

// lateHigh is the highest that runs used after their first minutes.
func lateHigh(list []Series) (high float64) {
	for _, s := range list {
		for _, m := range s.Samples {
			if !s.starts(m) {
				high = max(high, m.Value)
			}
		}
	}
	return high
}

// held is the share of periods from which on a limit counts as holding back: where the alert CPUThrottlingHigh of
// kubernetes-mixin is.
const held = 0.25

// processors sets the request, and takes away a limit that holds the container back. A request is what a container is sure to get
// when all want more, and no bound, so that it may be below a peak.
func (a *Advice) processors(o *Subject) {
	samples := all(o.CPU)
	if len(samples) >= fewSamples {
		request := math.Ceil(decayed(samples, target)*safety*1000) / 1000
		if span(samples) < shortest {
			request = max(request, a.Now.RequestCPU)
		}
		a.Proposed.RequestCPU = near(a.Now.RequestCPU, max(request, 0.001))
		a.Reasons = append(a.Reasons, fmt.Sprintf("nine tenths of the time it used less than %s of processors, recent time counting more, and 15%% on top is its request", Cores(decayed(samples, target))))
	}
	switch {
	case a.Now.LimitCPU == 0:
	case o.Throttled >= held:
		a.unlimited(o)
	default:
		a.Proposed.RequestCPU = min(a.Proposed.RequestCPU, a.Now.LimitCPU)
	}
}

// unlimited takes away a CPU limit that holds the container back, unless its namespace has it have one. Its request stays, or becomes what
// the limit was, as the API server had filled in.
func (a *Advice) unlimited(o *Subject) {
	text := fmt.Sprintf("its CPU limit held it back in %.0f%% of its periods", 100*o.Throttled)
	if o.ProbeKills > 0 {
		text += fmt.Sprintf(", and probes ended %s", advise.Count(o.ProbeKills, "run"))
	}
	if o.CPUBound != "" {
		a.Reasons = append(a.Reasons, text+": it needs a higher one, as "+o.CPUBound)
		a.Proposed.RequestCPU = min(a.Proposed.RequestCPU, a.Now.LimitCPU)
		return
	}
	if a.Proposed.RequestCPU == 0 {
		a.Proposed.RequestCPU = a.Now.LimitCPU
		text += "; it requests as much as that, which it would not without it, so that becomes its request"
	}
	a.Reasons = append(a.Reasons, text+": it needs none, as its request protects the others")
	a.Proposed.LimitCPU = 0
}

// change makes the fix of what differs.
func (a *Advice) change(o *Subject) {
	requests, limits := map[string]any{}, map[string]any{}
	var says []string
	for _, f := range []struct {
		of        map[string]any
		what      string
		name      string
		now, then float64
		text      func(float64) string
	}{
		{requests, "memory", "memory request", a.Now.RequestMemory, a.Proposed.RequestMemory, Bytes},
		{limits, "memory", "memory limit", a.Now.LimitMemory, a.Proposed.LimitMemory, Bytes},
		{requests, "cpu", "CPU request", a.Now.RequestCPU, a.Proposed.RequestCPU, Cores},
		{limits, "cpu", "CPU limit", a.Now.LimitCPU, a.Proposed.LimitCPU, Cores},
	} {
		switch {
		case f.now == f.then:
		case f.then == 0:
			f.of[f.what] = nil
			says = append(says, "no "+f.name)
		default:
			f.of[f.what] = f.text(f.then)
			says = append(says, "a "+f.name+" of "+f.text(f.then))
		}
	}
	if len(says) == 0 {
		return
	}
	set := map[string]any{}
	for name, of := range map[string]map[string]any{"requests": requests, "limits": limits} {
		if len(of) > 0 {
			set[name] = of
		}
	}
	a.Fields = map[string]any{"resources": set}
	a.Fix = o.Fix("Give "+o.Spec.Name+" "+strings.Join(says, ", "), a.Fields)
}

// classes explains in which order pods are evicted (Kubernetes docs, concepts/scheduling-eviction/node-pressure-eviction): first
// those that use more memory than they request, by priority, then by how much.
func classes(now Amounts) []Check {
	switch {
	case now.RequestMemory == 0 && now.LimitMemory == 0:
		return []Check{{"resources", "it requests no memory: whatever it uses is more than it requests, and it is evicted before all that keep to theirs", "set a memory request of what it needs"}}
	case now.LimitMemory > 2*now.RequestMemory && now.RequestMemory > 0:
		return []Check{{"resources", fmt.Sprintf("it may use %s and requests %s: on a full node it is evicted before all that keep to their requests, first of those with its priority", Bytes(now.LimitMemory), Bytes(now.RequestMemory)), "request what it usually needs"}}
	}
	return nil
}
