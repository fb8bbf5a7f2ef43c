// SPDX-License-Identifier: Apache-2.0

package storage

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// ClaimMissing recognises a pod that uses a claim which does not exist.
var ClaimMissing = &diagnosis.Rule{
	ID:    "STO001",
	Title: "Claim does not exist",
	Doc: `
A volume of the pod names a PersistentVolumeClaim that is not in the pod's namespace. The scheduler leaves the pod Pending
until it is there; a pod that is bound to a node without a scheduler, or whose claim was deleted in between, hangs in
ContainerCreating instead.

**How it is told from its look-alikes.** The scheduler's condition says persistentvolumeclaim "…" not found, or the API server
was asked and has none of that name. A claim that exists and is Pending is another matter, and so is one that is being
deleted. A generic ephemeral volume has its claim made by a controller, which needs a moment: that is not reported while the
scheduler says that it waits for the volume controller.

**What to do.** Create the claim in the namespace of the pod, or correct the name. Claims of a StatefulSet are named after
template, set and number.

The words are those of kubernetes pkg/scheduler/framework/plugins/volumebinding and pkg/kubelet/volumemanager.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Pod,
	Needs:    evidence.Spec | evidence.Status,
	Also:     evidence.Events,
	Effect:   diagnosis.VolumeFailed,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		if !mounting(p) {
			return
		}
		spec := p.PodSpec()
		for i := range spec.Volumes {
			v := &spec.Volumes[i]
			if v.PersistentVolumeClaim == nil {
				continue
			}
			name := v.PersistentVolumeClaim.ClaimName
			ref := evidence.RefTo("PersistentVolumeClaim", p.About().Namespace, name)
			if facts := saysMissing(p, ref); len(facts) > 0 && p.Object(ref) == nil {
				reportMissing(p, facts, v.Name, name)
			}
		}
	},
}

// saysMissing returns what says that there is no such claim, best first: the API server, the scheduler, the kubelet.
func saysMissing(p *diagnosis.Pass, claim evidence.Ref) (facts []evidence.Fact) {
	if p.Absent(claim) {
		facts = append(facts, evidence.Fact{Kind: evidence.Spec, Source: evidence.FromStatus, About: claim, Where: "the API server", Text: "not found"})
	}
	if condition, _ := p.CitePodCondition(corev1.PodScheduled); captured(notFound, condition.Text, "") == claim.Name {
		facts = append(facts, condition)
	}
	for _, f := range failures(p, claimless) {
		if captured(notFound, f.Message, "") == claim.Name {
			facts = append(facts, f.Fact())
		}
	}
	return facts
}

// notFound is how the scheduler and the kubelet name a claim that does not exist.
var notFound = regex.New(`persistentvolumeclaims? "([^"]+)" not found`)

func reportMissing(p *diagnosis.Pass, facts []evidence.Fact, volume, claim string) {
	f := diagnosis.Finding{Confidence: diagnosis.Likely, Facts: facts}
	if made := p.PodMeta().CreationTimestamp; !made.IsZero() {
		f.At = made.Add(-time.Second) // missing before the pod came
	}
	if facts[0].Source >= evidence.FromStatus {
		f.Confidence = diagnosis.Certain
	}
	f.Facts = append(f.Facts, evidence.Fact{
		Kind: evidence.Spec, Source: evidence.FromSpec, About: p.About(), Where: "spec.volumes[" + volume + "].persistentVolumeClaim.claimName",
		Text: "claimName " + claim,
	})
	f.Message = fmt.Sprintf("claim %s does not exist in namespace %s, and pod %s asks for it in volume %s", claim, p.About().Namespace, p.About().Name, volume)
	f.Fixes = []diagnosis.Fix{{
		Title:   fmt.Sprintf("Create claim %s in namespace %s, or name one that is there", claim, p.About().Namespace),
		Command: "kubectl get pvc -n " + p.About().Namespace,
	}}
	p.Report(f)
}
