// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Changed recognises a pod whose containers all ended because their sandbox was replaced.
var Changed = &diagnosis.Rule{
	ID:    "SBX008",
	Title: "Sandbox of a running pod was replaced",
	Doc: `
The kubelet found that the sandbox of a pod that ran is gone or changed, ended what was left of its containers and made
all anew. Nothing is wrong with any of them. The runtime was restarted in a way that lost its sandboxes, the node was
rebooted, somebody killed the pause process, or the cgroup driver was changed. Usually it is all pods of a node in the
same minute.

**How it is told from its look-alikes.** By the Event SandboxChanged, and containers that had run before it and ended at
about that time; or by the runtime, which the node's agent asks: the sandbox ended while the pod was to go on, and its containers with it or within the grace period after it. Then it is certain, and the trace of a signal to the pause process says who
did it. A container that began anew within a minute after the Event counts as well where nobody has told yet how it ended. The same Event follows every failed try to make the first sandbox: then no container has ever run. A
single container that restarts leaves its sandbox alone. It is told only where the end of a container follows from it.

**What to do.** Find what happened on the node: its other pods, its boot time, the runtime's log of that minute.

The Event is written in kubernetes pkg/kubelet/kuberuntime/kuberuntime_manager.go (SyncPod); recorded from Kubernetes
1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Pod,
	Needs:    evidence.Status,
	Also:     evidence.Spec | evidence.Events | evidence.Host | evidence.Signals,
	Effect:   diagnosis.SandboxFailed,
	CausedBy: []diagnosis.Effect{diagnosis.NodeRestarted, diagnosis.RuntimeFailed, diagnosis.NodeLost, diagnosis.KernelFailed},
	Change:   true,
	Run: func(p *diagnosis.Pass) {
		for _, c := range replacements(p) {
			if len(c.ended)+len(c.untold) == 0 {
				continue
			}
			f := diagnosis.Finding{
				At: c.at.UTC(), Until: c.at.Add(after).UTC(), Confidence: diagnosis.Likely, Facts: slices.Concat(c.facts, ends(c.ended), c.untold),
				Message: fmt.Sprintf("the sandbox of pod %s was replaced on node %s, which ended all its containers", p.About().Name, p.NodeName()),
				Fixes: []diagnosis.Fix{{
					Title:   fmt.Sprintf("Look at what happened to the runtime of node %s at %s", p.NodeName(), c.at.UTC().Format("15:04")),
					Command: onNode(p),
				}},
			}
			if others := changedTogether(p, c.at); others > 0 {
				f.Message += fmt.Sprintf(", as were those of %d other pods there within minutes", others)
			}
			if len(c.ended) > 0 {
				f.At = c.ended[0].Finished
			}
			if c.seen {
				f.Confidence, f.At = diagnosis.Certain, slices.MinFunc(f.Facts, func(a, b evidence.Fact) int { return a.At.Compare(b.At) }).At
			}
			if c.killed.Text != "" {
				f.Message += ": " + c.killed.Text
				f.Facts = append(f.Facts, c.killed)
			}
			p.Report(f)
			return
		}
	},
}

// A replacement is one sandbox of the pod that another followed, and what ended with it.
type replacement struct {
	at     time.Time
	facts  []evidence.Fact
	ended  []evidence.Attempt
	untold []evidence.Fact // the restart counts of containers whose end nobody tells of, and which began anew then
	seen   bool            // the runtime told the node's agent of its end
	killed evidence.Fact   // the trace of the signal that ended it
}

// replacements returns what the kubelet's Events say, with the runtime's word where there is one, and then what only the runtime
// says.
func replacements(p *diagnosis.Pass) []replacement {
	var list []replacement
	told := slices.DeleteFunc(p.Facts(evidence.Host, "sandbox-ended"), func(f evidence.Fact) bool { return f.About != p.About() })
	for _, e := range p.Events("SandboxChanged") {
		c := replacement{at: e.Last, facts: []evidence.Fact{e.Fact()}, ended: endedBy(p, e.First, e.Last), untold: untoldOf(p, e.Last)}
		for _, f := range told {
			if len(c.ended) > 0 && with(p, f, c.ended[0]) {
				c.facts, c.seen, c.killed = append(c.facts, f), true, killedWith(p, f)
				break
			}
		}
		list = append(list, c)
	}
	for _, f := range told {
		ended := slices.DeleteFunc(endedBy(p, f.At, f.At), func(a evidence.Attempt) bool { return !with(p, f, a) })
		list = append(list, replacement{at: f.At, facts: []evidence.Fact{f}, ended: ended, seen: true, killed: killedWith(p, f)})
	}
	return list
}

// unseenFor is how long an agent, which lists sandboxes each second, may take to see that one has ended, and how soon a container
// that shares its fate may end before that is seen.
const unseenFor = 3 * time.Second

// with tells whether a run ended with the sandbox: at its end, or by the kubelet's order that follows it, within the grace period.
func with(p *diagnosis.Pass, sandbox evidence.Fact, a evidence.Attempt) bool {
	grace := corev1.DefaultTerminationGracePeriodSeconds * time.Second
	if own := p.PodSpec().TerminationGracePeriodSeconds; own != nil {
		grace = time.Duration(*own) * time.Second
	}
	late := a.Finished.Sub(sandbox.At)
	return a.Started.Before(sandbox.At) && late >= -unseenFor && late <= grace+unseenFor
}

// killedWith returns the trace of SIGKILL or SIGTERM to a process of the pod that is in none of its containers, which is the pause
// process, when the sandbox ended.
func killedWith(p *diagnosis.Pass, sandbox evidence.Fact) evidence.Fact {
	for _, f := range p.Facts(evidence.Signals, "signal-runtime", "signal-pod", "signal-neighbour", "signal-host", "signal-unknown") {
		if f.About == p.About() && sandbox.At.Sub(f.At).Abs() <= unseenFor {
			return f
		}
	}
	return evidence.Fact{}
}

// ends cites the runs that ended, not more than a reader takes in.
func ends(list []evidence.Attempt) []evidence.Fact {
	var facts []evidence.Fact
	for _, a := range list[:min(len(list), 4)] {
		facts = append(facts, a.Fact())
	}
	return facts
}

// A kubelet that was down notices only when it is back, so the containers may have ended well before its Event; those that
// still ran it ends after. Pods of a node whose sandboxes are replaced within the same minutes share the reason.
const (
	before   = 10 * time.Minute
	after    = time.Minute
	together = 5 * time.Minute
)

// endedBy returns the runs of the pod that had begun before the Event and ended about then, at its first time or its last, the
// earliest end first.
func endedBy(p *diagnosis.Pass, first, last time.Time) []evidence.Attempt {
	list := slices.DeleteFunc(p.Attempts(), func(a evidence.Attempt) bool {
		about := func(at time.Time) bool {
			return !a.Started.Truncate(time.Second).After(at) && !a.Finished.Before(at.Add(-before)) && !a.Finished.After(at.Add(after))
		}
		return a.Expected != "" || a.Started.IsZero() || !about(first) && !about(last)
	})
	slices.SortStableFunc(list, func(a, b evidence.Attempt) int { return a.Finished.Compare(b.Finished) })
	return list
}

// untoldOf cites the restart counts of containers that began anew after the Event, where nobody tells how the run before ended.
func untoldOf(p *diagnosis.Pass, at time.Time) (facts []evidence.Fact) {
	for _, st := range p.PodStatus().ContainerStatuses {
		if !evidence.Untold(&st, p.Attempts(), p.Now()) {
			continue
		}
		began := st.State.Running.StartedAt.UTC()
		if since := began.Sub(at); since < -time.Second || since > after { // in whole seconds
			continue
		}
		facts = append(facts, evidence.Fact{
			Kind: evidence.Status, Source: evidence.FromStatus, About: p.About().InContainer(st.Name), At: began,
			Where: "status.containerStatuses[" + st.Name + "].restartCount", Text: fmt.Sprintf("restartCount %d", st.RestartCount),
		})
	}
	return facts
}

// changedTogether counts the other pods of the node whose sandbox was replaced about then.
func changedTogether(p *diagnosis.Pass, at time.Time) int {
	n := 0
	for _, pod := range diagnosis.List[*corev1.Pod](p, evidence.RefTo("Node", "", p.NodeName())) {
		ref := evidence.RefOf(pod)
		if ref == p.About() {
			continue
		}
		for _, other := range p.EventsOf(ref, "SandboxChanged") {
			if d := other.Last.Sub(at); d < together && d > -together {
				n++
				break
			}
		}
	}
	return n
}
