// SPDX-License-Identifier: Apache-2.0

package node

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Devices recognises devices that a node has and cannot give to pods.
var Devices = &diagnosis.Rule{
	ID:    "NOD017",
	Title: "Devices of the node are not usable",
	Doc: `
A device plugin has told the kubelet of more devices, such as GPUs, than are healthy: the node's capacity counts all, allocatable only those that can be given to pods. Pods that request one wait, or fail at admission
with UnexpectedAdmissionError.

**How it is told from its look-alikes.** By the difference of capacity and allocatable of an extended resource, in the node's status. Where both are 0 the device plugin is not there or has lost all devices. A node whose devices are all in use has
them allocatable. The difference of memory and processors is what the kubelet reserves.

**What to do.** Look at the device plugin's log and at the driver's: for NVIDIA at nvidia-smi and Xid errors in the kernel log.

Both fields are written in kubernetes pkg/kubelet/nodestatus/setters.go from pkg/kubelet/cm/devicemanager.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Node,
	Needs:    evidence.Node,
	Also:     evidence.Host,
	Effect:   diagnosis.DeviceFailed,
	CausedBy: []diagnosis.Effect{diagnosis.KernelFailed},
	Run: func(p *diagnosis.Pass) {
		node := p.Node()
		if node == nil {
			return
		}
		var names []string
		for name := range node.Status.Capacity {
			if strings.Contains(string(name), "/") {
				names = append(names, string(name))
			}
		}
		slices.Sort(names)
		for _, name := range names {
			has, gives := node.Status.Capacity[corev1.ResourceName(name)], node.Status.Allocatable[corev1.ResourceName(name)]
			if gives.Cmp(has) >= 0 {
				continue
			}
			facts := []evidence.Fact{{
				Kind: evidence.Node, Source: evidence.FromStatus, About: p.About(), Where: "status.allocatable[" + name + "]",
				Text: name + " " + gives.String(),
			}, {
				Kind: evidence.Node, Source: evidence.FromStatus, About: p.About(), Where: "status.capacity[" + name + "]", Text: name + " " + has.String(),
			}}
			p.Report(diagnosis.Finding{
				Confidence: diagnosis.Certain, Facts: append(facts, few(heard(p, "device", "xid"))...),
				Message: fmt.Sprintf("node %s can give pods only %s of its %s %s: the others are not healthy", node.Name, gives.String(), has.String(), name),
				Fixes:   look("Look at the device plugin's log and at the driver", "kubectl get pods -A -o wide --field-selector spec.nodeName="+node.Name+" | grep -i device-plugin; dmesg | grep -i xid"),
			})
		}
	},
}
