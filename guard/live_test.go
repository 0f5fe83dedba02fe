package guard_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/guard"
	"github.com/halberdhq/halberd/internal/fixture"
)

// a WebSocket and a stream of events are requests like all others until they
// are answered: the same key in the same two headers, the same verdict. After that
// nobody asks again: what is open when its key is revoked stays open, and the next
// one is refused.
func TestA12_WhatStaysOpen(t *testing.T) {
	w := fixture.New(t)
	live := fixture.NewLive(t, func(r *http.Request) string {
		v, _ := guard.From(r.Context())
		return v.KeyID.String()
	})
	g, err := guard.New(w.Service, guard.Routes{"GET /live": {Scope: "write"}}, guard.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(g.Protect(live))
	t.Cleanup(s.Close)
	address := strings.TrimPrefix(s.URL, "http://")
	refused := func(want int, target string, lines ...string) {
		t.Helper()
		before := live.Asked()
		if _, res := fixture.Ask(t, address, target, lines...); res.StatusCode != want || live.Asked() != before {
			t.Errorf("a WebSocket with %q: %s, want %d; the API was asked %d times", lines, res.Status, want, live.Asked()-before)
		}
		if _, res := fixture.Listen(t, address, target, lines...); res.StatusCode != want || live.Asked() != before {
			t.Errorf("a stream with %q: %s, want %d; the API was asked %d times", lines, res.Status, want, live.Asked()-before)
		}
	}
	k, reads := w.Make(halberd.NewKey{Scopes: scopes("write")}), w.Make(halberd.NewKey{Scopes: scopes("read")})
	secret := k.Secret.Reveal()
	bearer, id := "Authorization: Bearer "+secret, k.Key.ID.String()
	refused(401, "/live")
	refused(401, "/live", "Authorization: Basic "+secret)
	refused(401, "/live", "Cookie: X-API-Key="+secret)
	refused(401, "/live", "Sec-WebSocket-Protocol: bearer, "+secret)
	refused(401, "/live?api_key="+secret)
	refused(403, "/live", "X-API-Key: "+reads.Secret.Reveal())

	var sockets []*fixture.Socket
	for _, line := range []string{bearer, "X-API-Key: " + secret} {
		socket, res := fixture.Ask(t, address, "/live", line)
		if socket == nil {
			t.Fatal(res.Status)
		}
		sockets = append(sockets, socket)
	}
	stream, res := fixture.Listen(t, address, "/live", bearer)
	if stream == nil {
		t.Fatal(res.Status)
	}
	for _, s := range sockets {
		if got := s.Say("one"); got != id+" one" {
			t.Errorf("%q", got)
		}
	}
	if got := stream.Next(); got != id+" hello" {
		t.Errorf("%q", got)
	}

	if _, err := w.Revoke(w.Ctx(), w.Admin, k.Key.ID, "", 0); err != nil {
		t.Fatal(err)
	}
	refused(401, "/live", bearer)
	for _, s := range sockets {
		if got := s.Say("two"); got != id+" two" {
			t.Errorf("%q", got)
		}
	}
	live.Tell(t, "news")
	if got := stream.Next(); got != id+" news" {
		t.Errorf("%q", got)
	}
}
