// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	promapi "github.com/prometheus/client_golang/api"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"

	"github.com/kubeinquest/inquest/internal/evidence"
	"github.com/kubeinquest/inquest/internal/record"
)

// A Prometheus is a server that has scraped the kubelets' /metrics/cadvisor, or one that answers the same API.
type Prometheus struct {
	URL    string        // with a user and a password where it wants them
	Window time.Duration // that is looked back
}

// A Measured is what one container of a pod used.
type Measured struct {
	Of    evidence.Ref
	Steps []record.Step // bytes or processors
}

const (
	maxAnswer   = 64 << 20 // bytes of an answer
	mostPoints  = 2016     // of one series: a week by five minutes
	leastStep   = time.Minute
	promTime    = 60 * time.Second
	mostPodsOut = 100 // that an answer may tell of
)

// Usage returns the highest working set of each step and the processors that containers of that name used, of the pods of a
// workload.
func (p Prometheus) Usage(ctx context.Context, workload evidence.Ref, container string, until time.Time) (memory, cpu []Measured, err error) {
	server, err := p.server()
	if err != nil {
		return nil, nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, promTime)
	defer cancel()
	step := max(p.Window/mostPoints, leastStep).Round(time.Second)
	which := fmt.Sprintf(`{namespace=%q,container=%q,pod=~%q}`, workload.Namespace, container, podsOf(workload))
	for _, q := range []struct {
		text string
		into *[]Measured
	}{
		{fmt.Sprintf("max_over_time(container_memory_working_set_bytes%s[%s])", which, model.Duration(step)), &memory},
		{fmt.Sprintf("rate(container_cpu_usage_seconds_total%s[%s])", which, model.Duration(max(step, 5*time.Minute))), &cpu},
	} {
		value, _, _, err := server.QueryRange(ctx, q.text, promv1.Range{Start: until.Add(-p.Window), End: until, Step: step})
		if err != nil {
			return nil, nil, fmt.Errorf("ask Prometheus at %s: %w", p.shown(), plainly(err))
		}
		series, ok := value.(model.Matrix)
		if !ok {
			return nil, nil, fmt.Errorf("ask Prometheus at %s: it answered with a %s where a matrix was expected", p.shown(), value.Type())
		}
		*q.into = measured(series)
	}
	return memory, cpu, nil
}

func measured(series model.Matrix) (list []Measured) {
	for _, s := range series[:min(len(series), mostPodsOut)] {
		m := Measured{Of: evidence.RefTo("Pod", string(s.Metric["namespace"]), string(s.Metric["pod"])).InContainer(string(s.Metric["container"]))}
		for _, v := range s.Values {
			m.Steps = append(m.Steps, record.Step{At: v.Timestamp.Time().UTC(), Value: float64(v.Value)})
		}
		list = append(list, m)
	}
	return list
}

// server is the client. It follows nobody elsewhere, and reads no more of an answer than it must.
func (p Prometheus) server() (promv1.API, error) {
	u, err := url.Parse(p.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("--prometheus %q is no address: give one such as http://prometheus:9090", p.shown())
	}
	client, err := promapi.NewClient(promapi.Config{Address: p.URL, Client: &http.Client{
		Transport: bounded{http.DefaultTransport}, CheckRedirect: stay,
	}})
	if err != nil {
		return nil, fmt.Errorf("--prometheus %s: %w", p.shown(), err)
	}
	return promv1.NewAPI(client), nil
}

// shown is the address without a password.
func (p Prometheus) shown() string {
	u, err := url.Parse(p.URL)
	if err != nil {
		return "of that kind"
	}
	return u.Redacted()
}

// plainly takes the request out of an error, which is long and may hold a password.
func plainly(err error) error {
	if of, ok := errors.AsType[*url.Error](err); ok {
		return of.Err
	}
	return errors.New(flatten(strings.TrimSpace(err.Error())))
}

// bounded cuts answers off that are longer than any that is expected.
type bounded struct{ http.RoundTripper }

// RoundTrip asks, and bounds what comes back.
func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	answer, err := b.RoundTripper.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	answer.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(answer.Body, maxAnswer), answer.Body}
	return answer, nil
}
