// Package dialect_test speaks to the dialects as programs do: over HTTP, on the
// memory engine.
package dialect_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/dialect/apidoc"
	"github.com/halberdhq/halberd/dialect/enveloped"
	"github.com/halberdhq/halberd/dialect/plain"
	"github.com/halberdhq/halberd/internal/fixture"
	"github.com/halberdhq/halberd/notify"
	"github.com/halberdhq/halberd/storage/memory"
)

// server is a Service with both dialects in front.
type server struct {
	*fixture.World
	t    *testing.T
	URL  string
	logs *logbook
}

func serve(t *testing.T) *server {
	t.Helper()
	hooks := notify.NewWebhooks(notify.Options{})
	t.Cleanup(hooks.Close)
	return serveOn(t, fixture.With(t, memory.New(), fixture.NewClock(), halberd.Options{Endpoints: hooks}))
}

func serveOn(t *testing.T, w *fixture.World) *server {
	t.Helper()
	s := &server{World: w, t: t, logs: &logbook{}}
	log := slog.New(slog.NewTextHandler(s.logs, nil))
	v1, api, doc := enveloped.Handler(s.Service, log, enveloped.PublicURL("https://keys.example.com")), plain.Handler(s.Service, log), apidoc.Handler()
	hs := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasPrefix(r.URL.Path, "/v1"):
			v1.ServeHTTP(w, r)
		case strings.HasPrefix(r.URL.Path, "/api"):
			api.ServeHTTP(w, r)
		default:
			doc.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(hs.Close)
	s.URL = hs.URL
	return s
}

// logbook keeps what was logged.
type logbook struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logbook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// fill makes keys in the default project until it is full.
func (s *server) fill() {
	s.t.Helper()
	for range halberd.DefaultKeyCeiling + 1 {
		if a := s.root("POST", "/v1/api-keys", `{}`); a.status == http.StatusConflict {
			return
		}
	}
	s.t.Fatal("the project never gets full")
}

// request is what is sent. Headers are as they stand; a body that is not empty
// is application/json unless a Content-Type says otherwise.
type request struct {
	method, path string
	key          halberd.Secret // as Authorization: Bearer; zero: none
	body         string
	header       http.Header
}

type answer struct {
	status int
	header http.Header
	body   string
	closed bool // the connection ends with it
}

func (s *server) send(q request) answer {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), q.method, s.URL+q.path, strings.NewReader(q.body))
	if err != nil {
		s.t.Fatal(err)
	}
	maps.Copy(r.Header, q.header)
	if !q.key.IsZero() {
		r.Header.Set("Authorization", "Bearer "+q.key.Reveal())
	}
	if q.body != "" && r.Header["Content-Type"] == nil {
		r.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return answer{res.StatusCode, res.Header, string(text), res.Close}
}

// as sends one request with the first admin key.
func (s *server) as(key halberd.Secret, method, path, body string) answer {
	s.t.Helper()
	return s.send(request{method: method, path: path, key: key, body: body})
}

func (s *server) root(method, path, body string) answer {
	s.t.Helper()
	return s.as(s.Root, method, path, body)
}

// at finds a value in an answer: "data.key_id".
func (a answer) at(path string) any {
	var v any
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		return "not JSON: " + a.body
	}
	for name := range strings.SplitSeq(path, ".") {
		m, ok := v.(map[string]any)
		if !ok {
			return nil
		}
		v = m[name]
	}
	return v
}

func (a answer) text(path string) string {
	s, _ := a.at(path).(string)
	return s
}

// refuses fails the test unless a is a refusal by code, in status.
func (a answer) refuses(t *testing.T, status int, code halberd.Code) {
	t.Helper()
	if a.status != status || a.text("error.code") != string(code) {
		t.Errorf("got %d %s, want %d %s", a.status, a.body, status, code)
	}
}

// names fails the test unless a is INVALID_REQUEST on field.
func (a answer) names(t *testing.T, field string) {
	t.Helper()
	if a.status != 400 || a.text("error.code") != "INVALID_REQUEST" || a.text("error.field") != field {
		t.Errorf("got %d %s, want 400 on %s", a.status, a.body, field)
	}
}

func (a answer) is(t *testing.T, status int) answer {
	t.Helper()
	if a.status != status {
		t.Fatalf("got %d %s, want %d", a.status, a.body, status)
	}
	return a
}

func quoted(s string) string {
	b, _ := json.Marshal(s)
	return string(b)
}
