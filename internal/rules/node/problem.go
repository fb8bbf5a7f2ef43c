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

// Problem recognises what a watcher on the node has written into the node's conditions.
var Problem = &diagnosis.Rule{
	ID:    "NOD008",
	Title: "A watcher on the node reports a problem",
	Doc: `
A program that watches the node, such as node-problem-detector or that of a cloud provider, has set a condition of its own: a deadlock in the kernel, a read-only
file system, a runtime or a kubelet that keeps restarting, a clock that is off, an accelerator that fails. The kubelet may call the node ready all the while.

**How it is told from its look-alikes.** By the condition's type and status: KernelDeadlock and its like are bad when True, KernelReady and its like when False. Conditions of the kubelet itself (Ready, pressure) are not among these. A
condition that is not known here, or is Unknown, is not read as trouble.

**What to do.** The condition's message quotes what was seen. Drain the node where kernel, disk or device are at fault; look at the log of the service where it is one.

The types are those of node-problem-detector (config/*.json) and of the EKS node monitoring agent.
`,
	Stage:  diagnosis.Stable,
	Scope:  diagnosis.Node,
	Needs:  evidence.Node,
	Effect: diagnosis.KernelFailed,
	Run: func(p *diagnosis.Pass) {
		node := p.Node()
		if node == nil {
			return
		}
		for i := range node.Status.Conditions {
			c := &node.Status.Conditions[i]
			means, known := problems[string(c.Type)]
			bad := corev1.ConditionTrue
			if slices.Contains(wellWhenTrue, string(c.Type)) {
				bad = corev1.ConditionFalse
			}
			if !known || c.Status != bad {
				continue
			}
			cited, _ := p.CiteNodeCondition(c.Type)
			message := strings.TrimSuffix(fmt.Sprintf("node %s: %s (%s)", node.Name, means, strings.TrimRight(c.Message, ".")), " ()")
			p.Report(diagnosis.Finding{
				At: c.LastTransitionTime.Time, Confidence: diagnosis.Certain, Facts: []evidence.Fact{cited}, Message: message,
				Fixes: []diagnosis.Fix{
					{Title: "Look at the node's own log of that time", Command: "journalctl -k -p warning; journalctl -u kubelet -u containerd -n 100"},
					{Title: "Drain node " + node.Name + " if kernel, disk or device are at fault", Risk: diagnosis.Evict, Command: "kubectl drain " + node.Name + " --ignore-daemonsets --delete-emptydir-data"},
				},
			})
		}
	},
}

var problems = map[string]string{
	"KernelDeadlock":              "its kernel is deadlocked, or a task of it hangs",
	"ReadonlyFilesystem":          "a file system was made read-only",
	"XfsShutdown":                 "an XFS file system was shut down",
	"CorruptDockerOverlay2":       "the image store of its runtime is damaged",
	"FrequentKubeletRestart":      "its kubelet is restarted again and again",
	"FrequentDockerRestart":       "its docker is restarted again and again",
	"FrequentContainerdRestart":   "its containerd is restarted again and again",
	"FrequentUnregisterNetDevice": "network devices cannot be removed, again and again",
	"FrequentGcfsdRestart":        "its image streaming is restarted again and again",
	"KubeletUnhealthy":            "its kubelet does not answer its health check",
	"KubeletProblem":              "its kubelet does not answer its health check",
	"ContainerRuntimeUnhealthy":   "its container runtime does not answer",
	"ContainerRuntimeProblem":     "its container runtime does not answer",
	"FilesystemCorruptionProblem": "a file system is damaged",
	"NTPProblem":                  "its clock is not synchronised",
	"NetworkProblem":              "its network has trouble",
	"GPUMissing":                  "a GPU is missing",
	"KernelReady":                 "its kernel has trouble",
	"ContainerRuntimeReady":       "its container runtime or kubelet has trouble",
	"StorageReady":                "its disks have trouble",
	"NetworkingReady":             "its network has trouble",
	"AcceleratedHardwareReady":    "an accelerator of it fails",
}

// wellWhenTrue are the conditions that are bad when they are False.
var wellWhenTrue = []string{"KernelReady", "ContainerRuntimeReady", "StorageReady", "NetworkingReady", "AcceleratedHardwareReady"}
