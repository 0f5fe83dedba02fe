package gateway_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/dunglas/httpsfv"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/gateway"
	"github.com/halberdhq/halberd/internal/fixture"
)

// identity are the headers that every answer has.
var identity = []string{
	"X-Auth-Key-Id", "X-Auth-External-Id", "X-Auth-Organization-Id", "X-Auth-Project-Id", "X-Auth-Scopes", "X-Auth-Resources",
}

var everyDoor = []string{"/v1/auth/forward", "/v1/auth/nginx", "/v1/auth/envoy/x"}

// Doors: project.
func TestDoorsProject(t *testing.T) {
	s := open(t, "127.0.0.1")
	home := s.key(halberd.NewKey{})
	get := []string{"X-Forwarded-Method", "GET"}
	s.wants(200, "/v1/auth/forward", append(get, "X-Api-Key", home)...) // the only project there is

	second := s.Project("second")
	other, wide := s.key(halberd.NewKey{Project: second.ID}), s.Root.Reveal()
	elsewhere, err := s.CreateOrganization(s.Ctx(), s.Admin, "elsewhere")
	if err != nil {
		t.Fatal(err)
	}
	projects, err := s.ListProjects(s.Ctx(), s.Admin, elsewhere.ID, halberd.Page{})
	if err != nil {
		t.Fatal(err)
	}
	foreign := projects.List[0].ID
	stranger := s.key(halberd.NewKey{Project: foreign})
	for _, c := range []struct {
		query, key string
		want       int
	}{
		{"", home, 401}, {"", wide, 401}, // several
		{"?project=" + s.Home.String(), home, 200}, {"?project=" + s.Home.String(), other, 401}, {"?project=" + s.Home.String(), stranger, 401},
		{"?project=" + second.ID.String(), other, 200}, {"?project=" + second.ID.String(), home, 401},
		{"?project=" + s.Home.String(), wide, 200}, {"?project=" + second.ID.String(), wide, 200}, {"?project=" + foreign.String(), wide, 401},
		{"?project=" + foreign.String(), stranger, 200},
		{"?project=" + halberd.NewProjectID().String(), home, 401}, {"?project=", home, 401}, {"?project=x", home, 401},
		{"?project=" + s.Home.String() + "&project=" + s.Home.String(), home, 401},
		{"?project=" + s.Home.String() + "&project=" + second.ID.String(), home, 401},
	} {
		s.wants(c.want, "/v1/auth/forward"+c.query, append(get, "X-Api-Key", c.key)...)
	}
	// Nothing is known of a deleted one, whose organization-wide keys live on.
	if _, err := s.DeleteProject(s.Ctx(), s.Admin, second.ID, 0); err != nil {
		t.Fatal(err)
	}
	s.wants(401, "/v1/auth/forward?project="+second.ID.String(), append(get, "X-Api-Key", wide)...)
}

// Doors: project, several and a log line.
func TestDoorsSayOnceAMinuteWhatIsSetUpWrongly(t *testing.T) {
	s := open(t, "127.0.0.1")
	var logs strings.Builder
	s.relog(slog.New(slog.NewTextHandler(&logs, nil)))
	s.Project("second")
	key := s.key(halberd.NewKey{})
	for range 50 {
		s.wants(401, "/v1/auth/forward", "X-Forwarded-Method", "GET", "X-Api-Key", key)
		s.wants(401, "/v1/auth/forward?scope=read", "X-Forwarded-Method", "GET", "X-Api-Key", key)
	}
	for _, words := range []string{"no project is named", "must be project, scopes and resource"} {
		if n := strings.Count(logs.String(), words); n < 1 || n > 2 { // a minute may end meanwhile
			t.Errorf("%q is there %d times", words, n)
		}
	}
	if strings.Contains(logs.String(), key) {
		t.Error("the log has a key")
	}
}

