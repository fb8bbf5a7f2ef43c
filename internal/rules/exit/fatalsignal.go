// SPDX-License-Identifier: Apache-2.0

package exit

import (
	"cmp"
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// FatalSignal recognises a process that the kernel ended with a signal for something that it did itself.
var FatalSignal = &diagnosis.Rule{
	ID:    "EXT009",
	Title: "Process was ended by a fault of its own",
	Doc: `
The processor or the kernel refused what the program did, and the kernel ended it with the signal that stands for that:
SIGSEGV (exit code 139) for memory that is not its own, SIGABRT (134) where it called abort itself, after a failed assertion or
because the C library found its heap damaged, SIGBUS (135) for memory whose page cannot be had, SIGFPE (136) for an impossible
division, SIGILL (132) for an instruction that this processor does not know, SIGSYS (159) for a forbidden system call, SIGPIPE
(141) for writing to a reader that is gone (signal(7); the exit code is 128 and the number).

**How it is told from its look-alikes.** Nobody outside sends these: 137 and 143 are SIGKILL and SIGTERM and have rules of
their own. A program that reports a Go panic, an exception, or that it may not start threads has said why, and that rule speaks
instead. Where pods of the same workload run well on other nodes and this one does not, the processor or kernel of the
node is part of the reason, most of all for SIGILL. A code above 128 can also be one that the program chose.

**What to do.** See the signal: each has its own usual reason, which the fix names. A core file or the kernel's line
("segfault at … ip …") says where in the program it happened.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Attempt,
	Needs:    evidence.Status,
	Also:     evidence.Events | evidence.Logs | evidence.Spec | evidence.Signals,
	Effect:   diagnosis.ProcessFailed,
	CausedBy: with(diagnosis.OutOfMemory, diagnosis.StorageFull, diagnosis.DeviceFailed),
	Run: func(p *diagnosis.Pass) {
		e := endOf(p)
		if e.class != faulted {
			return
		}
		s := signals[e.ExitCode]
		f := e.finding(p, s.means)
		f.Confidence = diagnosis.Certain
		if p.Lacks(evidence.Events) != 0 || podEnded(p, e.Attempt) || e.ExitCode < 132 {
			f.Confidence = diagnosis.Likely
		}
		if e.said != "" {
			f.Message += ": " + e.said
		}
		if well := runsElsewhere(p); well != nil {
			f.Message += fmt.Sprintf("; on node %s the same image runs", well.Spec.NodeName)
			f.Facts = append(f.Facts, evidence.Fact{
				Kind: evidence.Spec, Source: evidence.FromSpec, About: evidence.RefOf(well), Where: "spec.nodeName", Text: "nodeName " + well.Spec.NodeName,
			}, evidence.Fact{
				Kind: evidence.Status, Source: evidence.FromStatus, About: evidence.RefOf(well),
				Where: evidence.StatusPath(well, e.Of.Container), Text: "ready true, restartCount 0",
			})
		}
		f.Fixes = []diagnosis.Fix{e.readLog(p, s.fix)}
		p.Report(f)
	},
}

// runsElsewhere returns a pod of the same workload and image that has run without a restart on another node, or nil.
func runsElsewhere(p *diagnosis.Pass) *corev1.Pod {
	name := p.About().Container
	for _, pod := range p.Siblings() {
		same := cmp.Or(evidence.ContainerSpec(pod, name), &corev1.Container{})
		st := cmp.Or(evidence.ContainerStatus(pod, name), &corev1.ContainerStatus{})
		if pod.Spec.NodeName != p.NodeName() && same.Image == specOf(p).Image && st.Ready && st.RestartCount == 0 {
			return pod
		}
	}
	return nil
}

// A signal is one that a process gets for its own doing.
type signal struct{ name, means, fix string }

// signals are those signals by exit code (128 + signal(7)).
var signals = map[int]signal{
	129: {"SIGHUP", "its terminal or session went away", "Start it without a terminal, or let it ignore SIGHUP"},
	130: {"SIGINT", "it was interrupted as from a keyboard", "Look for who interrupts it: a supervisor in the container, or an attached terminal"},
	131: {"SIGQUIT", "it was told to quit and dump its state", "Look for what sends SIGQUIT; a Go or Java program prints its stacks then"},
	132: {"SIGILL, an illegal instruction", "it used an instruction that the processor does not have", "Use an image built for this processor, or keep its pods on nodes whose processors have the instructions (AVX, for example)"},
	133: {"SIGTRAP", "it ran into a trap, as a debugger or a failed check of its runtime sets", "Read what the runtime printed before the trap"},
	134: {"SIGABRT, an abort", "it gave up on itself: a failed assertion, or a heap that the C library found damaged", "Mend what the last lines name; a damaged heap needs a build with a sanitizer or a core file to be found"},
	135: {"SIGBUS, a bus error", "it touched mapped memory that has no page: a file that was truncated, or /dev/shm that is full (64 MiB unless a volume is mounted there)", "Mount an emptyDir with medium Memory at /dev/shm if it shares memory, else look for the file that was cut while mapped"},
	136: {"SIGFPE, an arithmetic fault", "it divided by zero, or the result did not fit", "Mend the division; a core file shows it"},
	139: {"SIGSEGV, a segmentation fault", "it touched memory that is not its own", "Look at the node's kernel log for its line \"segfault at\", which names program and library, and go back to the last image that ran"},
	141: {"SIGPIPE, a broken pipe", "it wrote to something that nobody reads any more", "Look at what it pipes into, often a log processor, and why that ended first"},
	152: {"SIGXCPU, its CPU time limit", "it used up the CPU time that its ulimit gives", "Raise or drop the ulimit for CPU time"},
	153: {"SIGXFSZ, its file size limit", "it wrote a file beyond the size that its ulimit gives", "Raise or drop the ulimit for file size"},
	159: {"SIGSYS, a forbidden system call", "it made a system call that its seccomp profile forbids", "Allow the system call in the seccomp profile, or use RuntimeDefault"},
}

// codeText says an exit code in words.
func codeText(code int) string {
	if s, ok := signals[code]; ok {
		return fmt.Sprintf("by %s (exit code %d)", s.name, code)
	}
	return fmt.Sprintf("with exit code %d", code)
}
