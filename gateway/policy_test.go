package gateway_test

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/gateway"
)

func (s *stand) follow(text string) {
	s.t.Helper()
	p, err := gateway.ParsePolicy([]byte(text))
	if err != nil {
		s.t.Fatal(err)
	}
	s.doors.Follow(p)
}

// through asks the forward door as a proxy that forwards a request.
func (s *stand) through(key, method, uri string, more ...string) int {
	s.t.Helper()
	headers := append([]string{"X-Api-Key", key, "X-Forwarded-Method", method, "X-Forwarded-Uri", uri}, more...)
	return s.ask("/v1/auth/forward", headers...).StatusCode
}

const engagements = `
rules:
  - path: /engagements
    methods: [GET]
    filters_resources: true
  - path: /engagements
    scopes: [admin]
  - path: /engagements/{id}
    resource: engagement/{id}
  - path: /engagements/{id}/close
    methods: [POST]
    scopes: [admin]
    resource: engagement/{id}
  - path: /files/{path...}
    resource: file/{path}
  - path: /status
    scopes: []
  - path: /v1/things:batch
    scopes: [admin]
  - path: /v1/{thing}
`

// Doors: requirement, from the policy file.
func TestAPolicySaysWhatAKeyMustBeGoodFor(t *testing.T) {
	s := open(t, "127.0.0.1")
	s.follow(engagements)
	scoped := func(scope string, resources ...string) string {
		n := halberd.NewKey{Scopes: halberd.Some(halberd.MustScopes(scope))}
		if len(resources) > 0 {
			r, err := halberd.ParseResources(resources)
			if err != nil {
				t.Fatal(err)
			}
			n.Resources = halberd.Some(r)
		}
		return s.key(n)
	}
	reads, writes, admin := scoped("read"), scoped("write"), scoped("admin")
	seven := scoped("write", "engagement/7", "file/a/*")
	own := scoped("deliveries:replay")
	for _, c := range []struct {
		key, method, uri string
		want             int
	}{
		{reads, "GET", "/engagements", 200}, {reads, "HEAD", "/engagements", 200}, {reads, "GET", "/engagements?page=2", 200},
		{reads, "POST", "/engagements", 403}, {writes, "POST", "/engagements", 403}, {admin, "POST", "/engagements", 200},
		{reads, "GET", "/engagements/7", 200}, {reads, "PUT", "/engagements/7", 403}, {writes, "PUT", "/engagements/7", 200},
		{seven, "GET", "/engagements", 200}, // it filters
		{seven, "GET", "/engagements/7", 200}, {seven, "PUT", "/engagements/7?id=8", 200}, {seven, "GET", "/engagements/8", 403},
		{seven, "GET", "/engagements/7/", 200}, {seven, "GET", "/engagements/8/", 403},
		{writes, "POST", "/engagements/7/close", 403}, {admin, "POST", "/engagements/7/close", 200}, {admin, "GET", "/engagements/7/close", 403},
		{seven, "GET", "/files/a/b", 200}, {seven, "GET", "/files/a/b/c", 200}, {seven, "GET", "/files/b/a", 403}, {admin, "GET", "/files", 403},
		{own, "GET", "/status", 200}, {own, "DELETE", "/status", 200}, {own, "GET", "/engagements", 403},
		{admin, "GET", "/nowhere", 403}, {admin, "GET", "/", 403}, {admin, "GET", "/engagements/7/close/it", 403},
		{reads, "get", "/engagements/7", 403}, // no method that we know: as good as a write
	} {
		if got := s.through(c.key, c.method, c.uri); got != c.want {
			t.Errorf("%s %s: %d, want %d", c.method, c.uri, got, c.want)
		}
	}
	if got := s.through("hb_live_nothing", "GET", "/engagements"); got != 401 {
		t.Errorf("a bad key: %d", got)
	}
	if got := s.ask("/v1/auth/forward", "X-Forwarded-Method", "GET", "X-Forwarded-Uri", "/nowhere").StatusCode; got != 401 {
		t.Errorf("no key on an unlisted path: %d", got)
	}
}

