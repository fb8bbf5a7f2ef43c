// SPDX-License-Identifier: Apache-2.0

package exit

import (
	"slices"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// NoThreads recognises a process that ends because the kernel gives it no more threads.
var NoThreads = &diagnosis.Rule{
	ID:    "EXT019",
	Title: "Process could not start another thread or process",
	Doc: `
The kernel refused a thread or a child process with EAGAIN. Threads and processes are counted for the pod (its pids cgroup, set by the
kubelet's podPidsLimit), for the node (kernel.pid_max, threads-max), and for the user (RLIMIT_NPROC); the first that is reached
refuses.

**How it is told from its look-alikes.** By the words. Java calls it an OutOfMemoryError ("unable to create native thread") though
memory is not what is missing: the heap is not full and nothing was OOM killed. EAGAIN from a read or a connection has the
same text, "Resource temporarily unavailable", and is told by what was being done. If other pods of the node fail in the same way, the node
is out of them (PIDPressure). Where the node's agent reads the control group, and that has refused some, the limit is that of the
container or the pod, and it is likely.

**What to do.** Look for threads or zombies that only grow: a pool without a limit, or a process 1 that does not reap its children.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Attempt,
	Needs:    evidence.Status,
	Also:     evidence.Events | evidence.Logs | evidence.Spec | evidence.Signals | evidence.Usage,
	Effect:   diagnosis.ProcessFailed,
	CausedBy: with(diagnosis.NodeSaturated, diagnosis.NodePressure),
	Run: func(p *diagnosis.Pass) {
		e := endOf(p)
		if e.class != threadsOut {
			return
		}
		f := e.finding(p, "the kernel gave it no more threads or processes: "+e.said, diagnosis.Fix{
			Title:   "Count its threads and look for pools without a limit and zombies; else raise the kubelet's podPidsLimit",
			Command: "kubectl -n " + e.Of.Namespace + " exec " + e.Of.Name + " -c " + e.Of.Container + " -- cat /sys/fs/cgroup/pids.current /sys/fs/cgroup/pids.max",
		})
		for _, refused := range slices.Backward(p.Facts(evidence.Usage, "pids.refused")) { // the newest, where the run was summed up twice
			if refused.About == e.Of {
				f.Confidence, f.Facts = max(f.Confidence, diagnosis.Likely), append(f.Facts, refused)
				f.Message += "; its control group refused them, so the limit is that of the container or its pod"
				break
			}
		}
		p.Report(f)
	},
}
