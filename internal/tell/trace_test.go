// SPDX-License-Identifier: Apache-2.0

package tell

import (
	"strings"
	"testing"

	"go.opentelemetry.io/otel"
)

// TestTrace: spans are sent where the environment says, and nowhere where it says nothing.
func TestTrace(t *testing.T) {
	s := newServer(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "")
	t.Setenv("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "")
	end, err := Trace(t.Context(), "v0")
	must(t, err)
	_, span := otel.Tracer("test").Start(t.Context(), "capture")
	want(t, "recording without an endpoint", span.IsRecording(), false)
	span.End()
	must(t, end(t.Context()))

	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", s.URL)
	end, err = Trace(t.Context(), "v0")
	must(t, err)
	_, span = otel.Tracer("test").Start(t.Context(), "capture-of-web-0")
	span.End()
	must(t, end(t.Context()))
	got := s.taken()
	if len(got) != 1 || got[0].path != "/v1/traces" || !strings.Contains(got[0].body, "capture-of-web-0") {
		t.Errorf("got %d requests", len(got))
	}
}
