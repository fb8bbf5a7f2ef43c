// SPDX-License-Identifier: Apache-2.0

package dependency

import (
	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/signature"
)

// Unreached recognises a program that ended because something that it needs did not answer.
var Unreached = &diagnosis.Rule{
	ID:    "DEP011",
	Title: "Program could not reach what it needs",
	Doc: `
The program said that a connection was refused, timed out, or found no host, and ended. What it called is outside of the cluster, or
nothing is known of it here, or it is a Service that works now.

**How it is told from its look-alikes.** Only the log says it, so that this is never more than possible. Where the host is a Service and its
endpoints, ports, pods or network policies show what is wrong, other rules say so, with more confidence. A Service with ready endpoints that
refused was probably not up yet when this program started: then one restart, or a few, and peace.

**What to do.** Look at the dependency itself, and whether other clients of it fail in the same minute: if all do it is the dependency or the way
out (proxy, firewall), if only this one does it is its configuration. Let the program retry instead of ending.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Container,
	Needs:    evidence.Status,
	Also:     evidence.Logs | evidence.Spec,
	Effect:   diagnosis.DependencyDown,
	CausedBy: []diagnosis.Effect{diagnosis.NetworkFailed, diagnosis.NodeLost, diagnosis.NodeSaturated},
	Run: func(p *diagnosis.Pass) {
		c := callOf(p)
		if c.class != unreached {
			return
		}
		why := "it did not answer"
		switch {
		case c.Problem == signature.Refused && c.slices.ready > 0:
			why = "it refused, and its pods are ready now: it was probably not up yet"
		case c.Problem == signature.Refused:
			why = "nothing took the connection"
		case c.Problem == signature.NoSuchHost:
			why = "its name does not resolve"
		}
		f := c.finding(p, why)
		f.Through = refsOf(c.pods)
		f.Fixes = []diagnosis.Fix{{Title: "Look at " + c.what() + " itself, and whether other clients of it fail too; let the program retry instead of ending"}}
		p.Report(f)
	},
}
