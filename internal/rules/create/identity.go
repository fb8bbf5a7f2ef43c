// SPDX-License-Identifier: Apache-2.0

package create

import (
	"fmt"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Identity recognises a container that names a user or a directory that its image does not have.
var Identity = &diagnosis.Rule{
	ID:    "CRT015",
	Title: "User or working directory is not in the image",
	Doc: `
The image or the pod names a user, a group or a working directory, and the runtime does not find it in the image, or may
not enter it as that user. A USER of the Dockerfile whose line in /etc/passwd was lost in a later stage, a workingDir of
the spec that is misspelt, a directory that only root may enter and a pod that runs as another.

**How it is told from its look-alikes.** By "unable to find user", "no users found", "chdir to cwd" or the directory
that runc cannot make, in the runtime's message. A user that is there and not numeric is refused by the kubelet, and
only with runAsNonRoot. A program that may not read a file runs first.

**What to do.** Give the user by number (runAsUser), or add it to the image. Correct workingDir, or let the user enter
it.

The wordings are those of moby/sys/user, containerd pkg/oci/spec_opts.go and runc libcontainer/init_linux.go. Recorded
from Kubernetes 1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Container,
	Needs:    evidence.Spec | evidence.Status,
	Also:     evidence.Events,
	Effect:   diagnosis.NotStarted,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: on(identity, func(p *diagnosis.Pass, r *refusal) (string, []diagnosis.Fix) {
		if c := p.Spec(); c.WorkingDir != "" && !strings.Contains(r.text, "user") {
			r.facts = append(r.facts, p.CiteSpec("workingDir", c.WorkingDir))
		}
		what, fix := "its user or group is not in the image", "Give the user by number in securityContext.runAsUser, or add it to the image"
		if strings.Contains(r.text, "chdir") || strings.Contains(r.text, "init: mkdir") {
			what, fix = "its working directory is not in the image, is none, or may not be entered", "Correct workingDir, or let the container's user enter that directory in the image"
		}
		return fmt.Sprintf("container %s could not be %s: %s: %s", p.About().Container, r.step(), what, said(r.text)), []diagnosis.Fix{{Title: fix}}
	}),
}
