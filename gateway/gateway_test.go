package gateway_test

import (
	"bufio"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/gateway"
	"github.com/halberdhq/halberd/internal/fixture"
	"github.com/halberdhq/halberd/internal/request"
	"github.com/halberdhq/halberd/storage/memory"
)

// stand is doors with a Service behind them, on a socket.
type stand struct {
	*fixture.World
	t     *testing.T
	doors *gateway.Doors
	url   string
	away  bool // no key is loaded yet
}

func open(t *testing.T, trusted string) *stand {
	t.Helper()
	return stood(t, trusted, fixture.New(t))
}

// openWith is open for a Service with options of its own.
func openWith(t *testing.T, trusted string, o halberd.Options) *stand {
	t.Helper()
	svc, err := halberd.New(t.Context(), memory.New(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = svc.Close() })
	w := &fixture.World{Service: svc, T: t}
	if _, err := svc.FirstStart(t.Context(), func(k halberd.Secret) error { w.Root = k; return nil }); err != nil {
		t.Fatal(err)
	}
	return stood(t, trusted, w)
}

func stood(t *testing.T, trusted string, w *fixture.World) *stand {
	t.Helper()
	s := &stand{World: w, t: t}
	proxies, err := request.ParseProxies(trusted)
	if err != nil {
		t.Fatal(err)
	}
	s.relog(nil)
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

// relog makes the doors anew, with a log.
func (s *stand) relog(log *slog.Logger) {
	former := s.doors
	s.doors = gateway.New(func() *halberd.Service {
		if s.away {
			return nil
		}
		return s.Service
	}, log)
	if former != nil {
		s.doors.Trust(former.Proxies())
	}
}

// raw sends a path as it stands, which net/http's client would clean.
func (s *stand) raw(method, path, key string) int {
	s.t.Helper()
	c, err := new(net.Dialer).DialContext(s.t.Context(), "tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "%s %s HTTP/1.1\r\nHost: h\r\nX-Api-Key: %s\r\nConnection: close\r\n\r\n", method, path, key)
	r, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	defer r.Body.Close()
	return r.StatusCode
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
		s.t.Errorf("%s %v: %d, want %d", path, headers, resp.StatusCode, status)
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
