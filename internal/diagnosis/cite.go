// SPDX-License-Identifier: Apache-2.0

package diagnosis

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// CiteSpec makes a fact of one field of the spec of the pass's pod. The path is relative to the pod's spec, or to the
// container's where the pass looks at one; the text is the last part of the path and the value.
func (p *Pass) CiteSpec(path string, value any) evidence.Fact {
	p.used |= evidence.Spec
	parts := strings.Split(path, ".")
	where := "spec." + path
	if p.about.Container != "" {
		where = "spec." + p.list() + "[" + p.about.Container + "]." + path
	}
	about := p.about
	about.Attempt = evidence.NoAttempt
	return evidence.Fact{
		Kind: evidence.Spec, Source: evidence.FromSpec, About: about, Where: where,
		Text: fmt.Sprintf("%s %v", parts[len(parts)-1], value),
	}
}

// list returns the name of the list that holds the pass's container.
func (p *Pass) list() string {
	isIt := func(c corev1.Container) bool { return c.Name == p.about.Container }
	if pod := p.of; pod != nil && slices.ContainsFunc(pod.Spec.InitContainers, isIt) {
		return "initContainers"
	}
	return "containers"
}

// StatusPath returns the field path of the status of the pass's container; "" without its pod.
func (p *Pass) StatusPath() string {
	if pod := p.of; pod != nil {
		return evidence.StatusPath(pod, p.about.Container)
	}
	return ""
}

// CiteWaiting makes a fact of why the pass's container waits; false when it does not wait.
func (p *Pass) CiteWaiting() (evidence.Fact, bool) {
	st := p.Status()
	if st == nil || st.State.Waiting == nil {
		return evidence.Fact{}, false
	}
	text := "reason " + st.State.Waiting.Reason
	if st.State.Waiting.Message != "" {
		text += ", message " + st.State.Waiting.Message
	}
	return evidence.Fact{
		Kind: evidence.Status, Source: evidence.FromStatus, About: p.about,
		Where: p.StatusPath() + ".state.waiting", Text: text,
	}, true
}

// CitePodCondition makes a fact of a condition of the pass's pod; false when it has none of that type.
func (p *Pass) CitePodCondition(kind corev1.PodConditionType) (evidence.Fact, bool) {
	for _, c := range p.PodStatus().Conditions {
		if c.Type == kind {
			return citeCondition(evidence.Status, p.about.Object(), string(c.Type), string(c.Status), c.Reason, c.Message, c.LastTransitionTime.Time), true
		}
	}
	return evidence.Fact{}, false
}

// CiteNodeCondition makes a fact of a condition of the pass's node; false when it has none of that type.
func (p *Pass) CiteNodeCondition(kind corev1.NodeConditionType) (evidence.Fact, bool) {
	if node := p.Node(); node != nil {
		for _, c := range node.Status.Conditions {
			if c.Type == kind {
				return citeCondition(evidence.Node, evidence.RefOf(node), string(c.Type), string(c.Status), c.Reason, c.Message, c.LastTransitionTime.Time), true
			}
		}
	}
	return evidence.Fact{}, false
}

// PatchContainer returns a patch that merges fields into the pass's container where its pods are made: in the topmost
// controller that has a pod template. It is nil for a pod that nothing would make again.
func (p *Pass) PatchContainer(fields map[string]any) *Patch {
	fields["name"] = p.about.Container
	return p.PatchPodSpec(map[string]any{p.list(): []any{fields}})
}

// PatchPodSpec returns a patch that merges fields into the pod spec of that controller, or nil.
func (p *Pass) PatchPodSpec(fields map[string]any) *Patch {
	target, template := p.Workload()
	data, err := json.Marshal(fields)
	if template == nil || err != nil { // which cannot happen: rules build these of strings and numbers
		return nil
	}
	form := cmp.Or(map[string]string{"CronJob": `{"spec":{"jobTemplate":{"spec":{"template":{"spec":%s}}}}}`}[target.Kind], `{"spec":{"template":{"spec":%s}}}`)
	return &Patch{Target: target, Type: Strategic, Data: fmt.Sprintf(form, data)}
}

func citeCondition(kind evidence.Kind, about evidence.Ref, name, status, reason, message string, at time.Time) evidence.Fact {
	text := "status " + status
	if reason != "" {
		text += ", reason " + reason
	}
	if message != "" {
		text += ", message " + message
	}
	return evidence.Fact{Kind: kind, Source: evidence.FromStatus, About: about, At: at, Where: "status.conditions[" + name + "]", Text: text}
}
