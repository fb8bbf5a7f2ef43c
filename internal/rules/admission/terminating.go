// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Terminating recognises a workload in a namespace that is being deleted.
var Terminating = &diagnosis.Rule{
	ID:    "ADM010",
	Title: "The namespace is being deleted",
	Doc: `
Nothing can be created in a namespace that is being deleted. The deletion waits until everything in it is gone: an object with a
finalizer that nobody removes, or an API whose server does not answer, makes it wait for ever, and what is left goes on half alive.

**How it is told from its look-alikes.** The refusal says "because it is being terminated". A namespace that does not exist says
"not found". A workload that is itself being deleted creates no pods either, and says nothing.

**What to do.** Look at the conditions of the namespace: they name what remains and which finalizers. Deploy into another namespace,
or again when it is gone.

The words are written in kubernetes apiserver pkg/admission/plugin/namespace/lifecycle/admission.go.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Workload,
	Needs:    evidence.Spec,
	Also:     evidence.Events,
	Effect:   diagnosis.NotAdmitted,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged},
	Run: func(p *diagnosis.Pass) {
		r := read(p)
		if r.why != namespaceEnds {
			return
		}
		name := p.About().Namespace
		says := []string{fmt.Sprintf("namespace %s is being deleted", name)}
		var facts []evidence.Fact
		if ns, ok := diagnosis.Get[*corev1.Namespace](p, "", name); ok {
			for _, c := range ns.Status.Conditions {
				if c.Status == corev1.ConditionTrue {
					says = append(says, strings.ToLower(c.Message[:min(1, len(c.Message))])+c.Message[min(1, len(c.Message)):])
					facts = append(facts, evidence.Fact{
						Kind: evidence.Status, Source: evidence.FromStatus, About: evidence.RefOf(ns), At: c.LastTransitionTime.UTC(),
						Where: "status.conditions[" + string(c.Type) + "]", Text: "reason " + c.Reason + ", message " + c.Message,
					})
				}
			}
		}
		r.report(p, strings.Join(says, "; "), facts, diagnosis.Fix{
			Title: "Look at what keeps the namespace, or deploy into another one", Command: "kubectl get namespace " + name + " -o yaml",
		})
	},
}
