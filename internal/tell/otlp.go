// SPDX-License-Identifier: Apache-2.0

package tell

import (
	"bytes"
	"cmp"
	"compress/gzip"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// An otlp client sends spans in protobuf over HTTP (https://opentelemetry.io/docs/specs/otlp/#otlphttp) to where the environment says
// (https://opentelemetry.io/docs/specs/otel/protocol/exporter/), whatever protocol that names: a receiver of HTTP reads this one.
// OpenTelemetry's own client links gRPC, which each start of this program, whatever the command, would pay for.
type otlp struct {
	to     string
	header http.Header
	zips   bool
	http   *http.Client
	pause  time.Duration // before the second try
}

// The bounds of trying again, and of an answer.
const (
	maxTrying     = time.Minute
	maxTracePause = 30 * time.Second
	maxOTLPAnswer = 64 << 10
)

// otlpSetting reads a variable of the environment, that of traces before that of all signals.
func otlpSetting(name string) string {
	return cmp.Or(strings.TrimSpace(os.Getenv("OTEL_EXPORTER_OTLP_TRACES_"+name)), strings.TrimSpace(os.Getenv("OTEL_EXPORTER_OTLP_"+name)))
}

// newOTLP reads the environment; nil where that names no endpoint.
func newOTLP() (*otlp, error) {
	to, err := otlpEndpoint()
	if to == nil || err != nil {
		return nil, err
	}
	o := &otlp{to: to.String(), zips: otlpSetting("COMPRESSION") == "gzip", pause: 5 * time.Second}
	if o.header, err = otlpHeader(otlpSetting("HEADERS")); err != nil {
		return nil, err
	}
	milliseconds, err := strconv.Atoi(cmp.Or(otlpSetting("TIMEOUT"), "10000"))
	if err != nil || milliseconds < 0 {
		return nil, errors.New("OTEL_EXPORTER_OTLP_TIMEOUT is not a number of milliseconds")
	}
	through := http.DefaultTransport.(*http.Transport).Clone()
	proof, err := otlpTLS()
	if err != nil {
		return nil, err
	}
	if proof != nil {
		through.TLSClientConfig = proof
	}
	o.http = &http.Client{Transport: through, Timeout: time.Duration(milliseconds) * time.Millisecond}
	return o, nil
}

// otlpEndpoint is where spans are sent: that of traces as it is, and below that of all signals the place of traces.
func otlpEndpoint() (*url.URL, error) {
	const all, traces = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
	name, text := traces, strings.TrimSpace(os.Getenv(traces))
	if text == "" {
		name, text = all, strings.TrimSpace(os.Getenv(all))
	}
	if text == "" {
		return nil, nil
	}
	to, err := url.Parse(text)
	if err != nil || to.Host == "" || to.Scheme != "http" && to.Scheme != "https" {
		return nil, fmt.Errorf("%s is no address, expected one as http://collector:4318", name)
	}
	if name == all {
		return to.JoinPath("v1/traces"), nil
	}
	return to, nil
}

// otlpHeader reads "name=value,name=value", with values that are escaped as in an address. A value may be a password and is not told.
func otlpHeader(text string) (http.Header, error) {
	header := http.Header{"Content-Type": {"application/x-protobuf"}}
	for pair := range strings.SplitSeq(text, ",") {
		name, escaped, ok := strings.Cut(pair, "=")
		value, err := url.PathUnescape(strings.TrimSpace(escaped))
		if name = strings.TrimSpace(name); ok && err == nil && name != "" {
			header.Set(name, value)
		} else if strings.TrimSpace(pair) != "" {
			return nil, errors.New("OTEL_EXPORTER_OTLP_HEADERS cannot be read, expected NAME=VALUE,NAME=VALUE")
		}
	}
	return header, nil
}

// otlpTLS is whom the receiver is proven by and what proves this program to it; nil where the environment names neither.
func otlpTLS() (*tls.Config, error) {
	authorities, certificate, key := otlpSetting("CERTIFICATE"), otlpSetting("CLIENT_CERTIFICATE"), otlpSetting("CLIENT_KEY")
	if authorities == "" && certificate == "" {
		return nil, nil
	}
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if authorities != "" {
		data, err := os.ReadFile(authorities)
		if err != nil {
			return nil, fmt.Errorf("read OTEL_EXPORTER_OTLP_CERTIFICATE: %w", err)
		}
		if config.RootCAs = x509.NewCertPool(); !config.RootCAs.AppendCertsFromPEM(data) {
			return nil, fmt.Errorf("read OTEL_EXPORTER_OTLP_CERTIFICATE: there is no certificate in %s", authorities)
		}
	}
	if certificate != "" {
		pair, err := tls.LoadX509KeyPair(certificate, key)
		if err != nil {
			return nil, fmt.Errorf("read OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and _CLIENT_KEY: %w", err)
		}
		config.Certificates = []tls.Certificate{pair}
	}
	return config, nil
}

// Start has nothing to do: connections are made when there is something to send.
func (o *otlp) Start(context.Context) error { return nil }

// Stop lets go of connections.
func (o *otlp) Stop(context.Context) error {
	o.http.CloseIdleConnections()
	return nil
}

// UploadTraces sends spans, again and again where the receiver asks for that, says nothing or is not there, for a minute at the most.
func (o *otlp) UploadTraces(ctx context.Context, spans []*tracepb.ResourceSpans) error {
	body, err := proto.Marshal(&tracepb.TracesData{ResourceSpans: spans}) // has the form of an ExportTraceServiceRequest
	if err != nil {
		return fmt.Errorf("write spans: %w", err)
	}
	header := o.header.Clone()
	if o.zips {
		body = zipped(body)
		header.Set("Content-Encoding", "gzip")
	}
	last := time.Now().Add(maxTrying)
	for pause := o.pause; ; pause = min(pause*3/2, maxTracePause) {
		err := o.post(ctx, header, body)
		wait, again := againAfter(err)
		if wait = max(wait, pause); !again || time.Now().Add(wait).After(last) {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(wait):
		}
	}
}

func zipped(data []byte) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, _ = z.Write(data) // into memory
	_ = z.Close()
	return b.Bytes()
}

