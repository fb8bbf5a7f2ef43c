// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"fmt"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// AllocationFailed recognises that the kernel itself could not get memory.
var AllocationFailed = &diagnosis.Rule{
	ID:    "KRN001",
	Title: "Kernel could not allocate memory",
	Doc: `
The kernel asked itself for memory and got none: pages that lie together were not to be had (page allocation failure, with the order of the request), or its
allocator of small objects failed (SLUB), which in old kernels means that control groups for kernel memory leaked. What had asked fails: a packet is
dropped, a mount or a container cannot be made.

**How it is told from its look-alikes.** By the record, which names the order and the flags of the request. The out of memory killer writes another one and kills a process; after this
one nothing is killed. A failure of order 0 means that memory was exhausted at that moment; of a high order that it is in pieces.

**What to do.** Look at memory and at vm.min_free_kbytes. With SLUB and "no space left on device" for control groups on kernels before 4.19: restart the node and
use a newer kernel or kmem accounting off.

The lines are written in mm/page_alloc.c and mm/slub.c.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Node,
	Needs:  evidence.Host,
	Also:   evidence.Spec | evidence.Status,
	Effect: diagnosis.NodePressure,
	Run: func(p *diagnosis.Pass) {
		facts := records(p, "page-allocation", "memcg-leak")
		if len(facts) == 0 {
			return
		}
		what := "could not allocate pages for itself"
		if strings.Contains(facts[0].Text, "SLUB") {
			what = "could not allocate memory for its own objects (SLUB)"
		}
		p.Report(diagnosis.Finding{
			Confidence: diagnosis.Certain, Facts: few(facts),
			Message: fmt.Sprintf("the kernel of %s %s%s: what had asked for the memory failed", nodeName(p), what, times(facts)),
			Fixes:   []diagnosis.Fix{onNode("Look at free memory, its fragments and the kernel's own use", "cat /proc/buddyinfo; grep -E 'MemAvailable|Slab' /proc/meminfo; slabtop -o | head")},
		})
	},
}
