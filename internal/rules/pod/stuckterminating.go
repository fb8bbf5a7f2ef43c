// SPDX-License-Identifier: Apache-2.0

package pod

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// StuckTerminating recognises a pod whose deletion does not come to an end.
var StuckTerminating = &diagnosis.Rule{
	ID:    "DEL002",
	Title: "Pod is stuck terminating",
	Doc: `
The pod was deleted and is still there. Either no container of it runs and a finalizer keeps the object until whoever
set it takes it off; or a container still runs, because its node does not report, its runtime cannot kill it, or its
preStop hook takes the whole of a long grace period.

**How it is told from its look-alikes.** deletionTimestamp includes the grace period, so a pod is stuck when it is past by
more than 30 seconds, which the kubelet may need to unmount and report. Within the grace period a pod that terminates is
in order (DEL001 says so of containers that ended), with one exception: a preStop hook that runs for half a minute longer
than the sleeps in it ask for may hang, and that finding is only possible, since the program may be finishing its work.
On a node that is not ready (NOD001) the status is old, and nobody knows whether the containers ended.

**What to do.** Repair or restart what handles the finalizer; remove a finalizer by hand only if its handler is gone for
good. Bound what the preStop hook waits for. Force a deletion only if the process is known to be gone: a StatefulSet may
otherwise run twice.

How the fields are set is in kubernetes pkg/registry/core/pod; recorded from Kubernetes 1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Pod,
	Needs:    evidence.Status,
	Also:     evidence.Spec | evidence.Events | evidence.Node,
	Effect:   diagnosis.StuckTerminating,
	CausedBy: []diagnosis.Effect{diagnosis.NodeLost, diagnosis.RuntimeFailed, diagnosis.NetworkFailed, diagnosis.HookFailed},
	Run: func(p *diagnosis.Pass) {
		d, ok := read(p)
		if !ok {
			return
		}
		overdue, running := p.Now().Sub(d.due), runningIn(p)
		d.facts = append(d.facts, running...)
		away, isAway := nodeAway(p)
		switch {
		case overdue <= 0:
			hooked(p, d, running)
		case overdue <= settle: // it may go any moment
		case len(running) == 0 && len(p.PodMeta().Finalizers) > 0:
			kept(p, d, overdue)
		case isAway:
			lost(p, d, overdue, away)
		case len(running) > 0:
			unkilled(p, d, overdue, running)
		default:
			unclean(p, d, overdue)
		}
	},
}

// settle is how long the kubelet may need, after the grace period, to unmount and report.
const settle = 30 * time.Second

// kept reports a pod of which no container runs, and that a finalizer keeps.
func kept(p *diagnosis.Pass, d deletion, overdue time.Duration) {
	finalizers := p.PodMeta().Finalizers
	list := strings.Join(finalizers, ", ")
	p.Report(diagnosis.Finding{
		At: d.ordered, Confidence: diagnosis.Certain,
		Message: fmt.Sprintf("pod %s was to be gone %s ago; no container of it runs, and finalizer %s keeps it", p.About().Name, age(overdue), list),
		Facts: append(d.facts, evidence.Fact{
			Kind: evidence.Status, Source: evidence.FromStatus, About: p.About(), Where: "metadata.finalizers", Text: "finalizers " + strings.Join(finalizers, " "),
		}),
		Fixes: []diagnosis.Fix{
			{Title: "Repair what handles finalizer " + list + ": it has not taken it off"},
			{
				Title:   "Remove the finalizers by hand, if their handler is gone for good",
				Command: fmt.Sprintf(`kubectl patch -n %s %s --type=json -p '[{"op":"remove","path":"/metadata/finalizers"}]'`, p.About().Namespace, p.About()),
			},
		},
	})
}

// nodeAway cites that the pod's node does not report.
func nodeAway(p *diagnosis.Pass) (evidence.Fact, bool) {
	c, ok := p.CiteNodeCondition(corev1.NodeReady)
	return c, ok && !strings.HasPrefix(c.Text, "status True")
}

// lost reports a pod of which nothing is known since its node does not report. The node may have been lost after the request.
func lost(p *diagnosis.Pass, d deletion, overdue time.Duration, away evidence.Fact) {
	p.Report(diagnosis.Finding{
		At: p.Now(), Confidence: diagnosis.Certain, Facts: append(d.facts, away),
		Message: fmt.Sprintf("pod %s was to be gone %s ago; node %s is not ready, so nobody knows what of the pod still runs",
			p.About().Name, age(overdue), p.NodeName()),
		Fixes: []diagnosis.Fix{{
			Title:   fmt.Sprintf("Bring node %s back, or delete its Node object if it is gone for good: its pods go with it", p.NodeName()),
			Command: describe(p),
		}},
	})
}

// unkilled reports a pod with containers that have outlived their grace period.
func unkilled(p *diagnosis.Pass, d deletion, overdue time.Duration, running []evidence.Fact) {
	p.Report(diagnosis.Finding{
		At: d.ordered, Confidence: diagnosis.Certain, Facts: append(d.facts, failures(p)...),
		Message: fmt.Sprintf("pod %s was to be gone %s ago, and its kubelet has not ended %s", p.About().Name, age(overdue), listed(containers(running))),
		Fixes: []diagnosis.Fix{{
			Title:   fmt.Sprintf("Look on node %s at why the runtime cannot end the process: it hangs in the kernel, or the runtime does", p.NodeName()),
			Command: describe(p),
		}},
	})
}

// unclean reports a pod of which no container runs, and that its kubelet has not taken away.
func unclean(p *diagnosis.Pass, d deletion, overdue time.Duration) {
	p.Report(diagnosis.Finding{
		At: d.ordered, Confidence: diagnosis.Certain, Facts: append(d.facts, failures(p)...),
		Message: fmt.Sprintf("pod %s was to be gone %s ago; no container of it runs, and its kubelet has not finished cleaning up", p.About().Name, age(overdue)),
		Fixes: []diagnosis.Fix{{
			Title:   fmt.Sprintf("Look at what the kubelet of node %s cannot clean up: volumes, the network", p.NodeName()),
			Command: fmt.Sprintf("kubectl describe -n %s %s", p.About().Namespace, p.About()),
		}},
	})
}

// failures cites what the kubelet says of its tries to end the pod.
func failures(p *diagnosis.Pass) []evidence.Fact {
	var facts []evidence.Fact
	for _, e := range p.Events("FailedKillPod", "FailedPreStopHook", "ExceededGracePeriod") {
		facts = append(facts, e.Fact())
	}
	return facts
}

func containers(facts []evidence.Fact) []string {
	var names []string
	for _, f := range facts {
		names = append(names, f.About.Container)
	}
	return names
}

func listed(names []string) string {
	if len(names) == 1 {
		return "container " + names[0]
	}
	return "containers " + strings.Join(names, ", ")
}

func describe(p *diagnosis.Pass) string { return "kubectl describe node " + p.NodeName() }

func age(d time.Duration) string { return d.Round(time.Second).String() }