// Doors: requirement, in the URL.
func TestDoorsRequirementInTheURL(t *testing.T) {
	s := open(t, "127.0.0.1")
	resources := func(list ...string) halberd.Maybe[halberd.Resources] {
		r, err := halberd.ParseResources(list)
		if err != nil {
			t.Fatal(err)
		}
		return halberd.Some(r)
	}
	reads := s.key(halberd.NewKey{Scopes: halberd.Some(halberd.MustScopes("read", "x:y"))})
	writes := s.key(halberd.NewKey{Scopes: halberd.Some(halberd.MustScopes("write"))})
	seven := s.key(halberd.NewKey{Resources: resources("engagement/7", "file/*")})
	for _, door := range everyDoor[:2] {
		for _, c := range []struct {
			query, key string
			want       int
		}{
			{"?scopes=read", reads, 200}, {"?scopes=write", reads, 403}, {"?scopes=write", writes, 200}, {"?scopes=admin", writes, 403},
			{"?scopes=read,x:y", reads, 200}, {"?scopes=read&scopes=x:y", reads, 200}, {"?scopes=read&scopes=write", reads, 403}, {"?scopes=write,x:y", writes, 403},
			{"?resource=engagement/7", seven, 200}, {"?resource=engagement/8", seven, 403}, {"?resource=engagement/7", reads, 200},
			{"?resource=engagement/7&resource=file/a", seven, 200}, {"?resource=engagement/7&resource=engagement/8", seven, 403},
			{"?resource=engagement/8&resource=engagement/7", seven, 403}, {"?resource=engagement%2F7&scopes=write", seven, 200},
			{"?scopes=read", seven, 403}, // it is limited, and no resource is named
			{"?scopes=", reads, 401}, {"?scopes=owner", reads, 401}, {"?resource=", reads, 401}, {"?resource=*", reads, 401}, {"?resource=a/*", reads, 401},
			{"?scope=read", reads, 401}, {"?scopes=read&filters_resources=true", seven, 401}, {"?Scopes=read", reads, 401}, {"?scopes=read&x=1", reads, 401},
			{"?scopes=read;project=x", reads, 401}, {"?scopes=%zz", reads, 401}, {"?" + strings.Repeat("scopes=read&", 40) + "scopes=write", reads, 403},
		} {
			s.wants(c.want, door+c.query, "X-Api-Key", c.key)
			// Nothing forwarded is needed, and nothing is read.
			s.wants(c.want, door+c.query, "X-Api-Key", c.key, "X-Forwarded-Method", "DELETE", "X-Forwarded-Uri", "/../x", "X-Original-Method", "DELETE", "X-Original-Uri", "/%2e%2e")
		}
	}
}

// Doors: requirement, both in the URL and in a policy.
func TestDoorsRequirementsOfURLAndPolicyMustBothHold(t *testing.T) {
	s := open(t, "127.0.0.1")
	s.follow("rules:\n  - path: /a\n    scopes: [x:y]\n  - path: /list\n    filters_resources: true\n    scopes: []\n  - path: /e/{id}\n    scopes: []\n    resource: e/{id}\n")
	resources, err := halberd.ParseResources([]string{"e/7"})
	if err != nil {
		t.Fatal(err)
	}
	both := s.key(halberd.NewKey{Scopes: halberd.Some(halberd.MustScopes("write", "x:y"))})
	one := s.key(halberd.NewKey{Scopes: halberd.Some(halberd.MustScopes("write"))})
	two := s.key(halberd.NewKey{Scopes: halberd.Some(halberd.MustScopes("read", "x:y"))})
	seven := s.key(halberd.NewKey{Scopes: halberd.Some(halberd.MustScopes("write", "x:y")), Resources: halberd.Some(resources)})
	for _, c := range []struct {
		query, uri, key string
		want            int
	}{
		{"?scopes=write", "/a", both, 200}, {"?scopes=write", "/a", one, 403}, {"?scopes=write", "/a", two, 403}, {"?scopes=write", "/b", both, 403},
		{"?resource=e/7", "/a", seven, 403}, // the policy names none
		{"", "/list", seven, 200}, {"?resource=e/7", "/list", seven, 200}, {"?resource=e/8", "/list", seven, 403},
		{"", "/e/7", seven, 200}, {"", "/e/8", seven, 403}, {"?resource=e/7", "/e/8", seven, 403}, {"?resource=e/8", "/e/7", seven, 403},
	} {
		s.wants(c.want, "/v1/auth/forward"+c.query, "X-Api-Key", c.key, "X-Forwarded-Method", "GET", "X-Forwarded-Uri", c.uri)
		s.wants(c.want, "/v1/auth/nginx"+c.query, "X-Api-Key", c.key, "X-Original-Method", "GET", "X-Original-Uri", c.uri)
	}
}

