// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"crypto/x509"
	"fmt"
	"io"
	"math"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/kubeinquest/inquest/internal/collect/apitest"
	"github.com/kubeinquest/inquest/internal/evidence"
)

// page is what an API server serves as metrics after so many requests, each of which took 0.2 s.
func page(n int) string {
	return fmt.Sprintf(`# HELP x y
etcd_request_duration_seconds_bucket{operation="get",type="a\"b",le="0.1"} 0
etcd_request_duration_seconds_bucket{operation="get",type="a\"b",le="0.3"} %[1]d
etcd_request_duration_seconds_bucket{operation="get",type="a\"b",le="+Inf"} %[1]d
etcd_request_duration_seconds_sum{operation="get",type="a\"b"} %[2]g
etcd_request_duration_seconds_count{operation="get",type="a\"b"} %[1]d
apiserver_request_sli_duration_seconds_sum{verb="WATCH"} 1e9
apiserver_request_sli_duration_seconds_count{verb="WATCH"} 1
apiserver_flowcontrol_rejected_requests_total{priority_level="low",reason="queue-full"} %[1]d
apiserver_request_total{code="200"} %[1]d
apiserver_request_total{code="504"} %[1]d
`, n, 0.2*float64(n))
}

func TestControlPlane(t *testing.T) {
	server := apitest.New(t, &evidence.Snapshot{Taken: now})
	var looks atomic.Int64
	server.Answer("/metrics", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, page(int(looks.Add(1))*100))
	})
	server.Answer("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = io.WriteString(w, "[+]ping ok\n[-]etcd failed: reason withheld\nreadyz check failed\n")
	})
	server.Answer("/livez", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "[+]ping ok\nlivez check passed\n")
	})
	server.Fail("/apis/apiregistration.k8s.io", http.StatusForbidden, "no")
	s, err := ask(t, server, evidence.Selection{Ref: ControlPlane})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, f := range s.Facts {
		got[f.Name] = math.Round(f.Value*1000) / 1000
	}
	want := map[string]float64{
		"etcd-latency": 0.2, "etcd-latency-p99": 0.298, "apf-rejected": 100, "requests-failed": 0.5, "requests-terminated": 0,
		"check-failed": 1, "checks": got["checks"],
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("facts (-want +got):\n%s", diff)
	}
	if s.Has&evidence.Control == 0 || s.Lacks(evidence.Control, evidence.Cluster) != 0 {
		t.Error("the control plane was looked at, and counts as not looked at")
	}
	if !strings.Contains(fmt.Sprint(s.Gaps), "apiservices") {
		t.Errorf("that APIServices may not be read is no gap: %v", s.Gaps)
	}
}

func TestControlPlaneWithoutLeave(t *testing.T) {
	server := apitest.New(t, &evidence.Snapshot{Taken: now})
	for _, path := range []string{"/metrics", "/readyz", "/livez", "/apis/apiregistration.k8s.io"} {
		server.Fail(path, http.StatusForbidden, "no")
	}
	s := mustAsk(t, server, evidence.Selection{Ref: ControlPlane})
	if s.Lacks(evidence.Control, evidence.Cluster) == 0 || !strings.Contains(fmt.Sprint(s.Gaps), "forbidden: cannot get /readyz") {
		t.Errorf("gaps %v", s.Gaps)
	}
}

// FuzzMetrics checks that no text breaks the reader of metrics.
func FuzzMetrics(f *testing.F) {
	f.Add(page(3))
	f.Add("etcd_request_duration_seconds_bucket{le=\"")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := readMetrics(strings.NewReader(text))
		if err == nil && len(s.webhooks) > maxSeries {
			t.Fatalf("%d webhooks", len(s.webhooks))
		}
		if s != nil {
			s.etcd.quantile(0.99)
			s.etcd.since(&histogram{})
		}
	})
}

// TestShortLived wants nothing to be said of a certificate that is renewed all the time, until nobody has.
func TestShortLived(t *testing.T) {
	const day = 24 * time.Hour
	for name, test := range map[string]struct {
		life, left time.Duration
		want       int
	}{
		"a year's, in its last week": {365 * day, 5 * day, 1},
		"a day's, at noon":           {day, 12 * time.Hour, 0},
		"a day's, in its last hour":  {day, time.Hour, 1},
		"a day's, over":              {day, -time.Hour, 1},
	} {
		v := &visit{s: evidence.Snapshot{Taken: now}}
		v.valid("client-certificate", "the client certificate", &x509.Certificate{NotBefore: now.Add(test.left - test.life), NotAfter: now.Add(test.left)})
		if len(v.s.Facts) != test.want {
			t.Errorf("%s: %d facts, want %d", name, len(v.s.Facts), test.want)
		}
	}
}
