// SPDX-License-Identifier: Apache-2.0

package exit

import (
	"slices"
	"strings"
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
	toChild     = "child-"           // before these: the signal went to another process than the first
	watching    = "watching-signals" // since when they are traced
	missed      = "missed"           // what the agent did not see
)

// foreign are the senders that Kubernetes has not told to. One that was gone when it was looked up may be one of the runtime's.
var foreign = []string{byPod, byNeighbour, byHost}

// tracedSlack covers the whole seconds of the status, and what a process takes to end on a signal that it heeds at once.
// killSlack is what the kernel and the runtime may take to be done with a process that was killed.
const tracedSlack, killSlack = 1500 * time.Millisecond, 10 * time.Second

// sentBy returns the trace of the signal that ended the attempt: SIGKILL, or SIGTERM where there was none, the last that came
// before its end. One that it outlived did not end it: the kernel drops a SIGKILL to process 1 that comes from inside the
// container, and a runtime sends one to what is left of a container that has ended, so that counts only with its own exit
// code and at the end. SIGTERM may take as long as a grace period, so that counts only where the exit code is its own, or
// the end came at once. A program that leaves it to the kernel what SIGTERM does sends it to itself once more.
func sentBy(p *diagnosis.Pass, a evidence.Attempt) evidence.Fact {
	var last evidence.Fact
	for _, f := range signalsTo(p, a) {
		again := f.Value == last.Value && strings.HasPrefix(f.Text, "SIGTERM from itself ")
		heeded := a.ExitCode == 143 || a.Finished.Sub(f.At) <= tracedSlack
		if f.Value == 9 {
			heeded = a.ExitCode == 137 && a.Finished.Sub(f.At) <= killSlack
		}
		if heeded && !again && (last.Name == "" || f.Value == 9 || last.Value != 9) {
			last = f
		}
	}
	return last
}

// cite adds to a finding about an order of the kubelet the trace of the runtime that carried it out, which proves it.
func cite(f *diagnosis.Finding, p *diagnosis.Pass, a evidence.Attempt) {
	if sent := sentBy(p, a); sent.Name == byRuntime {
		f.Confidence, f.Facts = diagnosis.Certain, append(f.Facts, sent)
	}
}

// byStranger tells whether the attempt, ordered to stop or not, was ended by somebody else.
func byStranger(p *diagnosis.Pass, a evidence.Attempt) bool {
	sent := sentBy(p, a)
	return slices.Contains(foreign, sent.Name)
}

// childKilled returns the trace of SIGKILL to another process of the attempt than the first, the last before its end, unless the kernel
// ended what was left.
func childKilled(p *diagnosis.Pass, a evidence.Attempt) (evidence.Fact, bool) {
	var last evidence.Fact
	for _, f := range p.Facts(evidence.Signals, toChild+byPod, toChild+byNeighbour, toChild+byHost, toChild+byUnknown, toChild+byRuntime) {
		if f.About == a.Of && f.Value == 9 && a.Finished.Sub(f.At).Abs() <= childSlack {
			last = f
		}
	}
	return last, last.Name != ""
}

// childSlack is how long process 1 may take to follow its child, and the whole seconds of the status.
const childSlack = 5 * time.Second

// signalsTo returns the traces of signals to process 1 within the life of the attempt.
func signalsTo(p *diagnosis.Pass, a evidence.Attempt) []evidence.Fact {
	return slices.DeleteFunc(p.Facts(evidence.Signals, byKernel, byRuntime, byPod, byNeighbour, byHost, byUnknown), func(f evidence.Fact) bool {
		return f.About != a.Of || f.At.After(a.Finished.Add(tracedSlack)) || f.At.Before(a.Started)
	})
}

// killedForMemory tells whether the kernel killed a process of the attempt for want of memory near its end.
func killedForMemory(p *diagnosis.Pass, a evidence.Attempt) bool {
	return slices.ContainsFunc(p.Facts(evidence.Host, "oom-kill"), func(f evidence.Fact) bool {
		return f.About.Object() == a.Of.Object() && f.At.After(a.Started) && a.Finished.Sub(f.At).Abs() < 10*time.Second
	})
}

// told is how long it may take until a trace is among the facts, or that it was missed (internal/node/signals, placeTime and missTime), and
// a second for the status, whose times are whole ones.
const told = 4 * time.Second

// unsignalled tells whether no signal reached the attempt: they were traced all its life, nothing was missed, and there was none. It
// returns the fact that they were traced. What was missed is told when it is over, which may be long after the end.
func unsignalled(p *diagnosis.Pass, a evidence.Attempt) (evidence.Fact, bool) {
	if len(signalsTo(p, a)) > 0 || a.Started.IsZero() || p.Now().Sub(a.Finished) < told || p.Lacks(evidence.Signals) != 0 {
		return evidence.Fact{}, false
	}
	during := func(f evidence.Fact) bool { return f.At.After(a.Started) && f.At.Before(a.Finished.Add(time.Minute)) }
	unseen := func(f evidence.Fact) bool { return f.At.IsZero() || f.At.After(a.Started) }
	if slices.ContainsFunc(p.Facts(evidence.Signals, missed), unseen) {
		return evidence.Fact{}, false
	}
	since := p.Facts(evidence.Signals, watching)
	i := slices.IndexFunc(since, func(f evidence.Fact) bool { return f.At.Before(a.Started) })
	if i < 0 || slices.ContainsFunc(since, during) { // traced anew within its life: not all of it was
		return evidence.Fact{}, false
	}
	return since[i], true
}
