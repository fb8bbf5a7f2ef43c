// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"cmp"
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/diagnosis"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/history"
	"github.com/kubeinquest/inquest/internal/report"
)

// capture takes the evidence of what waits, one after the other.
func (r *Recorder) capture(ctx context.Context) error {
	for {
		at, err := r.queue.next(ctx)
		if err != nil {
			return err
		}
		err = r.settle(ctx, at)
		r.queue.done(at)
		if err != nil {
			return err
		}
	}
}

// settle captures the evidence of one thing and gives the history what it proves.
func (r *Recorder) settle(ctx context.Context, at subject) error {
	r.mu.Lock()
	todo := r.pending[at]
	delete(r.pending, at)
	r.mu.Unlock()
	if todo == nil {
		return nil
	}
	s, err := r.Source.Snapshot(ctx, evidence.Selection{Ref: at.ref, Namespace: at.ref.Namespace})
	if ctx.Err() != nil {
		return ctx.Err()
	}
	why := ""
	if err != nil {
		why = "its evidence could not be captured: " + err.Error()
	} else if o := s.Object(at.ref); o == nil || o.GetUID() != at.uid {
		why = "it was gone before its evidence could be captured"
	}
	if why != "" {
		return r.giveUp(ctx, todo.deaths, why)
	}
	told := r.tell(s)
	for i := range todo.deaths {
		d := &todo.deaths[i]
		d.Verdict = told.verdict(d.of, d.Workload)
		d.Verdict.Settled = true
	}
	if len(todo.deaths) == 0 && len(told.report.Causes)+len(told.report.Undetermined) > 0 {
		todo.deaths = []unsettled{{Death: r.trouble(s, at, told)}}
		r.look(at, nil, again)
	}
	return r.record(ctx, todo.deaths)
}

// giveUp notes why there will be no more evidence of deaths.
func (r *Recorder) giveUp(ctx context.Context, deaths []unsettled, why string) error {
	kept := make([]history.Death, len(deaths))
	for i := range deaths {
		kept[i] = deaths[i].Death
	}
	if err := r.Store.GiveUp(ctx, why, kept...); err != nil {
		return fmt.Errorf("note that %d deaths were not captured: %w", len(deaths), err)
	}
	return nil
}

// again is how long after a look at something in trouble it is looked at again, as long as it is: within the window of an
// incident.
const again = 5 * time.Minute

// trouble returns what the history keeps of a thing that is in trouble without a death.
func (r *Recorder) trouble(s *evidence.Snapshot, at subject, told telling) history.Death {
	d := history.Death{Cluster: r.Cluster, Kind: history.Stuck, PodUID: string(at.uid), Of: at.ref, Seen: r.Now()}
	if pod, ok := s.Object(at.ref).(*corev1.Pod); ok {
		d.Workload, d.Node, d.Reason = workloadOf(pod), pod.Spec.NodeName, pod.Status.Reason
	} else {
		d.Node = at.ref.Name
	}
	d.Verdict = told.verdict(at.ref, cmp.Or(d.Workload, at.ref))
	d.Verdict.Settled = true
	return d
}

// A telling is what is told of a snapshot: the report, in both its forms, and what it was made from.
type telling struct {
	report  *diagnosis.Report
	json    []byte
	bundle  map[string][]byte
	version string
}

func (r *Recorder) tell(s *evidence.Snapshot) telling {
	t := telling{report: diagnosis.Examine(s, r.Rules), version: r.Version}
	var err error
	if t.json, err = report.JSON([]report.Report{report.New(t.report)}); err != nil {
		r.Log.Error("a report was not kept", "err", err)
	}
	if t.bundle, err = collect.Files(s); err != nil {
		r.Log.Error("the evidence was not kept", "err", err)
	}
	return t
}

// verdict returns what is told of one end.
func (t telling) verdict(of, workload evidence.Ref) *history.Verdict {
	a := answerFor(t.report, of, workload)
	return &history.Verdict{
		Rule: a.rule, Confidence: a.confidence, Message: a.message, Thing: a.thing,
		Report: t.json, Bundle: t.bundle, Version: t.version,
	}
}
