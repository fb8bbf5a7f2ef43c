// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// A Runtime is what a program runs by, as the client library of its metrics says, and the metric. Without a name nobody says, or two do.
type Runtime struct{ Name, Version, Metric string }

// runtimeMetrics are what the client libraries of Prometheus, and Micrometer, export of the runtime that they are in.
var runtimeMetrics = map[string]string{
	"go_info": "Go", "go_memstats_sys_bytes": "Go", "nodejs_version_info": "Node.js",
	"jvm_info": "Java", "jvm_runtime_info": "Java", "jvm_memory_used_bytes": "Java", "jvm_memory_bytes_used": "Java",
}

// Runtime returns by which runtime containers of that name run, of the pods of a workload. Series that do not say which container they are of are
// believed only where it is alone in its pod: another, as an exporter, is often a Go program.
func (p Prometheus) Runtime(ctx context.Context, workload evidence.Ref, container string, alone bool, until time.Time) (Runtime, error) {
	server, err := p.server()
	if err != nil {
		return Runtime{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, promTime)
	defer cancel()
	of := regexp.QuoteMeta(container)
	if alone {
		of += "|"
	}
	q := asking{Prometheus: p, server: server, until: until}
	var names []string
	for name := range runtimeMetrics {
		names = append(names, name)
	}
	slices.Sort(names)
	list, err := q.ask(ctx, fmt.Sprintf("count by (__name__, version) ({__name__=~%q,namespace=%q,pod=~%q,container=~%q})", strings.Join(names, "|"), workload.Namespace, podsOf(workload), of))
	if err != nil {
		return Runtime{}, err
	}
	return runtimeIn(list), nil
}

// runtimeIn is the one runtime that metrics are of, and its version where that is one.
func runtimeIn(list model.Vector) (r Runtime) {
	versions := map[string]bool{}
	for _, s := range list {
		metric, version := string(s.Metric[model.MetricNameLabel]), string(s.Metric["version"])
		name := runtimeMetrics[metric]
		switch {
		case name == "":
			continue
		case r.Name != "" && r.Name != name:
			return Runtime{}
		}
		if r.Name == "" || r.Version == "" && version != "" {
			r = Runtime{name, version, metric}
		}
		if version != "" {
			versions[version] = true
		}
	}
	if len(versions) > 1 { // as while it is rolled out
		r.Version = ""
	}
	return r
}
