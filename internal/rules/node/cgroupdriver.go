// SPDX-License-Identifier: Apache-2.0

package node

import (
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// CgroupDriver recognises a kubelet and a runtime that name control groups differently.
var CgroupDriver = &diagnosis.Rule{
	ID:    "NOD013",
	Title: "Kubelet and runtime use different cgroup drivers",
	Doc: `
The kubelet and the container runtime name control groups in two ways, systemd's (slices) and by plain paths (cgroupfs), and must agree. If they do not, no sandbox can be created, or two
owners fight for the same groups and containers are ended and made anew at random.

**How it is told from its look-alikes.** By the runtime's refusal "expected cgroupsPath to be of format …" in the Events of pods or in its log, or the kubelet's "cgroup driver … is different from". Other errors of the runtime about control groups
("no such device", "device or resource busy") are about the groups themselves.

**What to do.** Set both to systemd: cgroupDriver in the kubelet's configuration and SystemdCgroup in that of containerd (cgroup_manager in CRI-O).

The words are in opencontainers/runc libcontainer/specconv/spec_linux.go and, up to 1.23, kubernetes pkg/kubelet/dockershim.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Node,
	Needs:    evidence.Events,
	Also:     evidence.Host | evidence.Node | evidence.Spec | evidence.Status,
	Effect:   diagnosis.RuntimeFailed,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged},
	Run: func(p *diagnosis.Pass) {
		facts := podEvents(p, func(_ *corev1.Pod, e evidence.Event) bool {
			return holds(e.Message, "expected cgroupsPath to be of format")
		}, "FailedCreatePodSandBox", "Failed")
		facts = append(facts, troubles(p, "cgroup-driver")...)
		if len(facts) == 0 {
			return
		}
		p.Report(diagnosis.Finding{
			Confidence: diagnosis.Certain - confidenceLess(facts), Facts: slices.Concat(few(facts), held(p, facts)),
			Message: fmt.Sprintf("the kubelet and the runtime of %s use different cgroup drivers, so no container can be created", nodeName(p)),
			Fixes:   look("Set both to systemd: cgroupDriver of the kubelet, SystemdCgroup of containerd", "grep cgroupDriver /var/lib/kubelet/config.yaml; containerd config dump | grep -i SystemdCgroup"),
		})
	},
}