// what the API behind the gateway would serve is what was judged.
func TestA13PathsThatCanBeReadInTwoWaysAreRefused(t *testing.T) {
	s := open(t, "127.0.0.1")
	s.follow(engagements)
	admin := s.key(halberd.NewKey{Scopes: halberd.Some(halberd.MustScopes("admin"))})
	for _, uri := range []string{
		"//engagements", "/engagements//7", "/engagements/7//", "/engagements/./7", "/engagements/../status", "/engagements/7/..",
		"/engagements/%2e%2e/status", "/engagements/.%2E", "/engagements/7%2F..%2F8", "/engagements/7%2fclose", "/engagements%2f7",
		"/engagements/7;x=1", "/engagements;x/7", "/engagements/7%3bx", `/engagements\7`, "/engagements/%5c7", "/engagements/7%00", "/engagements/7%0a",
		"/engagements/7%252f8", "/engagements/%37", "/%65ngagements/7", "/engagements/7%", "/engagements/7%2", "/engagements/7%zz",
		"/engagements/7%3fx", "/engagements/7#x", "/engagements/7%23", "/engagements/\u00e9", "/engagements/a b", "/engagements/*", "/engagements/%2a",
		"/Engagements/7", "/ENGAGEMENTS", "/engagements/7/Close", "/v1/things%3Abatch", "/v1/Things:batch", "/v1/things%3abatch",
		"engagements/7", "http://api.example.com/engagements/7", "*", "",
		"/v1/a%00", "/v1/a%0D%0Ab", "/v1/%7f", "/v1/a%5Cb", "/v1/a%25b", "/v1/a;b", "/v1/a%3Bb", "/v1/a%61",
		"/files/a/../b", "/files/a%2fb", "/files//etc", "/" + strings.Repeat("a/", 70),
	} {
		want := 403
		if uri == "" {
			want = 401 // nothing was stated
		}
		if got := s.through(admin, "GET", uri); got != want {
			t.Errorf("%q: %d, want %d", uri, got, want)
		}
	}
	for _, uri := range []string{"/engagements/7", "/engagements/a.b-c_d~e", "/engagements/...", "/engagements/a@b.c", "/engagements/a%40b", "/v1/a%3Ab", "/v1/%C3%A9", "/v1/a%20b", "/v1/a:b"} {
		if got := s.through(admin, "GET", uri); got != 200 {
			t.Errorf("%q: %d", uri, got)
		}
	}
}

func TestAPolicyThatMakesNoSenseIsRefusedWithItsLine(t *testing.T) {
	for text, words := range map[string]string{
		"":                                   "no rules",
		"rules: []":                          "no rules",
		"rules: []x":                         "it is not YAML: ",
		"rulez:\n  - path: /a":               "line 1: field rulez is none of a policy's",
		"rules:\n  - path: /a\n    scope: x": "line 3: field scope is none",
		"rules:\n  - path: [a]":              "line 2: the value is of another kind",
		"rules:\n  - path: a":                "line 2: the path \"a\" must begin with a slash",
		"rules:\n  - path: /a\n  - path: /a": "line 3: the path \"/a\" has two rules for the same methods",
		"rules:\n  - path: /a/{x}\n    methods: [GET]\n  - path: /a/{y}/\n    methods: [HEAD, PUT]": "line 4: the path \"/a/{y}/\" has two rules for HEAD",
		"rules:\n  - path: /a/../b":                                  "plain words",
		"rules:\n  - path: /a//b":                                    "plain words",
		"rules:\n  - path: /a%2fb":                                   "plain words",
		"rules:\n  - path: /a/*":                                     "plain words",
		"rules:\n  - path: /a/{x...}/b":                              "at its end only",
		"rules:\n  - path: /a/{x}/{x}":                               "twice",
		"rules:\n  - path: /a/{x":                                    "not well formed",
		"rules:\n  - path: /a/{}":                                    "not well formed",
		"rules:\n  - path: /a\n  - path: /A":                         "letters' case",
		"rules:\n  - path: /a\n    methods: [get]":                   "GET, POST",
		"rules:\n  - path: /a\n    scopes: [owner]":                  "scopes must be read",
		"rules:\n  - path: /a\n    resource: a/{id}":                 "names {id}",
		"rules:\n  - path: /a/{id}\n    resource: a/{id":             "open brace",
		"rules:\n  - path: /a/{id}\n    resource: \"{id}\"":          "no resource",
		"rules:\n  - path: /a\n    resource: a/*":                    "no resource",
		"rules:\n  - path: /a\n    project: x":                       "project's id",
		"project: x\nrules:\n  - path: /a":                           "project's id",
		"rules:\n  - path: /a\n    host: API.example.com":            "host must be",
		"rules:\n  - path: /a\n    host: api.example.com:80":         "host must be",
		"rules:\n  - path: /a\n---\nrules: []":                       "more than one document",
		"rules:\n  - path: /a\n    path: /b":                         "already defined",
		"rules:\n  - {path: /a/{a}/{b}":                              "line",
		"rules:\n  - path: /" + strings.Repeat("a/", 40):             "too deep",
		"rules:\n  - path: /{a}/{b}/{c}/{d}/{e}/{f}/{g}/{h}/{i}/{j}": "more than 8",
	} {
		if _, err := gateway.ParsePolicy([]byte(text)); err == nil || !strings.Contains(err.Error(), words) {
			t.Errorf("%s\n\t%v; want %q", text, err, words)
		}
	}
}

