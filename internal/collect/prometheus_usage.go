// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"context"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/record"
)

// Used is what the containers of one name used, of the pods of a workload.
type Used struct {
	Memory, CPU []Measured
	Throttled   float64  // the greatest share of its periods in which its CPU limit held one back, of those that ran in the last minutes
	Counted     bool     // whether such periods are known of any
	Left        []string // the pods that were left out, of more than are looked at or where time was up
}

// A Measured is what one run of a container of a pod used, or several runs where nothing tells when they began.
type Measured struct {
	Of    evidence.Ref
	Began time.Time     // the run; zero where nothing tells
	Over  time.Duration // that each step tells of, until its time
	Steps []record.Step // bytes or processors
}

// lately is for how long a container that ended is looked at like one that runs: kubelets start none anew later than five minutes after it ended.
const lately = 10 * time.Minute

// Usage returns the highest working set of each step and the processors that containers of that name used, of the pods of a
// workload, and how far their CPU limit held them back.
func (p Prometheus) Usage(ctx context.Context, workload evidence.Ref, container string, until time.Time) (Used, error) {
	server, err := p.server()
	if err != nil {
		return Used{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, promTime)
	defer cancel()
	q := asking{Prometheus: p, server: server, until: until, probes: fmt.Sprintf("namespace=%q,pod=~%q,container=%q", workload.Namespace, podsOf(workload), container)}
	pods, err := q.pods(ctx)
	if err != nil {
		return Used{}, err
	}
	var u Used
	if err := q.held(ctx, &u); err != nil {
		return Used{}, err
	}
	if len(pods) <= podsAPart {
		return u, q.used(ctx, &u)
	}
	for part := range slices.Chunk(pods[:min(len(pods), podsAPart*mostParts)], podsAPart) {
		of := q
		of.probes = fmt.Sprintf("namespace=%q,pod=~%q,container=%q", workload.Namespace, anyOf(part), container)
		err := of.used(ctx, &u)
		if _, late := errors.AsType[*UnansweredError](err); late && len(u.Memory) > 0 {
			break
		}
		if err != nil {
			return Used{}, err
		}
		pods = pods[len(part):]
		u.Left = pods
	}
	return u, nil
}

// pods returns the pods that there is a record of, those first that ran last.
func (q *asking) pods(ctx context.Context) ([]string, error) {
	var all []string
	for _, back := range []time.Duration{min(lately, q.Window), q.Window} {
		list, _, _, err := q.server.Series(ctx, []string{"container_memory_working_set_bytes{" + q.probes + "}"}, q.until.Add(-back), q.until)
		if err != nil {
			return nil, q.failed(err)
		}
		var names []string
		for _, labels := range list {
			names = append(names, string(labels["pod"]))
		}
		slices.Sort(names)
		all = append(all, slices.DeleteFunc(slices.Compact(names), func(name string) bool { return slices.Contains(all, name) })...)
	}
	return all, nil
}

// anyOf matches these names and no others.
func anyOf(names []string) string {
	quoted := make([]string, 0, len(names))
	for _, name := range names {
		quoted = append(quoted, regexp.QuoteMeta(name))
	}
	return strings.Join(quoted, "|")
}

// used adds what containers used.
func (q *asking) used(ctx context.Context, u *Used) error {
	began, err := q.starts(ctx)
	if err != nil {
		return err
	}
	rated := max(q.step(), 5*time.Minute)
	memory, err := q.course(ctx, fmt.Sprintf("max_over_time(container_memory_working_set_bytes{%s}[%s])", q.probes, model.Duration(q.step())))
	if err != nil {
		return err
	}
	cpu, err := q.course(ctx, fmt.Sprintf("rate(container_cpu_usage_seconds_total{%s}[%s])", q.probes, model.Duration(rated)))
	if err != nil {
		return err
	}
	u.Memory, u.CPU = append(u.Memory, began.runs(memory, q.step())...), append(u.CPU, began.runs(cpu, rated)...)
	return nil
}

// step is how far apart the figures of a course are.
func (q *asking) step() time.Duration { return max(q.Window/mostPoints, leastStep).Round(time.Second) }

// course puts a question whose answer is how something went within the window.
func (q *asking) course(ctx context.Context, text string) (model.Matrix, error) {
	value, _, _, err := q.server.QueryRange(ctx, text, promv1.Range{Start: q.until.Add(-q.Window), End: q.until, Step: q.step()})
	if err != nil {
		return nil, q.failed(err)
	}
	list, ok := value.(model.Matrix)
	if !ok {
		return nil, fmt.Errorf("ask Prometheus at %s: it answered with a %s where a matrix was expected", q.shown(), value.Type())
	}
	return list, nil
}

// held reads how far a CPU limit holds back, of containers that have run in the last minutes: those before may have had another limit.
func (q *asking) held(ctx context.Context, u *Used) error {
	const each = "sum by (pod, id) (increase(%s{%s}[%s]))"
	ran := fmt.Sprintf("last_over_time(container_cpu_cfs_periods_total{%s}[%s])", q.probes, model.Duration(lately))
	list, err := q.ask(ctx, fmt.Sprintf("max(("+each+" / ("+each+" > 0)) and on (pod, id) %s)",
		"container_cpu_cfs_throttled_periods_total", q.probes, q.back(), "container_cpu_cfs_periods_total", q.probes, q.back(), ran))
	if err != nil || len(list) == 0 {
		return err
	}
	if n := float64(list[0].Value); n >= 0 {
		u.Throttled, u.Counted = min(n, 1), true
	}
	return nil
}

// begun is when the containers of series had begun, by the time of a step.
type begun struct {
	by  func(model.Metric) model.Metric // the labels that tell one from another
	all map[model.Fingerprint]map[model.Time]time.Time
}

// starts reads when containers began. The kubelet tells of it beside what they use, with the same labels; else kube-state-metrics may.
func (q *asking) starts(ctx context.Context) (begun, error) {
	own := func(m model.Metric) model.Metric {
		m = m.Clone()
		delete(m, model.MetricNameLabel)
		delete(m, "cpu") // whose use it is: of all together
		return m
	}
	pod := func(m model.Metric) model.Metric { return model.Metric{"pod": m["pod"]} }
	for _, from := range []struct {
		metric string
		by     func(model.Metric) model.Metric
	}{{"container_start_time_seconds", own}, {"kube_pod_container_state_started", pod}} {
		list, err := q.course(ctx, fmt.Sprintf("%s{%s}", from.metric, q.probes))
		if err != nil {
			return begun{}, err
		}
		b := begun{from.by, map[model.Fingerprint]map[model.Time]time.Time{}}
		for _, s := range list {
			at := map[model.Time]time.Time{}
			for _, v := range s.Values {
				if n := float64(v.Value); n > 0 && n <= float64(v.Timestamp.Unix()) {
					at[v.Timestamp] = time.Unix(int64(n), 0).UTC()
				}
			}
			b.all[b.by(s.Metric).Fingerprint()] = at
		}
		if len(list) > 0 {
			return b, nil
		}
	}
	return begun{by: own}, nil
}

// runs parts series by when the containers began. What tells of a time that a run had not begun in is of the one before.
func (b begun) runs(series model.Matrix, over time.Duration) (list []Measured) {
	for _, s := range series {
		of := evidence.RefTo("Pod", string(s.Metric["namespace"]), string(s.Metric["pod"])).InContainer(string(s.Metric["container"]))
		starts := b.all[b.by(s.Metric).Fingerprint()]
		list = append(list, Measured{Of: of, Over: over})
		for _, v := range s.Values {
			if n := float64(v.Value); math.IsNaN(n) || math.IsInf(n, 0) {
				continue
			}
			at, m := v.Timestamp.Time().UTC(), &list[len(list)-1]
			began, known := starts[v.Timestamp]
			switch {
			case !known || began.Equal(m.Began):
			case m.Began.IsZero() && (len(m.Steps) == 0 || began.Before(m.Steps[0].At)):
				m.Began = began
			case began.After(at.Add(-over)):
			default:
				list = append(list, Measured{Of: of, Began: began, Over: over})
				m = &list[len(list)-1]
			}
			m.Steps = append(m.Steps, record.Step{At: at, Value: float64(v.Value)})
		}
	}
	return list
}
