package server

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
)

// What a collector that is slow or away may cost. A span beyond the queue is
// dropped; a batch that cannot be sent in time is, too.
const (
	spanQueue    = 2048
	spanBatch    = 512
	spansEvery   = 2 * time.Second
	spansMayTake = 5 * time.Second // also the last ones, at a stop
)

// traces tells an OpenTelemetry collector of requests. A nil *traces, which is
// the default, tells nobody and costs one comparison a request.
type traces struct {
	provider *sdk.TracerProvider
	tracer   trace.Tracer
	sent     *sender
}

// newTraces is nil where the configuration names no collector. Nothing is sent
// before the first request, so a collector may come later.
func newTraces(ctx context.Context, c Config, version string, log *slog.Logger) (*traces, error) {
	if c.OTLPEndpoint == "" {
		return nil, nil //nolint:nilnil // nil is no traces, as said above
	}
	to, err := otlptracehttp.New(ctx, // which reads its headers and certificates from the OTEL_… variables
		otlptracehttp.WithEndpointURL(strings.TrimRight(c.OTLPEndpoint, "/")+"/v1/traces"),
		otlptracehttp.WithEncoding(otlptracehttp.EncodingProtobuf),
		otlptracehttp.WithTimeout(spansMayTake))
	if err != nil {
		return nil, fmt.Errorf("otlp_endpoint: %w", err)
	}
	t := &traces{sent: &sender{to: to, log: log}}
	t.provider = sdk.NewTracerProvider(
		sdk.WithBatcher(t.sent, sdk.WithMaxQueueSize(spanQueue), sdk.WithMaxExportBatchSize(spanBatch),
			sdk.WithBatchTimeout(spansEvery), sdk.WithExportTimeout(spansMayTake)),
		sdk.WithSampler(sdk.ParentBased(sdk.TraceIDRatioBased(c.OTLPSampleRatio))),
		sdk.WithResource(resource.NewSchemaless(
			attribute.String("service.name", "halberd"), attribute.String("service.version", version))),
	)
	t.tracer = t.provider.Tracer("github.com/halberdhq/halberd/server")
	return t, nil
}

// request records one request that has ended. It is told only what may be known
// to everyone: no path, no query, no header, no address, no name.
func (t *traces) request(r *http.Request, route string, w *statusWriter, began time.Time) {
	parent := propagation.TraceContext{}.Extract(context.Background(), traceParent{r.Header})
	name := method(r.Method)
	_, span := t.tracer.Start(parent, name+" "+route, trace.WithTimestamp(began), trace.WithSpanKind(trace.SpanKindServer))
	if span.IsRecording() {
		status := w.answered()
		span.SetAttributes(
			attribute.String("http.request.method", name),
			attribute.String("http.route", route),
			attribute.Int("http.response.status_code", status),
			attribute.String("halberd.request_id", w.id),
		)
		if w.code != "" {
			span.SetAttributes(attribute.String("halberd.code", w.code))
		}
		if status >= http.StatusInternalServerError {
			span.SetStatus(codes.Error, "")
		}
	}
	span.End()
}

// traceParent hands on the one header that is believed. A tracestate is a text
// of the caller's, which might be a key.
type traceParent struct{ http.Header }

// Get implements propagation.TextMapCarrier.
func (h traceParent) Get(name string) string {
	if v := h.Values(name); name == "traceparent" && len(v) == 1 {
		return v[0]
	}
	return ""
}

// Set implements propagation.TextMapCarrier.
func (traceParent) Set(string, string) {}

// Keys implements propagation.TextMapCarrier.
func (traceParent) Keys() []string { return []string{"traceparent"} }

// stop sends what waits, for a time. Nil is fine.
func (t *traces) stop() {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), spansMayTake)
	defer cancel()
	_ = t.provider.Shutdown(ctx) // what could not be sent, the sender has said
}

// sender counts and says what became of the batches: OpenTelemetry's own way of
// telling is a global one.
type sender struct {
	to           sdk.SpanExporter
	log          *slog.Logger
	told         atomic.Bool // of a failure, until a batch arrives again
	done, failed atomic.Int64
}

// ExportSpans implements sdk.SpanExporter.
func (s *sender) ExportSpans(ctx context.Context, spans []sdk.ReadOnlySpan) error {
	err := s.to.ExportSpans(ctx, spans)
	if err == nil {
		s.done.Add(int64(len(spans)))
		if s.told.Swap(false) {
			s.log.Info("traces are taken again")
		}
		return nil
	}
	s.failed.Add(int64(len(spans)))
	if !s.told.Swap(true) {
		s.log.Warn("traces are not taken and are dropped; requests are answered as ever", "why", err)
	}
	return nil
}

// Shutdown implements sdk.SpanExporter.
func (s *sender) Shutdown(ctx context.Context) error { return s.to.Shutdown(ctx) }

// collector judges otlp_endpoint: the address that the standard calls
// OTEL_EXPORTER_OTLP_ENDPOINT, below which /v1/traces is.
func collector(endpoint string) error {
	u, err := url.Parse(endpoint)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("otlp_endpoint must be the address of an OTLP/HTTP collector without /v1/traces, such as http://127.0.0.1:4318, and hold no password")
	}
	return nil
}
