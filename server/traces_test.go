package server_test

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// receiver is an OpenTelemetry collector.
type receiver struct {
	*httptest.Server
	mu    sync.Mutex
	bytes bytes.Buffer // all that was ever sent, headers included
	spans []*tracepb.Span
}

func receive(t *testing.T) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, err := io.ReadAll(q.Body)
		var batch collector.ExportTraceServiceRequest
		if err != nil || q.URL.Path != "/v1/traces" || proto.Unmarshal(body, &batch) != nil {
			t.Errorf("%s %s is no batch of spans", q.Method, q.URL)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		_ = q.Header.Write(&r.bytes)
		r.bytes.Write(body)
		for _, res := range batch.GetResourceSpans() {
			for _, in := range res.GetScopeSpans() {
				r.spans = append(r.spans, in.GetSpans()...)
			}
		}
	}))
	t.Cleanup(r.Close)
	return r
}

// all is what has come, by name.
func (r *receiver) all() map[string][]*tracepb.Span {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := map[string][]*tracepb.Span{}
	for _, s := range r.spans {
		out[s.GetName()] = append(out[s.GetName()], s)
	}
	return out
}

func (r *receiver) sent() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.bytes.String()
}

func attributes(s *tracepb.Span) map[string]string {
	out := map[string]string{}
	for _, kv := range s.GetAttributes() {
		out[kv.GetKey()] = strings.Trim(strings.TrimPrefix(strings.TrimPrefix(kv.GetValue().String(), "string_value:"), "int_value:"), `"`)
	}
	return out
}

const aParent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-"

// A span says route, method, status, code and request id, and nothing else; a
// caller's trace is continued; all are sent before the end.
func TestTracesTellWhatMayBeTold(t *testing.T) {
	dir, to := shortDir(t), receive(t)
	p := serve(t, dir, "--otlp-endpoint", to.URL)
	admin := adminKey(t, dir)
	k := p.create("a name that tells")
	check := `{"key":"` + k.secret + `"}`
	p.call("POST", "/v1/api-keys/verify", admin, check, "Traceparent", aParent+"01", "Tracestate", "v="+k.secret)
	p.revoke(k)
	p.call("POST", "/v1/api-keys/verify", admin, check, "X-Request-Id", "mine")
	p.call("GET", "/v1/api-keys/"+k.id+"x?q="+k.secret, admin, "")
	p.call("GET", "/"+k.secret, "", "")
	p.call("GET", "/readyz", "", "")
	if code := p.stop(); code != 0 {
		t.Fatalf("exit %d\n%s", code, p.log)
	}
	spans := to.all()
	names := slices.Sorted(maps.Keys(spans))
	want := []string{
		"DELETE /v1/api-keys/{key_id}", "GET /v1/api-keys/{key_id}", "GET other", "POST /v1/api-keys", "POST /v1/api-keys/verify",
	}
	if !slices.Equal(names, want) {
		t.Fatalf("%q", names)
	}
	checks := spans["POST /v1/api-keys/verify"]
	first, second := attributes(checks[0]), attributes(checks[1])
	if first["halberd.code"] != "VALID" || second["halberd.code"] != "REVOKED" || second["halberd.request_id"] != "mine" {
		t.Errorf("%v\n%v", first, second)
	}
	if got := attributes(spans["GET other"][0]); got["halberd.code"] != "NOT_FOUND" || got["http.response.status_code"] != "404" || got["halberd.request_id"] == "" {
		t.Error(got)
	}
	for name, list := range spans {
		for _, s := range list {
			if got := slices.Sorted(maps.Keys(attributes(s))); len(slices.DeleteFunc(got, func(a string) bool {
				return slices.Contains([]string{"http.request.method", "http.route", "http.response.status_code", "halberd.code", "halberd.request_id"}, a)
			})) > 0 {
				t.Errorf("%s tells %v", name, got)
			}
		}
	}
	if s := checks[0]; string(s.GetTraceId()) != "\x0a\xf7\x65\x19\x16\xcd\x43\xdd\x84\x48\xeb\x21\x1c\x80\x31\x9c" ||
		string(s.GetParentSpanId()) != "\xb7\xad\x6b\x71\x69\x20\x33\x31" || s.GetTraceState() != "" {
		t.Errorf("the caller's trace is not continued: %v", s)
	}
	for what, text := range map[string]string{
		"the secret": k.secret, "the admin key": admin, "an id": k.id, "a name": "a name that tells", "a program's name": "Go-http-client",
	} {
		if strings.Contains(to.sent(), text) {
			t.Errorf("%s was sent", what)
		}
	}
}

// A caller's decision outweighs the ratio, both ways; what no caller decided goes by
// the ratio.
func TestTracesAreSampled(t *testing.T) {
	to := receive(t)
	p := serve(t, shortDir(t), "--otlp-endpoint", to.URL, "--otlp-sample-ratio", "0.000000001")
	for range 20 {
		p.call("GET", "/v1/whoami", "", "")
	}
	p.call("GET", "/v1/projects", "", "", "Traceparent", aParent+"01")
	p.stop()
	if got := to.all(); len(got) != 1 || len(got["GET /v1/projects"]) != 1 {
		t.Errorf("%v", got)
	}
	to = receive(t)
	p = serve(t, shortDir(t), "--otlp-endpoint", to.URL+"/")
	p.call("GET", "/v1/projects", "", "", "Traceparent", aParent+"00")
	p.call("GET", "/v1/whoami", "", "", "Traceparent", "nonsense")
	p.stop()
	if got := to.all(); len(got) != 1 || len(got["GET /v1/whoami"]) != 1 {
		t.Errorf("%v", got)
	}
}

// Off is off, whatever the variables of other programs say.
func TestTracesAreOffUntilHalberdIsAsked(t *testing.T) {
	to := receive(t)
	p := launchUnder(t, []string{"env", "OTEL_EXPORTER_OTLP_ENDPOINT=" + to.URL, "OTEL_TRACES_EXPORTER=otlp"}, shortDir(t))
	p.call("GET", "/v1/whoami", "", "", "Traceparent", aParent+"01")
	p.stop()
	if to.sent() != "" {
		t.Error("something was sent")
	}
}

// A collector that is away, or that never answers, is said once, and neither
// holds nor fails a request or the end.
func TestNoCollectorHoldsARequest(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	release := make(chan struct{})
	hangs := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-release }))
	t.Cleanup(hangs.Close)
	t.Cleanup(func() { close(release) })
	for name, url := range map[string]string{"away": gone.URL, "silent": hangs.URL} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := serve(t, shortDir(t), "--otlp-endpoint", url)
			for range 3 * 2048 { // more than the queue holds
				if a := p.call("GET", "/v1/whoami", "", ""); a.status != http.StatusUnauthorized {
					t.Fatal(a)
				}
			}
			if code := p.stop(); code != 0 {
				t.Errorf("exit %d", code)
			}
			if n := strings.Count(p.log.String(), "traces are not taken"); n != 1 {
				t.Errorf("said %d times:\n%s", n, p.log)
			}
		})
	}
}
