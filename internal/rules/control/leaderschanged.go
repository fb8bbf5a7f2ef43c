// SPDX-License-Identifier: Apache-2.0

package control

import (
	"fmt"
	"slices"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// LeadersChanged recognises that several controllers lost their leadership at once.
var LeadersChanged = &diagnosis.Rule{
	ID:    "CTL008",
	Title: "Several controllers lost their leadership at once",
	Doc: `
Controllers that run more than once elect a leader by a lease, and one that cannot renew it in time ends itself on purpose, mostly with exit code 1 and "leaderelection lost" in its log. When several different ones do that within the same
minutes, none of them is at fault: the API server or etcd took no writes for that long.

**How it is told from its look-alikes.** By at least two leases in kube-system that were acquired anew within two minutes of each other, in the last hour. One alone is an update or a crash of that controller. A cluster that was just started has
leases that never changed hands, which does not count.

**What to do.** Do not look at the controllers. Look at what API server and etcd did at that time: their logs, the disk of etcd, a restart, an upgrade.

See kubernetes staging/src/k8s.io/client-go/tools/leaderelection: 15 s, 10 s and 2 s by default.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Cluster,
	Needs:    evidence.Node,
	Also:     evidence.Spec | evidence.Status,
	Effect:   diagnosis.LeaseLost,
	CausedBy: []diagnosis.Effect{diagnosis.ControlPlaneSlow},
	Run: func(p *diagnosis.Pass) {
		changed := slices.DeleteFunc(diagnosis.List[*coordinationv1.Lease](p), func(l *coordinationv1.Lease) bool {
			s := &l.Spec
			return l.Namespace == "kube-node-lease" || s.AcquireTime == nil || s.RenewTime == nil || s.LeaseTransitions == nil || *s.LeaseTransitions == 0 ||
				strings.HasPrefix(l.Name, "apiserver-") || p.Now().Sub(s.AcquireTime.Time) > time.Hour
		})
		slices.SortFunc(changed, func(a, b *coordinationv1.Lease) int { return a.Spec.AcquireTime.Compare(b.Spec.AcquireTime.Time) })
		together := nearest(changed)
		if len(together) < 2 {
			return
		}
		var names []string
		var facts []evidence.Fact
		for _, l := range together {
			names = append(names, l.Name)
			at := l.Spec.AcquireTime.UTC()
			facts = append(facts, evidence.Fact{
				Kind: evidence.Node, Source: evidence.FromStatus, About: evidence.RefOf(l), At: at, Where: "spec",
				Text: fmt.Sprintf("acquireTime %s, leaseTransitions %d", at.Format(metav1.RFC3339Micro), *l.Spec.LeaseTransitions),
			})
		}
		facts = append(facts, endedThen(p, facts[0].At)...)
		p.Report(diagnosis.Finding{
			Confidence: diagnosis.Likely, Facts: facts[:min(len(facts), 6)],
			Message: fmt.Sprintf("%s lost their leadership within the same minutes: API server or etcd took no writes then", strings.Join(names, " and ")),
			Fixes:   look("Look at what the API server and etcd did at that time", "kubectl -n kube-system logs -l component=kube-apiserver --since-time "+facts[0].At.Add(-2*time.Minute).Format(time.RFC3339)),
		})
	},
}

// together is within which time leases that change hands belong together: the longest that a candidate waits.
const together = 2 * time.Minute

// nearest returns the largest group of leases, sorted by when they were acquired, that changed hands together.
func nearest(sorted []*coordinationv1.Lease) []*coordinationv1.Lease {
	var best []*coordinationv1.Lease
	j := 0
	for i := range sorted {
		for j < len(sorted) && sorted[j].Spec.AcquireTime.Sub(sorted[i].Spec.AcquireTime.Time) <= together {
			j++
		}
		if j-i > len(best) {
			best = sorted[i:j]
		}
	}
	return best
}

// endedThen returns the ends of controllers in kube-system with exit code 1 or 255 shortly before that time.
func endedThen(p *diagnosis.Pass, at time.Time) []evidence.Fact {
	var facts []evidence.Fact
	for _, pod := range diagnosis.List[*corev1.Pod](p, evidence.RefTo("Namespace", "", metav1.NamespaceSystem)) {
		for _, a := range p.AttemptsOf(evidence.RefOf(pod)) {
			if a.Ended() && (a.ExitCode == 1 || a.ExitCode == 255) && at.Sub(a.Finished).Abs() <= together {
				facts = append(facts, a.Fact())
			}
		}
	}
	return facts
}
