// SPDX-License-Identifier: Apache-2.0

package stopping

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// ShellFirst recognises a shell as first process that keeps SIGTERM from the program.
var ShellFirst = &diagnosis.Rule{
	ID:    "STP103",
	Title: "Shell does not pass SIGTERM on",
	Doc: `
The container runs a shell with several commands. The shell is its first process and gets SIGTERM, does not pass it on, and as the first process ignores it: the
program knows nothing and is killed when the grace period is over, at every rollout and every drain.

**How it is told from its look-alikes.** The command is a shell with -c and a line of several commands, of which none is exec, trap or wait. A single
command is run in the shell's own place by bash and dash, and is left alone, as is the line of a job.

**What to do.** Begin the last command of the line with exec, so that it takes the shell's place.
`,
	Stage:  diagnosis.Experimental,
	Scope:  diagnosis.Container,
	Needs:  evidence.Spec,
	Effect: diagnosis.Killed,
	Run: func(p *diagnosis.Pass) {
		c := p.Spec()
		owners := p.Owners()
		line := append(append([]string(nil), c.Command...), c.Args...)
		job := len(owners) > 0 && (owners[0].Kind == "Job" || owners[0].Kind == "CronJob")
		if job || !slices.ContainsFunc(p.PodSpec().Containers, func(main corev1.Container) bool { return main.Name == c.Name }) || len(line) < 3 || !shell.MatchString(line[0]) || line[1] != "-c" {
			return
		}
		script := line[2]
		if !several.MatchString(strings.TrimRight(script, " ;\n")) || passes.MatchString(script) {
			return
		}
		field := fmt.Sprintf("command[%d]", 2)
		if len(c.Command) < 3 {
			field = fmt.Sprintf("args[%d]", 2-len(c.Command))
		}
		p.Report(diagnosis.Finding{
			Confidence: diagnosis.Possible,
			Message:    fmt.Sprintf("a shell is the first process of container %s and does not pass SIGTERM on: the program is killed when its grace period is over", c.Name),
			Facts:      []evidence.Fact{p.CiteSpec(field, "of "+line[0]+" -c")},
			Fixes:      []diagnosis.Fix{{Title: fmt.Sprintf("Begin the last command of container %s with exec", c.Name), Risk: diagnosis.Restart}},
		})
	},
}

var (
	shell   = regex.New(`(^|/)(ba|da|a)?sh$`)
	several = regex.New(`[;|\n]|&&`)
	passes  = regex.New(`(^|[;&|\s])(exec|trap|wait)\b`)
)
