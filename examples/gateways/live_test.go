package gateways_test

import (
	"strings"
	"testing"

	"github.com/halberdhq/halberd/internal/fixture"
)

// a WebSocket and a stream of events are asked about like all else, when they
// begin: the API sees none without a good key, and from a client no name that
// only Halberd may give. What is open when its key is revoked stays open, and the
// next one is refused.
func TestA12_WhatStaysOpen(t *testing.T) {
	behindEach(t, func(t *testing.T, s *stand) {
		k, reads := s.keys.make("admin", ""), s.keys.make("read", "")
		const target = "/api/users"
		refused := func(want int, target string, lines ...string) {
			t.Helper()
			if _, res := fixture.Ask(t, s.address, target, lines...); res.StatusCode != want {
				t.Errorf("a WebSocket with %q: %s, want %d", lines, res.Status, want)
			}
			if _, res := fixture.Listen(t, s.address, target, lines...); res.StatusCode != want {
				t.Errorf("a stream with %q: %s, want %d", lines, res.Status, want)
			}
			if seen := s.api.take(); len(seen) > 0 {
				t.Errorf("%d with %q reached the API", len(seen), lines)
			}
		}
		refused(401, target)
		refused(401, target, "Authorization: Basic "+k.secret)
		refused(401, target, "Cookie: X-API-Key="+k.secret)
		refused(401, target, "Sec-WebSocket-Protocol: bearer, "+k.secret)
		refused(401, target+"?access_token="+k.secret)
		refused(403, target, reads.bearer())

		forged := []string{"X-Auth-Key-Id: forged", "X_Auth_Key_Id: forged", "x-auth-scopes: forged"}
		socket, res := fixture.Ask(t, s.address, target, append(forged, k.bearer())...)
		if socket == nil {
			t.Fatal(res.Status)
		}
		stream, res := fixture.Listen(t, s.address, target, append(forged, "X-API-Key: "+k.secret)...)
		if stream == nil {
			t.Fatal(res.Status)
		}
		if got := socket.Say("one"); got != k.id+" one" {
			t.Errorf("%q", got)
		}
		if got := stream.Next(); got != k.id+" hello" {
			t.Errorf("%q", got)
		}
		seen := s.api.take()
		if len(seen) != 2 {
			t.Fatalf("%d reached the API", len(seen))
		}
		for _, got := range seen {
			got.is(t, "X-Auth-Scopes", "read write admin")
			got.without(t, k)
			for name, values := range got.header {
				if strings.Contains(strings.Join(values, " "), "forged") {
					t.Errorf("the API got %s: %q", name, values)
				}
			}
		}

		s.keys.revoke(k)
		refused(401, target, k.bearer())
		if got := socket.Say("two"); got != k.id+" two" {
			t.Errorf("%q", got)
		}
		s.api.live.Tell(t, "news")
		if got := stream.Next(); got != k.id+" news" {
			t.Errorf("%q", got)
		}
	})
}

// A connection that is no HTTP/1.1 any more is asked about no more: a client that
// talks an API into another protocol than WebSocket, HTTP/2 above all, would send
// request after request past the gateway. So no gateway hands that wish on.
func TestA13_NoOtherProtocolIsAskedFor(t *testing.T) {
	behindEach(t, func(t *testing.T, s *stand) {
		k := s.keys.make("read", "")
		for _, lines := range [][]string{
			{"Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"},
			{"Connection: Upgrade", "Upgrade: h2c", "HTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA"},
			{"Connection: upgrade", "upgrade: H2C"},
			{"Connection: Upgrade", "Upgrade: websocket, h2c"},
			{"Connection: Upgrade", "Upgrade: h2c, websocket"},
			{"Connection: Upgrade", "Upgrade: websocket", "Upgrade: h2c"},
			{"Connection: Upgrade", "Upgrade: h2c", "Upgrade: websocket"},
			{"Connection: Upgrade", "Upgrade: other/1"},
		} {
			a, seen := s.send("GET", "/api/sources", append(lines, k.bearer())...)
			for _, got := range seen {
				for _, v := range got.header.Values("Upgrade") {
					if !strings.EqualFold(v, "websocket") {
						t.Errorf("%q: %d; the API was asked for %q", lines, a.status, v)
					}
				}
			}
		}
	})
}
