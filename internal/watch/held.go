// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"context"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/diagnosis"
)

// mostHeld is how many pods are held whole for a capture to come: some megabytes. Of those beyond, the evidence is written with the
// first verdict.
const mostHeld = 256

// A held pod has its first verdict on record and its state not, which takes ten times as long to write: a capture is about to bring
// that, and more. Where none comes, its state is written after all.
type held struct {
	pod  *corev1.Pod
	free bool
}

// hold holds a pod, or returns nil where there are too many.
func (r *Recorder) hold(pod *corev1.Pod) *held {
	select {
	case r.holds <- struct{}{}:
		return &held{pod: pod}
	default:
		return nil
	}
}

// letGo lets go of the pods that deaths are of.
func (r *Recorder) letGo(deaths []unsettled) {
	for _, d := range deaths {
		if h := d.held; h != nil && !h.free {
			h.free = true
			<-r.holds
		}
	}
}

// keepHeld writes the state of the pods that deaths are of, because nothing better will come.
func (r *Recorder) keepHeld(ctx context.Context, deaths []unsettled) error {
	defer r.letGo(deaths)
	var of *held
	var told telling
	var kept []unsettled
	for _, d := range deaths {
		if d.held == nil || d.held.free {
			continue
		}
		if of != d.held {
			of, told = d.held, r.tell(r.aloneOf(d.held.pod))
		}
		d.Verdict = told.verdictOf(r.firstAnswer(told, d.held.pod, d.run.Of, d.Workload))
		kept = append(kept, d)
	}
	return r.record(ctx, kept)
}

// tellFirst tells what the state of a pod proves, as soon as can be: where the pod is held, without its evidence.
func (r *Recorder) tellFirst(pod *corev1.Pod, h *held) telling {
	if h == nil {
		return r.tell(r.aloneOf(pod))
	}
	s := r.aloneOf(pod)
	return telling{s: s, report: diagnosis.Examine(s, r.Rules), version: r.Version}
}
