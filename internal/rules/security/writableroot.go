// SPDX-License-Identifier: Apache-2.0

package security

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// WritableRoot recognises a container that can write where it should not.
var WritableRoot = &diagnosis.Rule{
	ID:    "SEC104",
	Title: "Root file system is writable",
	Doc: `
The container may write to its root file system: what breaks into it can put programs there, and what it writes counts as ephemeral storage of the
node, by which pods are evicted, and is lost at the next restart.

**How it is told from its look-alikes.** readOnlyRootFilesystem is not set or false. A volume that is mounted may well be writable.

**What to do.** Set readOnlyRootFilesystem: true, and mount an emptyDir with a sizeLimit where the program writes.
`,
	Stage:  diagnosis.Experimental,
	Scope:  diagnosis.Container,
	Needs:  evidence.Spec,
	Effect: diagnosis.Evicted,
	Run: func(p *diagnosis.Pass) {
		if settingsOf(p).readOnly {
			return
		}
		p.Report(diagnosis.Finding{
			Confidence: diagnosis.Possible,
			Message:    fmt.Sprintf("container %s may write to its root file system, which counts against the node's disk and is lost at a restart", p.About().Container),
			Facts:      []evidence.Fact{p.CiteSpec("securityContext.readOnlyRootFilesystem", "is not true")},
			Fixes:      []diagnosis.Fix{{Title: fmt.Sprintf("Set readOnlyRootFilesystem of container %s, and mount an emptyDir where it writes", p.About().Container), Risk: diagnosis.Restart}},
		})
	},
}
