// SPDX-License-Identifier: Apache-2.0

package create

import (
	"fmt"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// CommandMissing recognises a container that is not even made because its command cannot be run.
var CommandMissing = &diagnosis.Rule{
	ID:    "CRT003",
	Title: "Command of the container is not in its image",
	Doc: `
The runtime looked for the program while it made the container, and did not find it or may not execute it. CRI-O with
crun and docker find out at this point, so that there is no run and no exit code: only a container that waits with
CreateContainerError or RunContainerError. The image may also have no command at all.

**How it is told from its look-alikes.** By the runtime's words about the executable. With containerd the container is
made first and its start fails: that leaves a run with the reason StartError, and is told by the rule about that end. A
mount or a profile that is missing has the same "no such file or directory", about another file.

**What to do.** Compare command and args with what is in the image; they replace its ENTRYPOINT and CMD.

The wordings are those of crun (libcrun/linux.c), runc (libcontainer, exec.LookPath), containerd pkg/oci (no command
specified) and moby daemon.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Container,
	Needs:    evidence.Spec | evidence.Status,
	Also:     evidence.Events,
	Effect:   diagnosis.NotStarted,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		r, _ := refused(p)
		if r.made || classify(r.text) != command {
			return
		}
		if c := p.Spec(); len(c.Command) > 0 {
			r.facts = append(r.facts, p.CiteSpec("command", strings.Join(c.Command, " ")))
		}
		what := "its command is not in the image, or cannot be run there"
		switch lower := strings.ToLower(r.text); {
		case strings.Contains(lower, "no command specified"):
			what = "neither the image nor the pod says what to run"
		case strings.Contains(lower, "exec format error"):
			what = "its program is built for another processor"
		case strings.Contains(lower, "permission denied"):
			what = "its command is not executable"
		}
		r.report(p, fmt.Sprintf("container %s cannot be %s because %s: %s", p.About().Container, r.step(), what, said(r.text)),
			diagnosis.Fix{Title: "Correct command or args, or add the program to the image"})
	},
}
