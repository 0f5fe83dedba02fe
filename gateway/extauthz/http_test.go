package extauthz_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/halberdhq/halberd/gateway"
)

type httpAnswer struct {
	status int
	header http.Header
	body   string
}

// httpDoor asks the same doors over HTTP, as Traefik would.
func httpDoor(t *testing.T, doors *gateway.Doors) func(method, uri, key string) httpAnswer {
	return func(method, uri, key string) httpAnswer {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/v1/auth/forward", nil)
		r.RemoteAddr = "127.0.0.1:1"
		for name, value := range map[string]string{
			"X-Api-Key": key, "X-Request-Id": "r-1", "X-Forwarded-Method": method, "X-Forwarded-Uri": uri, "X-Forwarded-For": "203.0.113.7",
		} {
			r.Header.Set(name, value)
		}
		w := httptest.NewRecorder()
		if !doors.Serve(w, r) {
			t.Fatal("no door")
		}
		return httpAnswer{w.Code, w.Header(), w.Body.String()}
	}
}