// Doors: requirement, by the method alone.
func TestDoorsMethodLeadsToAScope(t *testing.T) {
	s := open(t, "127.0.0.1")
	reads, writes := s.key(halberd.NewKey{Scopes: halberd.Some(halberd.MustScopes("read"))}), s.key(halberd.NewKey{Scopes: halberd.Some(halberd.MustScopes("write"))})
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND", "get"} {
		want := 403
		if method == "GET" || method == "HEAD" {
			want = 200
		}
		s.wants(want, "/v1/auth/forward", "X-Api-Key", reads, "X-Forwarded-Method", method)
		s.wants(want, "/v1/auth/nginx", "X-Api-Key", reads, "X-Original-Method", method)
		s.wants(200, "/v1/auth/forward", "X-Api-Key", writes, "X-Forwarded-Method", method)
		if method == "get" {
			continue // net/http's client changes it
		}
		if got := s.send(method, "/v1/auth/envoy/any/path", "X-Api-Key", reads).StatusCode; got != want {
			t.Errorf("envoy %s: %d, want %d", method, got, want)
		}
	}
	// The other door's header is not this one's, nor is one that is there twice.
	s.wants(401, "/v1/auth/forward", "X-Api-Key", writes, "X-Original-Method", "GET")
	s.wants(401, "/v1/auth/nginx", "X-Api-Key", writes, "X-Forwarded-Method", "GET")
	s.wants(401, "/v1/auth/forward", "X-Api-Key", writes, "X-Forwarded-Method", "GET", "X-Forwarded-Method", "GET")
	s.wants(401, "/v1/auth/forward", "X-Api-Key", writes, "X-Forwarded-Method", "")
	s.wants(401, "/v1/auth/forward", "X-Api-Key", writes)
}

// nobody is believed who was not named.
func TestA13WhatAnUntrustedPeerForwardsIsIgnored(t *testing.T) {
	for _, trusted := range []string{"", "10.0.0.0/8", "unix"} {
		s := open(t, trusted)
		key := s.key(halberd.NewKey{})
		lies := []string{
			"X-Api-Key", key, "X-Forwarded-Method", "GET", "X-Original-Method", "GET", "X-Forwarded-Uri", "/public", "X-Original-Uri", "/public", "X-Original-Url", "/public",
			"X-Forwarded-Host", "public.example.com", "X-Forwarded-For", "10.0.0.1", "X-Real-Ip", "10.0.0.1", "Forwarded", "for=10.0.0.1", "User-Agent", "kube-probe/1.30",
		}
		for _, door := range everyDoor {
			s.wants(401, door, lies...)
		}
		s.follow("rules:\n  - path: /public\n    scopes: []\n  - path: /x\n    scopes: []\n")
		for _, door := range everyDoor {
			s.wants(401, door, lies...)
		}
		for _, door := range everyDoor { // no exemption without a key either
			s.wants(401, door, lies[2:]...)
		}
	}
}

