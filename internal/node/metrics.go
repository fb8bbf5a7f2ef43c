// SPDX-License-Identifier: Apache-2.0

//go:build linux

package node

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// An exposition is metrics in the text format of Prometheus.
type exposition struct {
	bytes.Buffer
	last string // the metric that was written last: its head stands once
}

// add writes one sample. Labels are pairs of a name and a value.
func (x *exposition) add(name, kind, help string, value float64, labels ...string) {
	x.head(name, kind, help)
	x.sample(name, value, labels...)
}

func (x *exposition) head(name, kind, help string) {
	if x.last != name {
		x.last = name
		fmt.Fprintf(x, "# HELP inquest_agent_%s %s\n# TYPE inquest_agent_%s %s\n", name, help, name, kind)
	}
}

var escapeLabel = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)

func (x *exposition) sample(name string, value float64, labels ...string) {
	x.WriteString("inquest_agent_" + name)
	for i := 0; i+1 < len(labels); i += 2 {
		between := ","
		if i == 0 {
			between = "{"
		}
		fmt.Fprintf(x, `%s%s="%s"`, between, labels[i], escapeLabel.Replace(labels[i+1]))
	}
	if len(labels) > 0 {
		x.WriteByte('}')
	}
	x.WriteString(" " + strconv.FormatFloat(value, 'g', -1, 64) + "\n")
}

func (x *exposition) counter(name, help string, value int64, labels ...string) {
	x.add(name, "counter", help, float64(value), labels...)
}

func (x *exposition) gauge(name, help string, value float64, labels ...string) {
	x.add(name, "gauge", help, value, labels...)
}

// metrics writes the counters of all rooms.
func (a *agent) metrics(w io.Writer) {
	var x exposition
	why := a.features.all()
	for _, name := range slices.Sorted(maps.Keys(why)) {
		up := 0.0
		if why[name] == "" {
			up = 1
		}
		x.gauge("feature_up", "whether a source of evidence works", up, "feature", name)
	}
	s := a.ring.Stats()
	x.counter("record_entries_total", "entries that were taken", s.Appended)
	x.counter("record_lost_total", "entries that could not be written", s.Lost)
	x.counter("record_dropped_total", "entries that made room for newer ones", s.Dropped)
	x.counter("record_damaged_total", "entries that were unreadable at the start", s.Damaged)
	x.gauge("record_bytes", "bytes of the record on disk", float64(s.Bytes))
	x.gauge("record_first", "number of the oldest entry", float64(s.First))
	x.gauge("record_next", "number that the next entry gets", float64(s.Next))
	a.roomMetrics(&x)
	byStatus, sent, refused := a.server.Counters()
	for _, status := range slices.Sorted(maps.Keys(byStatus)) {
		x.counter("http_requests_total", "requests that were answered", byStatus[status], "code", strconv.Itoa(status))
	}
	x.counter("http_sent_bytes_total", "bytes of answers", sent)
	x.counter("http_refused_connections_total", "connections that were closed before their handshake, because there were too many", refused)
	processMetrics(&x)
	_, _ = w.Write(x.Bytes()) // who does not take it does not want it
}

// processMetrics are what the agent itself uses.
func processMetrics(x *exposition) {
	var used syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &used) == nil {
		x.add("cpu_seconds_total", "counter", "processor time of the agent", time.Duration(used.Utime.Nano()+used.Stime.Nano()).Seconds())
	}
	if data, err := os.ReadFile("/proc/self/statm"); err == nil {
		var size, resident float64
		if _, err := fmt.Sscan(string(data), &size, &resident); err == nil {
			x.gauge("resident_memory_bytes", "memory of the agent", resident*float64(os.Getpagesize()))
		}
	}
	x.gauge("goroutines", "goroutines of the agent", float64(runtime.NumGoroutine()))
}
