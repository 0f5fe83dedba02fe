package guard_test

import (
	"log/slog"
	"net/http/httptest"
	"testing"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/client"
	"github.com/halberdhq/halberd/dialect/enveloped"
	"github.com/halberdhq/halberd/guard"
	"github.com/halberdhq/halberd/internal/fixture"
)

var (
	_ guard.Verifier = (*halberd.Service)(nil)
	_ guard.Verifier = (*client.Client)(nil)
)

// Asking a server gives the same answers as asking in-process; with the server
// away nothing gets through.
func TestThroughAClient(t *testing.T) {
	w := fixture.New(t)
	server := httptest.NewServer(enveloped.Handler(w.Service, slog.New(slog.DiscardHandler)))
	service := w.Make(halberd.NewKey{Scopes: scopes("verify")})
	c, err := client.New(server.URL, service.Secret.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	url := protect(t, c)
	some, err := halberd.ParseResources([]string{"engagement/42"})
	if err != nil {
		t.Fatal(err)
	}
	k := w.Make(halberd.NewKey{
		Scopes: scopes("write"), Resources: halberd.Some(some),
		RateLimits: halberd.Some(halberd.RateLimits{{Limit: 3, WindowSeconds: 60}}),
	})
	key := k.Secret.Reveal()
	for _, c := range []struct {
		path, key string
		want      int
	}{
		{"/engagements/42", key, 200}, {"/engagements/43", key, 403}, {"/engagements", key, 200}, {"/sources", key, 403},
		{"/sources", "nonsense", 401}, {"/engagements/42", key, 200}, {"/engagements/42", key, 429},
	} {
		status, body, h := ask(t, "GET", url+c.path, "X-Api-Key", c.key)
		if status != c.want || status == 429 && h.Get("Retry-After") != "20" {
			t.Errorf("%s: %d %s (Retry-After %q), want %d", c.path, status, body, h.Get("Retry-After"), c.want)
		}
	}
	if _, body, _ := ask(t, "GET", protect(t, c)+"/anyone", "X-Api-Key", service.Secret.Reveal()); body != service.Key.ID.String()+" verify" {
		t.Errorf("the caller is %q", body)
	}
	if _, err := w.Revoke(w.Ctx(), w.Admin, k.Key.ID, "", 0); err != nil {
		t.Fatal(err)
	}
	if status, _, _ := ask(t, "GET", url+"/engagements/42", "X-Api-Key", key); status != 401 {
		t.Errorf("%d after revoke", status)
	}
	server.Close()
	if status, _, _ := ask(t, "GET", url+"/sources", "X-Api-Key", service.Secret.Reveal()); status != 503 {
		t.Errorf("%d with the server away", status)
	}
}