// Doors: requirement; a client's own query, which Caddy hands on where our URL
// has none, and Envoy always.
func TestDoorsAClientsQueryWeakensNothing(t *testing.T) {
	s := open(t, "127.0.0.1")
	resources, err := halberd.ParseResources([]string{"e/7"})
	if err != nil {
		t.Fatal(err)
	}
	second := s.Project("second")
	reads := s.key(halberd.NewKey{Scopes: halberd.Some(halberd.MustScopes("read"))})
	seven := s.key(halberd.NewKey{Resources: halberd.Some(resources)})
	other := s.key(halberd.NewKey{Project: second.ID})
	asCaddy := func(key, method, query string) int {
		return s.ask("/v1/auth/forward?"+query, "X-Api-Key", key, "X-Forwarded-Method", method, "X-Forwarded-Uri", "/e?"+query).StatusCode
	}
	for query, key := range map[string]string{"scopes=read&project=" + s.Home.String(): reads, "project=" + s.Home.String() + "&resource=e/7": seven, "project=" + second.ID.String(): other} {
		if got := asCaddy(key, "POST", query); got != 401 {
			t.Errorf("a client's %s opened: %d", query, got)
		}
		if got := s.ask("/v1/auth/nginx?"+query, "X-Api-Key", key, "X-Original-Method", "POST", "X-Original-Uri", "/e?"+query).StatusCode; got != 401 {
			t.Errorf("a client's %s opened nginx: %d", query, got)
		}
	}
	// Nor is what the URL asks for taken away by a client that states the same
	// query, through a gateway that sets no X-Forwarded-Uri.
	alone := open(t, "127.0.0.1")
	alone.wants(401, "/v1/auth/forward?scopes=admin", "X-Api-Key", alone.key(halberd.NewKey{}), "X-Forwarded-Method", "GET", "X-Forwarded-Uri", "/?scopes=admin")
	// With a policy it counts for nothing, and the policy for all.
	s.follow("project: " + s.Home.String() + "\nrules:\n  - path: /e\n")
	for _, c := range []struct {
		key, method, query string
		want               int
	}{
		{reads, "GET", "page=2", 200}, {reads, "GET", "scopes=admin", 200}, {reads, "POST", "scopes=read", 403},
		{seven, "GET", "resource=e/7", 403}, {other, "GET", "project=" + second.ID.String(), 401},
	} {
		if got := asCaddy(c.key, c.method, c.query); got != c.want {
			t.Errorf("Caddy, %s %s: %d, want %d", c.method, c.query, got, c.want)
		}
		if got := s.send(c.method, "/v1/auth/envoy/e?"+c.query, "X-Api-Key", c.key).StatusCode; got != c.want {
			t.Errorf("Envoy, %s %s: %d, want %d", c.method, c.query, got, c.want)
		}
	}
}

