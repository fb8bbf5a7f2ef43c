// SPDX-License-Identifier: Apache-2.0

package scheduling

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// DeviceClaim recognises a pod that the scheduler leaves aside until its ResourceClaim is there.
var DeviceClaim = &diagnosis.Rule{
	ID:    "SCH018",
	Title: "The pod waits for a ResourceClaim that is not there",
	Doc: `
A pod that asks for devices by a ResourceClaim is not put into the scheduler's queue before the claim exists: there is no verdict, no
condition and no Event. A claim that the pod names has to be created by somebody; one that is to be made from a template is made
by the controller manager, which cannot if the template is missing.

**How it is told from its look-alikes.** The spec has resourceClaims and no scheduler has said a word for half a minute. Without
resourceClaims it is the scheduler that is missing (SCH014). A claim that exists and for which no device is free has a verdict:
"cannot allocate all claims" (SCH017). A request for an extended resource is no claim (SCH004).

**What to do.** Create the claim or its template, or correct the name.

The wait is in kubernetes pkg/scheduler/framework/plugins/dynamicresources/dynamicresources.go, PreEnqueue; recorded from Kubernetes
1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Pod,
	Needs:    evidence.Spec | evidence.Status,
	Also:     evidence.Events,
	Effect:   diagnosis.NotScheduled,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigMissing, diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		claims := p.PodSpec().ResourceClaims
		if !unseen(p) || len(claims) == 0 {
			return
		}
		facts := untold(p)
		var names []string
		for _, c := range claims {
			name, field := claimOf(c)
			names = append(names, name)
			facts = append(facts, p.CiteSpec("resourceClaims["+c.Name+"]."+field, name))
		}
		p.Report(diagnosis.Finding{
			Confidence: diagnosis.Likely, Facts: facts,
			Message: fmt.Sprintf("the scheduler leaves pod %s aside until its ResourceClaim %s is there", p.About().Name, strings.Join(names, " and ")),
			Fixes: []diagnosis.Fix{{
				Title: "Create the claim or its template, or correct the name", Command: "kubectl get resourceclaims,resourceclaimtemplates -n " + p.About().Namespace,
			}},
		})
	},
}

// claimOf names what a pod's claim refers to, and the field that does.
func claimOf(c corev1.PodResourceClaim) (name, field string) {
	switch {
	case c.ResourceClaimName != nil:
		return *c.ResourceClaimName, "resourceClaimName"
	case c.ResourceClaimTemplateName != nil:
		return *c.ResourceClaimTemplateName, "resourceClaimTemplateName"
	}
	return c.Name, "name"
}
