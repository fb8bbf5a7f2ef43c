// SPDX-License-Identifier: Apache-2.0

package change

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

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
three down, and the API server keeps that two different writers wrote it within these minutes. An autoscaler that follows
a load that comes and goes is one writer.

**What to do.** Let one of them own the field: leave replicas out of the manifest where an autoscaler sets them, or exclude
the object from one of the operators.

The Events are written in kubernetes pkg/controller/deployment/sync.go; recorded from Kubernetes 1.37.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Workload,
	Needs:  evidence.Spec | evidence.Events,
	Also:   evidence.Status,
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
		if o == nil || up < toAndFro || down < toAndFro || latest.Sub(first) > within {
			return
		}
		who := writers(o, first.Add(-within))
		if len(who) < 2 {
			return
		}
		names := make([]string, 0, len(who))
		for _, f := range who {
			name, _, _ := strings.Cut(f.Text, " wrote ")
			names = append(names, name)
		}
		facts = append(facts[max(len(facts)-4, 0):], who...)
		p.Report(diagnosis.Finding{
			At: first, Confidence: diagnosis.Likely, Facts: facts,
			Message: fmt.Sprintf("%s was changed up %d times and down %d times within %s: %s rewrite it against each other",
				p.About(), up, down, latest.Sub(first).Round(time.Second), strings.Join(names, " and ")),
			Fixes: []diagnosis.Fix{{Title: fmt.Sprintf("Let one of %s own the field: leave replicas out of the manifest where an autoscaler sets them", strings.Join(names, " and "))}},
		})
	},
}

// How often a workload must have been changed each way, and within what time, to be contested.
const (
	toAndFro = 3
	within   = 30 * time.Minute
)

// writers cites the different programs and people that wrote the replicas or the template of a workload since then.
func writers(o evidence.Object, since time.Time) []evidence.Fact {
	var facts []evidence.Fact
	for _, e := range o.GetManagedFields() {
		var fields map[string]map[string]any
		if e.FieldsV1 == nil || e.Time == nil || e.Time.Time.Before(since) || json.Unmarshal(e.FieldsV1.GetRawBytes(), &fields) != nil {
			continue
		}
		name := e.Manager
		if name == "kube-controller-manager" {
			name = "a HorizontalPodAutoscaler"
		}
		known := slices.ContainsFunc(facts, func(f evidence.Fact) bool { return strings.HasPrefix(f.Text, name+" ") })
		for _, field := range []string{"f:replicas", "f:template"} {
			if _, ok := fields["f:spec"][field]; ok && !known {
				facts = append(facts, evidence.Fact{
					Kind: evidence.Status, Source: evidence.FromStatus, About: evidence.RefOf(o), At: e.Time.UTC(), Where: "metadata.managedFields",
					Text: name + " wrote spec." + strings.TrimPrefix(field, "f:"),
				})
				known = true
			}
		}
	}
	return facts
}
