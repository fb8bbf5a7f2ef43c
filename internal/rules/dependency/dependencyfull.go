// SPDX-License-Identifier: Apache-2.0

package dependency

import (
	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// DependencyFull recognises a program that is turned away because its dependency, or its own pool, is full.
var DependencyFull = &diagnosis.Rule{
	ID:    "DEP010",
	Title: "Dependency takes no more connections or requests",
	Doc: `
The dependency answered, and said that it has too many connections, clients or requests; or the program's own pool of connections had none
left and waiting for one timed out.

**How it is told from its look-alikes.** By the words, status 429 among them. A dependency that is down refuses without a word, and one that is slow
does not answer. A limit of open files is about the program's own descriptors. When more replicas or a rollout with
surge came before, each with a pool of its own, their pools together are more than the dependency allows.

**What to do.** Add up the pools of all replicas and compare the sum with the dependency's limit; look for connections that are not
given back.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Container,
	Needs:    evidence.Status,
	Also:     evidence.Logs | evidence.Spec,
	Effect:   diagnosis.DependencyDown,
	CausedBy: []diagnosis.Effect{diagnosis.RolledOut, diagnosis.ConfigChanged},
	Run: func(p *diagnosis.Pass) {
		c := callOf(p)
		if c.class != full {
			return
		}
		f := c.words("it takes no more connections or requests")
		f.Fixes = append(f.Fixes, diagnosis.Fix{Title: "Compare the pools of all replicas together with the limit of the dependency, and look for connections that are not given back"})
		p.Report(f)
	},
}