// Doors: answers and headers.
func TestDoorsAnswersAndTheirHeaders(t *testing.T) {
	s := open(t, "127.0.0.1")
	external := "customer 7%\r\nX-Auth-Scopes: admin é" // what the ground lets through of it is encoded
	made, err := s.Create(s.Ctx(), s.Admin, halberd.NewKey{ExternalID: external})
	if err != nil {
		external = "customer 7% é/ü:a b"
		if made, err = s.Create(s.Ctx(), s.Admin, halberd.NewKey{ExternalID: external}); err != nil {
			t.Fatal(err)
		}
	}
	key := made.Secret.Reveal()
	limited := s.key(halberd.NewKey{RateLimits: halberd.Some(halberd.RateLimits{{Name: "default", Limit: 1, WindowSeconds: 60}})})
	ip, err := halberd.ParseIPAllow([]string{"203.0.113.7"})
	if err != nil {
		t.Fatal(err)
	}
	fenced := s.key(halberd.NewKey{IPAllow: halberd.Some(ip)})
	s.wants(200, "/v1/auth/forward?scopes=read", "X-Api-Key", limited)
	for _, c := range []struct {
		why     string
		query   string
		headers []string
		status  int // on /v1/auth/forward
		nginx   int
		code    string
		body    string
	}{
		{"valid", "?scopes=read", []string{"X-Api-Key", key}, 200, 200, "VALID", ""},
		{"no key", "?scopes=read", nil, 401, 401, "UNAUTHORIZED", "Invalid or missing API key"},
		{"malformed", "?scopes=read", []string{"X-Api-Key", "x"}, 401, 401, "UNAUTHORIZED", "Invalid or missing API key"},
		{"unknown", "?scopes=read", []string{"Authorization", "Bearer " + fixture.New(t).Root.Reveal()}, 401, 401, "UNAUTHORIZED", "Invalid or missing API key"},
		{"two keys", "?scopes=read", []string{"X-Api-Key", key, "Authorization", "Bearer " + limited}, 400, 401, "INVALID_REQUEST", "More than one API key"},
		{"one header twice", "?scopes=read", []string{"X-Api-Key", key, "X-Api-Key", key}, 400, 401, "INVALID_REQUEST", "More than one API key"},
		{"scope", "?scopes=admin", []string{"X-Api-Key", key}, 403, 403, "FORBIDDEN", "scope"},
		{"address", "?scopes=read", []string{"X-Api-Key", fenced}, 403, 403, "FORBIDDEN", "address"},
		{"limit", "?scopes=read", []string{"X-Api-Key", limited}, 429, 403, "RATE_LIMITED", "backoff"},
	} {
		for door, want := range map[string]int{"/v1/auth/forward": c.status, "/v1/auth/nginx": c.nginx} {
			t.Run(c.why+door, func(t *testing.T) {
				r := s.ask(door+c.query, c.headers...)
				body, err := io.ReadAll(r.Body)
				if err != nil || r.StatusCode != want {
					t.Fatalf("%d %s, want %d", r.StatusCode, body, want)
				}
				for _, name := range append(slices.Clone(identity), "X-Request-Id", "Cache-Control", "X-Auth-Code") {
					if values := r.Header[name]; len(values) != 1 {
						t.Errorf("%s: %q", name, values)
					}
				}
				if r.Header.Get("Cache-Control") != "no-store" || r.Header.Get("X-Request-Id") == "" {
					t.Errorf("%v", r.Header)
				}
				code := c.code
				if want == 401 {
					code = "UNAUTHORIZED" // whatever the reason
				}
				if got := r.Header.Get("X-Auth-Code"); got != code {
					t.Errorf("X-Auth-Code %s, want %s", got, code)
				}
				if got, meant := r.Header.Get("X-Auth-Status"), fmt.Sprint(c.status); door == "/v1/auth/nginx" && got != meant {
					t.Errorf("X-Auth-Status %s, want %s", got, meant)
				}
				if got := r.Header.Get("Retry-After"); (got != "") != (c.status == 429) {
					t.Errorf("Retry-After %q", got)
				}
				if got := r.Header.Get("Www-Authenticate"); (got != "") != (want == 401 || c.status == 403) ||
					strings.Contains(got, "invalid_token") != (want == 401 && len(c.headers) > 0) {
					t.Errorf("WWW-Authenticate %q", got)
				}
				if want == 200 {
					if len(body) != 0 || r.Header.Get("Content-Length") != "0" {
						t.Errorf("a body: %q", body)
					}
					return
				}
				for _, name := range identity {
					if r.Header.Get(name) != "" {
						t.Errorf("%s tells who it is: %s", name, r.Header.Get(name))
					}
				}
				var said struct {
					Error struct{ Code, Message string }
					Meta  struct {
						RequestID string `json:"request_id"`
					}
				}
				if err := json.Unmarshal(body, &said); err != nil || said.Error.Code != code || !strings.Contains(said.Error.Message, c.body) || said.Meta.RequestID != r.Header.Get("X-Request-Id") {
					t.Errorf("%s", body)
				}
			})
		}
	}
	r := s.ask("/v1/auth/forward?scopes=read", "X-Api-Key", key, "X-Request-Id", "job-7")
	got := r.Header
	plain, err := url.PathUnescape(got.Get("X-Auth-External-Id"))
	if err != nil || plain != external || strings.ContainsAny(got.Get("X-Auth-External-Id"), " \r\n\u00e9") {
		t.Errorf("external id %q", got.Get("X-Auth-External-Id"))
	}
	if got.Get("X-Auth-Key-Id") != made.Key.ID.String() || got.Get("X-Auth-Organization-Id") != s.Org.String() || got.Get("X-Auth-Project-Id") != s.Home.String() ||
		got.Get("X-Auth-Scopes") != "read write" || got.Get("X-Auth-Resources") != "*" || got.Get("X-Request-Id") != "job-7" {
		t.Errorf("%v", got)
	}
	if got := s.ask("/v1/auth/forward?scopes=read", "X-Api-Key", s.Root.Reveal()).Header; got.Get("X-Auth-Project-Id") != "" || len(got["X-Auth-Project-Id"]) != 1 {
		t.Errorf("an organization-wide key: %q", got["X-Auth-Project-Id"])
	}
	// Where the limits stand, on allow and on refusal.
	for _, path := range everyDoor[:2] {
		h := s.ask(path+"?scopes=read", "X-Api-Key", limited).Header
		for _, name := range []string{"Ratelimit", "Ratelimit-Policy"} {
			if _, err := httpsfv.UnmarshalList(h[name]); err != nil || len(h[name]) != 1 {
				t.Errorf("%s: %q %v", name, h[name], err)
			}
		}
	}
}

