// SPDX-License-Identifier: Apache-2.0

//go:build linux

package node

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"iter"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/node/cri"
	"github.com/kubeinquest/inquest/internal/node/serve"
	"github.com/kubeinquest/inquest/internal/node/tail"
	"github.com/kubeinquest/inquest/internal/record"
)

// keptFor is how old the list of logs may be that answers are made with.
const keptFor = 2 * time.Second

// kept are the runs whose logs can be had, as they were a moment ago.
type kept struct {
	mu    sync.Mutex
	until time.Time
	has   map[tail.Key]bool
}

func (k *kept) list(from *tail.Reader) map[tail.Key]bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if from == nil {
		return nil
	}
	if now := time.Now(); now.After(k.until) {
		k.has, k.until = map[tail.Key]bool{}, now.Add(keptFor)
		for _, run := range from.Runs("") {
			k.has[tail.Key{PodUID: run.PodUID, Container: run.Of.Container, Attempt: run.Of.Attempt}] = true
		}
	}
	return k.has
}

// withLog says of an entry about a run whether its log can be had now, which changes after it was entered.
func withLog(e record.Entry, has map[tail.Key]bool) record.Entry {
	if e.Run != nil {
		run := *e.Run
		run.Log = has[tail.Key{PodUID: e.PodUID, Container: run.Of.Container, Attempt: run.Of.Attempt}]
		e.Run = &run
	}
	return e
}

func (a *agent) read(from uint64) iter.Seq2[record.Entry, error] {
	return func(yield func(record.Entry, error) bool) {
		has := a.kept.list(a.logs.Load())
		for e, err := range a.ring.Read(from) {
			if !yield(withLog(e, has), err) {
				return
			}
		}
	}
}

// runs are what the runtime has now, and what these use.
func (a *agent) runs() []record.Entry {
	r := a.runtime.Load()
	if r == nil {
		return nil
	}
	has := a.kept.list(a.logs.Load())
	var list []record.Entry
	for _, run := range r.Snapshot() {
		_, uid, _ := r.Index().ByID(run.ID)
		list = append(list, withLog(record.Entry{At: time.Now().UTC(), PodUID: uid, Run: &run}, has))
	}
	for _, e := range a.used() {
		e.At = e.Fact.At
		list = append(list, e)
	}
	return list
}

func (a *agent) findLog(podUID, container string, attempt int) (serve.Log, error) {
	r := a.logs.Load()
	if r == nil {
		return serve.Log{}, serve.ErrNoLog
	}
	of, ok := r.Of(podUID, container, attempt)
	if !ok {
		return serve.Log{}, serve.ErrNoLog
	}
	return serve.Log{Of: of, Open: func() (io.ReadCloser, string, error) {
		body, info, err := r.Open(podUID, container, attempt)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil, "", serve.ErrNoLog
		case err != nil:
			return nil, "", err
		case info.Of != of: // it is another one by now, which was not asked about
			body.Close()
			return nil, "", serve.ErrNoLog
		}
		return body, info.Missing, nil
	}}, nil
}

// ended are the runs of a pod that are over and whose logs can be had, the latest first.
func (a *agent) ended(podUID string) []evidence.Ref {
	r := a.logs.Load()
	if r == nil {
		return nil
	}
	runs := slices.DeleteFunc(r.Runs(podUID), func(run tail.Kept) bool { return run.At.IsZero() })
	slices.SortStableFunc(runs, func(x, y tail.Kept) int { return cmp.Or(y.At.Compare(x.At), cmp.Compare(y.Of.Attempt, x.Of.Attempt)) })
	var list []evidence.Ref
	for _, run := range runs {
		list = append(list, run.Of)
	}
	return list
}

// used is what the containers that run now use.
func (a *agent) used() []record.Entry {
	if r := a.usage.Load(); r != nil {
		return r.Present()
	}
	return nil
}

