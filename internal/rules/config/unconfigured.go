// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// Unconfigured recognises a container whose configuration the kubelet cannot make, for a reason that no other rule knows.
var Unconfigured = &diagnosis.Rule{
	ID:    "CFG013",
	Title: "Container cannot be configured",
	Doc: `
Before it asks the runtime for a container, the kubelet works out its environment, mounts and user. It could not, and
waits with CreateContainerConfigError. Most such faults have a rule of their own; this one gives the kubelet's words for
the rest.

**How it is told from its look-alikes.** It is what remains. "services have not yet been read at least once" and "failed
to sync ... cache: timed out" mean that the kubelet itself has not got from the API server what it needs: it has just
started, or does not reach it; nothing is wrong with the pod. A runtime that refuses has CreateContainerError.

**What to do.** By the words. For those two wait a minute; where they stay, look at the kubelet of that node.

The reason is in kubernetes pkg/kubelet/kuberuntime/kuberuntime_container.go (ErrCreateContainerConfig).
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Container,
	Needs:  evidence.Status,
	Also:   evidence.Events,
	Effect: diagnosis.ConfigMissing,
	CausedBy: []diagnosis.Effect{
		diagnosis.ControlPlaneSlow, diagnosis.NetworkFailed, diagnosis.NodeLost, diagnosis.ConfigChanged,
		diagnosis.RolledOut,
	},
	Run: func(p *diagnosis.Pass) {
		waiting, ok := refusedFor(p, "")
		if !ok || known.MatchString(waiting.Text) {
			return
		}
		why := p.Status().State.Waiting.Message
		f := diagnosis.Finding{
			At: began(p), Confidence: diagnosis.Certain, Facts: []evidence.Fact{waiting},
			Message: fmt.Sprintf("container %s cannot be configured: %s", p.About().Container, why),
			Fixes:   []diagnosis.Fix{{Title: "Correct what the message names in the container's spec"}},
		}
		switch {
		case why == "":
			f.Message = fmt.Sprintf("container %s cannot be configured, and what is recorded here does not say why", p.About().Container)
			f.Fixes[0].Title = "Read the pod's Events with the reason Failed"
		case unread.MatchString(why):
			f.Message = fmt.Sprintf("the kubelet of node %s has not got from the API server what container %s needs: %s", p.NodeName(), p.About().Container, why)
			f.Fixes[0].Title = fmt.Sprintf("Wait a minute; if it stays, look whether the kubelet of node %s reaches the API server", p.NodeName())
		}
		p.Report(f)
	},
}

var (
	known  = regex.New(`(configmap|secret)s? "[^"]+" not found|couldn't find key|image will run as root|breaks non-root policy|non-numeric user|(?i:subPath)|(?i:recursive read-only)`)
	unread = regex.New(`have not yet been read|failed to sync \w+ cache`)
)
