// SPDX-License-Identifier: Apache-2.0

package watch

import (
	"context"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/kubeinquest/inquest/internal/evidence"
)

// A passing is the span that all steps for a death are within, which lasts from when it was first seen until it is settled. Deaths of a pod
// that are seen at once have one.
type passing struct {
	span trace.Span
	of   map[evidence.Ref]bool // that are not settled
}

// begin begins the span of deaths of a pod, where somebody wants it.
func begin(ctx context.Context, of evidence.Ref, deaths []unsettled) {
	if len(deaths) == 0 {
		return
	}
	ctx, _ = span(ctx, "death", of, trace.WithNewRoot(), trace.WithTimestamp(deaths[0].Seen))
	p := &passing{trace.SpanFromContext(ctx), map[evidence.Ref]bool{}}
	if !p.span.IsRecording() {
		return
	}
	for i := range deaths {
		deaths[i].passing, p.of[deaths[i].Of] = p, true
	}
}

// within returns a context whose steps are for some deaths: within the span of the first that has one, as they are taken for all together.
func within(ctx context.Context, deaths []unsettled) context.Context {
	for i := range deaths {
		if p := deaths[i].passing; p != nil {
			return trace.ContextWithSpan(ctx, p.span)
		}
	}
	return ctx
}

// over ends the spans of deaths of which no more is to come.
func over(deaths ...unsettled) {
	for i := range deaths {
		p := deaths[i].passing
		if p == nil || !p.of[deaths[i].Of] {
			continue
		}
		if delete(p.of, deaths[i].Of); len(p.of) == 0 {
			p.span.End()
		}
	}
}

// span times one step for one thing, where the program has traces sent somewhere, until it is ended with what came of it.
func span(ctx context.Context, step string, of evidence.Ref, how ...trace.SpanStartOption) (context.Context, func(error)) {
	ctx, s := otel.Tracer("inquest/watch").Start(ctx, step, how...)
	if !s.IsRecording() {
		return ctx, func(error) {}
	}
	kind := attribute.String("inquest.kind", of.Kind)
	s.SetAttributes(kind, attribute.String("k8s.namespace.name", of.Namespace), attribute.String("inquest.name", of.Name))
	return ctx, func(err error) { end(s, err) }
}

func end(s trace.Span, err error) {
	if err != nil {
		s.SetStatus(codes.Error, "it failed") // why stands in the log
	}
	s.End()
}
