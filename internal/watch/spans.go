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

// span times one step for one thing, where the program has traces sent somewhere, until it is ended with what came of it.
func span(ctx context.Context, step string, of evidence.Ref) (context.Context, func(error)) {
	ctx, s := otel.Tracer("inquest/watch").Start(ctx, step)
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
