// SPDX-License-Identifier: Apache-2.0

package node

import (
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// NotReady recognises a node whose kubelet does not report, or reports that it cannot run pods.
var NotReady = &diagnosis.Rule{
	ID:    "NOD001",
	Title: "Node is not ready",
	Doc: `
The node's condition Ready is not True. Unknown means that the kubelet stopped reporting: the node has no power, no
network to the API server, or no running kubelet; what its containers do is not known, and what the API says of them is
old. False means that the kubelet reports and says itself what it lacks: the container runtime, the pod network.

**How it is told from its look-alikes.** By the condition alone, which the kubelet or the node controller writes. A
cordoned node is Ready and takes no new pods: that is no fault. A node that restarted is Ready again soon (NOD002).
Unknown with a lease that is still renewed means that the kubelet lives and only its status does not arrive: look at the
API server before the node. Many nodes at once point at the control plane, too.

**What to do.** Unknown: see that the machine is on, that it reaches the API server, and that its kubelet runs. False: read
the condition's message. Pods stay on the node for 5 minutes by default and are deleted then; one that a StatefulSet made
is not replaced until the node is back or its Node object is gone.

The node controller sets Unknown after 50 s without a report, before 1.32 after 40 s (kube-controller-manager --node-monitor-grace-period), in
kubernetes pkg/controller/nodelifecycle; the kubelet's own reasons are in pkg/kubelet/nodestatus/setters.go. Recorded from
Kubernetes 1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Node,
	Needs:    evidence.Node,
	Also:     evidence.Events,
	Effect:   diagnosis.NodeLost,
	CausedBy: []diagnosis.Effect{diagnosis.NodeLost, diagnosis.RuntimeFailed, diagnosis.NetworkFailed, diagnosis.ControlPlaneSlow, diagnosis.LeaseLost, diagnosis.CertExpired, diagnosis.KernelFailed, diagnosis.NodePressure, diagnosis.NodeSaturated},
	Run: func(p *diagnosis.Pass) {
		ready, ok := condition(p.Node(), corev1.NodeReady)
		if !ok || ready.Status == corev1.ConditionTrue {
			return
		}
		cited, _ := p.CiteNodeCondition(corev1.NodeReady)
		name := p.About().Name
		f := diagnosis.Finding{
			At: ready.LastTransitionTime.Time, Confidence: diagnosis.Certain, Facts: []evidence.Fact{cited},
			Message: fmt.Sprintf("node %s reports that it is not ready: %s", name, ready.Message),
		}
		fix := diagnosis.Fix{Title: fmt.Sprintf("Repair what node %s says that it lacks", name), Command: "kubectl describe node " + name}
		if ready.Status == corev1.ConditionUnknown {
			fix.Title = fmt.Sprintf("See that node %s is on, that it reaches the API server and that its kubelet runs", name)
			said, facts := silence(p, ready)
			f.Message, f.Facts = fmt.Sprintf("node %s %s", name, said), append(f.Facts, facts...)
		}
		for _, e := range p.NodeEvents("NodeNotReady") {
			if !e.Last.Before(ready.LastTransitionTime.Add(-time.Minute)) {
				f.Facts = append(f.Facts, e.Fact())
				break
			}
		}
		f.Fixes = []diagnosis.Fix{fix}
		p.Report(f)
	},
}

// silence says since when the node's kubelet is silent, by its lease: it renews that every 10 s and its status only every
// 5 min unless something changes (nodeStatusReportFrequency). A renewal counts as life only when it came after the node
// controller gave up: the one before may be younger than a lease.
func silence(p *diagnosis.Pass, ready corev1.NodeCondition) (string, []evidence.Fact) {
	l := p.Lease()
	if l == nil || l.Spec.RenewTime == nil {
		return "has not reported since " + ready.LastHeartbeatTime.UTC().Format(time.RFC3339) + " or up to 5 minutes later", nil
	}
	renewed := l.Spec.RenewTime.UTC()
	facts := []evidence.Fact{{
		Kind: evidence.Node, Source: evidence.FromStatus, About: evidence.RefOf(l), At: renewed,
		Where: "spec.renewTime", Text: "renewTime " + renewed.Format(metav1.RFC3339Micro),
	}}
	if renewed.After(ready.LastTransitionTime.Time) {
		return "does not get its status through, though its kubelet still renews the lease", facts
	}
	return "has not reported since " + renewed.Format(time.RFC3339), facts
}
