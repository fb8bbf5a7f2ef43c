// SPDX-License-Identifier: Apache-2.0

package storage

import (
	"fmt"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// MountTimeout recognises a pod whose volumes are not there in time, where nothing says why.
var MountTimeout = &diagnosis.Rule{
	ID:    "STO018",
	Title: "Volumes were not attached or mounted in time",
	Doc: `
The kubelet waited two minutes and three seconds for the pod's volumes and gave up for this time; it begins again. The Event
lists the volumes that are not mounted. What holds them up is not said: an attachment that nobody carries out, a mount that
hangs, a change of ownership over very many files, a driver that does not answer.

**How it is told from its look-alikes.** Where an Event names the reason for one of the volumes, that has a rule of its own and
this one is silent: the time-out only follows from it. It is silent, too, when the pod has got past mounting.

**What to do.** Look at the volumes that are listed as unmounted, and at the driver and the kubelet's log on the node. For a volume
of many files with fsGroup, set fsGroupChangePolicy to OnRootMismatch.

The words are in kubernetes pkg/kubelet/volumemanager/volume_manager.go (WaitForAttachAndMount); the error at their end was
"timed out waiting for the condition" until 1.27 and is "context deadline exceeded" since.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Pod,
	Needs:    evidence.Status | evidence.Events,
	Effect:   diagnosis.VolumeFailed,
	CausedBy: append([]diagnosis.Effect{diagnosis.VolumeFailed}, causes...),
	Run: func(p *diagnosis.Pass) {
		said := failures(p, attached, driverless, unattached, unserved, broken, pathless, unmapped, claimless, elsewhere, other)
		late := failures(p, overdue)
		if len(late) == 0 || explained(said) {
			return
		}
		f := late[0]
		if strings.Contains(f.Message, " cache: ") && p.Now().Sub(f.First) < unknownFor {
			return // its kubelet has not read yet what the volume is made of, and tries again at once
		}
		names := strings.Join(strings.Fields(captured(unmounted, f.Message, f.volume)), ", ")
		f.report(p, fmt.Sprintf("pod %s has been waiting for its volumes (%s) since %s, and nothing says what holds them up",
			p.About().Name, names, f.First.UTC().Format("15:04:05")),
			diagnosis.Fix{Title: fmt.Sprintf("Look at what the kubelet of node %s and the volume's driver do", p.NodeName()), Command: describe(p)})
	},
}

// explained tells whether one of the failures names a reason.
func explained(list []failure) bool {
	for i := range list {
		if list[i].volume != "" || list[i].sort != other {
			return true
		}
	}
	return false
}

var unmounted = regex.New(`unmounted volumes=\[([^\]]*)\]`)
