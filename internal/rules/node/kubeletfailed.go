// SPDX-License-Identifier: Apache-2.0

package node

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// KubeletFailed recognises a kubelet that cannot start.
var KubeletFailed = &diagnosis.Rule{
	ID:    "NOD007",
	Title: "Kubelet cannot start",
	Doc: `
The kubelet ends at its start with an error: swap is on, its configuration cannot be read or is not valid, the host has control groups that it refuses, a flag is
unknown. The node does not register, or turns NotReady.

**How it is told from its look-alikes.** By the fatal line of the kubelet itself, by its health check that the node's agent asks, or by its unit that has failed and was not started since. A kubelet whose check succeeds again, or whose unit the service manager
started again, has recovered. A kubelet that runs and lacks its runtime, its network or its certificate says so and goes on. If its log shows that it started
and syncs pods after it, that is over.

**What to do.** Correct what the line names and start it again.

The words are in kubernetes cmd/kubelet/app/server.go and pkg/kubelet/cm/container_manager_linux.go.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Node,
	Needs:    evidence.Host,
	Also:     evidence.Node | evidence.Spec | evidence.Status,
	Effect:   diagnosis.NodeLost,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged},
	Run: func(p *diagnosis.Pass) {
		facts := slices.DeleteFunc(troubles(p, "kubelet-failed", "kubelet-unhealthy"), func(f evidence.Fact) bool { return healed(p, f) })
		facts = append(facts, failedUnits(p, "kubelet")...)
		if len(facts) == 0 {
			return
		}
		last := facts[len(facts)-1]
		what := "cannot start: " + strings.TrimRight(last.Text, ".")
		switch last.Name {
		case "kubelet-unhealthy":
			what = "does not answer its own health check (port 10248)"
		case "unit-failed":
			what = "ended and is not started again: " + strings.TrimRight(last.Text, ".")
		}
		p.Report(diagnosis.Finding{
			Confidence: diagnosis.Certain, At: last.At, Facts: few(facts),
			Message: fmt.Sprintf("the kubelet of %s %s", nodeName(p), what),
			Fixes:   look("Correct what its log names, and start it again", "journalctl -u kubelet -n 50 --no-pager; systemctl restart kubelet"),
		})
	},
}

// healed tells whether the kubelet's health check, which had failed, succeeded later.
func healed(p *diagnosis.Pass, f evidence.Fact) bool {
	return f.Name == "kubelet-unhealthy" && slices.ContainsFunc(heard(p, "kubelet-healthy"), func(g evidence.Fact) bool { return g.At.After(f.At) })
}

// failedUnits returns what the service manager says of the units of that name which have failed and were not started since. One that
// failed a moment ago is started again soon, one that is started again and again is NOD006's, and a node that has been ready for minutes since
// has both.
func failedUnits(p *diagnosis.Pass, names ...string) []evidence.Fact {
	if len(heard(p, "unit-loop")) > 0 {
		return nil
	}
	starts := heard(p, "unit-start")
	ready, _ := condition(p.Node(), corev1.NodeReady)
	return slices.DeleteFunc(troubles(p, "unit-failed"), func(f evidence.Fact) bool {
		again := slices.ContainsFunc(starts, func(g evidence.Fact) bool { return g.At.After(f.At) && holds(strings.ToLower(g.Text), names...) })
		since := p.Now().Sub(f.At)
		well := ready.Status == corev1.ConditionTrue && since > stillLoops // an agent that did not run then has not seen the start
		return again || well || !ofUnit(f.Text, names...) || since < restartWait
	})
}

// ofUnit tells whether a line is about a unit of one of these names, and not one that only has the name in its own.
func ofUnit(text string, names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		before, _, found := strings.Cut(text, name+".service")
		return found && (before == "" || strings.HasSuffix(before, " "))
	})
}

// restartWait is longer than a service manager waits before it starts the kubelet again (RestartSec of kubeadm's unit is 10 s).
const restartWait = time.Minute
