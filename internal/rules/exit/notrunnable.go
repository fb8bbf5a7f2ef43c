// SPDX-License-Identifier: Apache-2.0

package exit

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
	"github.com/kubeinquest/inquest/internal/signature"
)

// NotRunnable recognises a container whose command could not be run.
var NotRunnable = &diagnosis.Rule{
	ID:    "EXT003",
	Title: "Command of the container cannot be run",
	Doc: `
The container was made, but the program it should run is not there, is not executable, is built for another processor,
or names an interpreter that the image does not have.

**How it is told from its look-alikes.** There are three places where it fails, and each leaves another trace. The runtime
cannot find or open the file: reason StartError, exit code 128, the message of the runtime in the status, and no log
(runc, error of exec.LookPath). The kernel refuses the file after the container has started: the runtime's last line
"exec /app: exec format error" is all that the log holds. A shell is the entrypoint and cannot run its command: exit code
127 (not found) or 126 (found, not executable), with the shell's complaint in the log; a program may use these codes for
something else, so without that complaint the finding is only possible. "no such file or directory" for a file that exists
means its interpreter, the first line of a script or the dynamic loader, is missing: a script with Windows line ends is
the usual case. A container that the kernel killed for memory before its program ran is StartError too, its message says so,
and a rule about memory speaks. Where the runtime's message is about something else that it makes ready (a mount, a security
profile, a device, the environment), other rules tell of it, and this one is silent.

**What to do.** Compare command and args with what is in the image; they replace its ENTRYPOINT and CMD. For "exec format
error" build the image for the node's architecture.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Attempt,
	Needs:    evidence.Status,
	Also:     evidence.Events | evidence.Logs | evidence.Spec | evidence.Node,
	Effect:   diagnosis.NotStarted,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.ConfigMissing, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		a := p.Attempt()
		f := diagnosis.Finding{At: a.Finished, Confidence: diagnosis.Certain, Facts: []evidence.Fact{a.Fact()}}
		complaint := a.Message
		if unrunnable(a) && !aboutCommand(complaint) {
			return // which have rules of their own
		}
		if !unrunnable(a) {
			block, found := signature.Find(p.Log().Text)
			if _, ordered := p.Order(); ordered || unseen(a) || !notRun(a, block, found) {
				return
			}
			f.Confidence, complaint = diagnosis.Likely, block.Headline
			if !found {
				f.Confidence = diagnosis.Possible
			}
			f.Facts = append(f.Facts, blockFacts(a, block, 2)...)
		}
		why, fix := explain(complaint, a.ExitCode)
		f.Message = fmt.Sprintf("%s could not run its command: %s", who(a), why)
		if c := specOf(p); len(c.Command) > 0 {
			f.Facts = append(f.Facts, p.CiteSpec("command", strings.Join(c.Command, " ")))
		}
		if node := p.Node(); node != nil && strings.Contains(complaint, "exec format error") {
			f.Message += ", node " + node.Name + " is " + node.Status.NodeInfo.Architecture
		}
		f.Fixes = []diagnosis.Fix{{Title: fix}}
		p.Report(f)
	},
}

// notRun tells whether exit code and log say that a command could not be run inside a container that had started. A
// log that gives another reason speaks for a program that uses the shell's codes for its own.
func notRun(a evidence.Attempt, block signature.Block, found bool) bool {
	if found && cannotExec(block.Headline) && byItself(a) {
		return true
	}
	complaint := refused.MatchString(block.Headline) || block.Kind == signature.Shell
	return slices.Contains([]int{126, 127}, a.ExitCode) && (!found || complaint)
}

// refused are the ends of a shell's complaint about a command.
var refused = regex.New(`(?:not found|ermission denied|o such file or directory)$`)

// cannotExec recognises the line that runc prints as the container's only output when the kernel refuses the program:
// "exec /app: exec format error" (runc libcontainer/standard_init_linux.go); crun's begins with "exec container process", and
// may be JSON.
func cannotExec(line string) bool { return execRefused.MatchString(line) }

var execRefused = regex.New(`(?i)(?:^exec (?:/|user process)|exec container process).*(?:exec format error|no such file or directory|permission denied)(?:","level":"error"\}|\})?$`)

// explain says what the complaint of a runtime or a shell means, and what a person does about it.
func explain(complaint string, code int) (why, fix string) {
	what := complaint
	if i := strings.LastIndex(complaint, "exec: \""); i >= 0 {
		what = complaint[i+len("exec: "):]
	}
	lower := strings.ToLower(complaint)
	switch {
	case strings.Contains(lower, "exec format error"):
		return what + ": it is built for another processor, or is not a program",
			"Use an image that is built for the architecture of the node, or pin the pod to nodes of the image's architecture"
	case strings.Contains(lower, "permission denied"):
		return what + ": the file is not executable, or is a directory",
			"Make the file executable in the image (chmod +x), or name the right file in command"
	case strings.HasPrefix(complaint, "exec /"):
		return what + ": the file is there, but its interpreter or loader is not",
			"Put the script's interpreter into the image, or mend its first line (Windows line ends count as part of the name)"
	case strings.Contains(lower, "not found"), strings.Contains(lower, "no such file or directory"):
		return what + ": there is no such program in the image",
			"Correct command or args, or add the program to the image"
	case code == 126:
		return "exit code 126, the shell's for a command that is not executable", "Make the file executable in the image (chmod +x)"
	case code == 127:
		return "exit code 127, the shell's for a command that is not found", "Correct command or args, or add the program to the image"
	}
	return what, "Compare command and args of the container with what the image holds"
}

// aboutCommand tells whether the runtime's message is about the program and not about what it makes ready before: mounts,
// security profiles, devices, cgroups, whose errors end in the same words; nor about memory or the size of the environment.
func aboutCommand(message string) bool {
	return aboutProgram.MatchString(message) && !aboutOther.MatchString(message)
}

var (
	aboutProgram = regex.New(`^$|(?:^|: )exec:? ["/]|exec user process|exec format error`)
	aboutOther   = regex.New(`(?i)argument list too long|oom-killed|memory limit too low|set memory limit|minimum memory limit|cannot allocate memory`)
)
