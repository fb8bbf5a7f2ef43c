// SPDX-License-Identifier: Apache-2.0

package change

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// RestartRule recognises a restart that the container's own restart policy rules ask for.
var RestartRule = &diagnosis.Rule{
	ID:    "CHG007",
	Title: "Container was restarted by its restart policy rules",
	Doc: `
The container has restartPolicyRules (beta since Kubernetes 1.35), and its exit code is one for which they ask for a restart
of the container, or of all containers of the pod. By that code the program asks for the restart. With
RestartAllContainers the other containers are ended without grace, so their exit codes of 137 mean nothing.

**How it is told from its look-alikes.** A rule of the container matches the exit code of the attempt; the first rule that
matches counts. An exit code that none matches is an end like any other, and the pod's restartPolicy decides. One that was
killed for its memory did not ask for anything, whatever the rules say of 137. After a restart of all containers the kubelet
gives their ends the reason RestartingAllContainers; which of several containers with such rules asked for it is not told.

**What to do.** Nothing, if it happens as seldom as it is meant to. Otherwise find out why the program exits with that code.

How rules are matched is in kubernetes pkg/kubelet/container/helpers.go; recorded from Kubernetes 1.37.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Pod,
	Needs:  evidence.Spec | evidence.Status,
	Effect: diagnosis.RestartIntended,
	Run: func(p *diagnosis.Pass) {
		if all(p) {
			return
		}
		seen := map[string]bool{}
		for _, a := range slices.Backward(p.Attempts()) {
			c := evidence.ContainerSpec(&corev1.Pod{Spec: *p.PodSpec()}, a.Of.Container)
			if c == nil || !a.Ended() || a.Reason == "OOMKilled" || seen[c.Name] {
				continue
			}
			i := ruleFor(c, a.ExitCode)
			if i < 0 {
				continue
			}
			rule := &c.RestartPolicyRules[i]
			seen[c.Name] = true
			about, what := a.Of, "itself"
			if rule.Action == corev1.ContainerRestartRuleActionRestartAllContainers {
				about, what = p.About(), "all containers of the pod"
			}
			p.Report(diagnosis.Finding{
				About: about, At: a.Finished, Confidence: diagnosis.Certain,
				Message: fmt.Sprintf("container %s asked for a restart of %s: its restartPolicyRules do so for exit code %d", c.Name, what, a.ExitCode),
				Facts:   []evidence.Fact{a.Fact(), citeRule(p, c.Name, i, rule)},
				Fixes:   []diagnosis.Fix{{Title: fmt.Sprintf("Find out why container %s exits with %d, if it does so more often than it is meant to", c.Name, a.ExitCode)}},
			})
		}
	},
}

// restartingAll is the reason of the ends that a restart of all containers made: the kubelet takes the containers away, so
// their own ends are lost, and writes an exit code of 137 (kubernetes pkg/kubelet/kubelet_pods.go).
const restartingAll = "RestartingAllContainers"

// all reports a restart of all containers that has been carried out.
func all(p *diagnosis.Pass) bool {
	var facts []evidence.Fact
	for _, a := range p.Attempts() {
		if a.Reason == restartingAll {
			facts = append(facts, a.Fact())
		}
	}
	if len(facts) == 0 {
		return false
	}
	f := diagnosis.Finding{Confidence: diagnosis.Certain, Facts: facts}
	if c, ok := p.CitePodCondition(corev1.AllContainersRestarting); ok {
		f.At, f.Facts = c.At, append(f.Facts, c)
	}
	var asked []string
	spec := p.PodSpec()
	for _, c := range slices.Concat(spec.InitContainers, spec.Containers) {
		for i := range c.RestartPolicyRules {
			if r := &c.RestartPolicyRules[i]; r.Action == corev1.ContainerRestartRuleActionRestartAllContainers {
				asked = append(asked, fmt.Sprintf("container %s, which asks for that on exit codes %s", c.Name, codes(r)))
				f.Facts = append(f.Facts, citeRule(p, c.Name, i, r))
			}
		}
	}
	who := cmp.Or(strings.Join(asked, ", or of "), "one of them")
	f.Message = fmt.Sprintf("all containers of pod %s were restarted by the restartPolicyRules of %s", p.About().Name, who)
	f.Fixes = []diagnosis.Fix{{Title: "Find out why it exits with such a code, if it does so more often than it is meant to"}}
	p.Report(f)
	return true
}

// codes writes for which exit codes a rule asks for its action.
func codes(r *corev1.ContainerRestartRule) string {
	if r.ExitCodes == nil {
		return "that it does not name"
	}
	return fmt.Sprintf("%s %v", r.ExitCodes.Operator, r.ExitCodes.Values)
}

// citeRule cites what a restart policy rule of a container asks for.
func citeRule(p *diagnosis.Pass, container string, i int, r *corev1.ContainerRestartRule) evidence.Fact {
	list := "containers"
	if slices.ContainsFunc(p.PodSpec().InitContainers, func(c corev1.Container) bool { return c.Name == container }) {
		list = "initContainers"
	}
	return evidence.Fact{
		Kind: evidence.Spec, Source: evidence.FromSpec, About: p.About().InContainer(container),
		Where: fmt.Sprintf("spec.%s[%s].restartPolicyRules[%d]", list, container, i), Text: fmt.Sprintf("action %s", r.Action),
	}
}

// ruleFor returns the index of the first rule of a container that matches an exit code, or -1.
func ruleFor(c *corev1.Container, code int) int {
	for i := range c.RestartPolicyRules {
		r := &c.RestartPolicyRules[i]
		if r.ExitCodes == nil {
			continue
		}
		in := slices.Contains(r.ExitCodes.Values, int32(code))
		if in == (r.ExitCodes.Operator == corev1.ContainerRestartRuleOnExitCodesOpIn) {
			return i
		}
	}
	return -1
}
