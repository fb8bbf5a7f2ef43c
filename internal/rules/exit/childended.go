// SPDX-License-Identifier: Apache-2.0

package exit

import (
	"fmt"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// ChildEnded recognises a container whose process 1 is a shell or a supervisor and ended because its child had.
var ChildEnded = &diagnosis.Rule{
	ID:    "EXT022",
	Title: "Process 1 passed on the end of its child",
	Doc: `
The container's first process is a shell, an init or a supervisor. A child of it was killed or gave up, and it ended
with it: the exit code that Kubernetes shows is what process 1 made of the child's, and the signal did not go to process 1.

**How it is told from its look-alikes.** Shells and supervisors say so: "Killed", "exited on signal 9", "terminated by SIGKILL", or
"exit status 1; not expected". Exit code 137 without such a line means that process 1 itself was killed, by the kubelet's
grace period, by the kernel or by somebody; with 143 it was ended by SIGTERM, and its children with it. A child that was killed in a container with a memory limit was most likely killed by the
kernel's out-of-memory killer; the runtime sees that only in the cgroup, and not every runtime looks.

**What to do.** Look at memory first if the child was killed. Start the program with exec, so that it is process 1 and its own exit
code and signal are what Kubernetes sees.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Attempt,
	Needs:    evidence.Status,
	Also:     evidence.Events | evidence.Logs | evidence.Spec | evidence.Signals,
	Effect:   diagnosis.Killed,
	CausedBy: with(diagnosis.OutOfMemory),
	Run: func(p *diagnosis.Pass) {
		e := endOf(p)
		if e.class != childEnded {
			return
		}
		f := e.finding(p, "it is a shell or supervisor whose child ended: "+e.said, e.readLog(p, "Read why the child ended, and start it with exec so that it is process 1"))
		if killed := strings.Contains(strings.ToLower(e.said), "kill") || strings.Contains(e.said, "signal 9"); killed {
			f.Message = fmt.Sprintf("%s ended %s%s because a child of its process 1 was killed: %s", who(e.Attempt), "with exit code "+fmt.Sprint(e.ExitCode), lived(p, e.Attempt), e.said)
			if limit := specOf(p).Resources.Limits.Memory(); !limit.IsZero() {
				f.Facts = append(f.Facts, p.CiteSpec("resources.limits.memory", limit))
				f.Fixes = append([]diagnosis.Fix{{Title: "Compare its memory with the limit: the kernel kills one process of a container for memory, and the largest first"}}, f.Fixes...)
			}
		}
		if sent, ok := childKilled(p, e.Attempt); ok {
			f.Confidence, f.Facts = diagnosis.Certain, append(f.Facts, sent)
			f.Message += ": " + sent.Text
		}
		p.Report(f)
	},
}

// childEnd are the words of shells and supervisors for the end of a child: bash and busybox, nginx, uWSGI, Gunicorn,
// supervisord, Go programs that pass on os/exec's error.
var childEnd = regex.New(`^(?:.*: line \d+: +\d+ |\S*sh: +\S* ?)?Killed\b|exited on signal \d+|killed by signal \d+|was sent SIGKILL|terminated by SIG(?:KILL|TERM)|exit status \d+; not expected|signal: killed`)

// childDied tells whether the process' last words, or the last line of its log, are about a child of it.
func (e *end) childDied() bool {
	if childEnd.MatchString(e.block.Headline) {
		return true
	}
	if childEnd.MatchString(e.last) {
		e.said = e.last
		return true
	}
	return false
}
