// SPDX-License-Identifier: Apache-2.0

package exit

import (
	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Reloaded recognises a program that ends on purpose so that it starts again with new configuration.
var Reloaded = &diagnosis.Rule{
	ID:    "EXT021",
	Title: "Program restarts itself when its configuration changes",
	Doc: `
Some programs, or the small supervisors before them, watch their configuration or certificate and end when it changes: the kubelet starts
the container again, and it reads the new one. The restart is wanted and no crash, whatever the exit code.

**How it is told from its look-alikes.** The last words say that something changed and that the program restarts for it. A program
that changes its mind because the new configuration is wrong says that instead. Restarts of this kind come with changes and not at
every start; a program that ends so each time it starts is in a loop of another making.

**What to do.** Nothing, unless it happens often: then look for what keeps writing the ConfigMap or Secret.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Attempt,
	Needs:    evidence.Status,
	Also:     evidence.Events | evidence.Logs | evidence.Spec | evidence.Signals,
	Effect:   diagnosis.RestartIntended,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		e := endOf(p)
		if e.class != reloaded {
			return
		}
		p.Report(e.finding(p, "it restarts itself for a change of its configuration: "+e.said, diagnosis.Fix{
			Title: "Leave it, unless it happens often: then look for what keeps changing the configuration",
		}))
	},
}
