// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// DuplicateVariable recognises a variable with two values.
var DuplicateVariable = &diagnosis.Rule{
	ID:    "CFG102",
	Title: "Variable is given twice",
	Doc: `
A container has two variables of one name. The last one counts, and a later apply may drop either, since the list is merged by name: the program then runs with a value that
nobody meant.

**How it is told from its look-alikes.** Both are in the list env of one container. A variable that envFrom brings and env sets again is meant to be.

**What to do.** Keep one.
`,
	Stage:  diagnosis.Experimental,
	Scope:  diagnosis.Container,
	Needs:  evidence.Spec,
	Effect: diagnosis.ConfigChanged,
	Run: func(p *diagnosis.Pass) {
		c, seen := p.Spec(), map[string]bool{}
		for i, v := range c.Env {
			if seen[v.Name] {
				p.Report(diagnosis.Finding{
					Confidence: diagnosis.Possible,
					Message:    fmt.Sprintf("variable %s of container %s is given twice: the last one counts", v.Name, c.Name),
					Facts:      []evidence.Fact{p.CiteSpec(fmt.Sprintf("env[%d]", i), "name "+v.Name)},
					Fixes:      []diagnosis.Fix{{Title: "Keep one of the two values of " + v.Name, Risk: diagnosis.Restart}},
				})
			}
			seen[v.Name] = true
		}
	},
}
