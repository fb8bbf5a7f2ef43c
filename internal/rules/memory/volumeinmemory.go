// SPDX-License-Identifier: Apache-2.0

package memory

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// VolumeInMemory recognises a volume that takes the memory of its container.
var VolumeInMemory = &diagnosis.Rule{
	ID:    "MEM102",
	Title: "Volume in memory may fill the limit",
	Doc: `
A container mounts an emptyDir of medium Memory that may grow to half of its memory limit or more. What lies in it counts against the limit and survives
restarts, so that a container that was killed for it is killed again at once.

**How it is told from its look-alikes.** The volume has no sizeLimit, or one of at least half the limit, and the container has a limit. Volumes on disk do not count.

**What to do.** Give the volume a sizeLimit that leaves room for the program.
`,
	Stage:  diagnosis.Experimental,
	Scope:  diagnosis.Container,
	Needs:  evidence.Spec,
	Effect: diagnosis.OutOfMemory,
	Run: func(p *diagnosis.Pass) {
		v := inMemory(p)
		if v == nil || anyLimit(p) == 0 {
			return
		}
		p.Report(diagnosis.Finding{
			Confidence: diagnosis.Possible,
			Message:    fmt.Sprintf("volume %s is memory, counts against the limit of container %s and may fill it", v.Name, p.About().Container),
			Facts: []evidence.Fact{{
				Kind: evidence.Spec, Source: evidence.FromSpec, About: p.About().Object(), Where: "spec.volumes[" + v.Name + "].emptyDir.medium", Text: "medium Memory",
			}},
			Fixes: []diagnosis.Fix{{Title: fmt.Sprintf("Give volume %s a sizeLimit that leaves room for the program, or use a volume on disk", v.Name), Risk: diagnosis.Restart}},
		})
	},
}
