// SPDX-License-Identifier: Apache-2.0

package change

import (
	"fmt"
	"time"

	autoscalingv2 "k8s.io/api/autoscaling/v2"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// Contested recognises a workload that two programs keep rewriting against each other.
var Contested = &diagnosis.Rule{
	ID:    "CHG008",
	Title: "Two programs rewrite the workload against each other",
	Doc: `
The workload is scaled or rolled out to and fro: one program writes a value, another writes its own over it, again and
again. Pods are made and deleted all the time, and none of them is at fault. Usual pairs are an autoscaler and a GitOps tool
that keeps replicas in Git, or two operators that own one object.

**How it is told from its look-alikes.** Two facts must meet: the workload's own Events show that one ReplicaSet was scaled up
at least three times and down three times within half an hour, or one pod of a StatefulSet made and deleted so, and its
generation, which counts what was written to its spec, allows for that many; where the API server says when it was last
written, that was since. An autoscaler that follows a load that comes and goes is one writer: it says in Events of its own
that it scaled, as often as the workload was changed. A rollout, however many steps it takes, scales one ReplicaSet up and
the other down. Pods that fail or are evicted are made anew without anybody writing the spec. Of the writers the API server
keeps only the last one of each field.

**What to do.** Let one of them own the field: leave replicas out of the manifest where an autoscaler sets them, or exclude
the object from one of the operators.

The Events are written in kubernetes pkg/controller/deployment/sync.go and pkg/controller/statefulset; recorded from Kubernetes 1.37.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Workload,
	Needs:  evidence.Spec,
	Also:   evidence.Events,
	Effect: diagnosis.RolledOut,
	Run: func(p *diagnosis.Pass) {
		o, s := p.Object(p.About()), mostSwung(p)
		if s.up < toAndFro || s.down < toAndFro || s.last.Sub(s.first) > within || o.GetGeneration() < int64(s.up+s.down)/2 || alone(p, s.up+s.down) {
			return
		}
		generation := evidence.Fact{
			Kind: evidence.Status, Source: evidence.FromStatus, About: p.About(), Where: "metadata.generation", Text: fmt.Sprintf("generation %d", o.GetGeneration()),
		}
		who := ""
		if by, fact := lastWriter(o); by != "" {
			if fact.At.Before(s.first) {
				return // nobody has written it since
			}
			who, generation = ", and "+by+" wrote last", fact
		}
		p.Report(diagnosis.Finding{
			At: s.first, Confidence: diagnosis.Likely, Facts: append(s.facts[max(len(s.facts)-4, 0):], generation),
			Message: fmt.Sprintf("%s was scaled up %d times and down %d times within %s: two programs rewrite it against each other%s",
				p.About(), s.up, s.down, s.last.Sub(s.first).Round(time.Second), who),
			Fixes: []diagnosis.Fix{{
				Title:   "Let one program own the field: leave replicas out of the manifest where an autoscaler sets them",
				Command: fmt.Sprintf("kubectl get -n %s %s -o yaml --show-managed-fields --watch", p.About().Namespace, p.About()),
			}},
		})
	},
}

// A swing is how often one ReplicaSet of a Deployment was scaled up and down, or one pod of a StatefulSet made and deleted.
type swing struct {
	up, down    int
	first, last time.Time
	facts       []evidence.Fact
}

// scaled is how controllers say so (kubernetes pkg/controller/deployment/sync.go,
// pkg/controller/statefulset/stateful_pod_control.go).
var scaled = regex.New(`^(?:Scaled (up|down) replica set|(create|delete) Pod) (\S+) `)

// mostSwung returns the greatest swing within the pass's workload. In one rollout each goes one way only, or once.
func mostSwung(p *diagnosis.Pass) swing {
	all := map[string]swing{}
	for _, e := range p.Events("ScalingReplicaSet", "SuccessfulCreate", "SuccessfulDelete") {
		m := scaled.FindStringSubmatch(e.Message)
		if m == nil {
			continue
		}
		s := all[m[3]]
		if m[1] == "up" || m[2] == "create" {
			s.up += e.Count
		} else {
			s.down += e.Count
		}
		if len(s.facts) == 0 || e.First.Before(s.first) {
			s.first = e.First
		}
		s.last, s.facts = e.Last, append(s.facts, e.Fact()) // Events come in the order of their last time
		all[m[3]] = s
	}
	var most swing
	for _, s := range sorted(all) {
		if min(s.up, s.down) > min(most.up, most.down) {
			most = s
		}
	}
	return most
}

// lastWriter returns who last wrote how many pods a workload has, or of what kind.
func lastWriter(o evidence.Object) (string, evidence.Fact) {
	by, fact := writer(o, "f:spec", "f:replicas")
	if other, later := writer(o, "f:spec", "f:template"); later.At.After(fact.At) {
		return other, later
	}
	return by, fact
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
		if t := hpa.Spec.ScaleTargetRef; t.Kind != p.About().Kind || t.Name != p.About().Name {
			continue
		}
		for _, e := range p.EventsOf(evidence.RefOf(hpa), "SuccessfulRescale") {
			n += e.Count
		}
	}
	return n >= changes-1
}