// what the client sends under our names is not what comes back.
func TestA14AClientsOwnIdentityHeadersAreNotOurs(t *testing.T) {
	s := open(t, "127.0.0.1")
	key := s.key(halberd.NewKey{})
	var lies []string
	for _, name := range identity {
		lies = append(lies, name, "admin", name, "root", strings.ReplaceAll(strings.ToLower(name), "-", "_"), "admin")
	}
	for _, key := range []string{key, "x"} {
		r := s.ask("/v1/auth/forward?scopes=read", append(lies, "X-Api-Key", key)...)
		for _, name := range identity {
			if v := r.Header[name]; len(v) != 1 || v[0] == "admin" || v[0] == "root" {
				t.Errorf("%s: %q", name, v)
			}
		}
	}
}

// a key counts in two headers, and nowhere else.
func TestA10A11A12AKeyElsewhereIsNoKey(t *testing.T) {
	s := open(t, "127.0.0.1")
	s.follow("rules:\n  - path: /{all...}\n    scopes: []\n")
	key := s.key(halberd.NewKey{})
	basic := func(user, password string) string {
		r := &http.Request{Header: http.Header{}}
		r.SetBasicAuth(user, password)
		return r.Header.Get("Authorization")
	}
	get := []string{"X-Forwarded-Method", "GET", "X-Forwarded-Uri", "/x"}
	for _, headers := range [][]string{
		{"X_api_key", key}, {"X-Api_Key", key}, {"X-Api-Key-2", key}, {"Api-Key", key}, {"Cookie", "api_key=" + key + "; Authorization=" + key}, {"X-Forwarded-Authorization", "Bearer " + key},
		{"Authorization", key}, {"Authorization", "Basic " + key}, {"Authorization", basic(key, "")}, {"Authorization", basic("x", key)}, {"Authorization", "Token " + key}, {"Authorization", "Bearer"},
		{"Proxy-Authorization", "Bearer " + key}, {"Sec-Websocket-Protocol", "bearer, " + key}, {"X-Api-Key", " "}, {"X-Api-Key", key + ","}, {"X-Api-Key", strings.ToUpper(key)},
		{"X-Api-Key", "", "Authorization", "Bearer " + key},
	} {
		s.wants(401, "/v1/auth/forward", append(headers, get...)...)
	}
	for _, query := range []string{"?api_key=", "?access_token=", "?key=", "?scopes=read&api_key="} {
		s.wants(401, "/v1/auth/forward"+query+key, get...)
		s.wants(401, "/v1/auth/envoy/x"+query+key, get...)
		s.wants(401, "/v1/auth/forward", "X-Forwarded-Method", "GET", "X-Forwarded-Uri", "/x"+query+key)
	}
	s.wants(401, "/v1/auth/envoy/"+key, get...)
	for _, headers := range [][]string{{"X-Api-Key", key}, {"Authorization", "Bearer " + key}, {"Authorization", "bearer " + key}, {"Authorization", "Bearer " + key, "X-Api-Key", key}} {
		s.wants(200, "/v1/auth/forward", append(headers, get...)...)
	}
}

