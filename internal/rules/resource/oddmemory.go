// SPDX-License-Identifier: Apache-2.0

package resource

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// OddMemory recognises an amount of memory with the wrong unit, or none.
var OddMemory = &diagnosis.Rule{
	ID:    "RES105",
	Title: "Amount of memory cannot be meant",
	Doc: `
An amount of memory that no program runs in: the suffix m means thousandths, so that 512m is half a byte; a number without a suffix is bytes; and below
about 6 MiB the container's start itself does not fit, so that it ends before the program's first instruction.

**How it is told from its look-alikes.** The limit is below 6 MiB, or it is written in thousandths. Small limits above that may be right for
a program in a compiled language.

**What to do.** Write the amount with Mi or Gi.
`,
	Stage:  diagnosis.Experimental,
	Scope:  diagnosis.Container,
	Needs:  evidence.Spec,
	Effect: diagnosis.OutOfMemory,
	Run: func(p *diagnosis.Pass) {
		c := p.Spec()
		for _, amount := range []struct {
			field string
			of    resource.Quantity
		}{{"limits.memory", *c.Resources.Limits.Memory()}, {"requests.memory", *c.Resources.Requests.Memory()}} {
			text := amount.of.String()
			tiny := amount.field == "limits.memory" && amount.of.Value() < leastMemory
			if amount.of.IsZero() || !tiny && !strings.HasSuffix(text, "m") {
				continue
			}
			p.Report(finding(p, amount.field, text, fmt.Sprintf("Write the memory of container %s with Mi or Gi", c.Name),
				"container %s has %s of %s, which is %d bytes: no program runs in that", c.Name, text, amount.field, amount.of.Value()))
		}
	},
}

// leastMemory is what the start of a container takes by itself: runc's minimum for the process that sets it up
// (opencontainers/runc, libcontainer/cgroups: 6 MiB since 1.0).
const leastMemory = 6 << 20
