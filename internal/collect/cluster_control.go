// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// ControlPlane is what a question about the control plane is about. It is no object of the API.
var ControlPlane = evidence.RefTo("ControlPlane", "", "control-plane")

// controlPaths are what is read of the API server beside its objects.
var controlPaths = []string{"/livez", "/metrics", "/readyz"}

// controlPlane reads what tells how the control plane is, all at the same time, because where it is unwell each look takes as
// long as it may. Everything but the leases is facts. What cannot be read is a gap: here that is part of the answer.
func (v *visit) controlPlane(ctx context.Context) ([]*corev1.Pod, error) {
	var pods []*corev1.Pod
	var group sync.WaitGroup
	for _, read := range []func(){
		func() { v.metrics(ctx) },
		func() { v.health(ctx, "/readyz") },
		func() { v.health(ctx, "/livez") },
		func() { v.apiServices(ctx) },
		func() { v.listAll(ctx, query{kind: "Lease", namespace: metav1.NamespaceSystem}, nil) },
		func() { v.listAll(ctx, query{kind: "Lease", namespace: corev1.NamespaceNodeLease}, nil) },
		func() { v.listAll(ctx, query{kind: "Node"}, nil) },
		func() {
			var err error
			all := func(*corev1.Pod) bool { return true }
			if pods, err = v.troubled(ctx, query{kind: "Pod", namespace: metav1.NamespaceSystem}, all); err != nil {
				v.gap(evidence.Status, within(metav1.NamespaceSystem), v.api.why(ctx, err, "list", "Pod", metav1.NamespaceSystem))
			}
		},
	} {
		group.Go(read)
	}
	group.Wait()
	v.certificates()
	if v.s.Has == 0 {
		return nil, lookError{verb: "get", ref: ControlPlane, err: errLate}
	}
	return pods, nil
}

// metrics looks at the API server's metrics twice.
func (v *visit) metrics(ctx context.Context) {
	first, err := v.scrape(ctx)
	if err != nil {
		return
	}
	began := time.Now()
	select {
	case <-time.After(v.api.limits.watch):
	case <-ctx.Done():
		return
	}
	if second, err := v.scrape(ctx); err == nil {
		v.measured(first, second, time.Since(began))
	}
}

// noted adds a fact about the control plane.
func (v *visit) noted(source evidence.Source, where, name, text string, value float64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.s.Has |= evidence.Control
	v.s.Facts = append(v.s.Facts, evidence.Fact{
		Kind: evidence.Control, Source: source, At: v.s.Taken, Where: where, Name: name, Text: text, Value: value,
	})
}

// whyPath says why a path that is no resource could not be read.
func (v *visit) whyPath(ctx context.Context, path string, code int, err error) string {
	if code == http.StatusForbidden || code == http.StatusUnauthorized {
		return "forbidden: cannot get " + path
	}
	return "cannot get " + path + ": " + v.api.reason(ctx, err)
}

func (v *visit) scrape(ctx context.Context) (*scrape, error) {
	body, err := v.api.rest.Get().AbsPath("/metrics").MaxRetries(0).SetHeader("Accept", "text/plain").Stream(ctx)
	if err != nil {
		code := 0
		if strings.Contains(err.Error(), "forbidden") {
			code = http.StatusForbidden
		}
		v.gap(evidence.Control, ControlPlane, v.whyPath(ctx, "/metrics", code, err))
		return nil, err
	}
	defer body.Close()
	s, err := readMetrics(body)
	if err != nil {
		v.gap(evidence.Control, ControlPlane, v.whyPath(ctx, "/metrics", 0, err))
	}
	return s, err
}

