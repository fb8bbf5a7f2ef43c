// SPDX-License-Identifier: Apache-2.0

package node

import (
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// NetworkUnready recognises a node without a pod network.
var NetworkUnready = &diagnosis.Rule{
	ID:    "NOD012",
	Title: "Node has no pod network",
	Doc: `
The kubelet says that the pod network of its node is not ready: the runtime finds no configuration of a network plugin (CNI), or the plugin itself is not up. Only pods with hostNetwork can start; the
node is NotReady. The condition NetworkUnavailable is set by a cloud provider or a network plugin that has not made the routes to the node: then the node may be ready, and
carries a taint that keeps new pods away.

**How it is told from its look-alikes.** By the words of the condition: "cni plugin not initialized", "cni config uninitialized", "No CNI configuration file". A runtime that does not answer is another condition. A new node is like this
for its first seconds, until the plugin's pod has run there.

**What to do.** Look at the network plugin's pod on that node: it writes the configuration into /etc/cni/net.d.

The words are those of containerd, CRI-O and of kubernetes pkg/kubelet/nodestatus/setters.go.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Node,
	Needs:    evidence.Node,
	Also:     evidence.Host | evidence.Spec | evidence.Status,
	Effect:   diagnosis.NetworkFailed,
	CausedBy: []diagnosis.Effect{diagnosis.ProcessFailed, diagnosis.ImageUnavailable, diagnosis.RuntimeFailed},
	Run: func(p *diagnosis.Pass) {
		facts := says(p, "cni plugin not initialized", "cni config uninitialized", "No CNI configuration file", "NetworkPluginNotReady", "NetworkReady=false")
		if logged := troubles(p, "network-unready"); len(logged) >= manyRefusals {
			facts = append(facts, logged...)
		}
		lacks := "its network plugin (CNI) is not up, and only pods with hostNetwork start"
		if c, _ := condition(p.Node(), corev1.NodeNetworkUnavailable); c.Status == corev1.ConditionTrue && len(facts) == 0 {
			cited, _ := p.CiteNodeCondition(corev1.NodeNetworkUnavailable)
			facts, lacks = append(facts, cited), "what has to set it up says so ("+c.Message+"), and no new pods are sent there"
		}
		if len(facts) == 0 {
			return
		}
		p.Report(diagnosis.Finding{
			Confidence: diagnosis.Certain, Facts: few(facts),
			Message: fmt.Sprintf("%s has no pod network: %s", nodeName(p), lacks),
			Fixes:   look("Look at the network plugin's pod on "+nodeName(p), "kubectl get pods -A -o wide --field-selector spec.nodeName="+p.About().Name+"; ls -l /etc/cni/net.d"),
		})
	},
}
