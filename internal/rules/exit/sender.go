// SPDX-License-Identifier: Apache-2.0

package exit

import (
	"slices"
	"time"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// What the names of a node agent's facts say of who sent a signal to process 1 of a container.
const (
	byKernel    = "signal-kernel"
	byRuntime   = "signal-runtime"
	byPod       = "signal-pod"
	byNeighbour = "signal-neighbour"
	byHost      = "signal-host"
	byUnknown   = "signal-unknown"
	watching    = "watching-signals" // since when they are traced
	missed      = "missed"           // what the agent did not see
)

// foreign are the senders that Kubernetes has not told to.
var foreign = []string{byPod, byNeighbour, byHost, byUnknown}

// tracedSlack covers the whole seconds of the status, and what a process takes to end on a signal that it heeds at once.
const tracedSlack = 1500 * time.Millisecond

// sentBy returns the trace of the signal that ended the attempt: SIGKILL, or SIGTERM where there was none, the last that came
// before its end. One that it outlived did not end it: SIGTERM may take as long as a grace period, so that counts only
// where the exit code is its own, or the end came at once.
func sentBy(p *diagnosis.Pass, a evidence.Attempt) (evidence.Fact, bool) {
	var last evidence.Fact
	for _, f := range p.Facts(evidence.Signals, byKernel, byRuntime, byPod, byNeighbour, byHost, byUnknown) {
		late, early := f.At.After(a.Finished.Add(tracedSlack)), f.At.Before(a.Started)
		heeded := f.Value == 9 || a.ExitCode == 143 || a.Finished.Sub(f.At) <= tracedSlack
		if f.About == a.Of && !late && !early && heeded && (last.Name == "" || f.Value == 9 || last.Value != 9) {
			last = f
		}
	}
	return last, last.Name != ""
}

// killedForMemory tells whether the kernel killed a process of the attempt for want of memory near its end.
func killedForMemory(p *diagnosis.Pass, a evidence.Attempt) bool {
	return slices.ContainsFunc(p.Facts(evidence.Host, "oom-kill"), func(f evidence.Fact) bool {
		return f.About.Object() == a.Of.Object() && f.At.After(a.Started) && a.Finished.Sub(f.At).Abs() < 10*time.Second
	})
}

// unsignalled tells whether no signal ended the attempt: they were traced all its life, nothing was missed, and there was none. It
// returns the fact that they were traced.
func unsignalled(p *diagnosis.Pass, a evidence.Attempt) (evidence.Fact, bool) {
	if _, sent := sentBy(p, a); sent || a.Started.IsZero() || p.Lacks(evidence.Signals) != 0 {
		return evidence.Fact{}, false
	}
	during := func(f evidence.Fact) bool { return f.At.After(a.Started) && f.At.Before(a.Finished.Add(time.Minute)) }
	if slices.ContainsFunc(p.Facts(evidence.Signals, missed), during) {
		return evidence.Fact{}, false
	}
	since := p.Facts(evidence.Signals, watching)
	i := slices.IndexFunc(since, func(f evidence.Fact) bool { return f.At.Before(a.Started) })
	if i < 0 || slices.ContainsFunc(since, during) { // traced anew within its life: not all of it was
		return evidence.Fact{}, false
	}
	return since[i], true
}
