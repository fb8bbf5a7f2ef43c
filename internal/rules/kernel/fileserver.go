// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"fmt"
	"regexp"
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
file there sleeps until it answers and cannot be killed; containers do not stop, and the kubelet, which looks at volumes, may hang as well.

**How it is told from its look-alikes.** By "nfs: server … not responding". The record "nfs: server … OK" for the same server after it says that it
answers again: that is over. A mount that fails at once gives a FailedMount Event and no such line.

**What to do.** See that the server runs and is reached from the node on port 2049. What hangs goes on by itself once it answers.

The lines are written in net/sunrpc/clnt.c.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Node,
	Needs:  evidence.Host,
	Effect: diagnosis.DependencyDown,
	Run: func(p *diagnosis.Pass) {
		silent := map[string][]evidence.Fact{}
		var order []string
		for _, f := range records(p, "nfs-hang", "nfs-ok") {
			m := nfsServer.FindStringSubmatch(f.Text)
			switch {
			case m == nil:
			case f.Name == "nfs-ok":
				delete(silent, m[1])
			default:
				silent[m[1]] = append(silent[m[1]], f)
				order = append(order, m[1])
			}
		}
		for _, server := range order {
			facts := silent[server]
			if len(facts) == 0 {
				continue
			}
			delete(silent, server)
			p.Report(diagnosis.Finding{
				Confidence: diagnosis.Certain, Facts: few(facts),
				Message: fmt.Sprintf("the NFS server %s does not answer %s: what uses files on it hangs and cannot be killed", server, nodeName(p)),
				Fixes:   []diagnosis.Fix{onNode("See that the server runs and is reached from the node", "nc -vz "+strings.TrimSuffix(server, ",")+" 2049")},
			})
		}
	},
}

var nfsServer = regexp.MustCompile(`nfs: server (\S+?),? (?:not responding|OK)`)