// health reads which of its own checks the API server fails: lines of "[+]name ok" and "[-]name failed: …". Where one does,
// the status is 500, of which client-go would keep a part of the body only.
func (v *visit) health(ctx context.Context, path string) {
	code, body, err := v.plain(ctx, v.api.rest.Get().AbsPath(path).Param("verbose", "true").URL())
	if err == nil && code != http.StatusOK && code != http.StatusInternalServerError {
		err = fmt.Errorf("status %d", code)
	}
	if err != nil {
		v.gap(evidence.Control, ControlPlane, v.whyPath(ctx, path, code, err))
		return
	}
	bad := 0
	for line := range strings.Lines(body) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "[-]"); ok {
			bad++
			v.noted(evidence.FromStatus, path, "check-failed", flatten(name), 1)
		}
	}
	if bad == 0 && code == http.StatusInternalServerError {
		bad++
		v.noted(evidence.FromStatus, path, "check-failed", "status 500 without a named check", 1)
	}
	v.noted(evidence.FromStatus, path, "checks", fmt.Sprintf("%d checks of %s failed", bad, path), float64(bad))
}

// plain gets a page of text.
func (v *visit) plain(ctx context.Context, at *url.URL) (code int, body string, err error) {
	asking, cancel := context.WithTimeout(ctx, v.api.limits.visit)
	defer cancel()
	request, err := http.NewRequestWithContext(asking, http.MethodGet, at.String(), http.NoBody)
	if err != nil {
		return 0, "", err
	}
	response, err := v.api.rest.Client.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	data, err := io.ReadAll(io.LimitReader(response.Body, maxHealth))
	return response.StatusCode, string(data), err
}

// maxHealth bounds a page of checks, which has a line of some fifty bytes for each.
const maxHealth = 64 << 10

// apiServices reads which aggregated APIs are not available.
func (v *visit) apiServices(ctx context.Context) {
	asking, cancel := context.WithTimeout(ctx, v.api.limits.object)
	defer cancel()
	data, err := v.api.rest.Get().AbsPath(resources["APIService"].path("", "")).MaxRetries(0).SetHeader("Accept", "application/json").Do(asking).Raw()
	if err != nil {
		v.gap(evidence.Control, ControlPlane, v.api.why(ctx, err, "list", "APIService", ""))
		return
	}
	var list struct {
		Items []struct {
			Metadata metav1.ObjectMeta `json:"metadata"`
			Spec     struct {
				Service *struct{ Namespace, Name string } `json:"service"`
			} `json:"spec"`
			Status struct {
				Conditions []metav1.Condition `json:"conditions"`
			} `json:"status"`
		} `json:"items"`
	}
	if len(data) > maxDocumentBytes || json.Unmarshal(data, &list) != nil {
		v.gap(evidence.Control, ControlPlane, "the list of aggregated APIs cannot be read")
		return
	}
	for _, item := range list.Items[:min(len(list.Items), 1000)] {
		for _, c := range item.Status.Conditions {
			if c.Type == "Available" && c.Status == metav1.ConditionFalse && item.Spec.Service != nil {
				text := fmt.Sprintf("%s, served by %s/%s, is not available since %s: %s: %s", item.Metadata.Name, item.Spec.Service.Namespace,
					item.Spec.Service.Name, c.LastTransitionTime.UTC().Format(time.RFC3339), c.Reason, flatten(c.Message))
				v.noted(evidence.FromStatus, "apiservices", "api-unavailable", text, 1)
			}
		}
	}
}

