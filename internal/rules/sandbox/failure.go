// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// A failure is the newest try to make the pod's sandbox, which failed.
type failure struct {
	why   trouble
	text  string
	at    time.Time
	facts []evidence.Fact
}

// failed returns the newest failure to make the sandbox of the pass's pod, if the pod has none now. The words are in the
// Event alone; the status says that there is no sandbox, which is the second fact.
func failed(p *diagnosis.Pass) failure {
	events := p.Events("FailedCreatePodSandBox", "NetworkNotReady", "Pulling", "Pulled", "Created", "Started")
	lacks, ok := noSandbox(p)
	if len(events) == 0 || !ok {
		return failure{}
	}
	e := events[len(events)-1]
	if e.Reason != "FailedCreatePodSandBox" && e.Reason != "NetworkNotReady" {
		return failure{}
	}
	f := failure{why: classify(e.Message), text: e.Message, at: e.First, facts: []evidence.Fact{e.Fact(), lacks}}
	if f.why == notReady && strings.Contains(e.Message, "plugin returns error") {
		f.disagrees(events)
	}
	return f
}

// disagrees corrects a failure that is told of as a network that is not ready where the plugin said before that it does not know the
// version: from version 1.1.0 of a configuration on the runtime asks it for its state (CNI's STATUS), which it cannot answer either,
// and the node counts as not ready.
func (f *failure) disagrees(events []evidence.Event) {
	for _, e := range slices.Backward(events) {
		failed := e.Reason == "FailedCreatePodSandBox"
		switch why := classify(e.Message); {
		case failed && why == version:
			f.why, f.text, f.at, f.facts = version, e.Message, e.First, append([]evidence.Fact{e.Fact()}, f.facts...)
			return
		case !failed && e.Reason != "NetworkNotReady", why != notReady: // it had a sandbox since, or failed for something else
			return
		}
	}
}

// noSandbox tells whether the pod is on a node and has no sandbox there. A kubelet before 1.29 does not say so: then no
// container runs. It cites the condition, or a container that waits, or that the pod is still pending.
func noSandbox(p *diagnosis.Pass) (evidence.Fact, bool) {
	st := p.PodStatus()
	if st.Phase == corev1.PodSucceeded || st.Phase == corev1.PodFailed { // the condition is false again
		return evidence.Fact{}, false
	}
	if fact, ok := p.CitePodCondition(corev1.PodReadyToStartContainers); ok {
		return fact, !strings.HasPrefix(fact.Text, "status True")
	}
	for _, c := range slices.Concat(st.InitContainerStatuses, st.ContainerStatuses) {
		if c.State.Running != nil {
			return evidence.Fact{}, false
		}
	}
	for _, c := range st.ContainerStatuses {
		if w := c.State.Waiting; w != nil {
			return evidence.Fact{
				Kind: evidence.Status, Source: evidence.FromStatus, About: p.About().InContainer(c.Name),
				Where: "status.containerStatuses[" + c.Name + "].state.waiting", Text: "reason " + w.Reason,
			}, w.Reason == "ContainerCreating" || w.Reason == "PodInitializing"
		}
	}
	return evidence.Fact{
		Kind: evidence.Status, Source: evidence.FromStatus, About: p.About(), Where: "status.phase", Text: "phase " + string(st.Phase),
	}, st.Phase == corev1.PodPending
}

// on returns the run of a rule about sandboxes that could not be made for one trouble.
func on(why trouble, say func(*diagnosis.Pass, *failure) (message string, fixes []diagnosis.Fix)) func(*diagnosis.Pass) {
	return func(p *diagnosis.Pass) {
		if f := failed(p); f.why == why {
			message, fixes := say(p, &f)
			p.Report(diagnosis.Finding{At: f.at, Confidence: diagnosis.Likely, Message: message, Facts: f.facts, Fixes: fixes})
		}
	}
}

// onNode is the command that shows what else runs on the pod's node: the plugin's own pod is among it.
func onNode(p *diagnosis.Pass) string {
	return fmt.Sprintf("kubectl get pods -A -o wide --field-selector spec.nodeName=%s", p.NodeName())
}