// saturation is what the node had left when it was last looked at, as facts.
func (a *agent) saturation() []record.Entry {
	r := a.usage.Load()
	if r == nil {
		return nil
	}
	var list []record.Entry
	now := time.Now().UTC()
	for _, l := range r.Saturation() {
		text := l.Text
		if l.Of != "" {
			text = l.Of + ": " + text
		}
		if l.Over {
			text += ", beyond its mark since " + l.Since.UTC().Format(time.RFC3339)
		}
		e := record.Entry{At: now, Fact: &evidence.Fact{
			Kind: evidence.Usage, Source: evidence.FromMetric, About: a.node(), At: now, Where: "node", Name: l.Name, Text: text, Value: l.Used,
		}}
		if len(l.Most) > 0 { // who uses most is told to those who may see all pods
			e.Names, e.Brief = record.Anybody, text
			e.Fact.Text += "; most by " + strings.Join(l.Most, ", ")
		}
		list = append(list, e)
	}
	return list
}

// roomMetrics are the counters of those rooms that run.
func (a *agent) roomMetrics(x *exposition) {
	if r := a.runtime.Load(); r != nil {
		runtimeMetrics(x, r)
	}
	if r := a.logs.Load(); r != nil {
		s := r.Stats()
		x.gauge("logs_open", "files of logs that are held open", float64(s.Open))
		x.gauge("logs_kept", "runs whose logs are kept", float64(s.Kept))
		x.gauge("logs_kept_bytes", "bytes of logs that are kept", float64(s.KeptBytes))
		x.counter("logs_read_bytes_total", "bytes of logs that were read", s.Bytes)
		x.counter("logs_shed_bytes_total", "bytes that were skipped because more was written than is read", s.Shed)
		x.counter("logs_lost_files_total", "files that were gone before they were opened", s.LostFiles)
		x.counter("logs_lost_runs_total", "runs whose logs were gone before they were opened", s.LostRuns)
		x.counter("logs_refused_total", "files that were not opened for safety", s.Refused)
		x.counter("logs_failed_total", "reads and writes that failed", s.Failed)
	}
	if r := a.usage.Load(); r != nil {
		n := r.Counts()
		x.gauge("usage_groups", "control groups of containers that are sampled", float64(n.Groups))
		x.counter("usage_lost_total", "control groups that were too many, or ended before anybody told whose they were", n.Lost)
	}
	if r := a.kernel.Load(); r != nil {
		n := r.Counts()
		x.counter("kernel_records_total", "records of the kernel's log that were read", n.Records)
		x.counter("kernel_missed_total", "records of the kernel's log that were not read or not looked at, where their number is known", n.Missed)
		x.counter("kernel_told_total", "records of the kernel's log that became facts", n.Facts)
	}
	if c := a.health.Load(); c != nil {
		n := c.Counts()
		x.counter("kubelet_checks_total", "times that the kubelet was asked whether it is well", n.Checks)
		x.counter("kubelet_failures_total", "times that it was not, or did not answer", n.Failures)
		x.add("kubelet_seconds_total", "counter", "how long it took to answer, in all", n.Took.Seconds())
	}
	if t := a.signals.Load(); t != nil {
		n := t.Counts()
		x.counter("signals_total", "records of signals that were read", n.Signals)
		x.counter("signals_lost_total", "signals that were not read or not looked up", n.Lost)
		x.counter("signals_gone_total", "signals to processes that were gone before they were looked up", n.Gone)
		x.counter("signals_told_total", "signals that became facts", n.Told)
	}
}

func runtimeMetrics(x *exposition, r *cri.Reader) {
	n := r.Counts()
	x.counter("runtime_lists_total", "complete lists of containers", int64(n.Lists))
	x.counter("runtime_events_total", "events of the runtime", int64(n.Events))
	x.counter("runtime_ends_total", "ends of processes that the runtime told of at once", int64(n.Ends))
	x.counter("runtime_dropped_total", "containers and sandboxes that were too many", int64(n.Dropped))
	latencies := r.Latencies()
	for _, l := range latencies {
		x.counter("runtime_errors_total", "calls of the runtime that failed", int64(l.Errors), "call", l.Call)
	}
	const name = "runtime_call_seconds"
	for i, l := range latencies {
		if i == 0 {
			x.head(name, "histogram", "how long calls of the runtime took")
		}
		for j, most := range cri.Bounds {
			x.sample(name+"_bucket", float64(l.Buckets[j]), "call", l.Call, "le", strconv.FormatFloat(most.Seconds(), 'g', -1, 64))
		}
		x.sample(name+"_bucket", float64(l.Count), "call", l.Call, "le", "+Inf")
		x.sample(name+"_sum", l.Sum.Seconds(), "call", l.Call)
		x.sample(name+"_count", float64(l.Count), "call", l.Call)
	}
}
