// SPDX-License-Identifier: Apache-2.0

package usage

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metricsv1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// NodeBusy recognises a node whose processors are all in use.
var NodeBusy = &diagnosis.Rule{
	ID:    "USE003",
	Title: "Node's processors are all in use",
	Doc: `
What runs on the node uses 90 % of its processors or more. Everybody gets what the requests say, and those with a small request or none get little: they start slowly and miss their probes.

**How it is told from its look-alikes.** By the node's usage in the metrics API, of the whole machine and not only of pods; where the kubelet tells its pressure (PSI), 80 % are enough when something waited for a processor in 2 % of the last minute. Probes that fail on a node with time to spare have another reason: a CPU limit, a slow disk. It is reported only where
something follows from it, because a node that is busy does what it is for.

**What to do.** The largest consumers are named. Give those that matter a request of what they need, limit or move the others, add nodes.

A usage of far more processors than the node has comes from a counter that began anew, and is not believed. 80 % with pressure, and 2 %, are where published rules have it. The pressure is that of the kubelet's /stats/summary.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Node,
	Needs:  evidence.Usage | evidence.Node,
	Also:   evidence.Spec | evidence.Status,
	Effect: diagnosis.NodeBusy,
	Change: true,
	Run: func(p *diagnosis.Pass) {
		node := cmp.Or(p.Node(), &corev1.Node{})
		used, known := usedOf(p)
		if !known {
			return
		}
		has := node.Status.Capacity.Cpu()
		waits := pressed(p, "psi.cpu.some")
		share := busyShare
		if len(waits) > 0 {
			share = pressedShare
		}
		all := has.AsApproximateFloat64()
		if has.IsZero() || used.Value < share*all || used.Value > more*all {
			return
		}
		facts := []evidence.Fact{used, {
			Kind: evidence.Node, Source: evidence.FromStatus, About: p.About(), Where: "status.capacity.cpu", Text: "cpu " + has.String(),
		}}
		facts = append(facts, waits...)
		names := largest(p)
		message := fmt.Sprintf("the processors of node %s are %d%% in use", p.About().Name, int(100*used.Value/all))
		if len(names) > 0 {
			message += ", mostly by " + strings.Join(names, ", ")
		}
		p.Report(diagnosis.Finding{
			Confidence: diagnosis.Likely, Facts: facts, Message: message,
			Fixes: []diagnosis.Fix{{Title: "Move or limit what uses most on node " + p.About().Name, Command: "kubectl top pods -A --sort-by cpu | head"}},
		})
	},
}

// usedOf returns what the node uses of its processors, as the metrics API says or the kubelet.
func usedOf(p *diagnosis.Pass) (evidence.Fact, bool) {
	if m, ok := diagnosis.Get[*metricsv1.NodeMetrics](p, "", p.About().Name); ok {
		return cite(evidence.RefOf(m), m.Timestamp.Time, "usage.", corev1.ResourceCPU, m.Usage), true
	}
	return byKubelet(p, corev1.ResourceCPU)
}

const (
	busyShare    = 0.9 // of the processors
	pressedShare = 0.8 // of them, where something waits for one
	more         = 1.5 // of them: what nothing can use; a rate that is taken of a counter that began anew says such things
	stall        = 2.0 // percent of the last minute
)

// pressed returns the fact that the thing itself stood still for want of something.
func pressed(p *diagnosis.Pass, name string) []evidence.Fact {
	for _, f := range p.Facts(evidence.Usage, name) {
		if about(p, f) && f.Value >= stall {
			return []evidence.Fact{f}
		}
	}
	return nil
}

// largest names the pods of the node that use most, with what they use.
func largest(p *diagnosis.Pass) []string {
	var all []*metricsv1.PodMetrics
	for _, pod := range diagnosis.List[*corev1.Pod](p, p.About()) {
		if m, ok := diagnosis.Get[*metricsv1.PodMetrics](p, pod.Namespace, pod.Name); ok {
			all = append(all, m)
		}
	}
	slices.SortFunc(all, func(a, b *metricsv1.PodMetrics) int {
		return cmp.Or(cmp.Compare(total(b), total(a)), cmp.Compare(a.Name, b.Name))
	})
	var names []string
	for _, m := range all[:min(len(all), 3)] {
		names = append(names, fmt.Sprintf("%s/%s (%dm)", m.Namespace, m.Name, total(m)))
	}
	return names
}

// total is what a pod uses in thousandths of a processor.
func total(m *metricsv1.PodMetrics) int64 {
	var sum int64
	for i := range m.Containers {
		sum += m.Containers[i].Usage.Cpu().MilliValue()
	}
	return sum
}
