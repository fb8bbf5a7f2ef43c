// SPDX-License-Identifier: Apache-2.0

package config

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// SubPath recognises a container whose subPath the kubelet cannot mount.
var SubPath = &diagnosis.Rule{
	ID:    "CFG008",
	Title: "subPath of a mount cannot be prepared",
	Doc: `
The container mounts one path of a volume (subPath), and the kubelet cannot make that path ready: it is a link out of
the volume, a file where a directory is asked for, a read-only or full volume in which it cannot be made; or its object
changed while the container restarts, and what was mounted before is stale. The kubelet keeps the details to its own
log, so that nobody learns about the node's files; only of a path that may never be mounted (absolute, or with "..") it
says so.

**How it is told from its look-alikes.** By "subPath" in CreateContainerConfigError: the volume itself is there. A
volume that is not has the Event FailedMount. A subPath that names no key of a ConfigMap makes an empty directory, and
the runtime then fails to mount it onto a file. A ConfigMap mounted by subPath is never updated in a container that
runs.

**What to do.** Where the container has restarted, delete the pod: a new one mounts the volume afresh. Otherwise compare
subPath with what is in the volume, and whether it may be written; the kubelet's log on the node has the error.

The words are written in kubernetes pkg/kubelet/kubelet_pods.go (makeMounts); recorded from Kubernetes 1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Container,
	Needs:    evidence.Spec | evidence.Status,
	Also:     evidence.Events,
	Effect:   diagnosis.VolumeFailed,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut, diagnosis.StorageFull},
	Run: func(p *diagnosis.Pass) {
		waiting, ok := refusedFor(p, "subPath", "SubPath", "subpath")
		if !ok {
			return
		}
		about := p.About()
		f := diagnosis.Finding{At: began(p), Confidence: diagnosis.Certain, Facts: []evidence.Fact{waiting}}
		f.Message = fmt.Sprintf("container %s is not created because of a subPath that it mounts: %s", about.Container, p.Status().State.Waiting.Message)
		f.Fixes = []diagnosis.Fix{{Title: fmt.Sprintf("Correct the subPath in the spec of container %s as the message has it", about.Container)}}
		if m := subPathWords.FindStringSubmatch(waiting.Text); m != nil {
			f.Message = fmt.Sprintf("container %s is not created because its subPath in volume %s cannot be made ready", about.Container, m[1])
			f.Fixes[0].Title = "Compare the subPath with what is in the volume; the kubelet's log on node " + p.NodeName() + " has the error"
			for _, mount := range p.Spec().VolumeMounts {
				if mount.Name == m[1] && mount.SubPath != "" {
					f.Facts = append(f.Facts, p.CiteSpec("volumeMounts["+mount.MountPath+"].subPath", mount.SubPath))
				}
			}
		}
		if p.Status().LastTerminationState.Terminated != nil {
			f.Message += "; it ran before, so what it mounts has changed since"
			f.Fixes = append([]diagnosis.Fix{{
				Title:   fmt.Sprintf("Delete pod %s, so that a new one mounts the volume afresh", about.Name),
				Command: fmt.Sprintf("kubectl delete pod -n %s %s", about.Namespace, about.Name),
			}}, f.Fixes...)
		}
		p.Report(f)
	},
}

var subPathWords = regex.New(`for volumeMount "([^"]+)"`)
