package gateways_test

import (
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
	"testing"
)

// A good key: the API learns whose it is, once and in these names, and does not
// get the key.
func TestAllowed(t *testing.T) {
	behindEach(t, func(t *testing.T, s *stand) {
		k := s.keys.make("write", "")
		for _, line := range []string{k.bearer(), "X-API-Key: " + k.secret, "x-api-key: " + k.secret} {
			_, got := s.allowed("POST", "/api/sources?x=1&y=%2F", line, "Content-Length: 5", "", "hello")
			if got.target != "/api/sources?x=1&y=%2F" || got.body != "hello" {
				t.Errorf("it got %s %q", got.target, got.body)
			}
			got.is(t, "X-Auth-Key-Id", k.id)
			got.is(t, "X-Auth-External-Id", "customer-7")
			got.is(t, "X-Auth-Scopes", "read write")
			got.is(t, "X-Auth-Resources", "*")
			for _, name := range []string{"X-Auth-Organization-Id", "X-Auth-Project-Id", "X-Request-Id"} {
				if v := got.header.Values(name); len(v) != 1 || !strings.Contains(v[0], "_") {
					t.Errorf("%s is %q", name, v)
				}
			}
			got.without(t, k)
		}
	})
}

// is fails the test unless the API got a header once, with this value.
func (g seen) is(t *testing.T, name, want string) {
	t.Helper()
	if v := g.header.Values(name); !slices.Equal(v, []string{want}) {
		t.Errorf("the API got %s: %q, want %q", name, v, want)
	}
}

// without fails the test if the API got the key, wherever it was.
func (g seen) without(t *testing.T, k key) {
	t.Helper()
	for name, values := range g.header {
		if strings.Contains(strings.Join(values, " "), k.secret) {
			t.Errorf("the API got the key in %s", name)
		}
	}
}

func TestNoKey(t *testing.T) {
	behindEach(t, func(t *testing.T, s *stand) {
		k := s.keys.make("read", "")
		for _, lines := range [][]string{
			nil, {"Authorization: Bearer hb_live_abc"}, {"Authorization: Bearer"}, {"Authorization: Basic " + k.secret},
			{"X-API-Key: "}, {"Cookie: key=" + k.secret},
		} {
			a := s.refused(401, "UNAUTHORIZED", "GET", "/api/sources", lines...)
			if v := a.header.Values("WWW-Authenticate"); len(v) != 1 || !strings.HasPrefix(v[0], "Bearer") {
				t.Errorf("WWW-Authenticate: %q", v)
			}
		}
	})
}

// a key is where a key belongs and spelt as it is spelt, or is none.
func TestA10_A11_OnlyInTheHeader(t *testing.T) {
	behindEach(t, func(t *testing.T, s *stand) {
		k := s.keys.make("admin", "")
		for _, target := range []string{"/api/sources?api_key=", "/api/sources?access_token=", "/api/sources?key=", "/api/sources/"} {
			s.refused(401, "UNAUTHORIZED", "GET", target+k.secret)
		}
		for _, line := range []string{"X_API_KEY: ", "X-Api_Key: ", "X-API-Key-2: ", "Authorization_: Bearer ", "X-Forwarded-Authorization: Bearer "} {
			s.refused(401, "UNAUTHORIZED", "GET", "/api/sources", line+k.secret)
		}
		// A space before the colon: 400 or 401, and never further.
		if a, seen := s.send("GET", "/api/sources", "X-API-Key : "+k.secret); len(seen) > 0 || a.status/100 != 4 {
			t.Errorf("a space before the colon: %d", a.status)
		}
		// Two keys are none.
		other := s.keys.make("read", "")
		for _, lines := range [][]string{
			{k.bearer(), other.bearer()}, {other.bearer(), k.bearer()},
			{k.bearer(), "X-API-Key: " + other.secret}, {"X-API-Key: " + k.secret, "X-API-Key: " + other.secret},
		} {
			if a, seen := s.send("GET", "/api/sources", lines...); len(seen) > 0 || a.status/100 != 4 {
				t.Errorf("two keys: %d, %d reached the API", a.status, len(seen))
			}
		}
		for _, text := range []string{s.keys.said.String(), s.gateway.said.String()} {
			if strings.Contains(text, k.secret) {
				t.Error("the key is in a log")
			}
		}
	})
}

func TestScope(t *testing.T) {
	behindEach(t, func(t *testing.T, s *stand) {
		read, admin := s.keys.make("read", ""), s.keys.make("admin", "")
		s.allowed("GET", "/api/sources", read.bearer())
		s.allowed("HEAD", "/api/sources", read.bearer())
		for _, method := range []string{"POST", "PATCH", "PUT", "DELETE"} {
			s.refused(403, "FORBIDDEN", method, "/api/sources", read.bearer())
		}
		s.refused(403, "FORBIDDEN", "GET", "/api/users", read.bearer())
		s.allowed("GET", "/api/users", admin.bearer())
		one := s.keys.make("write", `,"resources":["engagement/42"]`)
		s.allowed("PATCH", "/api/engagements/42", one.bearer())
		s.refused(403, "FORBIDDEN", "PATCH", "/api/engagements/43", one.bearer())
		s.refused(403, "FORBIDDEN", "GET", "/api/sources", one.bearer())
	})
}

