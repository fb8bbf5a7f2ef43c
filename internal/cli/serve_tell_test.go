// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/trace/noop"

	"github.com/kubeinquest/inquest/internal/collect"
	"github.com/kubeinquest/inquest/internal/history"
	"github.com/kubeinquest/inquest/internal/rules"
	"github.com/kubeinquest/inquest/internal/tell"
	"github.com/kubeinquest/inquest/internal/watch"
)

// TestTracesOnTheWire: what a recorder does is sent as OTLP to where the environment says, with names of things and nothing else of the
// cluster, and nowhere without that.
func TestTracesOnTheWire(t *testing.T) {
	t.Cleanup(func() { otel.SetTracerProvider(noop.NewTracerProvider()) })
	sent := make(chan string, 10)
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		sent <- r.Method + " " + r.URL.Path + " " + r.Header.Get("Content-Type") + " " + string(body)
	}))
	defer receiver.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "")
	for _, endpoint := range []string{"", receiver.URL} {
		t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
		end, err := tell.Trace(t.Context(), "v0")
		if err != nil {
			t.Fatal(err)
		}
		replayExample(t)
		if err := end(t.Context()); err != nil {
			t.Fatal(err)
		}
		if endpoint == "" && len(sent) > 0 {
			t.Fatalf("sent without an endpoint: %q", <-sent)
		}
	}
	got := <-sent
	for _, has := range []string{"POST /v1/traces application/x-protobuf ", "inquest/watch", "commit", "service.version", "k8s.namespace.name", "shop", "inquest.name", "checkout-598bd59448-pwfrd"} {
		if !strings.Contains(got, has) {
			t.Errorf("lacks %s: %q", has, got)
		}
	}
	for _, has := range []string{"liveness", "refused", "10.243.1.60"} {
		if strings.Contains(got, has) {
			t.Errorf("has %s: %q", has, got)
		}
	}
}

// replayExample records the example in a history of its own.
func replayExample(t *testing.T) {
	t.Helper()
	s, err := history.Open(t.Context(), "memory:", history.Options{})
	if err != nil {
		t.Fatal(err)
	}
	r := watch.Recorder{Rules: rules.All(), Store: s, Cluster: "c", Version: "v1", Log: slog.New(slog.DiscardHandler), Now: time.Now}
	source, err := collect.Open("../../examples/liveness-kill", collect.Reading{})
	if err == nil {
		_, err = r.Replay(t.Context(), source)
	}
	if err != nil {
		t.Error(err)
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
}

// TestConsoleURL: the address of the console is that of the flag where no file has one, and is one of a page.
func TestConsoleURL(t *testing.T) {
	o := tellOptions{site: "https://inquest.example.com"}
	if err := o.prepare("prod"); err != nil || o.config.Console != o.site {
		t.Errorf("%q, %v", o.config.Console, err)
	}
	o.site = "inquest.example.com"
	if err := o.prepare("prod"); err == nil || !strings.Contains(err.Error(), "--console-url") {
		t.Errorf("no address is taken for one: %v", err)
	}
}