// Doors: paths; a prefix door sees what was sent.
func TestDoorsPrefixTakesAnyPathAndMethod(t *testing.T) {
	s := open(t, "127.0.0.1")
	s.follow(engagements)
	admin := s.key(halberd.NewKey{Scopes: halberd.Some(halberd.MustScopes("admin"))})
	for path, want := range map[string]int{
		"/engagements/7": 200, "/engagements": 200, "//engagements": 403, "/engagements/../status": 403, "/engagements/%2e%2e/status": 403, "/engagements//7": 403,
		"/engagements/7?a=1": 200, "/": 403, "/engagements%2F7": 403, "/status/": 200, "/status;x": 403,
	} {
		if got := s.raw("GET", "/v1/auth/envoy"+path, admin); got != want {
			t.Errorf("%s: %d, want %d", path, got, want)
		}
	}
	for path, want := range map[string]int{
		"/v1/auth/envoy": 418, "/v1/auth/envoyx/status": 418, "/v1/auth/%65nvoy/status": 418, "/v1/auth/../auth/envoy/status": 418, "/v1//auth/envoy/status": 418,
		"/v1/auth/forward/": 418, "/v1/auth/forward%2f": 418, "/v1/auth/%66orward": 418, "/v1/auth/FORWARD": 418, "/v1/auth/": 418,
	} {
		if got := s.raw("GET", path, admin); got != want {
			t.Errorf("%s: %d, want %d", path, got, want)
		}
	}
}

// Doors: answers; nothing is allowed because something is missing.
func TestDoorsRefuseWhileNobodyKnows(t *testing.T) {
	s := open(t, "127.0.0.1")
	key := s.key(halberd.NewKey{})
	s.wants(200, "/v1/auth/forward?scopes=read", "X-Api-Key", key)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		for door, want := range map[string]int{"/v1/auth/forward": 503, "/v1/auth/nginx": 403} {
			r := s.ask(door+"?scopes=read", "X-Api-Key", key)
			if r.StatusCode != want || r.Header.Get("Retry-After") == "" || r.Header.Get("X-Auth-Code") != "UNAVAILABLE" ||
				door == "/v1/auth/nginx" && r.Header.Get("X-Auth-Status") != "503" {
				t.Errorf("%s: %d %v", door, r.StatusCode, r.Header)
			}
		}
		s.away = true // as while the keys are loaded
	}
}

