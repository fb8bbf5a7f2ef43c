// SPDX-License-Identifier: Apache-2.0

package dependency

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// MeshNotReady recognises a program that failed because the sidecar through which it speaks was not up yet.
var MeshNotReady = &diagnosis.Rule{
	ID:    "DEP013",
	Title: "Program started before the proxy of its service mesh",
	Doc: `
In a service mesh all connections of a pod go through a proxy beside it. The proxy is an ordinary container here, and the kubelet starts
containers without waiting for each other: the program made its first connection before the proxy took any, was refused, and ended.

**How it is told from its look-alikes.** The pod has a container with the name of a mesh's proxy, it is no native sidecar, it was started
no more than a few seconds before this run ended, and this was the container's first run. Later failures, when the proxy has long been
running, are about the dependency itself. After the restart all is well, as a rule.

**What to do.** Have the mesh inject its proxy as a native sidecar, which is ready before the others start; with Istio,
holdApplicationUntilProxyStarts does the same.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Container,
	Needs:    evidence.Status,
	Also:     evidence.Logs | evidence.Spec,
	Effect:   diagnosis.DependencyDown,
	CausedBy: []diagnosis.Effect{diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		c := callOf(p)
		if c.class != mesh {
			return
		}
		proxy := proxyOf(p.PodSpec())
		f := c.finding(p, fmt.Sprintf("the proxy %s, through which its connections go, had not started yet", proxy))
		for _, st := range p.PodStatus().ContainerStatuses {
			if st.Name == proxy {
				f.Confidence = diagnosis.Likely
				f.Facts = append(f.Facts, evidence.Fact{
					Kind: evidence.Status, Source: evidence.FromStatus, About: p.About().Object().InContainer(proxy), At: st.State.Running.StartedAt.Time,
					Where: "status.containerStatuses[" + proxy + "].state.running", Text: "startedAt " + st.State.Running.StartedAt.UTC().Format("2006-01-02T15:04:05Z"),
				}, c.run.Fact())
			}
		}
		f.Fixes = []diagnosis.Fix{{Title: "Have the proxy injected as a native sidecar, or hold the containers until it has started (Istio: holdApplicationUntilProxyStarts)"}}
		p.Report(f)
	},
}
