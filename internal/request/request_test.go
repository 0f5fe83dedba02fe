package request_test

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/dialect/enveloped"
	"github.com/halberdhq/halberd/dialect/enveloped/wire"
	"github.com/halberdhq/halberd/internal/fixture"
	"github.com/halberdhq/halberd/internal/request"
)

func TestEveryCodeHasAStatus(t *testing.T) {
	for _, c := range halberd.Codes() {
		if http.StatusText(request.Status(c)) == "" {
			t.Errorf("%s has status %d", c, request.Status(c))
		}
	}
}

func TestUnauthorizedIsTheServicesOwn(t *testing.T) {
	w := fixture.New(t)
	_, err := w.Authenticate(t.Context(), halberd.NewSecret("x"), halberd.Request{})
	if want, ok := errors.AsType[*halberd.Error](err); !ok || *request.Unauthorized() != *want {
		t.Errorf("%v, want %v", request.Unauthorized(), err)
	}
	_, err = w.Get(t.Context(), w.Admin, halberd.NewKeyID())
	if want, ok := errors.AsType[*halberd.Error](err); !ok || *request.NotFound() != *want {
		t.Errorf("%v, want %v", request.NotFound(), err)
	}
}

// A Surface whose one operation does what do says.
func surface(t *testing.T, logs io.Writer, do func(*request.Call) (wire.Meta, error)) (*fixture.World, http.Handler) {
	w := fixture.New(t)
	return w, request.Surface{
		Service: w.Service, Log: slog.New(slog.NewTextHandler(logs, nil)), Refusal: enveloped.Refusal,
		Operations: []request.Operation{{
			Method: "GET", Path: "/x", Action: halberd.ActionWhoAmI, Status: 200, Handling: request.Answers(do),
		}},
	}.Handler()
}

func ask(w *fixture.World, h http.Handler) *httptest.ResponseRecorder {
	r := httptest.NewRequestWithContext(w.Ctx(), "GET", "/x", http.NoBody)
	r.Header.Set("X-API-Key", w.Root.Reveal())
	out := httptest.NewRecorder()
	h.ServeHTTP(out, r)
	return out
}

func TestAPanicShowsOnlyTheRequestsName(t *testing.T) {
	for name, thrown := range map[string]any{"a value": struct{ Key string }{"SENSITIVE"}, "an error": errors.New("SENSITIVE")} {
		t.Run(name, func(t *testing.T) {
			logs := &strings.Builder{}
			w, h := surface(t, logs, func(*request.Call) (wire.Meta, error) { panic(thrown) })
			got := ask(w, h)
			if got.Code != 500 || !strings.Contains(got.Body.String(), `"code":"INTERNAL"`) || strings.Contains(got.Body.String(), "goroutine") {
				t.Errorf("%d %s", got.Code, got.Body)
			}
			if !strings.Contains(logs.String(), "request_test.go") || strings.Contains(logs.String(), "SENSITIVE") ||
				strings.Contains(logs.String(), w.Root.Reveal()[8:]) || !strings.Contains(logs.String(), got.Header().Get("X-Request-Id")) {
				t.Error(logs)
			}
		})
	}
}

func TestAnUnknownErrorStaysInside(t *testing.T) {
	logs := &strings.Builder{}
	w, h := surface(t, logs, func(*request.Call) (wire.Meta, error) { return wire.Meta{}, errors.New("disk on fire") })
	got := ask(w, h)
	if got.Code != 500 || strings.Contains(got.Body.String(), "fire") || !strings.Contains(logs.String(), "disk on fire") {
		t.Errorf("%d %s\n%s", got.Code, got.Body, logs)
	}
}

func TestRetryAfterIsWholeSecondsRoundedUp(t *testing.T) {
	for wait, want := range map[time.Duration]string{0: "1", time.Millisecond: "1", 1500 * time.Millisecond: "2", time.Minute: "60"} {
		for _, code := range []halberd.Code{halberd.CodeRateLimited, halberd.CodeUnavailable} {
			w, h := surface(t, io.Discard, func(*request.Call) (wire.Meta, error) {
				return wire.Meta{}, &halberd.Error{Code: code, RetryAfter: wait}
			})
			if got := ask(w, h); got.Code != request.Status(code) || got.Header().Get("Retry-After") != want {
				t.Errorf("%s after %s: %d, %q, want %q", code, wait, got.Code, got.Header().Get("Retry-After"), want)
			}
		}
	}
}

func TestAFieldTellsAbsentNullAndValueApart(t *testing.T) {
	type body struct {
		A wire.Field[string]           `json:"a"`
		B wire.Field[[]wire.RateLimit] `json:"b"`
		C wire.Field[map[string]*bool] `json:"c"`
	}
	var got body
	if err := request.Decode([]byte(`{"a":null,"c":{"x":null,"y":true}}`), &got); err != nil {
		t.Fatal(err)
	}
	if !got.A.Null || got.B.Set || got.C.Value["x"] != nil || !*got.C.Value["y"] {
		t.Errorf("%+v", got)
	}
	for text, field := range map[string]string{
		`{"b":[{"limit":"1"}]}`: "b.limit", `{"b":[{"name":null}]}`: "b.name", `{"b":[{"limit":1,"limit":1}]}`: "b.limit",
		`{"b":[{"LIMIT":1}]}`: "b.LIMIT", `{"b":{}}`: "b", `{"c":{"x":1}}`: "c.x", `{"a":1}`: "a", `{"b":[null]}`: "b",
	} {
		err := request.Decode([]byte(text), new(body))
		if e, ok := errors.AsType[*halberd.Error](err); !ok || e.Field != field {
			t.Errorf("%s: %v, want a refusal of %s", text, err, field)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, text := range []string{`{}`, `{"label":"x"}`, `{"rate_limits":[{"limit":1,"window_seconds":1}]}`, `{"metadata":{"a":"b"}}`, `[[[[`, `{"a":"\ud800"}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var body wire.CreateKey
		if err := request.Decode(raw, &body); halberd.CodeOf(err) != "" && halberd.CodeOf(err) != halberd.CodeInvalid {
			t.Errorf("%v", err)
		}
	})
}