// Doors: guessing; A-52.
func TestDoorsAnswerGuessesWith429(t *testing.T) {
	clock := fixture.NewClock()
	s := openWith(t, "127.0.0.1", halberd.Options{Now: clock.Now, FlushEvery: time.Hour, GuessesPerMinute: 30, GuessBurst: 5})
	good := s.Root.Reveal()
	bad := func(from string) *http.Response {
		return s.ask("/v1/auth/forward?scopes=read", "X-Api-Key", "x", "X-Forwarded-For", from)
	}
	for range 5 {
		if r := bad("198.51.100.1, 203.0.113.7"); r.StatusCode != 401 {
			t.Fatalf("%d", r.StatusCode)
		}
	}
	for i := range 20 { // whatever it says on the left, the proxy wrote the right
		if r := bad(fmt.Sprintf("198.51.100.%d, 203.0.113.7", i)); r.StatusCode != 429 || r.Header.Get("Retry-After") != "2" || r.Header.Get("X-Auth-Code") != "RATE_LIMITED" {
			t.Fatalf("%d %v", r.StatusCode, r.Header)
		}
	}
	s.wants(200, "/v1/auth/forward?scopes=read", "X-Api-Key", good, "X-Forwarded-For", "203.0.113.7")
	if r := bad("203.0.113.8"); r.StatusCode != 401 {
		t.Errorf("another address: %d", r.StatusCode)
	}
	if r := s.ask("/v1/auth/nginx?scopes=read", "X-Api-Key", "x", "X-Real-Ip", "203.0.113.7"); r.StatusCode != 403 || r.Header.Get("X-Auth-Status") != "429" {
		t.Errorf("nginx: %d %v", r.StatusCode, r.Header)
	}
	// No key at all is no guess.
	for range 10 {
		s.wants(401, "/v1/auth/forward?scopes=read", "X-Forwarded-For", "203.0.113.9", "Accept", "*/*")
	}
	if r := bad("203.0.113.9"); r.StatusCode != 401 {
		t.Errorf("after requests without a key: %d", r.StatusCode)
	}
}

// Address lists go by the address that the proxy states; where it states none,
// the address is not known.
func TestDoorsAddressListsAskForTheClientsAddress(t *testing.T) {
	s := open(t, "127.0.0.1")
	list, err := halberd.ParseIPAllow([]string{"203.0.113.0/24", "127.0.0.0/8"})
	if err != nil {
		t.Fatal(err)
	}
	key := s.key(halberd.NewKey{IPAllow: halberd.Some(list)})
	for _, c := range []struct {
		door, header, value string
		want                int
	}{
		{"/v1/auth/forward", "X-Forwarded-For", "203.0.113.7", 200}, {"/v1/auth/forward", "X-Forwarded-For", "203.0.113.7, 198.51.100.1", 403},
		{"/v1/auth/forward", "X-Real-Ip", "203.0.113.7", 403}, {"/v1/auth/forward", "X-Nothing", "", 403},
		{"/v1/auth/nginx", "X-Real-Ip", "203.0.113.7", 200}, {"/v1/auth/nginx", "X-Real-Ip", "198.51.100.1", 403},
		{"/v1/auth/nginx", "X-Forwarded-For", "203.0.113.7", 403}, {"/v1/auth/nginx", "X-Real-Ip", "nonsense", 403}, {"/v1/auth/nginx", "X-Nothing", "", 403},
	} {
		s.wants(c.want, c.door+"?scopes=read", "X-Api-Key", key, c.header, c.value)
	}
	s.wants(403, "/v1/auth/nginx?scopes=read", "X-Api-Key", key, "X-Real-Ip", "203.0.113.7", "X-Real-Ip", "203.0.113.7")
	s.doors.Trust(nil)
	s.wants(200, "/v1/auth/forward?scopes=read", "X-Api-Key", key, "X-Forwarded-For", "198.51.100.1") // the socket's own
}

// The decision alone allocates nothing.
func TestTheDecisionAllocatesNothing(t *testing.T) {
	s := open(t, "")
	want, err := gateway.ParseWant("scopes=read&resource=a/b&project=" + s.Home.String())
	if err != nil {
		t.Fatal(err)
	}
	a := gateway.Ask{APIKey: []string{s.key(halberd.NewKey{})}, Want: want}
	var out gateway.Answer
	if n := testing.AllocsPerRun(200, func() { s.doors.Decide(t.Context(), &a, &out) }); n != 0 || !out.Allowed() {
		t.Errorf("%v allocations, %d", n, out.Status)
	}
	a = gateway.Ask{APIKey: a.APIKey, Trusted: true, Method: "GET"}
	if n := testing.AllocsPerRun(200, func() { s.doors.Decide(t.Context(), &a, &out) }); n != 0 || !out.Allowed() {
		t.Errorf("by the method: %v allocations, %d", n, out.Status)
	}
}
