// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"fmt"
	"slices"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// ForkFailed recognises that no further process or thread can be made.
var ForkFailed = &diagnosis.Rule{
	ID:    "KRN012",
	Title: "No process or thread can be created",
	Doc: `
A process could not be given another process or thread: the limit of its control group (pod pids limit), that of the user or
that of the node (kernel.pid_max, kernel.threads-max) is reached. Programs die or refuse work with "Resource temporarily unavailable"; when the
kubelet or the runtime meet it, nothing starts on the node at all, and not even a shell does.

**How it is told from its look-alikes.** "cgroup: fork rejected by pids controller in …" comes from the kernel and names the group: then one pod reached
its own limit. errno 11 (EAGAIN) from the kubelet or the runtime means that the node's limit, or that of their service, is reached. "Cannot allocate
memory" (errno 12) is a lack of memory, and before Linux 4.1 also what fork says when there are no PIDs left: by itself it makes the finding only
possible. A line in a pod's own log is about that pod.

**What to do.** Find who has the processes or threads: mostly one leaking container, or zombies that their parent does not collect. Set a pod pids
limit in the kubelet (podPidsLimit), so that one pod cannot take the node's.

The lines are written in kernel/cgroup/pids.c, in the Go runtime (runtime/os_linux.go) and in os/exec.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Node,
	Needs:  evidence.Host,
	Also:   evidence.Spec | evidence.Status,
	Effect: diagnosis.NodeSaturated,
	Run: func(p *diagnosis.Pass) {
		facts := records(p, "fork-failed")
		if len(facts) == 0 {
			return
		}
		confidence := diagnosis.Certain
		message := fmt.Sprintf("no further process or thread can be created on %s: its limit of PIDs is reached", nodeName(p))
		if !slices.ContainsFunc(facts, func(f evidence.Fact) bool { return !strings.Contains(f.Text, "annot allocate memory") }) {
			confidence = diagnosis.Possible
			message = fmt.Sprintf("no process can be created on %s: it lacks memory or, if its kernel is older than 4.1, PIDs", nodeName(p))
		}
		for _, f := range facts {
			_, group, ok := strings.Cut(f.Text, "pids controller in ")
			if !ok {
				continue
			}
			message = fmt.Sprintf("control group %s of %s reached its limit of processes (PIDs)", group, nodeName(p))
			if f.About.Kind == "Pod" {
				message = fmt.Sprintf("pod %s/%s reached its limit of processes (PIDs)", f.About.Namespace, f.About.Name)
			}
			break
		}
		p.Report(diagnosis.Finding{
			Confidence: confidence, Facts: few(facts), Message: message,
			Fixes: []diagnosis.Fix{
				onNode("Find the processes with the most threads, and zombies", "ps -eo nlwp,stat,pid,comm --sort=-nlwp | head; cat /proc/sys/kernel/pid_max"),
				onNode("Set podPidsLimit in the kubelet's configuration, so that one pod cannot take all", ""),
			},
		})
	},
}
