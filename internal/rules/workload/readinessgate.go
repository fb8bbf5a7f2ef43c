// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// ReadinessGate recognises a pod that waits for a condition that somebody outside of it must set.
var ReadinessGate = &diagnosis.Rule{
	ID:    "WRK012",
	Title: "Readiness gate of the pod is not open",
	Doc: `
The pod's containers are ready, and the pod is not: its spec names a readiness gate, a condition that another program has
to set to True, as a load balancer's controller does when the pod is registered there. Nobody set it, or it is False. The
pod gets no traffic from its Services, and a rollout waits for it.

**How it is told from its look-alikes.** ContainersReady is True and Ready is False. A readiness probe that fails makes both
False (PRB003). Whether the condition does not exist, which means that its program is not at work for this pod, or is
False, which is that program's answer, is told apart. A pod that has waited for less than half a minute may yet get it.

**What to do.** See whether the controller that owns the gate runs and looks at this pod; read its log. Remove the gate from
the template if that controller is gone.

How gates count is in kubernetes pkg/kubelet/status/generate.go (GeneratePodReadyCondition); recorded from Kubernetes 1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Pod,
	Needs:    evidence.Spec | evidence.Status,
	Effect:   diagnosis.NotReady,
	CausedBy: []diagnosis.Effect{diagnosis.DependencyDown, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		st := p.PodStatus()
		if p.PodMeta().DeletionTimestamp != nil || is(st, corev1.ContainersReady) != corev1.ConditionTrue {
			return
		}
		var shut []string
		var facts []evidence.Fact
		for _, gate := range p.PodSpec().ReadinessGates {
			switch is(st, gate.ConditionType) {
			case corev1.ConditionTrue:
				continue
			case "":
				shut = append(shut, fmt.Sprintf("%s, which nobody has set", gate.ConditionType))
			default:
				f, _ := p.CitePodCondition(gate.ConditionType)
				facts = append(facts, f)
				shut = append(shut, fmt.Sprintf("%s, which is %s", gate.ConditionType, is(st, gate.ConditionType)))
			}
		}
		fact, _ := p.CitePodCondition(corev1.PodReady)
		if len(shut) == 0 || p.Now().Sub(fact.At) < openWithin {
			return
		}
		p.Report(diagnosis.Finding{
			At: fact.At, Confidence: diagnosis.Certain, Facts: append([]evidence.Fact{fact}, facts...),
			Message: fmt.Sprintf("containers of pod %s are ready, and the pod waits for its readiness gate %s", p.About().Name, strings.Join(shut, "; and ")),
			Fixes: []diagnosis.Fix{
				{Title: "See whether the controller that sets the condition runs and looks at this pod"},
				{Title: "Remove the readiness gate from the template, if that controller is gone"},
			},
		})
	},
}

// is returns the status of a condition, "" where it does not exist.
func is(st *corev1.PodStatus, kind corev1.PodConditionType) corev1.ConditionStatus {
	for _, c := range st.Conditions {
		if c.Type == kind {
			return c.Status
		}
	}
	return ""
}

// openWithin is what the program that opens a gate may take: a load balancer registers a target within some seconds.
const openWithin = 30 * time.Second
