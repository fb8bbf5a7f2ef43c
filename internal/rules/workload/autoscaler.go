// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"fmt"
	"strings"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// AutoscalerBlind recognises a HorizontalPodAutoscaler that cannot read what it scales by.
var AutoscalerBlind = &diagnosis.Rule{
	ID:    "WRK009",
	Title: "HorizontalPodAutoscaler cannot scale",
	Doc: `
The autoscaler of the workload does not scale: it cannot read its metric, cannot work out a number from it because a
container has no request for the resource, or does not find what it scales. The workload keeps the size that it has.

**How it is told from its look-alikes.** Its condition ScalingActive is False with a reason that names the failure, or
AbleToScale is False. ScalingDisabled is none: the workload is at zero (WRK002). Pods that have just started have no
metrics for a minute or two, so a failure of less than that counts only where it cannot pass by itself, as a missing
request. An autoscaler at its limit reads its metric well (WRK010).

**What to do.** Set a request for the resource on every container, sidecars too; or repair the metrics API (metrics-server,
the adapter for custom metrics) that the message names.

The conditions are set in kubernetes pkg/controller/podautoscaler/horizontal.go; recorded from Kubernetes 1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Workload,
	Needs:    evidence.Spec,
	Effect:   diagnosis.Unavailable,
	CausedBy: []diagnosis.Effect{diagnosis.ControlPlaneSlow, diagnosis.DependencyDown},
	Run: func(p *diagnosis.Pass) {
		for _, hpa := range scalersOf(p) {
			for _, kind := range []autoscalingv2.HorizontalPodAutoscalerConditionType{autoscalingv2.AbleToScale, autoscalingv2.ScalingActive} {
				c := scalerCondition(hpa, kind)
				if c == nil || c.Status != corev1.ConditionFalse || c.Reason == "ScalingDisabled" || passes(p, c) || strings.HasPrefix(c.Reason, "Backoff") {
					continue
				}
				p.Report(diagnosis.Finding{
					At: c.LastTransitionTime.Time, Confidence: diagnosis.Certain,
					Message: fmt.Sprintf("hpa %s cannot scale %s: %s", hpa.Name, p.About(), meaning(c)),
					Facts:   []evidence.Fact{scalerFact(hpa, c)},
					Fixes:   []diagnosis.Fix{scalerFix(hpa, c)},
				})
				break
			}
		}
	},
}

// AutoscalerAtMaximum recognises an autoscaler that would add pods and may not.
var AutoscalerAtMaximum = &diagnosis.Rule{
	ID:    "WRK010",
	Title: "HorizontalPodAutoscaler is at its maximum",
	Doc: `
The metric asks for more pods than maxReplicas allows: the workload is loaded beyond what its autoscaler may do about it.
Slow answers, probes that time out and out-of-memory kills under load follow from that.

**How it is told from its look-alikes.** The condition ScalingLimited has the reason TooManyReplicas, and the
current number of pods is the maximum. TooFewReplicas is the other end: the load would be met by less than minReplicas.
A workload at its maximum that asks for no more is not limited.

**What to do.** Raise maxReplicas if the cluster has room, give each pod more, or find out where the load comes from.

The condition is set in kubernetes pkg/controller/podautoscaler/horizontal.go.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Workload,
	Needs:    evidence.Spec,
	Effect:   diagnosis.Unavailable,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged},
	Run: func(p *diagnosis.Pass) {
		for _, hpa := range scalersOf(p) {
			c := scalerCondition(hpa, autoscalingv2.ScalingLimited)
			if c == nil || c.Reason != "TooManyReplicas" || hpa.Status.CurrentReplicas < hpa.Spec.MaxReplicas {
				continue
			}
			p.Report(diagnosis.Finding{
				At: c.LastTransitionTime.Time, Confidence: diagnosis.Certain,
				Message: fmt.Sprintf("hpa %s has scaled %s to its maximum of %d, and the load asks for more", hpa.Name, p.About(), hpa.Spec.MaxReplicas),
				Facts: []evidence.Fact{scalerFact(hpa, c), {
					Kind: evidence.Status, Source: evidence.FromStatus, About: evidence.RefOf(hpa), Where: "status.currentReplicas", Text: fmt.Sprintf("currentReplicas %d", hpa.Status.CurrentReplicas),
				}},
				Fixes: []diagnosis.Fix{{
					Title: fmt.Sprintf("Raise maxReplicas of hpa %s if the cluster has room, or give each pod more", hpa.Name),
					Risk:  diagnosis.Restart,
					Patch: &diagnosis.Patch{Target: evidence.RefOf(hpa), Type: diagnosis.Strategic, Data: fmt.Sprintf(`{"spec":{"maxReplicas":%d}}`, 2*hpa.Spec.MaxReplicas)},
				}},
			})
		}
	},
}

