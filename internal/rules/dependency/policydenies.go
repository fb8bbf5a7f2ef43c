// SPDX-License-Identifier: Apache-2.0

package dependency

import (
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// PolicyDenies recognises a connection that a network policy forbids.
var PolicyDenies = &diagnosis.Rule{
	ID:    "DEP007",
	Title: "Network policy does not allow the connection",
	Doc: `
The program got no answer from a Service that has ready endpoints, and a network policy selects the pods behind the Service, or the
program's own pod, and allows no connection between the two on that port. Most network plugins drop what is not allowed, so
that it shows as a time-out; a few refuse.

**How it is told from its look-alikes.** The policies are evaluated as the API defines them: for each direction the connection needs one policy
that allows it, as soon as any selects the pod. Selectors and ports that cannot be judged are taken for allowed. A time-out without
such a policy is a slow or overloaded dependency, or the network. Where the network plugin does not enforce policies this
is not the reason, and nothing in the API says whether it does: the finding is never more than likely.

**What to do.** Allow the connection: a rule from the client's labels to the port in a policy that selects the target, and out to it, and
to port 53, where the client's own traffic is restricted.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Container,
	Needs:    evidence.Status,
	Also:     evidence.Logs | evidence.Spec,
	Effect:   diagnosis.NetworkFailed,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		c := callOf(p)
		if c.class != policyDenies {
			return
		}
		_, port := c.Host()
		np, _ := denial(p, &c, port)
		ref := evidence.RefOf(np)
		facts := []evidence.Fact{{
			Kind: evidence.Spec, Source: evidence.FromSpec, About: ref, At: np.CreationTimestamp.Time, Where: "spec.podSelector",
			Text: "podSelector " + printed(&np.Spec.PodSelector),
		}}
		if types := np.Spec.PolicyTypes; len(types) > 0 {
			facts = append(facts, evidence.Fact{
				Kind: evidence.Spec, Source: evidence.FromSpec, About: ref, At: np.CreationTimestamp.Time, Where: "spec.policyTypes",
				Text: fmt.Sprintf("policyTypes %v", types),
			})
		}
		f := c.finding(p, fmt.Sprintf("network policy %s does not allow it", np.Name), facts...)
		f.Fixes = []diagnosis.Fix{{
			Title: fmt.Sprintf("Allow the connection to %s in a network policy, or remove %s", c.what(), np.Name), Command: fmt.Sprintf("kubectl -n %s describe networkpolicy %s", np.Namespace, np.Name),
		}}
		p.Report(f)
	},
}

// printed prints a selector with the names that its fields have in the API.
func printed(s *metav1.LabelSelector) string {
	fields := map[string]any{}
	if len(s.MatchLabels) > 0 {
		fields["matchLabels"] = s.MatchLabels
	}
	var expressions []map[string]any
	for _, e := range s.MatchExpressions {
		one := map[string]any{"key": e.Key, "operator": e.Operator}
		if len(e.Values) > 0 {
			one["values"] = e.Values
		}
		expressions = append(expressions, one)
	}
	if len(expressions) > 0 {
		fields["matchExpressions"] = expressions
	}
	return fmt.Sprint(fields)
}
