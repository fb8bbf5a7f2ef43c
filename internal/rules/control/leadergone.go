// SPDX-License-Identifier: Apache-2.0

package control

import (
	"fmt"
	"slices"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// LeaderGone recognises that nobody schedules or nobody runs the controllers.
var LeaderGone = &diagnosis.Rule{
	ID:    "CTL007",
	Title: "Scheduler or controller manager does not run",
	Doc: `
The scheduler and the controller manager each hold a lease and renew it every two seconds. One that was not renewed for long has no holder: without the scheduler pods stay Pending and nobody writes an Event about them; without the
controller manager no ReplicaSet makes pods, no dead node is noticed, nothing is deleted that belongs to what is deleted.

**How it is told from its look-alikes.** By the lease of kube-scheduler or kube-controller-manager in kube-system, twice as old as it is valid, or more. One that runs with --leader-elect=false renews none, and a lease from before may be left:
so this is never certain. If the leases of all nodes are as old, it is the API server or etcd that takes no
writes, and this is not said. A pod that does not fit has a FailedScheduling Event.

**What to do.** See why it does not run: its static pod's log on the control plane machines, its certificate, its flags.

Durations: 15 s valid, renewed every 2 s (kubernetes staging/src/k8s.io/component-base/config/v1alpha1). Recorded from Kubernetes 1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Cluster,
	Needs:    evidence.Node,
	Effect:   diagnosis.LeaseLost,
	CausedBy: []diagnosis.Effect{diagnosis.ControlPlaneSlow, diagnosis.CertExpired},
	Run: func(p *diagnosis.Pass) {
		for _, l := range leases(p, metav1.NamespaceSystem) {
			means := doesNothing[l.Name]
			if means == "" || age(p, l) <= staleAfter*duration(l) || writesStall(p) {
				continue
			}
			p.Report(diagnosis.Finding{
				At: l.Spec.RenewTime.UTC(), Confidence: diagnosis.Likely, Facts: []evidence.Fact{citeLease(l)},
				Message: fmt.Sprintf("nobody is at work as %s: its lease was last renewed %s before, so it does not run or cannot write, and %s", l.Name, age(p, l).Round(time.Second), means),
				Fixes:   look("See why "+l.Name+" does not run or cannot renew its lease", "kubectl -n kube-system get pods -l component="+l.Name+"; kubectl -n kube-system logs -l component="+l.Name+" --tail 50"),
			})
		}
	},
}

// doesNothing says what stops when the holder of a lease is gone.
var doesNothing = map[string]string{
	"kube-scheduler":          "no pod is assigned to a node",
	"kube-controller-manager": "nobody makes pods, replaces nodes that are gone or cleans up",
}

// staleAfter is by how many times its duration a lease must be old.
const staleAfter = 2

// leases returns the leases of a namespace that somebody renews for some time.
func leases(p *diagnosis.Pass, namespace string) []*coordinationv1.Lease {
	return slices.DeleteFunc(diagnosis.List[*coordinationv1.Lease](p), func(l *coordinationv1.Lease) bool {
		return l.Namespace != namespace || l.Spec.RenewTime == nil || l.Spec.LeaseDurationSeconds == nil
	})
}

func age(p *diagnosis.Pass, l *coordinationv1.Lease) time.Duration {
	return p.Now().Sub(l.Spec.RenewTime.Time)
}

func duration(l *coordinationv1.Lease) time.Duration {
	return time.Duration(*l.Spec.LeaseDurationSeconds) * time.Second
}

// writesStall tells whether no lease of any node was renewed lately either.
func writesStall(p *diagnosis.Pass) bool {
	nodes := nodeLeases(p)
	return len(nodes) > 0 && !slices.ContainsFunc(nodes, func(l *coordinationv1.Lease) bool { return age(p, l) <= duration(l) })
}

// nodeLeases returns the leases of nodes; where nodes are known, not those that others have left behind.
func nodeLeases(p *diagnosis.Pass) []*coordinationv1.Lease {
	nodes := p.Nodes()
	return slices.DeleteFunc(leases(p, corev1.NamespaceNodeLease), func(l *coordinationv1.Lease) bool {
		return len(nodes) > 0 && !slices.ContainsFunc(nodes, func(n *corev1.Node) bool { return n.Name == l.Name })
	})
}

func citeLease(l *coordinationv1.Lease) evidence.Fact {
	return evidence.Fact{
		Kind: evidence.Node, Source: evidence.FromStatus, About: evidence.RefOf(l), At: l.Spec.RenewTime.UTC(),
		Where: "spec.renewTime", Text: "renewTime " + l.Spec.RenewTime.UTC().Format(metav1.RFC3339Micro),
	}
}
