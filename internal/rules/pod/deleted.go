// SPDX-License-Identifier: Apache-2.0

package pod

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// Deleted recognises that a pod's containers ended because the pod was deleted.
var Deleted = &diagnosis.Rule{
	ID:    "DEL001",
	Title: "Containers ended because the pod was deleted",
	Doc: `
Somebody asked the API server to delete the pod: a person, its controller (scale-down, rollout), a drain, the scheduler
for a pod of higher priority, or a controller that cleans up after a lost node. The kubelet sent SIGTERM to the
containers and, to those that were still there after the grace period, SIGKILL. 143, 137 and 0 are all proper ends then.

**How it is told from its look-alikes.** The pod has a deletionTimestamp, and containers ended after the request. A
container that died before it has another cause; the clocks of node and API server may differ by two seconds, but one that
waits to be started again did not end for it. A pod that its kubelet had ended before it was deleted says so by the
reason in its status: an eviction (EVC001, EVC002), a shutdown (EVC006), a deadline (WRK013). A pod that is being deleted and whose containers still run needs no explaining. A pod that is still there half
a minute after its grace period is DEL002, whatever its containers do.
The condition DisruptionTarget says who asked, where that was not a plain deletion. Once the containers have ended the
kubelet overwrites the time of the request; the time of its order to stop them stands in for it, and without the order
the finding is only likely.

**What to do.** Nothing, if it was meant. Otherwise the audit log of the API server says who it was.

The fields are described in KEP-3329 and in kubernetes pkg/registry/core/pod; recorded from Kubernetes 1.37.
`,
	Stage:    diagnosis.Stable,
	Scope:    diagnosis.Pod,
	Needs:    evidence.Status,
	Also:     evidence.Events | evidence.Spec,
	Effect:   diagnosis.PodDeleted,
	CausedBy: []diagnosis.Effect{diagnosis.NodeLost, diagnosis.RolledOut, diagnosis.Evicted, diagnosis.DeadlinePassed},
	Run: func(p *diagnosis.Pass) {
		d, ok := read(p)
		if !ok || p.PodStatus().Reason != "" || p.Now().Sub(d.due) > settle {
			return
		}
		names, first := ended(p, d)
		if len(names) == 0 {
			return
		}
		f := diagnosis.Finding{
			At: d.ordered, Confidence: diagnosis.Certain, Facts: d.facts,
			Fixes: []diagnosis.Fix{{Title: fmt.Sprintf("Look in the API server's audit log for who deleted pod %s, if nobody meant to", p.About().Name)}},
		}
		if first.Before(f.At) {
			f.At = first
		}
		if !d.exact {
			f.Confidence = diagnosis.Likely
		}
		how := "was deleted"
		if c, ok := p.CitePodCondition(corev1.DisruptionTarget); ok {
			f.Facts = append(f.Facts, c)
			how = by(c.Text)
		}
		f.Message = fmt.Sprintf("%s of pod %s ended because the pod %s", listed(names), p.About().Name, how)
		p.Report(f)
	},
}

// ended returns the containers of which a run ended after the deletion was asked for, and when the first did.
func ended(p *diagnosis.Pass, d deletion) (names []string, first time.Time) {
	from, first := d.ordered.Add(-slack), p.Now()
	if !d.exact {
		from = earliest(p, from)
	}
	for _, a := range p.Attempts() {
		if a.Expected != "" || a.Finished.Before(from) || a.Finished.Before(d.ordered) && waits(p, a.Of.Container) { // so does one that runs
			continue
		}
		if !slices.Contains(names, a.Of.Container) {
			names = append(names, a.Of.Container)
		}
		if a.Finished.Before(first) {
			first = a.Finished
		}
	}
	return names, first
}

// waits tells whether a container is to be started again, as after the end of a run that had nothing to do with the pod's own.
func waits(p *diagnosis.Pass, container string) bool {
	st := p.PodStatus()
	return slices.ContainsFunc(slices.Concat(st.ContainerStatuses, st.InitContainerStatuses), func(st corev1.ContainerStatus) bool {
		return st.Name == container && st.State.Waiting != nil
	})
}

// by says who asked for the deletion, by the reason of the condition DisruptionTarget (KEP-3329).
func by(condition string) string {
	for _, d := range []struct{ reason, says string }{
		{"EvictionByEvictionAPI", "was evicted through the API, as a drain does"},
		{"PreemptionByScheduler", "was preempted by the scheduler for a pod of higher priority"},
		{"DeletionByTaintManager", "was deleted because its node got a NoExecute taint that it does not tolerate"},
		{"DeletionByDeviceTaintManager", "was deleted because a device that it uses got a NoExecute taint"},
		{"DeletionByPodGC", "was deleted because its node no longer exists"},
	} {
		if strings.Contains(condition, "reason "+d.reason) {
			return d.says
		}
	}
	return "was deleted"
}
