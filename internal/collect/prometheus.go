// SPDX-License-Identifier: Apache-2.0

package collect

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	promapi "github.com/prometheus/client_golang/api"
	promv1 "github.com/prometheus/client_golang/api/prometheus/v1"
)

// A Prometheus is a server that has scraped the kubelets' /metrics/cadvisor, or one that answers the same API.
type Prometheus struct {
	URL    string        // with a user and a password where it wants them
	Window time.Duration // that is looked back
}

const (
	maxAnswer  = 64 << 20 // bytes of an answer
	mostPoints = 2016     // of one series: a week by five minutes
	leastStep  = time.Minute
	promTime   = 60 * time.Second
	podsAPart  = 50 // that one question is about, so that its answer is read whole
	mostParts  = 10
)

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

// UnansweredError is the error of a Prometheus that cannot be reached or does not answer now, though its address may be right.
type UnansweredError struct{ err error }

// Error says what was asked, and why there is no answer.
func (u *UnansweredError) Error() string { return u.err.Error() }

// Unwrap returns the cause.
func (u *UnansweredError) Unwrap() error { return u.err }

// failed says that a question has no answer. A name that nobody knows, and an answer that the question is wrong, are mistakes of whoever named it.
func (p Prometheus) failed(err error) error {
	said := fmt.Errorf("ask Prometheus at %s: %w", p.shown(), plainly(err))
	if name, ok := errors.AsType[*net.DNSError](err); ok && name.IsNotFound || errors.Is(err, context.Canceled) {
		return said
	}
	_, cut := errors.AsType[*net.OpError](err)
	late, slow := errors.AsType[net.Error](err)
	answer, ill := errors.AsType[*promv1.Error](err)
	switch {
	case cut, slow && late.Timeout(), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), ill && (answer.Type == promv1.ErrServer || answer.Type == promv1.ErrTimeout):
		return &UnansweredError{said}
	}
	return said
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
