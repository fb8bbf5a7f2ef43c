// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"fmt"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// FileServer recognises a server of files that does not answer.
var FileServer = &diagnosis.Rule{
	ID:    "KRN011",
	Title: "NFS server does not answer",
	Doc: `
A server of files that is mounted on the node does not answer. With a hard mount, which is the default, whoever touches a
file there sleeps until it answers; no signal but SIGKILL wakes it, and where it holds a lock not even that wakes those who wait for it. Containers
stop late or not at all, and the kubelet, which looks at volumes, may hang as well. With a soft mount the call fails after a while.

**How it is told from its look-alikes.** By "nfs: server … not responding", with "still trying" for a hard mount and "timed out" for a soft one. The record "nfs: server … OK" for the same server after it says that it
answers again: that is over. A mount that fails at once gives a FailedMount Event and no such line.

**What to do.** See that the server runs and is reached from the node on port 2049. What hangs goes on by itself once it answers.

The lines are written in net/sunrpc/clnt.c.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Node,
	Needs:  evidence.Host,
	Also:   evidence.Spec | evidence.Status,
	Effect: diagnosis.DependencyDown,
	Run: func(p *diagnosis.Pass) {
		silent := map[string][]evidence.Fact{}
		var order []string
		for _, f := range records(p, "nfs-hang", "nfs-ok") {
			server := serverOf(f)
			if f.Name == "nfs-ok" {
				delete(silent, server)
				continue
			}
			silent[server] = append(silent[server], f)
			order = append(order, server)
		}
		for _, server := range order {
			facts := silent[server]
			if len(facts) == 0 {
				continue
			}
			delete(silent, server)
			effect := "what uses files on it hangs until it answers"
			if strings.HasSuffix(facts[len(facts)-1].Text, "timed out") {
				effect = "what uses files on it fails (soft mount)"
			}
			p.Report(diagnosis.Finding{
				Confidence: diagnosis.Certain, Facts: few(facts),
				Message: fmt.Sprintf("the NFS server %s does not answer %s: %s", server, nodeName(p), effect),
				Fixes:   []diagnosis.Fix{onNode("See that the server runs and is reached from the node", "nc -vz "+server+" 2049")},
			})
		}
	},
}

// serverOf returns the name of the server in a record: "nfs: server NAME not responding, still trying".
func serverOf(f evidence.Fact) string {
	_, rest, _ := strings.Cut(f.Text, "server ")
	server, _, _ := strings.Cut(rest, " ")
	return server
}
