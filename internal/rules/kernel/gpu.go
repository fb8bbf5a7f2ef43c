// SPDX-License-Identifier: Apache-2.0

package kernel

import (
	"fmt"
	"strconv"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// GPU recognises a graphics processor that reports a fault.
var GPU = &diagnosis.Rule{
	ID:    "KRN015",
	Title: "GPU reports an error",
	Doc: `
The driver of an NVIDIA graphics processor reports a fault with a number, Xid. What it means is in the number: 13, 31 and 45 come mostly from the program
that runs there, 48, 63, 64, 94 and 95 from its memory, 74 from NVLink, 79 that the device has left the bus, 119 and 120 that its firmware does not answer.

**How it is told from its look-alikes.** By "NVRM: Xid (PCI:…): N". An error of CUDA in a pod's log without such a line is the program's own. A pod that waits
for nvidia.com/gpu has no device to be assigned, which is a matter of the scheduler or of the device plugin.

**What to do.** With a fault of the device: drain the node and reset or replace the device. With one of the program: look at its memory accesses and versions.

Numbers and meanings are in NVIDIA's document "XID Errors"; devices of AWS Neuron report NEURON_HW_ERR.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Node,
	Needs:  evidence.Host,
	Also:   evidence.Spec | evidence.Status,
	Effect: diagnosis.DeviceFailed,
	Run: func(p *diagnosis.Pass) {
		facts := records(p, "xid", "neuron-error")
		if len(facts) == 0 {
			return
		}
		worst, number, means := worstXid(facts)
		what := "reports a fault of an accelerator: " + headline(worst)
		if number > 0 {
			what = fmt.Sprintf("has a GPU with Xid %d: %s", number, means.says)
		}
		fix := drain(p, "Drain "+nodeName(p)+", and reset or replace the device")
		if means.program {
			fix = onNode("Look at the program that runs on the device: its memory accesses, its versions of CUDA and of the driver", "nvidia-smi -q -d ECC,PAGE_RETIREMENT")
		}
		p.Report(diagnosis.Finding{
			Confidence: diagnosis.Certain, At: worst.At, Facts: few(facts),
			Message: nodeName(p) + " " + what, Fixes: []diagnosis.Fix{fix},
		})
	},
}

type xidMeaning struct {
	says    string
	program bool // mostly of the program's own making
}

var xids = map[int]xidMeaning{
	8:   {"a kernel of a program did not end in time", true},
	13:  {"a program's graphics engine exception, mostly an access out of bounds", true},
	31:  {"a program's access to memory that it does not have", true},
	43:  {"the program's channel was reset", true},
	45:  {"the program's channel was taken down, mostly after another error", true},
	48:  {"an error in the device's memory that cannot be corrected", false},
	61:  {"the device's microcontroller stopped", false},
	62:  {"the device's microcontroller halted", false},
	63:  {"a row of the device's memory was replaced", false},
	64:  {"a row of the device's memory could not be replaced", false},
	68:  {"the video processor failed", true},
	69:  {"a program's graphics engine class error", true},
	74:  {"an NVLink connection failed", false},
	79:  {"the device has fallen off the bus", false},
	92:  {"many corrected errors in the device's memory", false},
	94:  {"an error in the device's memory, contained to one program", false},
	95:  {"an error in the device's memory that was not contained", false},
	109: {"a context switch of the device did not end in time", false},
	119: {"the device's firmware (GSP) does not answer", false},
	120: {"the device's firmware (GSP) failed", false},
	140: {"an error in the device's memory that cannot be corrected", false},
}

var xidNumber = regex.New(`Xid \([^)]*\): (\d+)`)

// worstXid returns the record that says most: the first of a fault of the device, else the first.
func worstXid(facts []evidence.Fact) (evidence.Fact, int, xidMeaning) {
	var worst evidence.Fact
	var number int
	var means xidMeaning
	for i, f := range facts {
		n := 0
		if m := xidNumber.FindStringSubmatch(f.Text); m != nil {
			n, _ = strconv.Atoi(m[1])
		}
		meaning, known := xids[n]
		if !known {
			meaning = xidMeaning{"see NVIDIA's list of Xid errors", false}
		}
		if i == 0 || means.program && !meaning.program {
			worst, number, means = f, n, meaning
		}
	}
	return worst, number, means
}
