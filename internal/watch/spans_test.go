// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace/noop"
)

// traced has spans gathered for as long as a test runs.
func traced(t *testing.T) *tracetest.InMemoryExporter {
	t.Helper()
	gathered := tracetest.NewInMemoryExporter()
	otel.SetTracerProvider(trace.NewTracerProvider(trace.WithSyncer(gathered)))
	t.Cleanup(func() { otel.SetTracerProvider(noop.NewTracerProvider()) })
	return gathered
}

// stepsOf are the names of the spans of one thing, in the order in which they ended, with how each ended where it failed.
func stepsOf(spans tracetest.SpanStubs, name string) (steps []string) {
	for i := range spans {
		s := &spans[i]
		of := map[string]string{}
		for _, a := range s.Attributes {
			of[string(a.Key)] = a.Value.AsString()
		}
		if of["inquest.name"] != name {
			continue
		}
		step := s.Name
		if s.Status.Code == codes.Error {
			step += ": " + s.Status.Description
		}
		steps = append(steps, step)
	}
	return steps
}

// TestSpans: from what triggers it to its verdict each step for a death has a span, which says of what it is and nothing that was
// written by anybody in the cluster: a message, a log, the text of an error.
func TestSpans(t *testing.T) {
	const secret = "password=hunter2 \x1b[31m<script>"
	synctest.Test(t, func(t *testing.T) {
		gathered := traced(t)
		w := newWorld()
		w.log = secret
		r := recorderOf(t, w)
		defer start(t, r)()
		w.crash("web-0", 0)
		w.crash("web-1", 0)
		passes(time.Minute)
		gathered.Reset()
		pod := w.pod("web-0")
		pod.Annotations = map[string]string{"note": secret}
		w.set("pods", pod)
		w.crash("web-0", 1)
		passes(time.Minute)
		w.fail(func(resource string) int {
			if resource == "captures" {
				return down
			}
			return http.StatusOK
		}, false)
		w.crash("web-1", 1)
		passes(10 * time.Second)
		spans := gathered.GetSpans()
		if diff := cmp.Diff([]string{"commit", "capture", "diagnose", "commit", "death"}, stepsOf(spans, "web-0")); diff != "" {
			t.Errorf("steps of a death (-want +got):\n%s", diff)
		}
		if steps := stepsOf(spans, "web-1"); !slices.Contains(steps, "capture: it failed") {
			t.Errorf("steps of a death that could not be captured: %q", steps)
		}
		checkSpans(t, spans)
		checkTrace(t, spans)
	})
}

// checkTrace holds that all steps for a death are within its span.
func checkTrace(t *testing.T, spans tracetest.SpanStubs) {
	t.Helper()
	at := slices.IndexFunc(spans, func(s tracetest.SpanStub) bool { return s.Name == "death" })
	if at < 0 || spans[at].Parent.IsValid() {
		t.Fatal("no death has a span of its own")
	}
	death, steps := &spans[at], 0
	for i := range spans {
		s := &spans[i]
		if s.SpanContext.TraceID() != death.SpanContext.TraceID() || i == at {
			continue
		}
		if steps++; s.Parent.SpanID() != death.SpanContext.SpanID() || s.StartTime.Before(death.StartTime) || s.EndTime.After(death.EndTime) {
			t.Errorf("step %s is not within its death", s.Name)
		}
	}
	if steps != 4 {
		t.Errorf("the trace of a death has %d steps, expected 4", steps)
	}
}

// checkSpans holds that spans say of what they are, and no more.
func checkSpans(t *testing.T, spans tracetest.SpanStubs) {
	t.Helper()
	for i := range spans {
		s := &spans[i]
		said := ""
		for _, a := range s.Attributes {
			said += string(a.Key) + "=" + a.Value.AsString() + " "
		}
		if pod, ok := strings.CutPrefix(said, "inquest.kind=Pod k8s.namespace.name=shop inquest.name=web-"); !ok || pod != "0 " && pod != "1 " || len(s.Events)+len(s.Links) > 0 {
			t.Errorf("span %s says %s", s.Name, said)
		}
		if s.EndTime.Before(s.StartTime) || s.InstrumentationScope.Name != "inquest/watch" {
			t.Errorf("span %s of %s lasts from %s to %s", s.Name, s.InstrumentationScope.Name, s.StartTime, s.EndTime)
		}
		whole, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		for _, written := range []string{"hunter2", "[31m", "does not answer"} {
			if strings.Contains(string(whole), written) {
				t.Errorf("span %s has what was written in the cluster: %s", s.Name, whole)
			}
		}
	}
}
