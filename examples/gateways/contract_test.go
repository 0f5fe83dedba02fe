package gateways_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

// asked is a client's request as a gateway got it.
type asked struct {
	method, target string
	lines          []string // its headers
}

// asker is a gateway that is no Debian package: what it sends for a request, as
// its documents say.
type asker struct {
	name string
	// ask returns the question: the method, the target, the headers. nil: it asks
	// by gRPC.
	ask func(asked) (method, target string, lines []string)
}

// sender asks a server as the gateway does.
func (g asker) sender(h *halberd) func(asked) answer {
	if g.ask == nil {
		return h.envoy()
	}
	return func(q asked) answer {
		h.t.Helper()
		method, target, lines := g.ask(q)
		return raw(h.t, h.address, method, target, lines...)
	}
}

// keep is those headers that a gateway passes on.
func keep(lines []string, names ...string) (kept []string) {
	for _, line := range lines {
		name, _, _ := strings.Cut(line, ":")
		if slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) }) {
			kept = append(kept, line)
		}
	}
	return kept
}

// drop is all others.
func drop(lines []string, names ...string) []string {
	gone := keep(lines, names...)
	return slices.DeleteFunc(slices.Clone(lines), func(line string) bool { return slices.Contains(gone, line) })
}

// forwarded is what gateways tell of the request. Host, port and scheme are
// theirs; nothing depends on them.
func forwarded(q asked) []string {
	return []string{
		"X-Forwarded-Method: " + q.method, "X-Forwarded-Uri: " + q.target, "X-Forwarded-Host: api.example.com",
		"X-Forwarded-Proto: https", "X-Forwarded-For: 203.0.113.7",
	}
}

var aboutTheRequest = []string{
	"X-Forwarded-Method", "X-Forwarded-Uri", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-For", "X-Forwarded-Port",
}

var askers = []asker{
	// trustForwardHeader: false. GET, every header of the client but those of a
	// connection, no body.
	{"Traefik", func(q asked) (string, string, []string) {
		return "GET", "/v1/auth/forward", append(drop(q.lines, append(aboutTheRequest, "Content-Length", "Transfer-Encoding", "Te", "Upgrade", "Proxy-Authorization")...),
			append(forwarded(q), "X-Forwarded-Port: 443")...)
	}},
	// path_prefix, Authorization, and what allowed_headers names.
	{"Envoy by HTTP", func(q asked) (string, string, []string) {
		lines := keep(q.lines, "Authorization", "X-API-Key", "X-Request-Id")
		return q.method, prefix + q.target, append(lines, "Content-Length: 0", "X-Forwarded-For: 203.0.113.7", "X-Envoy-Internal: true")
	}},
	{"Envoy by gRPC", nil},
	{"Kubernetes by HTTP", func(q asked) (string, string, []string) {
		lines := keep(q.lines, "Authorization", "X-API-Key", "X-Request-Id")
		return q.method, prefix + q.target, append(lines, "Content-Length: 0", "X-Forwarded-For: 203.0.113.7")
	}},
	{"APISIX", func(q asked) (string, string, []string) {
		return "GET", "/v1/auth/forward", append(keep(q.lines, "Authorization", "X-API-Key", "X-Request-Id", "User-Agent"), forwarded(q)...)
	}},
}

// prefix is where gateways that put the client's path into the question ask.
const prefix = "/v1/auth/envoy"

// What gateways need of the answer: exactly 200 is yes, with every identity
// header once, and nothing in it; all else is no, and is shown to the client.
func TestWhatGatewaysAskAndNeed(t *testing.T) {
	h := openHalberd(t)
	read, one := h.make("read", ""), h.makeOf("", "write", `,"resources":["engagement/42"]`)
	gone := h.make("read", "")
	h.revoke(gone)

	for _, g := range askers {
		t.Run(g.name, func(t *testing.T) {
			send := g.sender(h)
			limited := h.make("read", `,"rate_limits":[{"name":"default","limit":1,"window_seconds":3600}]`)
			for _, c := range []struct {
				asked
				status int
				code   string
			}{
				{asked{"GET", "/api/sources", []string{read.bearer()}}, 200, ""},
				{asked{"GET", "/api/sources?scopes=admin&project=x", []string{"X-API-Key: " + read.secret}}, 200, ""},
				{asked{"HEAD", "/api/sources", []string{read.bearer()}}, 200, ""},
				{asked{"PATCH", "/api/engagements/42", []string{one.bearer(), "Content-Length: 7"}}, 200, ""},
				{asked{"GET", "/api/sources", []string{limited.bearer()}}, 200, ""},
				{asked{"GET", "/api/sources", []string{limited.bearer()}}, 429, "RATE_LIMITED"},
				{asked{"GET", "/api/sources", nil}, 401, "UNAUTHORIZED"},
				{asked{"GET", "/api/sources", []string{gone.bearer()}}, 401, "UNAUTHORIZED"},
				{asked{"GET", "/api/sources?api_key=" + read.secret, nil}, 401, "UNAUTHORIZED"},
				{asked{"POST", "/api/sources", []string{read.bearer()}}, 403, "FORBIDDEN"},
				{asked{"POST", "/api/sources?scopes=read", []string{read.bearer(), "X-Forwarded-Method: GET"}}, 403, "FORBIDDEN"},
				{asked{"GET", "/api/users", []string{read.bearer(), "X-Forwarded-Uri: /api/sources"}}, 403, "FORBIDDEN"},
				{asked{"PATCH", "/api/engagements/43", []string{one.bearer()}}, 403, "FORBIDDEN"},
			} {
				a := send(c.asked)
				if a.status != c.status || a.code() != c.code && c.method != "HEAD" {
					t.Errorf("%s %s %q: %d %s, want %d %s", c.method, c.target, c.lines, a.status, a.body, c.status, c.code)
					continue
				}
				if c.status == http.StatusOK && a.body != "" {
					t.Errorf("a yes says %q", a.body)
				}
				if a.header.Get("Cache-Control") != "no-store" && (g.ask != nil || c.status != http.StatusOK) || len(a.header.Values("X-Request-Id")) != 1 {
					t.Errorf("%v", a.header)
				}
				for _, name := range identity {
					if c.status == http.StatusOK && len(a.header.Values(name)) != 1 {
						t.Errorf("%s: %q", name, a.header.Values(name))
					}
				}
				if c.status == http.StatusUnauthorized && !strings.HasPrefix(a.header.Get("WWW-Authenticate"), "Bearer") ||
					c.status == http.StatusTooManyRequests && a.header.Get("Retry-After") == "" {
					t.Errorf("%d without what belongs to it: %v", c.status, a.header)
				}
			}
			// However the path is written, a key that may read sees no users, and
			// nobody is sent elsewhere: a redirect is no answer.
			for _, target := range usersOtherwise {
				if a := send(asked{"GET", target, []string{read.bearer()}}); a.status == 200 || a.status/100 == 3 || a.status >= 500 {
					t.Errorf("%s: %d", target, a.status)
				}
			}
		})
	}
}

// who is no trusted proxy is heard about nothing.
func TestA13_AStrangerAsks(t *testing.T) {
	h := openHalberd(t, "--trusted-proxies", "192.0.2.1/32")
	k := h.make("admin", "")
	for _, g := range askers {
		if a := g.sender(h)(asked{"GET", "/api/sources", []string{k.bearer()}}); a.status == 200 {
			t.Errorf("%s: a stranger's word for the path is taken", g.name)
		}
	}
}
