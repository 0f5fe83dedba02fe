package dialect_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/dunglas/httpsfv"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/internal/fixture"
	"github.com/halberdhq/halberd/storage/memory"
)

func paced(t *testing.T) *server {
	t.Helper()
	return serveOn(t, fixture.With(t, memory.New(), fixture.NewClock(), halberd.Options{ManagementPerMinute: 60, ManagementBurst: 3}))
}

// Whatever a management call is answered, it says where its caller's pace stands.
func TestEveryManagementAnswerTellsItsCallersPace(t *testing.T) {
	s := paced(t)
	reader := s.Make(halberd.NewKey{Scopes: halberd.Some(halberd.MustScopes("read"))}).Secret
	for i, want := range []struct {
		method, path, body string
		status             int
		left               int64
	}{
		{"GET", "/v1/api-keys", "", 200, 2},
		{"POST", "/v1/api-keys", "{}", 403, 1},
		{"GET", "/api/api-keys", "", 200, 0},
		{"GET", "/v1/api-keys?taste=sour", "", 429, 0},
		{"GET", "/api/api-keys", "", 429, 0},
		{"GET", "/v1/whoami", "", 429, 0},
	} {
		a := s.as(reader, want.method, want.path, want.body).is(t, want.status)
		state, err := httpsfv.UnmarshalList(a.header.Values("RateLimit"))
		if err != nil || len(state) != 1 {
			t.Fatalf("%d: %q, %v", i, a.header.Values("RateLimit"), err)
		}
		item := state[0].(httpsfv.Item)
		left, _ := item.Params.Get("r")
		if item.Value != "management" || left != want.left {
			t.Errorf("%d: RateLimit %q, want r=%d", i, a.header.Get("RateLimit"), want.left)
		}
		if got := a.header.Get("RateLimit-Policy"); got != `"management";q=60;w=60` {
			t.Errorf("%d: RateLimit-Policy %q", i, got)
		}
		if retry := a.header.Get("Retry-After"); want.status == 429 && retry != "1" || want.status != 429 && retry != "" {
			t.Errorf("%d: Retry-After %q", i, retry)
		}
	}
	if other := s.root("GET", "/v1/api-keys", ""); other.status != 200 {
		t.Errorf("another credential: %d", other.status)
	}
	s.Clock.Pass(time.Second)
	s.as(reader, "GET", "/v1/api-keys", "").is(t, 200)
}

func TestChecksTakeNothingFromThePace(t *testing.T) {
	s := paced(t)
	for range 10 {
		for path, body := range map[string]string{"/v1/api-keys/verify": `{"key":"x"}`, "/v1/api-keys/verify-batch": `{"checks":[{"key":"x"}]}`} {
			if a := s.root("POST", path, body).is(t, 200); a.header["Ratelimit"] != nil {
				t.Errorf("%s: %v", path, a.header)
			}
		}
	}
	s.root("GET", "/v1/api-keys", "").is(t, http.StatusOK)
	// Who is not known has no pace: 401 says nothing of one.
	if a := s.send(request{method: "GET", path: "/v1/api-keys"}).is(t, 401); a.header["Ratelimit"] != nil {
		t.Error(a.header)
	}
}
