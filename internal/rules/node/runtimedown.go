// SPDX-License-Identifier: Apache-2.0

package node

import (
	"path"
	"slices"
	"strings"
	"time"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// RuntimeDown recognises a container runtime that does not answer.
var RuntimeDown = &diagnosis.Rule{
	ID:    "NOD004",
	Title: "Container runtime does not answer",
	Doc: `
The container runtime of the node (containerd, CRI-O, docker) does not answer the kubelet: it does not run, its socket refuses, or it is frozen. Containers that run go on; nothing
is started, stopped, probed by exec or reported, and the node becomes NotReady.

**How it is told from its look-alikes.** By the condition Ready of the kubelet ("container runtime is down", RuntimeReady=false), by repeated refusals of the socket in its log, or by the node's agent, which asks the
runtime itself and has had no answer since, or by the runtime's unit that has failed. A single refusal is a restart of the runtime and passes, and so does a short absence that an agent saw; one that answers again is told of only where something followed from it. Where it answers everything but
what one container is about, it is that container that is stuck. "PLEG is not healthy" without these means that it answers too slowly. A condition Unknown means that the kubelet itself is silent.

**What to do.** Look at the runtime's own log, at disk and memory of the node; restart the runtime, which leaves containers running.

The words are in kubernetes pkg/kubelet/runtime.go. Recorded from Kubernetes 1.37 with a frozen containerd.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Node,
	Needs:    evidence.Node,
	Also:     evidence.Host | evidence.Spec | evidence.Status,
	Effect:   diagnosis.RuntimeFailed,
	CausedBy: []diagnosis.Effect{diagnosis.KernelFailed, diagnosis.DeviceFailed, diagnosis.NodeSaturated, diagnosis.NodePressure, diagnosis.StorageFull},
	Run: func(p *diagnosis.Pass) {
		facts := says(p, runtimeGone...)
		if silent := deaf(p); len(silent) > 0 {
			facts = append(silent, says(p, append(runtimeGone, plegWords)...)...)
		}
		refused := troubles(p, "runtime-down")
		if len(refused) >= manyRefusals {
			facts = append(facts, refused...)
		}
		message := "the container runtime of " + nodeName(p) + " does not answer: nothing can be started or stopped there"
		if len(facts) == 0 {
			if facts = stuck(p); len(facts) == 0 || len(says(p, plegWords)) > 0 {
				return
			}
			message = "the container runtime of " + nodeName(p) + " answers nothing about container " + short(facts[0]) + ": that one is stuck"
		}
		p.Report(diagnosis.Finding{
			Confidence: diagnosis.Certain, Facts: few(facts), Message: message,
			Fixes: look("See what the runtime says of itself, and restart it", "systemctl status containerd; journalctl -u containerd -n 50; systemctl restart containerd"),
		})
	},
}

// manyRefusals is how many refusals of the socket are more than a restart: the kubelet tries again each second or so.
const manyRefusals = 3

// runtimeGone are the words of a kubelet that has no runtime.
var runtimeGone = []string{"container runtime is down", "container runtime not ready", "container runtime status check may not have completed", "runtime not ready: RuntimeReady=false", "RuntimeReady=false"}

// restartTime is how long a runtime that is restarted may be away.
const restartTime = 10 * time.Second

// oneContainer is how an agent names a call that is about one container, whose id follows.
const oneContainer = "cri/ContainerStatus/"

// deaf returns what the node's agent tells of a runtime that does not answer it now: a call that hangs, whatever it is about the
// node, or no runtime at all for longer than a restart takes.
func deaf(p *diagnosis.Pass) []evidence.Fact {
	hung := slices.DeleteFunc(lasting(spells(p, "runtime-hung", "runtime-answers")), aboutOne)
	gone := slices.DeleteFunc(lasting(spells(p, "runtime-gone", "runtime-back")), func(f evidence.Fact) bool { return p.Now().Sub(f.At) < restartTime })
	facts := slices.Concat(hung, gone, failedUnits(p, "containerd", "crio", "docker"))
	slices.SortStableFunc(facts, func(a, b evidence.Fact) int { return a.At.Compare(b.At) })
	return facts
}

// stuck returns what the agent tells of containers about which the runtime does not answer, while it answers all else.
func stuck(p *diagnosis.Pass) []evidence.Fact {
	return slices.DeleteFunc(lasting(spells(p, "runtime-hung", "runtime-answers")), func(f evidence.Fact) bool { return !aboutOne(f) })
}

func aboutOne(f evidence.Fact) bool { return strings.HasPrefix(f.Where, oneContainer) }

// short is the id of the container that a call is about, as crictl shows it.
func short(f evidence.Fact) string {
	id := path.Base(f.Where)
	return id[:min(len(id), 13)]
}
