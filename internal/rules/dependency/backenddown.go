// SPDX-License-Identifier: Apache-2.0

package dependency

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// BackendDown recognises a Service that a program needs and whose pods are all not ready.
var BackendDown = &diagnosis.Rule{
	ID:    "DEP001",
	Title: "Pods behind a Service are not ready",
	Doc: `
The program could not connect to a Service. The Service exists and selects pods, and none of them is ready, so that it has no
endpoint to send anything to: kube-proxy answers for it with a refusal. Or each of them ends again and again, and is ready for
moments only. The program is the victim; the trouble is that of the pods
behind the Service, and it is looked for there.

**How it is told from its look-alikes.** The host that the log names is a Service, by its DNS name or cluster IP, and its EndpointSlices have
endpoints and none that is ready. Without endpoints at all it selects no pods, which has other remedies. With ready endpoints the
Service works now, and something else was wrong: the port, a network policy, or it was not up yet.

**What to do.** Mend the pods behind the Service: what is wrong with them is told above this. Let the program retry, with a pause, instead of
ending when a dependency is not there.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Container,
	Needs:  evidence.Status,
	Also:   evidence.Logs | evidence.Spec,
	Effect: diagnosis.DependencyDown,
	CausedBy: append([]diagnosis.Effect{
		diagnosis.ProcessFailed, diagnosis.ProcessCompleted, diagnosis.OutOfMemory, diagnosis.Killed, diagnosis.Terminated, diagnosis.EndLost,
		diagnosis.NotStarted, diagnosis.NotReady, diagnosis.LivenessFailed, diagnosis.StartupFailed, diagnosis.InitBlocked,
		diagnosis.ImageUnavailable, diagnosis.ConfigMissing, diagnosis.NotScheduled, diagnosis.VolumeFailed, diagnosis.SandboxFailed,
		diagnosis.Evicted, diagnosis.PodDeleted, diagnosis.NodeLost, diagnosis.NodePressure, diagnosis.Unavailable, diagnosis.DependencyDown,
	}, diagnosis.ConfigChanged, diagnosis.RolledOut),
	Run: func(p *diagnosis.Pass) {
		c := callOf(p)
		if c.class != backendDown {
			return
		}
		n := max(len(c.pods), c.slices.all)
		why := fmt.Sprintf("none of the %d pods behind it is ready", n)
		if n == 1 {
			why = "the only pod behind it is not ready"
		}
		if c.someReady() {
			why = "the pods behind it end again and again"
		}
		fix := diagnosis.Fix{
			Title: "Mend the pods behind Service " + c.service.Name, Command: fmt.Sprintf("inquest why pod/%s -n %s", firstOf(c.pods), c.service.Namespace),
		}
		if len(c.service.Spec.Selector) == 0 {
			why = "it selects no pods by itself, and nobody has given it an endpoint that is ready"
			fix = diagnosis.Fix{Title: fmt.Sprintf("See who writes the endpoints of Service %s, or give it a selector", c.service.Name)}
		}
		f := c.finding(p, why, backends(&c)...)
		f.Through = refsOf(c.pods)
		f.Fixes = []diagnosis.Fix{fix}
		p.Report(f)
	},
}

// backends cites the endpoints of the Service and what its pods are.
func backends(c *call) []evidence.Fact {
	facts := slices.Clone(c.slices.facts)
	for _, pod := range c.pods[:min(len(c.pods), 3)] {
		facts = append(facts, citePod(pod)...)
	}
	return facts
}

// citePod cites a pod's phase and what is wrong with its containers, where something is.
func citePod(pod *corev1.Pod) []evidence.Fact {
	cite := func(where, text string) evidence.Fact {
		return evidence.Fact{Kind: evidence.Status, Source: evidence.FromStatus, About: evidence.RefOf(pod), Where: where, Text: text}
	}
	facts := []evidence.Fact{cite("status.phase", "phase "+string(pod.Status.Phase))}
	for _, st := range pod.Status.ContainerStatuses {
		of := "status.containerStatuses[" + st.Name + "]."
		if w := st.State.Waiting; w != nil {
			facts = append(facts, cite(of+"state.waiting", "reason "+w.Reason))
		}
		switch {
		case st.RestartCount > 0:
			facts = append(facts, cite(of+"restartCount", fmt.Sprintf("restartCount %d", st.RestartCount)))
		case !st.Ready:
			facts = append(facts, cite(of+"ready", "ready false"))
		}
	}
	if len(facts) > 1 {
		return facts
	}
	for _, c := range pod.Status.Conditions {
		if c.Type == corev1.PodReady && c.Status != corev1.ConditionTrue {
			facts = append(facts, cite("status.conditions[Ready]", "status "+string(c.Status)))
		}
	}
	return facts
}

func firstOf(pods []*corev1.Pod) string {
	if len(pods) == 0 {
		return "NAME"
	}
	return pods[0].Name
}
