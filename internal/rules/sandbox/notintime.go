// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"fmt"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// NotInTime recognises a sandbox that the runtime takes too long to make.
var NotInTime = &diagnosis.Rule{
	ID:    "SBX005",
	Title: "Runtime does not finish making the sandbox",
	Doc: `
The kubelet asked the runtime for a sandbox and had no answer within 4 minutes. The runtime goes on with that request,
and refuses every new one because the name is taken: "failed to reserve sandbox name". Something below hangs: the
network plugin, the disk, a mount, or the runtime itself.

**How it is told from its look-alikes.** By a reserved name or a deadline in the newest FailedCreatePodSandBox Event,
with no word of the network plugin before it. The reserved name is a consequence: nothing is wrong with the name, and a
pod of another name on that node mostly has the same trouble.

**What to do.** Look at the node: its disk, its load, a plugin that does not return. It resolves itself when the first
request ends; if it lasts, restart the runtime on that node, and then the node.

The wordings are those of containerd internal/cri/server/sandbox_run.go and CRI-O server/sandbox_run_linux.go.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Pod,
	Needs:  evidence.Status | evidence.Events,
	Effect: diagnosis.SandboxFailed,
	CausedBy: []diagnosis.Effect{
		diagnosis.RuntimeFailed, diagnosis.NodeSaturated, diagnosis.NetworkFailed, diagnosis.KernelFailed,
		diagnosis.NodePressure,
	},
	Run: on(late, func(p *diagnosis.Pass, f *failure) (string, []diagnosis.Fix) {
		what := "does not finish in time"
		if strings.Contains(f.text, "reserve") || strings.Contains(f.text, "already in use") {
			what = "is still busy with an earlier try, which holds its name"
		}
		return fmt.Sprintf("the runtime of node %s makes no sandbox for pod %s: it %s", p.NodeName(), p.About().Name, what), []diagnosis.Fix{{
			Title:   fmt.Sprintf("Look for a slow disk, a hanging network plugin or a stuck runtime on node %s; restart the runtime there if this lasts", p.NodeName()),
			Command: onNode(p),
		}}
	}),
}
