package gateway_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/gateway"
	"github.com/halberdhq/halberd/internal/fixture"
	"github.com/halberdhq/halberd/internal/request"
)

// stand is doors with a Service behind them, on a socket.
type stand struct {
	*fixture.World
	t     *testing.T
	doors *gateway.Doors
	url   string
}

func open(t *testing.T, trusted string) *stand {
	t.Helper()
	w := fixture.New(t)
	s := &stand{World: w, t: t, doors: gateway.New(func() *halberd.Service { return w.Service }, nil)}
	proxies, err := request.ParseProxies(trusted)
	if err != nil {
		t.Fatal(err)
	}
	s.doors.Trust(proxies)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.doors.Serve(w, r) {
			w.WriteHeader(http.StatusTeapot)
		}
	}))
	t.Cleanup(srv.Close)
	s.url = srv.URL
	return s
}

// key is a key of the default project.
func (s *stand) key(n halberd.NewKey) string { return s.Make(n).Secret.Reveal() }

func (s *stand) ask(path string, headers ...string) *http.Response {
	s.t.Helper()
	return s.send("GET", path, headers...)
}

func (s *stand) send(method, path string, headers ...string) *http.Response {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.url+path, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header[headers[i]] = append(r.Header[headers[i]], headers[i+1])
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { resp.Body.Close() })
	return resp
}

func (s *stand) wants(status int, path string, headers ...string) *http.Response {
	s.t.Helper()
	resp := s.ask(path, headers...)
	if resp.StatusCode != status {
		s.t.Errorf("%s %v: %d, want %d", path, headers[2:], resp.StatusCode, status)
	}
	return resp
}

func TestADoorAnswers(t *testing.T) {
	s := open(t, "")
	k := s.key(halberd.NewKey{Scopes: halberd.Some(halberd.MustScopes("read"))})
	s.wants(200, "/v1/auth/forward?scopes=read", "Authorization", "Bearer "+k)
	s.wants(403, "/v1/auth/forward?scopes=write", "Authorization", "Bearer "+k)
	s.wants(401, "/v1/auth/forward", "X-Api-Key", k)
	s.wants(200, "/v1/auth/nginx?scopes=read", "X-Api-Key", k)
}