// what the client says of its own request is not believed.
func TestA13_TheClientSaysOtherwise(t *testing.T) {
	behindEach(t, func(t *testing.T, s *stand) {
		k := s.keys.make("read", "")
		for _, lines := range [][]string{
			{"X-Forwarded-Method: GET", "X-Original-Method: GET"},
			{"X-Forwarded-Uri: /api/sources", "X-Original-URI: /api/sources", "X-Original-URL: /api/sources", "X-Rewrite-URL: /api/sources"},
			{"X-Forwarded-Uri: /healthz", "X-Forwarded-Uri: /api/sources"},
			{"X-HTTP-Method-Override: GET", "X-Forwarded-Host: 127.0.0.1"},
			{"X-Auth-Require: read", "X-Auth-Key-Id: " + k.id},
			{"X_Forwarded_Method: GET", "X_Original_Method: GET"},
			{"User-Agent: kube-probe/1.30"},
		} {
			s.refused(403, "FORBIDDEN", "POST", "/api/sources", append(lines, k.bearer())...)
			s.refused(403, "FORBIDDEN", "GET", "/api/users", append(lines, k.bearer())...)
			s.refused(401, "UNAUTHORIZED", "GET", "/api/sources", lines...)
		}
	})
}

// nor does the query of the request get into the question. Caddy hands the
// client's on where ours is not there.
func TestA13_TheClientsQuery(t *testing.T) {
	behindEach(t, func(t *testing.T, s *stand) {
		k := s.keys.make("read", "")
		for _, query := range []string{
			"?scopes=read", "?scopes=read&resource=engagement/42", "?project=" + strings.Repeat("x", 10), "?policy=none", "?", "?&scopes=", "?scopes",
		} {
			s.refused(403, "FORBIDDEN", "GET", "/api/users"+query, k.bearer())
			s.refused(403, "FORBIDDEN", "POST", "/api/sources"+query, k.bearer())
			s.allowed("GET", "/api/sources"+query, k.bearer())
		}
	})
}

// the path that is judged is the path that is served. However it is
// written, a key that may read sees no users.
func TestA13_Paths(t *testing.T) {
	behindEach(t, func(t *testing.T, s *stand) {
		k := s.keys.make("read", "")
		for _, target := range usersOtherwise {
			_, seen := s.send("GET", target, k.bearer())
			for _, got := range seen {
				if servesUsers(got.target) {
					t.Errorf("%s reached the API as %s", target, got.target)
				}
			}
		}
	})
}

// usersOtherwise are paths that some server takes for that of the users.
var usersOtherwise = []string{
	"//api/users", "/api//users", "/api/./users", "/api/sources/../users", "/api/sources/..%2fusers", "/api/%75sers", "/api/users/",
	"/api%2fusers", "/api/sources/%2e%2e/users", "/api/users;x=1", "/api/users%00", "/api/users%3fx", "/api/sources%2f..%2fusers",
	"/api/users#x", "/api\\users", "/api/USERS", "http://127.0.0.1/api/users", "/api/sources/..;/users", "/api/users%20",
}

// servesUsers reports whether some server would serve the users at a target.
func servesUsers(target string) bool {
	target, _, _ = strings.Cut(target, "?")
	target, _, _ = strings.Cut(target, "#")
	for range 2 {
		if plain, err := url.PathUnescape(target); err == nil {
			target = plain
		}
	}
	target = strings.ReplaceAll(strings.ReplaceAll(target, "\\", "/"), "..;", "..")
	target, _, _ = strings.Cut(target, ";")
	return strings.EqualFold(strings.TrimRight(path.Clean(target), " \x00"), "/api/users")
}

// names that only Halberd may give do not come from a client, in no
// spelling and however often.
func TestA14_TheClientNamesItself(t *testing.T) {
	behindEach(t, func(t *testing.T, s *stand) {
		k := s.keys.makeOf("", "read", "")
		for _, name := range identity {
			folded := strings.ReplaceAll(name, "-", "_")
			var lines []string
			for _, spelt := range []string{name, lower(name), strings.ToUpper(name), folded, lower(folded), strings.Replace(name, "-", "_", 1), "X-Auth" + folded[6:]} {
				lines = append(lines, spelt+": forged", spelt+": forged again")
			}
			_, got := s.allowed("GET", "/api/sources", append(lines, k.bearer())...)
			got.is(t, "X-Auth-Key-Id", k.id)
			got.is(t, "X-Auth-Scopes", "read")
			for name, values := range got.header {
				if strings.Contains(strings.Join(values, " "), "forged") {
					t.Errorf("the API got %s: %q", name, values)
				}
			}
		}
	})
}

