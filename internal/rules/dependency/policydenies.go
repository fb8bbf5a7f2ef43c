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
		np, denies := denial(p, &c, port)
		if !denies {
			return
		}
		ref := evidence.RefOf(np)
		f := c.finding(p, fmt.Sprintf("network policy %s does not allow it", np.Name), evidence.Fact{
			Kind: evidence.Spec, Source: evidence.FromSpec, About: ref, At: np.CreationTimestamp.Time, Where: "spec.podSelector",
			Text: fmt.Sprintf("selects %s, types %v", describe(&np.Spec.PodSelector), np.Spec.PolicyTypes),
		})
		f.Fixes = []diagnosis.Fix{{
			Title: fmt.Sprintf("Allow the connection to %s in a network policy, or remove %s", c.what(), np.Name), Command: fmt.Sprintf("kubectl -n %s describe networkpolicy %s", np.Namespace, np.Name),
		}}
		p.Report(f)
	},
}

func describe(s *metav1.LabelSelector) string {
	if len(s.MatchLabels)+len(s.MatchExpressions) == 0 {
		return "all pods"
	}
	return metav1.FormatLabelSelector(s)
}
