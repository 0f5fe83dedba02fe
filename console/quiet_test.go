package console_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/console"
	"github.com/halberdhq/halberd/internal/fixture"
	"github.com/halberdhq/halberd/storage/memory"
)

// counting counts how often a session is stored.
type counting struct {
	halberd.Sessions
	stored atomic.Int64
}

func (c *counting) PutSession(ctx context.Context, token [32]byte, b []byte, until, now int64) error {
	c.stored.Add(1)
	return c.Sessions.PutSession(ctx, token, b, until, now)
}

// pagesOf is a console alone, without /v1 beside it.
func pagesOf(w *fixture.World, kept halberd.Sessions) *site {
	w.T.Helper()
	pages, err := console.New(w.Service, kept, console.Options{})
	if err != nil {
		w.T.Fatal(err)
	}
	server := httptest.NewServer(pages)
	w.T.Cleanup(server.Close)
	return &site{World: w, URL: server.URL}
}

// TestLookingWritesNothing: pages write the session when it changed, and at most
// once a minute to say that it is in use.
func TestLookingWritesNothing(t *testing.T) {
	store := memory.New()
	kept := &counting{Sessions: store}
	s := pagesOf(fixture.On(t, store, fixture.NewClock()), kept)
	s.member()
	v := s.visitor()
	v.enters(email)
	look := func() (written int64) {
		before := kept.stored.Load()
		for range 5 {
			if a := v.get("/settings/profile"); a.status != http.StatusOK || len(a.header["Set-Cookie"]) > 1 {
				t.Fatalf("%d, %v", a.status, a.header)
			}
		}
		return kept.stored.Load() - before
	}
	if n := look(); n != 0 {
		t.Errorf("looking wrote the session %d times", n)
	}
	s.Clock.Pass(61 * time.Second)
	if n := look(); n != 1 {
		t.Errorf("after a minute: %d times", n)
	}
	v.post("/settings/profile", url.Values{"name": {"Ana"}}) // says something once
	if !strings.Contains(v.get("/settings/profile").body, "Your name is changed.") || strings.Contains(v.get("/settings/profile").body, "Your name is changed.") {
		t.Error("what is said once was not said once")
	}
}

// TestAPersonsCallsAreCharged: pages come out of the same limit as calls of /v1.
func TestAPersonsCallsAreCharged(t *testing.T) {
	store := memory.New()
	s := pagesOf(fixture.With(t, store, fixture.NewClock(), halberd.Options{ManagementPerMinute: 60, ManagementBurst: 3}), store)
	s.member()
	v := s.visitor()
	v.enters(email)
	for range 3 {
		if a := v.get("/settings/profile"); a.status != http.StatusOK {
			t.Fatal(a.status)
		}
	}
	a := v.get("/settings/api-keys")
	if a.status != http.StatusTooManyRequests || a.header.Get("Retry-After") != "1" || !strings.Contains(a.body, "Too many") {
		t.Errorf("beyond the limit: %d, %v", a.status, a.header)
	}
	if a := v.post("/settings/members", url.Values{"email": {"bo@waypost.example"}, "role": {"read"}}); a.status != http.StatusTooManyRequests {
		t.Errorf("a change: %d", a.status)
	}
	if a := v.post("/sign-out", nil); a.status != http.StatusSeeOther || a.header.Get("Location") != "/sign-in" {
		t.Errorf("signing out: %d", a.status)
	}
	v.enters(email)
	s.Clock.Pass(time.Second)
	if a := v.get("/settings/profile"); a.status != http.StatusOK {
		t.Errorf("a second later: %d", a.status)
	}
}

// TestBarePathsLeadSomewhere, and what is not there is a page of the console.
func TestBarePathsLeadSomewhere(t *testing.T) {
	_, v := ana(t)
	for at, want := range map[string]string{
		"/": "/settings/api-keys", "/settings": "/settings/api-keys", "/configuration": "/configuration/api-keys",
		"/settings/": "/settings", "/settings/api-keys/?q=x": "/settings/api-keys?q=x", "/configuration/audit/": "/configuration/audit",
	} {
		if a := v.get(at); a.status != http.StatusSeeOther || a.header.Get("Location") != want {
			t.Errorf("%s: %d %q", at, a.status, a.header.Get("Location"))
		}
	}
	for _, at := range []string{"/settings/api-keys", "/configuration/api-keys"} { // one page, two paths, no redirect
		if a := v.get(at); a.status != http.StatusOK {
			t.Errorf("%s: %d", at, a.status)
		}
	}
	for _, at := range []string{"//evil.example/", "/\\evil.example/", "/settings//api-keys/"} {
		if a := v.get(v.URL + at); a.status != http.StatusNotFound || a.header.Get("Location") != "" {
			t.Errorf("%s: %d %q", at, a.status, a.header.Get("Location"))
		}
	}
	if a := v.get("/settings/nothing"); a.status != http.StatusNotFound || !strings.Contains(a.body, "There is no such page") {
		t.Errorf("%d %s", a.status, a.body)
	}
}
