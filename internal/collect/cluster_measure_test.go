// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	metricsv1 "k8s.io/metrics/pkg/apis/metrics/v1beta1"

	"github.com/kubeinquest/inquest/internal/collect/apitest"
	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/record"
)

// TestMeasure: what the metrics API measured anew is kept, each once, and what it said until it broke off.
func TestMeasure(t *testing.T) {
	within := patient
	within.again = time.Millisecond
	for name, c := range map[string]struct {
		broken int64
		want   int
	}{"to the end": {9, 3}, "until it breaks off": {3, 1}} {
		server := apitest.New(t, shop())
		var asked atomic.Int64
		server.Answer("/apis/metrics.k8s.io/v1beta1/namespaces/shop/pods", func(w http.ResponseWriter, _ *http.Request) {
			n := asked.Add(1)
			if n >= c.broken {
				http.Error(w, "no", http.StatusServiceUnavailable)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprintf(w, `{"apiVersion":"metrics.k8s.io/v1beta1","kind":"PodMetricsList","items":[{"metadata":{"namespace":"shop","name":"web-7-b"},"timestamp":%q,"window":"15s","containers":[]}]}`,
				now.Add(time.Duration(n/3)*15*time.Second).Format(time.RFC3339))
		})
		said := ""
		cluster := Cluster{Config: server.Config(), limits: within, Progress: func(text string) { said = text }}
		list, err := cluster.Measure(t.Context(), []string{"shop"}, 7*time.Millisecond)
		if err != nil || asked.Load() == 0 || !strings.Contains(said, "--sample") {
			t.Fatalf("%s: %v, asked %d times, says %q", name, err, asked.Load(), said)
		}
		if len(list) != c.want {
			t.Errorf("%s: %d of %d answers are kept, want %d", name, len(list), asked.Load(), c.want)
		}
	}
}

// TestUsing: where what is well is asked about, too, what it uses is read, and what it runs.
func TestUsing(t *testing.T) {
	all := shop()
	all.Objects = append(all.Objects, &metricsv1.PodMetrics{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "web-7-b"}})
	of := evidence.RefTo("Pod", "shop", "web-7-b").InContainer("app").InAttempt(0)
	entry := record.Entry{PodUID: "uid-web-7-b", Run: &record.Run{Of: of, State: record.Running, Started: now.Add(-time.Hour), Command: []string{"java", "-Xmx1g", "…"}, Settings: []string{"GOGC=50", "JAVA_OPTS=-Xmx1g"}}}
	for _, whole := range []bool{false, true} {
		server := besideAgent(t, shopWith(all), "t0ken", []record.Entry{entry}, func(*apitest.Server) {})
		c := Cluster{Config: server.Config(), Now: func() time.Time { return now }, Whole: whole, limits: patient}
		s, err := c.Snapshot(t.Context(), named("Deployment", "web"))
		if err != nil {
			t.Fatal(err)
		}
		_, used := evidence.Get[*metricsv1.PodMetrics](s, "shop", "web-7-b")
		facts := s.FactsOn(of, func(f *evidence.Fact) bool { return f.Name == "command" })
		told := s.FactsOn(of, func(f *evidence.Fact) bool { return f.Name == "settings" })
		if used != whole || (len(facts) == 1 && facts[0].Text == "java -Xmx1g …") != whole || (len(told) == 1 && told[0].Text == "GOGC=50 JAVA_OPTS=-Xmx1g") != whole {
			t.Errorf("whole %v: its use is read: %v, its command: %v, its settings: %v", whole, used, facts, told)
		}
	}
}

// shopWith has the objects of another, so that it may get more.
func shopWith(s *evidence.Snapshot) *evidence.Snapshot {
	own := *s
	own.Objects = nil
	for _, o := range s.Objects {
		if pod, ok := o.(*corev1.Pod); ok {
			o = pod.DeepCopy()
		}
		own.Objects = append(own.Objects, o)
	}
	return &own
}
