// SPDX-License-Identifier: Apache-2.0

package sandbox

import (
	"fmt"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/regex"
)

// AddressesExhausted recognises a node or a subnet that has no address left for a pod.
var AddressesExhausted = &diagnosis.Rule{
	ID:    "SBX001",
	Title: "There is no free address for the pod",
	Doc: `
The network plugin cannot give the pod an address. With a range for each node (host-local, flannel, kindnet, GKE) it is
this node's range that is used up: too many pods for its size, or addresses that were not given back after a crash. With
addresses from the cloud's network (AWS, Azure) it is the node's interfaces or the whole subnet.

**How it is told from its look-alikes.** By the plugin's words in the newest FailedCreatePodSandBox Event while the pod
has no sandbox. A plugin that cannot reach what hands out its addresses says so instead. A node that is full of pods is
not chosen by the scheduler. Other nodes go on: if none does, the pool of the cluster or the subnet is empty.

**What to do.** Compare the number of pods on that node with the size of the range in the message. Where there are
fewer, addresses leaked: delete the files of pods that are gone (/var/lib/cni/networks with host-local), or restart the
plugin. Where the range is really full, lower maxPods, or enlarge range or subnet (AWS: prefix delegation).

The wordings are those of containernetworking/plugins host-local, aws-vpc-cni, azure-vnet, calico and cilium.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Pod,
	Needs:    evidence.Status | evidence.Events,
	Effect:   diagnosis.SandboxFailed,
	CausedBy: []diagnosis.Effect{diagnosis.NetworkFailed, diagnosis.RuntimeFailed, diagnosis.NodeLost},
	Run: on(exhausted, func(p *diagnosis.Pass, f *failure) (string, []diagnosis.Fix) {
		where := "on node " + p.NodeName()
		if m := addressRange.FindStringSubmatch(f.text); m != nil {
			where = fmt.Sprintf("in the range %s of node %s", m[1], p.NodeName())
		}
		return fmt.Sprintf("pod %s gets no address: the network plugin%s has none left %s", p.About().Name, pluginIn(f.text), where), []diagnosis.Fix{{
			Title:   fmt.Sprintf("Count the pods of node %s: fewer than addresses means that some leaked, else the range or subnet is too small", p.NodeName()),
			Command: onNode(p) + " --no-headers | wc -l",
		}}
	}),
}

// addressRange is the range that host-local names, and its set of ranges.
var addressRange = regex.New(`range(?: set)?: ?([0-9a-fA-F.:/,-]+[0-9a-fA-F])`)
