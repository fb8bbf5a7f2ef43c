// SPDX-License-Identifier: Apache-2.0

package tell

import (
	"bytes"
	"compress/gzip"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
)

// spansNamed are two spans as the SDK hands them over.
func spansNamed(name string) []*tracepb.ResourceSpans {
	span := []*tracepb.Span{{Name: name}, {Name: name}}
	return []*tracepb.ResourceSpans{{ScopeSpans: []*tracepb.ScopeSpans{{Spans: span}}}}
}

// otlpEnvironment names only these variables of OTLP.
func otlpEnvironment(t *testing.T, pairs ...string) {
	t.Helper()
	for _, name := range []string{"ENDPOINT", "HEADERS", "COMPRESSION", "TIMEOUT", "CERTIFICATE", "CLIENT_CERTIFICATE", "CLIENT_KEY", "PROTOCOL"} {
		t.Setenv("OTEL_EXPORTER_OTLP_"+name, "")
		t.Setenv("OTEL_EXPORTER_OTLP_TRACES_"+name, "")
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		t.Setenv("OTEL_EXPORTER_OTLP_"+pairs[i], pairs[i+1])
	}
}

func newClient(t *testing.T, pairs ...string) *otlp {
	t.Helper()
	otlpEnvironment(t, pairs...)
	o, err := newOTLP()
	must(t, err)
	o.pause = time.Millisecond
	t.Cleanup(func() { must(t, o.Stop(t.Context())) })
	return o
}

// TestOTLPRequest: spans go where the environment says, with what it says, and arrive whole.
func TestOTLPRequest(t *testing.T) {
	s := newServer(t)
	for _, at := range []struct {
		path  string
		pairs []string
	}{
		{"/v1/traces", []string{"ENDPOINT", s.URL, "HEADERS", "x-tenant=shop%2Fa, authorization=Basic%20eA==,"}},
		{"/below/v1/traces", []string{"ENDPOINT", s.URL + "/below/", "TRACES_HEADERS", "x-tenant=shop/a,authorization=Basic eA==", "HEADERS", "x-tenant=other", "COMPRESSION", "gzip"}},
		{"/", []string{"TRACES_ENDPOINT", s.URL, "ENDPOINT", "http://nowhere.invalid", "HEADERS", "x-tenant=shop/a,authorization=Basic eA=="}},
	} {
		must(t, newClient(t, at.pairs...).UploadTraces(t.Context(), spansNamed("capture")))
		got := s.taken()
		if len(got) != 1 {
			t.Fatalf("%v: %d requests", at.pairs, len(got))
		}
		body := io.Reader(strings.NewReader(got[0].body))
		if got[0].head.Get("Content-Encoding") == "gzip" {
			z, err := gzip.NewReader(body)
			must(t, err)
			body = z
		}
		data, err := io.ReadAll(body)
		must(t, err)
		var sent tracepb.TracesData
		must(t, proto.Unmarshal(data, &sent))
		want(t, "spans", len(sent.ResourceSpans[0].ScopeSpans[0].Spans), 2)
		want(t, "compressed", got[0].head.Get("Content-Encoding"), map[bool]string{true: "gzip"}[at.path == "/below/v1/traces"])
		want(t, "path", got[0].path, at.path)
		want(t, "type", got[0].head.Get("Content-Type"), "application/x-protobuf")
		want(t, "tenant", got[0].head.Get("X-Tenant"), "shop/a")
		want(t, "authorization", got[0].head.Get("Authorization"), "Basic eA==")
	}
}

// TestOTLPAgain: what a receiver cannot take now is sent again, what it will never take is not, and of what it took only in part it is told.
func TestOTLPAgain(t *testing.T) {
	s := newServer(t)
	o := newClient(t, "ENDPOINT", s.URL)
	s.next(status(503), status(429, "Retry-After", "0.001"))
	must(t, o.UploadTraces(t.Context(), spansNamed("a")))
	want(t, "requests until it was taken", len(s.taken()), 3)

	s.next(status(400))
	err := o.UploadTraces(t.Context(), spansNamed("a"))
	if err == nil || !strings.Contains(err.Error(), "400 Bad Request") {
		t.Errorf("of a refusal: %v", err)
	}
	want(t, "requests of what is never taken", len(s.taken()), 1)

	s.next(status(503, "Retry-After", "3600"))
	if err := o.UploadTraces(t.Context(), spansNamed("a")); err == nil {
		t.Error("of a pause longer than is waited: no error")
	}
	want(t, "requests of what is to wait for an hour", len(s.taken()), 1)

	s.next(func(w http.ResponseWriter) {
		said := protowire.AppendString(protowire.AppendTag(nil, 2, protowire.BytesType), "1 span is too old")
		w.Header().Set("Content-Type", "application/x-protobuf")
		_, _ = w.Write(protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), said))
	})
	if err := o.UploadTraces(t.Context(), spansNamed("a")); err == nil || !strings.Contains(err.Error(), "1 span is too old") {
		t.Errorf("of what was taken in part: %v", err)
	}
}

// TestOTLPProof: a receiver is believed by the authority that the environment names, and by no other.
func TestOTLPProof(t *testing.T) {
	s := httptest.NewTLSServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	defer s.Close()
	if err := newClient(t, "ENDPOINT", s.URL).UploadTraces(t.Context(), spansNamed("a")); err == nil {
		t.Error("a stranger was believed")
	}
	file := filepath.Join(t.TempDir(), "ca.pem")
	must(t, os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw}), 0o600))
	must(t, newClient(t, "ENDPOINT", s.URL, "CERTIFICATE", file).UploadTraces(t.Context(), spansNamed("a")))
}

// TestOTLPEnvironment: what is wrong with the environment is told by the name of the variable, and no password with it.
func TestOTLPEnvironment(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "empty.pem")
	must(t, os.WriteFile(empty, nil, 0o600))
	const to = "http://collector:4318"
	for _, pairs := range [][]string{
		{"ENDPOINT", "collector:4318"}, {"TRACES_ENDPOINT", "ftp://collector"}, {"HEADERS", "Bearer hunter2", "ENDPOINT", to},
		{"TIMEOUT", "soon", "ENDPOINT", to}, {"CERTIFICATE", empty, "ENDPOINT", to}, {"CLIENT_CERTIFICATE", empty, "ENDPOINT", to},
	} {
		otlpEnvironment(t, pairs...)
		_, err := newOTLP()
		if err == nil || !strings.Contains(err.Error(), "OTEL_EXPORTER_OTLP_"+pairs[0]) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v: %v", pairs, err)
		}
	}
}

// TestOTLPPart: what is no protobuf has no parts.
func TestOTLPPart(t *testing.T) {
	for _, data := range [][]byte{nil, {0xff}, {0x0a, 0x05, 'x'}, bytes.Repeat([]byte{0x80}, 20), {0x10, 0x01}} {
		if got := part(data, 1); len(got) > 0 {
			t.Errorf("part of %x: %q", data, got)
		}
	}
}

// TestOTLPAway: a receiver that begins anew is waited for.
func TestOTLPAway(t *testing.T) {
	for err, want := range map[error]bool{
		&net.OpError{Op: "dial", Err: errors.New("connection refused")}: true,
		&refusal{status: http.StatusServiceUnavailable}:                 true,
		&refusal{status: http.StatusBadRequest}:                         false,
		errors.New("not all were taken"):                                false,
	} {
		if _, again := againAfter(fmt.Errorf("send spans: %w", err)); again != want {
			t.Errorf("%v is tried again: %t", err, again)
		}
	}
}
