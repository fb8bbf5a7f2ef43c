// SPDX-License-Identifier: Apache-2.0

package tell

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
)

// Trace has spans sent to where the environment says (OTEL_EXPORTER_OTLP_ENDPOINT and its kin, as OpenTelemetry
// specifies), and returns what sends the last of them. Where it says nothing, nothing is recorded.
func Trace(ctx context.Context, version string) (end func(context.Context) error, err error) {
	to, err := newOTLP()
	if err != nil {
		return nil, fmt.Errorf("send traces: %w", err)
	}
	if to == nil {
		return func(context.Context) error { return nil }, nil
	}
	exporter, err := otlptrace.New(ctx, to)
	if err != nil {
		return nil, fmt.Errorf("send traces: %w", err)
	}
	of, err := resource.New(ctx, resource.WithFromEnv(), resource.WithTelemetrySDK(),
		resource.WithAttributes(attribute.String("service.name", "inquest"), attribute.String("service.version", version)))
	if err != nil {
		return nil, fmt.Errorf("send traces: %w", err)
	}
	provider := trace.NewTracerProvider(trace.WithBatcher(exporter), trace.WithResource(of))
	otel.SetTracerProvider(provider)
	return provider.Shutdown, nil
}