// A-14, the other way: a client that calls Halberd's names its connection's own
// (RFC 9110, 7.6.1), which proxies take away, takes none from the API. One that
// shows what X-Auth-Resources allows would show all of it.
func TestA14_TheClientTakesNamesAway(t *testing.T) {
	behindEach(t, func(t *testing.T, s *stand) {
		k := s.keys.make("read", `,"resources":["engagement/42"]`)
		names := strings.Join(identity, ", ") + ", x-request-id"
		for _, line := range []string{"Connection: " + names, "Connection: keep-alive, " + strings.ToLower(names)} {
			_, got := s.allowed("GET", "/api/engagements/42", line, k.bearer())
			got.is(t, "X-Auth-Key-Id", k.id)
			got.is(t, "X-Auth-External-Id", "customer-7")
			got.is(t, "X-Auth-Scopes", "read")
			got.is(t, "X-Auth-Resources", "engagement/42")
			for _, name := range []string{"X-Auth-Organization-Id", "X-Auth-Project-Id", "X-Request-Id"} {
				if v := got.header.Values(name); len(v) != 1 || v[0] == "" {
					t.Errorf("%s is %q", name, v)
				}
			}
		}
	})
}

func TestLimit(t *testing.T) {
	behindEach(t, func(t *testing.T, s *stand) {
		k := s.keys.make("read", `,"rate_limits":[{"name":"default","limit":2,"window_seconds":3600}]`)
		for range 2 {
			s.allowed("GET", "/api/sources", k.bearer())
		}
		a := s.refused(429, "RATE_LIMITED", "GET", "/api/sources", k.bearer())
		if v := a.header.Values("Retry-After"); len(v) != 1 || v[0] == "0" || strings.Trim(v[0], "0123456789") != "" {
			t.Errorf("Retry-After: %q", v)
		}
		if v := a.header.Values("Content-Type"); len(v) != 1 || !strings.HasPrefix(v[0], "application/json") {
			t.Errorf("Content-Type: %q", v)
		}
		if v := a.header.Values("RateLimit"); len(v) != 1 || !strings.HasPrefix(v[0], `"default";r=0;t=`) {
			t.Errorf("RateLimit: %q", v)
		}
		s.refused(429, "RATE_LIMITED", "GET", "/api/sources", k.bearer()) // not 401, not let through
	})
}

// When revoke has answered the next request is refused, and so are those over
// connections that were open before.
func TestRevoked(t *testing.T) {
	behindEach(t, func(t *testing.T, s *stand) {
		k := s.keys.make("read", "")
		for range 3 {
			s.allowed("GET", "/api/sources", k.bearer())
		}
		s.keys.revoke(k)
		for range 3 {
			s.refused(401, "UNAUTHORIZED", "GET", "/api/sources", k.bearer())
		}
	})
}

// Nobody answers, or one who does not know the keys yet: nobody gets through.
// And when somebody answers again, they do.
func TestHalberdIsAwayOrStarting(t *testing.T) {
	behindEach(t, func(t *testing.T, s *stand) {
		k := s.keys.make("read", "")
		s.allowed("GET", "/api/sources", k.bearer())
		s.keys.kill()
		for range 3 {
			s.refused(503, "UNAVAILABLE", "GET", "/api/sources", k.bearer())
			s.refused(503, "UNAVAILABLE", "GET", "/api/sources")
		}
		loaded := s.keys.startSlowly()
		for range 3 {
			s.refused(503, "UNAVAILABLE", "GET", "/api/sources", k.bearer())
		}
		loaded()
		s.gateway.eventually("letting the key in again", func() bool {
			a, _ := s.send("GET", "/api/sources", k.bearer())
			return a.status == 200
		})
	})
}

// Who guesses is told to wait; who has a good key is not, from the same address.
func TestGuessing(t *testing.T) {
	behindEach(t, func(t *testing.T, s *stand) {
		k := s.keys.make("read", "")
		waits := false
		for i := range 200 {
			a, seen := s.send("GET", "/api/sources", fmt.Sprintf("X-API-Key: %s", k.secret[:len(k.secret)-1]+string(rune('a'+i%26))+"x"))
			if len(seen) > 0 {
				t.Fatal("a bad key passed")
			}
			if waits = a.status == 429; waits {
				if a.header.Get("Retry-After") == "" || a.code() != "RATE_LIMITED" {
					t.Errorf("%v %s", a.header, a.body)
				}
				break
			}
		}
		if !waits {
			t.Error("200 bad keys, and still 401")
		}
		s.allowed("GET", "/api/sources", k.bearer())
	})
}

// A key with a list of addresses is good from there, and the gateway says where
// a request is from, not the client.
func TestA52_TheClientsAddress(t *testing.T) {
	behindEach(t, func(t *testing.T, s *stand) {
		here := s.keys.make("read", `,"ip_allow":["127.0.0.1"]`)
		there := s.keys.make("read", `,"ip_allow":["203.0.113.7"]`)
		lie := []string{"X-Forwarded-For: 203.0.113.7", "X-Real-IP: 203.0.113.7", "Forwarded: for=203.0.113.7", "X-Client-IP: 203.0.113.7"}
		s.allowed("GET", "/api/sources", append(lie, here.bearer())...)
		s.refused(403, "FORBIDDEN", "GET", "/api/sources", append(lie, there.bearer())...)
	})
}
