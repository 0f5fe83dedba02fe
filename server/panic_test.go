package server

import (
	"bytes"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/gateway"
	"github.com/halberdhq/halberd/internal/keytext"
)

// One request's panic is one request's answer, wherever it happens, and what
// was thrown stays untold.
func TestAPanicIsOneAnswerAndTellsNoSecret(t *testing.T) {
	secret := keytext.Mint("hb_live")
	for name, thrown := range map[string]any{"a text": "bad key " + secret, "an error": errors.New(secret), "a pointer": nil, "of a check": secret} {
		in := starting(t)
		var log bytes.Buffer
		in.log = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		in.doors = gateway.New(func() *halberd.Service {
			if thrown == nil {
				_ = in.service.Load().Stats() // of nothing
			}
			panic(thrown)
		}, in.log)
		r := httptest.NewRequest(http.MethodGet, "/v1/auth/forward?scopes=read", nil)
		r.Header.Set("X-API-Key", secret)
		w := httptest.NewRecorder()
		handler := in.publicServer().Handler
		if name == "of a check" {
			handler = in.onlyChecks()
		}
		handler.ServeHTTP(w, r)
		if w.Code != 500 || w.Header().Get("Connection") != "close" || !strings.Contains(w.Body.String(), `"code":"INTERNAL"`) {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		id := w.Header().Get("X-Request-Id")
		if id == "" || !strings.Contains(w.Body.String(), id) || !strings.Contains(log.String(), id) || !strings.Contains(log.String(), "panic") {
			t.Errorf("%s: id %q in %s and %s", name, id, w.Body, &log)
		}
		if strings.Contains(log.String()+w.Body.String(), secret) {
			t.Errorf("%s: the secret is told: %s %s", name, w.Body, &log)
		}
		if w := get(in, "/healthz"); w.Code != 200 {
			t.Errorf("%s: then %d", name, w.Code)
		}
	}
}
