// SPDX-License-Identifier: Apache-2.0

package security

import (
	"fmt"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// ReadOnlyImage recognises a read-only file system that an image cannot start on.
var ReadOnlyImage = &diagnosis.Rule{
	ID:    "SEC103",
	Title: "Image writes where its file system is read-only",
	Doc: `
The root file system is read-only, and the image writes to folders that no volume is mounted on. The program ends right after its start with
"Read-only file system", and is restarted without end.

**How it is told from its look-alikes.** Only images of the Docker library are known by the folders that they write. A volume on the folder or
above it is enough, and so is one of the names that a link gives it.

**What to do.** Mount an emptyDir on each of the folders.
`,
	Stage:  diagnosis.Experimental,
	Scope:  diagnosis.Container,
	Needs:  evidence.Spec,
	Effect: diagnosis.ProcessFailed,
	Run: func(p *diagnosis.Pass) {
		s, c := settingsOf(p), p.Spec()
		name := official(c.Image)
		folders := missing(c, habits[name].writes)
		if !s.readOnly || len(folders) == 0 {
			return
		}
		p.Report(diagnosis.Finding{
			Confidence: diagnosis.Possible,
			Message:    fmt.Sprintf("container %s has a read-only root file system and image %s writes %s: it ends right after its start", c.Name, name, strings.Join(folders, " and ")),
			Facts:      []evidence.Fact{p.CiteSpec("securityContext.readOnlyRootFilesystem", true), p.CiteSpec("image", c.Image)},
			Fixes:      []diagnosis.Fix{{Title: "Mount an emptyDir on " + strings.Join(folders, " and on "), Risk: diagnosis.Restart}},
		})
	},
}
