// SPDX-License-Identifier: Apache-2.0

package change

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// DefinitionChanged recognises a container that was restarted because its definition was changed on the live pod.
var DefinitionChanged = &diagnosis.Rule{
	ID:    "CHG004",
	Title: "Container was restarted because its definition changed",
	Doc: `
Somebody changed the image of a container on the pod itself (kubectl set image pod/…, kubectl edit), and its kubelet ended
the container and started it anew with the new image. Nothing crashed.

**How it is told from its look-alikes.** The kubelet's Killing Event within the life of the attempt says "definition changed,
will be restarted"; versions before 1.15 say "spec hash changed". Of a live pod nothing else of a container can be changed
that asks for a restart; but a kubelet that was upgraded may reckon the same definition anew. A rollout makes new pods, whose restart count is 0. A resize in
place has words of its own (CHG005).

**What to do.** Nothing, if it was meant. A pod that a controller owns should be changed in the template: the next pod has
the old image again.

The wordings are in kubernetes pkg/kubelet/kuberuntime/kuberuntime_manager.go (computePodActions); recorded from Kubernetes
1.37.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Attempt,
	Needs:  evidence.Status,
	Also:   evidence.Events | evidence.Spec,
	Effect: diagnosis.RestartIntended,
	Run: func(p *diagnosis.Pass) {
		order, _ := p.Order()
		if order.By != evidence.ByDefinition && !strings.Contains(order.Event.Message, "spec hash changed") {
			return
		}
		a, image := p.Attempt(), ""
		facts := []evidence.Fact{a.Fact(), order.Event.Fact()}
		if c := p.Spec(); c != nil {
			image = ", which is now " + c.Image
			facts = append(facts, p.CiteSpec("image", c.Image))
		}
		f := diagnosis.Finding{
			At: order.Event.Last, Confidence: diagnosis.Certain, Facts: facts,
			Message: fmt.Sprintf("container %s was restarted because its definition changed, most likely its image on the live pod%s", a.Of.Container, image),
			Fixes:   []diagnosis.Fix{{Title: "Change the template of the pod's controller instead: pods made from it have the old image again"}},
		}
		if order.By != evidence.ByDefinition { // old kubelets compare hashes, and a new version may count another one
			f.Message = fmt.Sprintf("container %s was restarted because its definition changed on the live pod, or its kubelet was upgraded and reckons it anew", a.Of.Container)
		}
		p.Report(f)
	},
}

// Resized recognises a container that was restarted to give it other resources.
var Resized = &diagnosis.Rule{
	ID:    "CHG005",
	Title: "Container was restarted to resize it",
	Doc: `
The pod was resized in place (kubectl patch --subresource resize, a vertical pod autoscaler), and the container's
resizePolicy for that resource is RestartContainer: its kubelet ended it and started it anew with the new resources. Nothing
crashed, whatever it ended with.

**How it is told from its look-alikes.** The kubelet's Killing Event within the life of the attempt says "resize requires
restart". Exit code 137 here is a container that does not handle SIGTERM, and no lack of memory. A resize that waits is
CHG006.

**What to do.** Nothing, if it was meant. If the program can take other resources without a restart, set the resizePolicy
to NotRequired.

The wording is in kubernetes pkg/kubelet/kuberuntime/kuberuntime_manager.go (computePodResizeAction); recorded from
Kubernetes 1.37.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Attempt,
	Needs:  evidence.Status,
	Also:   evidence.Events | evidence.Spec,
	Effect: diagnosis.RestartIntended,
	Run: func(p *diagnosis.Pass) {
		order, _ := p.Order()
		if !strings.Contains(order.Event.Message, "resize requires restart") {
			return
		}
		a := p.Attempt()
		f := diagnosis.Finding{
			At: order.Event.Last, Confidence: diagnosis.Certain, Facts: []evidence.Fact{a.Fact(), order.Event.Fact()},
			Message: fmt.Sprintf("container %s was restarted to give it other resources: its pod was resized, and its resizePolicy asks for a restart", a.Of.Container),
			Fixes:   []diagnosis.Fix{{Title: "Set the resizePolicy of the resource to NotRequired, if the program can take it without a restart"}},
		}
		if c := p.Spec(); c != nil {
			for i, policy := range c.ResizePolicy {
				if policy.RestartPolicy == corev1.RestartContainer {
					f.Facts = append(f.Facts, p.CiteSpec(fmt.Sprintf("resizePolicy[%d].restartPolicy", i), policy.RestartPolicy))
				}
			}
		}
		p.Report(f)
	},
}

// ResizeWaits recognises a pod whose resize in place is not carried out.
var ResizeWaits = &diagnosis.Rule{
	ID:    "CHG006",
	Title: "Resize of the pod is not carried out",
	Doc: `
The pod was resized in place, and its node does not do it: what is asked for will never fit (Infeasible), does not fit now
(Deferred), or the runtime could not change it (Error). The containers go on with the resources that they have.

**How it is told from its look-alikes.** The condition PodResizePending is True with one of these reasons, or
PodResizeInProgress with the reason Error; before Kubernetes 1.33 status.resize says it. A resize in progress without an
error is on its way. A container restarted by a resize is CHG005.

**What to do.** Ask for less, make room on the node, or let the pod's controller make it anew where there is room.

The conditions are set in kubernetes pkg/kubelet/allocation and pkg/kubelet/status; recorded from Kubernetes 1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Pod,
	Needs:    evidence.Status,
	Also:     evidence.Events,
	Effect:   diagnosis.Unavailable,
	CausedBy: []diagnosis.Effect{diagnosis.NodeSaturated},
	Run: func(p *diagnosis.Pass) {
		st := p.PodStatus()
		f := diagnosis.Finding{Confidence: diagnosis.Certain}
		why := ""
		for _, c := range st.Conditions {
			waits := c.Type == corev1.PodResizePending || c.Type == corev1.PodResizeInProgress && c.Reason == corev1.PodReasonError
			if c.Status == corev1.ConditionTrue && waits && why == "" {
				fact, _ := p.CitePodCondition(c.Type)
				f.Facts, why = append(f.Facts, fact), reasonOf(c.Reason)+message(c.Message)
			}
		}
		if old := string(st.Resize); why == "" && (old == corev1.PodReasonInfeasible || old == corev1.PodReasonDeferred) {
			f.Facts = append(f.Facts, evidence.Fact{Kind: evidence.Status, Source: evidence.FromStatus, About: p.About(), Where: "status.resize", Text: "resize " + old})
			why = reasonOf(old)
		}
		if why == "" {
			return
		}
		for _, e := range p.Events("ResizeInfeasible", "ResizeDeferred", "ResizeError") {
			f.Facts = append(f.Facts, e.Fact())
		}
		f.Message = fmt.Sprintf("pod %s keeps its resources: the resize asked for %s", p.About().Name, why)
		f.Fixes = []diagnosis.Fix{{Title: "Ask for less, or let the pod's controller make it anew on a node with room", Command: "kubectl describe node " + p.NodeName()}}
		p.Report(f)
	},
}

func reasonOf(reason string) string {
	switch reason {
	case corev1.PodReasonInfeasible:
		return "can never be met on its node"
	case corev1.PodReasonDeferred:
		return "does not fit on its node now"
	}
	return "failed"
}

func message(s string) string {
	if s = strings.TrimSpace(s); s != "" {
		return ": " + s
	}
	return ""
}