func (o *otlp) post(ctx context.Context, header http.Header, body []byte) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, o.to, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("send spans: %w", anonymous(err))
	}
	req.Header = header
	resp, err := o.http.Do(req)
	if err != nil {
		return fmt.Errorf("send spans: %w", anonymous(err))
	}
	defer func() { _ = resp.Body.Close() }() // it was only read
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxOTLPAnswer))
	if err := cmp.Or(answered(resp, time.Now()), err); err != nil {
		return fmt.Errorf("send spans: %w", err)
	}
	if why := part(part(answer, 1), 2); resp.Header.Get("Content-Type") == "application/x-protobuf" && len(why) > 0 {
		return fmt.Errorf("send spans: not all were taken: %s", line(string(why), 2*maxName)) // partial_success.error_message
	}
	return nil
}

// againAfter tells whether to try again (https://opentelemetry.io/docs/specs/otlp/#failures-1), and when at the earliest.
func againAfter(err error) (time.Duration, bool) {
	if r, ok := errors.AsType[*refusal](err); ok {
		return r.pause, slices.Contains([]int{http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout}, r.status)
	}
	_, unreachable := errors.AsType[net.Error](err)
	return 0, unreachable
}

// part returns a field of a message in protobuf that is a text or a message itself, nil where it has none.
func part(message []byte, number protowire.Number) []byte {
	for len(message) > 0 {
		n, kind, length := protowire.ConsumeTag(message)
		if length < 0 {
			return nil
		}
		message = message[length:]
		if n == number && kind == protowire.BytesType {
			value, _ := protowire.ConsumeBytes(message)
			return value
		}
		if length = protowire.ConsumeFieldValue(n, kind, message); length < 0 {
			return nil
		}
		message = message[length:]
	}
	return nil
}
