// SPDX-License-Identifier: Apache-2.0

package storage

import (
	"fmt"
	"strings"

	"github.com/kubeinquest/inquest/internal/diagnosis"
)

// MapFailed recognises a raw block volume that cannot be given to a pod, or one that is asked for as what it is not.
var MapFailed = &diagnosis.Rule{
	ID:    "STO016",
	Title: "Block volume cannot be mapped, or is asked for as a file system",
	Doc: `
A volume with volumeMode Block is given to containers as a device, by volumeDevices; one with volumeMode Filesystem as a
directory, by volumeMounts. Either the pod asks for the one as the other, and the kubelet refuses; or the device itself cannot
be mapped into the pod.

**How it is told from its look-alikes.** "has volumeMode" in the kubelet's FailedMount Event is the spec's contradiction, and
FailedMapVolume is the device's trouble. A claim and a volume of different modes are not bound to each other at all, which is
another finding.

**What to do.** Let the pod ask for the volume in the way of its mode; the mode of a claim cannot be changed. For a device,
read the error of the driver.

The words are in kubernetes pkg/kubelet/volumemanager/populator and pkg/volume/util/operationexecutor.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Pod,
	Needs:    mountEvidence,
	Effect:   diagnosis.VolumeFailed,
	CausedBy: causes,
	Run: func(p *diagnosis.Pass) {
		for _, f := range failures(p, unmapped) {
			who := fmt.Sprintf("%s of pod %s", f.name(p), p.About().Name)
			switch {
			case strings.Contains(f.Message, "volumeMode Block"):
				f.report(p, who+" is a block device, and the pod asks for it as a file system (volumeMounts)",
					diagnosis.Fix{Title: "Ask for the volume under volumeDevices, or make the claim anew with volumeMode Filesystem", Command: describe(p)})
			case strings.Contains(f.Message, "volumeMode Filesystem"):
				f.report(p, who+" is a file system, and the pod asks for it as a device (volumeDevices)",
					diagnosis.Fix{Title: "Ask for the volume under volumeMounts, or make the claim anew with volumeMode Block", Command: describe(p)})
			default:
				f.report(p, fmt.Sprintf("%s cannot be mapped as a device on node %s: %s", who, p.NodeName(), reason(after(f.Message))),
					diagnosis.Fix{Title: "Mend what the driver complains about; the kubelet tries again by itself", Command: describe(p)})
			}
		}
	},
}