// measured makes facts of two looks at the metrics: of what came between them where that is enough to go by, else of all
// since the server began.
func (v *visit) measured(first, second *scrape, apart time.Duration) {
	over := fmt.Sprintf("in %s", apart.Round(time.Second))
	v.latency("apiserver-latency", "requests of clients", &second.requests, &first.requests, apiMarks, over)
	v.latency("etcd-latency", "requests of the API server to etcd", &second.etcd, &first.etcd, etcdMarks, over)
	for _, name := range slices.Sorted(maps.Keys(second.webhooks)) {
		v.latency("webhook-latency", "calls of webhook "+name, second.webhooks[name], first.webhooks[name], "", over)
	}
	rejected := map[string]float64{}
	for key, n := range second.rejected {
		rejected[key] = n - first.rejected[key]
	}
	if key, n := most(rejected); n > 0 {
		v.noted(evidence.FromMetric, "/metrics", "apf-rejected", fmt.Sprintf("%.0f requests of priority level %s rejected %s", n, key, over), n)
	} else if key, n := most(second.rejected); n > 0 {
		v.noted(evidence.FromMetric, "/metrics", "apf-rejected-before", fmt.Sprintf("%.0f requests of priority level %s rejected since the server began", n, key), n)
	}
	if total := second.total - first.total; total >= enough {
		failed := second.failed - first.failed
		v.noted(evidence.FromMetric, "/metrics", "requests-failed", fmt.Sprintf("%.0f of %.0f requests answered with a server's error %s", failed, total, over), failed/total)
		given := second.terminated - first.terminated
		v.noted(evidence.FromMetric, "/metrics", "requests-terminated", fmt.Sprintf("%.0f of %.0f requests given up %s", given, total, over), given/total)
	}
	if second.storage > 0 {
		v.noted(evidence.FromMetric, "/metrics", "etcd-size", fmt.Sprintf("etcd's database has %.0f MiB", second.storage/(1<<20)), second.storage)
	}
}

// enough is how many requests a time or a share is taken from; of fewer a single one decides.
const enough = 20

// What is normal and what is not, for whoever reads the figures.
const (
	etcdMarks = "; below 10 ms is normal, above 100 ms is not"
	apiMarks  = "; below 25 ms is normal, above 200 ms is not"
)

func (v *visit) latency(name, what string, now, before *histogram, marks, over string) {
	h := now.since(before)
	if h.count < enough {
		h, over, name = now, "since the server began", name+"-overall"
	}
	if h.count < enough {
		return
	}
	mean, p99 := h.mean(), h.quantile(0.99)
	text := fmt.Sprintf("%s took %s in the mean, %s at the 99th percentile (%.0f %s%s)", what, milliseconds(mean), milliseconds(p99), h.count, over, marks)
	v.noted(evidence.FromMetric, "/metrics", name, text, mean)
	v.noted(evidence.FromMetric, "/metrics", name+"-p99", text, p99)
}

func milliseconds(seconds float64) string { return fmt.Sprintf("%.3g ms", seconds*1000) }

// certificates notes how long the certificates of this very connection are valid.
func (v *visit) certificates() {
	if cert := v.api.serving.Load(); cert != nil {
		v.valid("serving-certificate", "the API server's certificate", cert)
	}
	if block, _ := pem.Decode(v.api.certificate); block != nil {
		if cert, err := x509.ParseCertificate(block.Bytes); err == nil {
			v.valid("client-certificate", "the client certificate of this kubeconfig", cert)
		}
	}
}

// shortLived is the life of a certificate that somebody renews all the time: that it ends soon is as it should be.
const shortLived = 14 * 24 * time.Hour

func (v *visit) valid(name, what string, cert *x509.Certificate) {
	left, life := cert.NotAfter.Sub(v.s.Taken), cert.NotAfter.Sub(cert.NotBefore)
	if life < shortLived && left > life/10 {
		return
	}
	v.noted(evidence.FromStatus, "TLS handshake", name, fmt.Sprintf("%s is valid until %s", what, cert.NotAfter.UTC().Format(time.RFC3339)), left.Seconds())
}

// A handshake notes the certificate that the API server showed.
type handshake struct {
	next    http.RoundTripper
	serving *atomic.Pointer[x509.Certificate]
}

// WrappedRoundTripper is what requests are passed on to: whoever closes idle connections looks for it.
func (h handshake) WrappedRoundTripper() http.RoundTripper { return h.next }

// RoundTrip passes the request on.
func (h handshake) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := h.next.RoundTrip(r)
	if err == nil && response.TLS != nil && len(response.TLS.PeerCertificates) > 0 {
		h.serving.Store(response.TLS.PeerCertificates[0])
	}
	return response, err
}
