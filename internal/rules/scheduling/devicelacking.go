// SPDX-License-Identifier: Apache-2.0

package scheduling

import (
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// DeviceLacking recognises a pod that asks for a device that no node can give.
var DeviceLacking = &diagnosis.Rule{
	ID:    "SCH004",
	Title: "No node has the device that the pod requests",
	Doc: `
The pod requests an extended resource, as a GPU, and no node has enough of it to give. A node offers such a resource only
while its device plugin runs and is registered: after a crash of the plugin, a kubelet restart or a driver upgrade the node
reports none, and every pod that wants one stays Pending.

**How it is told from its look-alikes.** The scheduler says "Insufficient" with a resource whose name has a domain, as
nvidia.com/gpu, or with huge pages. CPU, memory and ephemeral-storage are SCH001. Where a node reports the resource with
allocatable zero, its plugin has registered before and its devices are unhealthy; where no node reports it, the plugin
never ran there or the name is misspelt; otherwise other pods hold the devices.

**What to do.** Look at the device plugin's DaemonSet on the nodes that should have the device. If the plugin is well, free a
device or add a node; a request for more devices than one node has can never be met.

The words are written in kubernetes pkg/scheduler/framework/plugins/noderesources/fit.go; recorded from Kubernetes 1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Pod,
	Needs:    evidence.Spec | evidence.Status,
	Also:     evidence.Node | evidence.Events,
	Effect:   diagnosis.NotScheduled,
	CausedBy: []diagnosis.Effect{diagnosis.DeviceFailed, diagnosis.ConfigChanged, diagnosis.RolledOut},
	Run: func(p *diagnosis.Pass) {
		v := read(p)
		if v.decided != device {
			return
		}
		var lacks []string
		var facts []evidence.Fact
		taken := false
		for _, r := range v.of(device) {
			text, cited := lackDevice(p, v, strings.TrimPrefix(r.text, "Insufficient "))
			lacks, facts, taken = append(lacks, text), append(facts, cited...), taken || strings.HasSuffix(text, othersHold)
		}
		domain, _, _ := strings.Cut(strings.TrimPrefix(v.of(device)[0].text, "Insufficient "), "/")
		look := diagnosis.Fix{Title: "Look whether the device plugin runs on the nodes that have the device", Command: "kubectl get pods -A -o wide | grep -i -e plugin -e " + domain}
		fixes := []diagnosis.Fix{look, {Title: "Correct the name or the number in the request, or add a node with the device", Command: edit(p)}}
		switch {
		case strings.HasPrefix(domain, "hugepages-"):
			fixes = []diagnosis.Fix{{Title: "Set huge pages aside on a node, at boot or by vm.nr_hugepages and a restart of its kubelet, or ask for none", Command: edit(p)}}
		case taken:
			fixes = []diagnosis.Fix{{Title: "End a pod that holds one, or add a node with the device", Command: "kubectl describe nodes"}, look}
		}
		v.report(p, device, fmt.Sprintf("pod %s gets no device: %s", p.About().Name, strings.Join(lacks, "; ")), facts, fixes...)
	},
}

const othersHold = ", and other pods hold those that there are"

// lackDevice says how many of a resource are asked for and how many there are, and cites both.
func lackDevice(p *diagnosis.Pass, v verdict, name string) (string, []evidence.Fact) {
	asked, facts := requested(p, corev1.ResourceName(name))
	want := "it requests " + amount(asked, name)
	node, most := largest(p.Nodes(), corev1.ResourceName(name))
	if node == nil {
		return fmt.Sprintf("%s, and %s have less left", want, v.on(device)), facts
	}
	offered, ok := offers(p.Nodes(), corev1.ResourceName(name))
	if !ok {
		return want + ", which no node offers", facts
	}
	if most.IsZero() {
		node = offered
	}
	facts = append(facts, allocatable(node, name))
	switch {
	case most.IsZero() && strings.HasPrefix(name, "hugepages-"):
		return want + ", and no node has any set aside", facts
	case most.IsZero():
		return fmt.Sprintf("%s, and node %s reports none that is healthy", want, node.Name), facts
	case asked.Cmp(most) > 0:
		return fmt.Sprintf("%s, more than any node has: the most, %s, has %s", want, node.Name, most.String()), facts
	}
	return want + othersHold, facts
}

// offers returns a node that reports the resource at all, be it with none left.
func offers(nodes []*corev1.Node, name corev1.ResourceName) (*corev1.Node, bool) {
	for _, n := range nodes {
		if _, ok := n.Status.Allocatable[name]; ok {
			return n, true
		}
	}
	return nil, false
}
