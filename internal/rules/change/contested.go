// SPDX-License-Identifier: Apache-2.0

package change

import (
	"fmt"
	"strings"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Contested recognises a workload that two programs keep rewriting against each other.
var Contested = &diagnosis.Rule{
	ID:    "CHG008",
	Title: "Two programs rewrite the workload against each other",
	Doc: `
The workload is scaled or rolled out to and fro: one program writes a value, another writes its own over it, again and
again. Pods are made and deleted all the time, and none of them is at fault. Usual pairs are an autoscaler and a GitOps tool
that keeps replicas in Git, or two operators that own one object.

**How it is told from its look-alikes.** Two facts must meet: the workload's own Events show at least three changes up and
three down within half an hour, and its generation, which counts what was written to its spec, has gone up with them. An
autoscaler that follows a load that comes and goes is one writer: it says in Events of its own that it scaled, as often as
the workload was changed. A rollout goes one way. Of the writers the API server keeps only the last one of each field.

**What to do.** Let one of them own the field: leave replicas out of the manifest where an autoscaler sets them, or exclude
the object from one of the operators.

The Events are written in kubernetes pkg/controller/deployment/sync.go; recorded from Kubernetes 1.37.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Workload,
	Needs:  evidence.Spec,
	Also:   evidence.Events,
	Effect: diagnosis.RolledOut,
	Run: func(p *diagnosis.Pass) {
		o := p.Object(p.About())
		up, down := 0, 0
		var first, latest time.Time
		var facts []evidence.Fact
		for _, e := range p.Events("ScalingReplicaSet", "SuccessfulCreate", "SuccessfulDelete") {
			switch {
			case strings.HasPrefix(e.Message, "Scaled up"), e.Reason == "SuccessfulCreate":
				up += e.Count
			case strings.HasPrefix(e.Message, "Scaled down"), e.Reason == "SuccessfulDelete":
				down += e.Count
			default:
				continue
			}
			if first.IsZero() || e.First.Before(first) {
				first = e.First
			}
			latest = e.Last
			facts = append(facts, e.Fact())
		}
		if o == nil || metav1.GetControllerOf(o) != nil || up < toAndFro || down < toAndFro || latest.Sub(first) > within || o.GetGeneration() < int64(up+down)/2 || alone(p, up+down) {
			return
		}
		generation := evidence.Fact{
			Kind: evidence.Status, Source: evidence.FromStatus, About: p.About(), Where: "metadata.generation", Text: fmt.Sprintf("generation %d", o.GetGeneration()),
		}
		who := ""
		if by, fact := writer(o, "f:spec", "f:replicas"); by != "" {
			who = ", and " + by + " wrote last"
			generation = fact
		}
		facts = append(facts[max(len(facts)-4, 0):], generation)
		p.Report(diagnosis.Finding{
			At: first, Confidence: diagnosis.Likely, Facts: facts,
			Message: fmt.Sprintf("%s was scaled up %d times and down %d times within %s: two programs rewrite it against each other%s",
				p.About(), up, down, latest.Sub(first).Round(time.Second), who),
			Fixes: []diagnosis.Fix{{
				Title:   "Let one program own the field: leave replicas out of the manifest where an autoscaler sets them",
				Command: fmt.Sprintf("kubectl get -n %s %s -o yaml --show-managed-fields --watch", p.About().Namespace, p.About()),
			}},
		})
	},
}

// How often a workload must have been changed each way, and within what time, to be contested.
const (
	toAndFro = 3
	within   = 30 * time.Minute
)

// alone tells whether autoscalers account for the changes: each one that scaled says so in an Event of its own.
func alone(p *diagnosis.Pass, changes int) bool {
	n := 0
	for _, hpa := range diagnosis.List[*autoscalingv2.HorizontalPodAutoscaler](p, evidence.RefTo("Namespace", "", p.About().Namespace)) {
		for _, e := range p.EventsOf(evidence.RefOf(hpa), "SuccessfulRescale") {
			if t := hpa.Spec.ScaleTargetRef; t.Kind == p.About().Kind && t.Name == p.About().Name {
				n += e.Count
			}
		}
	}
	return n >= changes-1
}
