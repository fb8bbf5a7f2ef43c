// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// ArgumentsTooLong recognises a process that the kernel does not start because its environment is too large.
var ArgumentsTooLong = &diagnosis.Rule{
	ID:    "CFG010",
	Title: "Arguments and environment are too large to start with",
	Doc: `
The kernel hands a new process its arguments and its environment on the stack, a quarter of the stack limit (2 MiB as a
rule) and no single string of more than 128 KiB. The container has more than that, so its program is never run. One
variable with a whole file in it does it, envFrom over a large ConfigMap, or a namespace with thousands of Services:
each puts seven variables into every pod.

**How it is told from its look-alikes.** By "argument list too long" (E2BIG), in the runtime's message, or in the one
line that runc leaves in the container's log. A program that is missing or built for another processor fails at the same
point with other words. Where a shell says so with exit code 126, it is the command that the shell tried; the finding is
then only likely.

**What to do.** Mount large values as files. Set enableServiceLinks to false unless the program reads those variables.

The limits are in execve(2); the variables of Services are made in kubernetes pkg/kubelet/envvars. Recorded from
Kubernetes 1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Attempt,
	Needs:    evidence.Status,
	Also:     evidence.Spec | evidence.Logs,
	Effect:   diagnosis.ConfigMissing,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		a := p.Attempt()
		f := diagnosis.Finding{At: a.Finished, Confidence: diagnosis.Certain, Facts: []evidence.Fact{a.Fact()}}
		if !tooLong(a.Message) {
			line := lineWith(p.Log().Text, "rgument list too long")
			if line == "" || a.ExitCode == 0 {
				return
			}
			f.Confidence = diagnosis.Likely
			f.Facts = append(f.Facts, a.LineFact(line, a.Finished))
		}
		f.Message = fmt.Sprintf("container %s cannot start its program: arguments and environment together are larger than the kernel takes", a.Of.Container)
		f.Fixes = []diagnosis.Fix{{Title: fmt.Sprintf("Mount large values of container %s as files instead of variables or arguments", a.Of.Container)}}
		if links := p.PodSpec().EnableServiceLinks; links == nil || *links {
			f.Fixes = append(f.Fixes, patched("Do not give the pod seven variables for every Service of the namespace",
				p.PatchPodSpec(map[string]any{"enableServiceLinks": false})))
		}
		p.Report(f)
	},
}

func tooLong(text string) bool {
	return strings.Contains(strings.ToLower(text), "argument list too long")
}