// Doors: project, by the policy, for each host.
func TestAPolicyNamesProjectsAndHosts(t *testing.T) {
	s := open(t, "127.0.0.1")
	var logs strings.Builder
	s.relog(slog.New(slog.NewTextHandler(&logs, nil)))
	second := s.Project("second")
	home, other := s.key(halberd.NewKey{}), s.key(halberd.NewKey{Project: second.ID})
	s.follow("project: " + s.Home.String() + "\nrules:\n  - path: /{all...}\n    scopes: []\n  - path: /{all...}\n    scopes: []\n    host: two.example.com\n    project: " + second.ID.String())
	for _, c := range []struct {
		key, host string
		want      int
	}{
		{home, "one.example.com", 200}, {other, "one.example.com", 401}, {home, "two.example.com", 401}, {other, "two.example.com", 200},
		{home, "two.example.com, one.example.com", 403}, {home, "one.example.com, two.example.com", 403}, {home, "two.example.com:80:80", 403},
		{home, "two.example.com..", 403}, {home, ".two.example.com", 403}, {home, "two..example.com", 403}, {home, " two.example.com", 401}, {home, "two.example.com/", 403},
		{home, "tw%6f.example.com", 403}, {home, "two.example.com@one.example.com", 403}, {home, "[two.example.com]", 403}, {home, "[::1]:80", 200}, {home, "127.0.0.1:80", 200},
		{other, "Two.Example.com.:8443", 200}, {other, "two.example.com.evil.org", 401}, {other, "", 401}, {home, "", 401},
		{s.Root.Reveal(), "one.example.com", 200}, {s.Root.Reveal(), "two.example.com", 200},
	} {
		if got := s.through(c.key, "GET", "/x", "X-Forwarded-Host", c.host); got != c.want {
			t.Errorf("%s: %d, want %d", c.host, got, c.want)
		}
	}
	if !strings.Contains(logs.String(), "the policy names hosts") {
		t.Errorf("a gateway that states no host is not told so: %s", &logs)
	}
	// The gateway's URL may say the same project, and no other.
	ask := func(project halberd.ProjectID, host string) int {
		return s.ask("/v1/auth/forward?project="+project.String(), "X-Api-Key", home, "X-Forwarded-Method", "GET", "X-Forwarded-Uri", "/x", "X-Forwarded-Host", host).StatusCode
	}
	if got := ask(s.Home, "one.example.com"); got != 200 {
		t.Errorf("the same project: %d", got)
	}
	if got := ask(s.Home, "two.example.com"); got != 401 {
		t.Errorf("another project: %d", got)
	}
}
