package server

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/halberdhq/halberd/gateway"
	"github.com/halberdhq/halberd/internal/fixture"
)

// starting is an instance whose keys are still being loaded.
func starting(t *testing.T) *instance {
	t.Helper()
	c, err := sources{}.load()
	if err != nil {
		t.Fatal(err)
	}
	in := &instance{now: time.Now, level: new(slog.LevelVar), log: slog.New(slog.DiscardHandler)}
	in.config.Store(&c)
	in.doors = gateway.New(in.service.Load, in.log)
	in.metrics = newMetrics(in)
	in.public.Store(in.routes(nil))
	return in
}

func get(in *instance, path string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	in.publicServer().Handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w
}

func TestUntilEveryKeyIsLoadedTheAnswerIsUnavailable(t *testing.T) {
	in := starting(t)
	for path, want := range map[string]int{
		"/healthz": 200, "/readyz": 503, "/v1/whoami": 503, "/v1/auth/forward": 503, "/v1/auth/nginx": 403, "/v1/auth/envoy/x": 503, "/v1//x": 503, "/api/api-keys": 503,
		"/openapi.json": 200, "/nowhere": 404,
	} {
		w := get(in, path)
		if w.Code != want {
			t.Errorf("%s: %d, want %d", path, w.Code, want)
		}
		if retry := w.Header().Get("Retry-After"); want == 503 && retry != "1" {
			t.Errorf("%s: Retry-After %q", path, retry)
		}
	}
	in.service.Store(fixture.New(t).Service)
	in.public.Store(in.routes(in.service.Load()))
	for path, want := range map[string]int{"/healthz": 200, "/readyz": 200, "/v1/whoami": 401, "/api/api-keys": 401} {
		if w := get(in, path); w.Code != want {
			t.Errorf("loaded, %s: %d, want %d", path, w.Code, want)
		}
	}
	in.stopping.Store(true)
	if w := get(in, "/readyz"); w.Code != 503 || w.Body.String() != "stopping\n" {
		t.Errorf("stopping: %d %s", w.Code, w.Body)
	}
}

// What we say ourselves has the shape of what the dialect says.
func TestOurRefusalsLookLikeTheDialects(t *testing.T) {
	in := starting(t)
	before := map[string]string{}
	for _, path := range []string{"/v1/nowhere", "/api/nowhere"} {
		before[path] = shape(get(in, path))
	}
	in.public.Store(in.routes(fixture.New(t).Service))
	for path, ours := range before {
		theirs := shape(get(in, path))
		ours = strings.NewReplacer("UNAVAILABLE", "NOT_FOUND", errStarting.Error(), "not found", "Retry-After ", "").Replace(ours)
		if ours != theirs {
			t.Errorf("%s:\nours   %s\ntheirs %s", path, ours, theirs)
		}
	}
}

// shape is an answer without its request id.
func shape(w *httptest.ResponseRecorder) string {
	var b bytes.Buffer
	for _, name := range []string{"Cache-Control", "Content-Type", "X-Content-Type-Options", "Retry-After", "X-Request-Id"} {
		if w.Header().Get(name) != "" {
			b.WriteString(name + " ")
		}
	}
	b.WriteString(w.Header().Get("Content-Type") + " ")
	b.WriteString(strings.ReplaceAll(w.Body.String(), w.Header().Get("X-Request-Id"), "ID"))
	return b.String()
}

func TestAPastedWordIsOneWordOfTheShell(t *testing.T) {
	for in, want := range map[string]string{
		"/var/lib/halberd/admin.key": "/var/lib/halberd/admin.key",
		"it's here":                  `'it'\''s here'`,
		"a;b":                        "'a;b'",
		"$HOME":                      "'$HOME'",
		"":                           "''",
	} {
		if got := quote(in); got != want {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}
