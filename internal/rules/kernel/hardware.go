// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"fmt"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// HardwareError recognises memory and processors that report faults.
var HardwareError = &diagnosis.Rule{
	ID:    "KRN010",
	Title: "Hardware reports errors",
	Doc: `
The processor, the memory controller or the firmware told the kernel of a fault: a corrected bit, a row that cannot be read, a failing
link. Corrected errors cost nothing and foretell others; an uncorrected one kills the process that used the memory (SIGBUS, exit code 135)
or the node.

**How it is told from its look-alikes.** By "[Hardware Error]", "Machine check events logged", "Memory failure" or an EDAC line with CE
(corrected) or UE (uncorrected). EDAC and mce also announce themselves at boot, with no error. A process that dies of SIGBUS without such a
line ran over the end of a file or out of /dev/shm.

**What to do.** Uncorrected: drain the node and have the part replaced; on a cloud provider stop and start the machine. Corrected: watch the
count.

The lines are written in arch/x86/kernel/cpu/mce, drivers/acpi/apei/ghes.c, drivers/edac/edac_mc.c and mm/memory-failure.c.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Node,
	Needs:  evidence.Host,
	Also:   evidence.Spec | evidence.Status,
	Effect: diagnosis.DeviceFailed,
	Run: func(p *diagnosis.Pass) {
		facts := records(p, "mce")
		if len(facts) == 0 {
			return
		}
		what, fix := "a hardware error", drain(p, "Move the pods away from "+nodeName(p)+", and have the part replaced")
		if onlyCorrected(facts) {
			what = "corrected hardware errors, which foretell worse"
			fix = onNode("Watch the count of errors, and plan to replace the part", "ras-mc-ctl --summary; grep . /sys/devices/system/edac/mc/mc*/ce_count")
		}
		p.Report(diagnosis.Finding{
			Confidence: diagnosis.Certain, Facts: few(facts),
			Message: fmt.Sprintf("%s reports %s%s", nodeName(p), what, times(facts)), Fixes: []diagnosis.Fix{fix},
		})
	},
}

// onlyCorrected tells whether every record is of an error that was corrected.
func onlyCorrected(facts []evidence.Fact) bool {
	corrected := false
	for _, f := range facts {
		text := strings.ToLower(f.Text)
		switch {
		case strings.Contains(f.Text, " UE ") || strings.Contains(text, "uncorrected") || strings.Contains(text, "fatal") || strings.Contains(f.Text, "Memory failure"):
			return false
		case strings.Contains(text, "corrected") || strings.Contains(f.Text, " CE "):
			corrected = true
		}
	}
	return corrected
}
