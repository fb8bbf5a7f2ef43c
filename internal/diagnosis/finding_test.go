// SPDX-License-Identifier: Apache-2.0

package diagnosis

import (
	"testing"

	"github.com/kubeinquest/inquest/internal/evidence"
)

func TestLikelyTakesTwoFacts(t *testing.T) {
	pod, node := evidence.RefTo("Pod", "shop", "web-0"), evidence.RefTo("Node", "", "n1")
	fact := func(source evidence.Source, about evidence.Ref, where, name string) evidence.Fact {
		return evidence.Fact{Kind: evidence.Events, Source: source, About: about, Where: where, Name: name, Text: where}
	}
	event := fact(evidence.FromEvent, pod, "events", "")
	for name, c := range map[string]struct {
		facts []evidence.Fact
		want  Confidence
	}{
		"one Event":                       {[]evidence.Fact{event}, Possible},
		"what it repeats":                 {[]evidence.Fact{event, event, event}, Possible},
		"an Event of another thing":       {[]evidence.Fact{event, fact(evidence.FromEvent, node, "events", "")}, Likely},
		"what was asked for agrees":       {[]evidence.Fact{event, fact(evidence.FromSpec, pod, "spec.nodeName", "")}, Likely},
		"two fields of a spec":            {[]evidence.Fact{fact(evidence.FromSpec, pod, "spec.a", ""), fact(evidence.FromSpec, pod, "spec.b", "")}, Likely},
		"one figure":                      {[]evidence.Fact{fact(evidence.FromMetric, node, "/metrics", "a")}, Possible},
		"two figures":                     {[]evidence.Fact{fact(evidence.FromMetric, node, "/metrics", "a"), fact(evidence.FromMetric, node, "/metrics", "b")}, Likely},
		"the status":                      {[]evidence.Fact{fact(evidence.FromStatus, pod, "status.phase", "")}, Likely},
		"an Event, and the status agrees": {[]evidence.Fact{event, fact(evidence.FromStatus, pod, "status.phase", "")}, Likely},
	} {
		r := &Rule{ID: "AAA001", Scope: Cluster, Needs: evidence.Events, Run: func(p *Pass) {
			p.Report(Finding{Confidence: Likely, Message: "it is so", Facts: c.facts})
		}}
		s := (&evidence.Snapshot{Has: evidence.Events}).Freeze()
		found := Run(s, []*Rule{r}).Findings
		if len(found) != 1 || found[0].Confidence != c.want {
			t.Errorf("%s: %v, want one that is %v", name, found, c.want)
		}
	}
}