// scalersOf returns the autoscalers of the pass's workload.
func scalersOf(p *diagnosis.Pass) []*autoscalingv2.HorizontalPodAutoscaler {
	var list []*autoscalingv2.HorizontalPodAutoscaler
	for _, hpa := range diagnosis.List[*autoscalingv2.HorizontalPodAutoscaler](p, evidence.RefTo("Namespace", "", p.About().Namespace)) {
		t := hpa.Spec.ScaleTargetRef
		if t.Kind == p.About().Kind && t.Name == p.About().Name {
			list = append(list, hpa)
		}
	}
	return list
}

func scalerCondition(hpa *autoscalingv2.HorizontalPodAutoscaler, kind autoscalingv2.HorizontalPodAutoscalerConditionType) *autoscalingv2.HorizontalPodAutoscalerCondition {
	for i := range hpa.Status.Conditions {
		if hpa.Status.Conditions[i].Type == kind {
			return &hpa.Status.Conditions[i]
		}
	}
	return nil
}

// warmUp is how long metrics of new pods may take: the kubelet's first sample, metrics-server's next scrape (15 s), and
// the autoscaler's initial readiness delay and cpu initialization period of up to five minutes.
const warmUp = 5 * time.Minute

// passes tells whether a failure may still pass by itself.
func passes(p *diagnosis.Pass, c *autoscalingv2.HorizontalPodAutoscalerCondition) bool {
	young := strings.Contains(c.Message, "no metrics returned") || strings.Contains(c.Message, "did not receive metrics")
	return young && p.Now().Sub(c.LastTransitionTime.Time) < warmUp
}

// meaning says what keeps an autoscaler from scaling.
func meaning(c *autoscalingv2.HorizontalPodAutoscalerCondition) string {
	switch {
	case strings.Contains(c.Message, "missing request for "):
		_, what, _ := strings.Cut(c.Message, "missing request for ")
		return "there is no request for " + what
	case strings.Contains(c.Message, "could not find the requested resource"), strings.Contains(c.Message, "unable to fetch metrics"), strings.Contains(c.Message, "currently unable to handle"):
		return "the metrics API does not answer: " + tail(c.Message)
	}
	return tail(c.Message)
}

// tail leaves out what every message of the autoscaler begins with.
func tail(message string) string {
	for _, head := range []string{"the HPA was unable to compute the replica count: ", "the HPA controller was unable to get the target's current scale: "} {
		message = strings.TrimPrefix(message, head)
	}
	return message
}

func scalerFact(hpa *autoscalingv2.HorizontalPodAutoscaler, c *autoscalingv2.HorizontalPodAutoscalerCondition) evidence.Fact {
	return evidence.Fact{
		Kind: evidence.Status, Source: evidence.FromStatus, About: evidence.RefOf(hpa), At: c.LastTransitionTime.UTC(),
		Where: fmt.Sprintf("status.conditions[%s]", c.Type), Text: conditionText(string(c.Status), c.Reason, c.Message),
	}
}

func scalerFix(hpa *autoscalingv2.HorizontalPodAutoscaler, c *autoscalingv2.HorizontalPodAutoscalerCondition) diagnosis.Fix {
	if strings.Contains(c.Message, "missing request for ") {
		return diagnosis.Fix{Title: "Set a request for the resource on every container of the pod template, sidecars too"}
	}
	return diagnosis.Fix{
		Title:   "See whether the metrics API that the message names is served and well",
		Command: fmt.Sprintf("kubectl get apiservices | grep metrics; kubectl describe -n %s hpa %s", hpa.Namespace, hpa.Name),
	}
}
