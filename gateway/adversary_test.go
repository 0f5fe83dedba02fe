package gateway_test

import (
	"maps"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/gateway"
	"github.com/halberdhq/halberd/internal/fixture"
	"github.com/halberdhq/halberd/internal/keytext"
	"github.com/halberdhq/halberd/internal/request"
)

// knock asks the doors without a socket, from an address.
func knock(doors *gateway.Doors, from, method, target string, header http.Header) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	r.RemoteAddr = from + ":40000"
	r.Header = header.Clone()
	w := httptest.NewRecorder()
	if !doors.Serve(w, r) {
		w.WriteHeader(http.StatusTeapot)
	}
	return w
}

// additions are what a client may send besides, in the hope that it is believed.
func additions(good string) []http.Header {
	var out []http.Header
	add := func(name string, values ...string) {
		for _, v := range values {
			out = append(out, http.Header{name: {v}})
		}
	}
	for _, name := range []string{"X-Forwarded-Method", "X-Original-Method", "X-Http-Method-Override", "X-Method-Override", "X-Http-Method"} {
		add(name, "GET", "HEAD", "OPTIONS", "", "get")
	}
	for _, name := range []string{"X-Forwarded-Uri", "X-Original-Uri", "X-Original-Url", "X-Rewrite-Url", "X-Forwarded-Path", "X-Envoy-Original-Path"} {
		add(name, "/status", "/", "", "/status?scopes=", "/status?project=")
	}
	for _, name := range []string{"X-Forwarded-Host", "X-Original-Host", "X-Host", "Forwarded"} {
		add(name, "open.example.com", "", "for=127.0.0.1;host=open.example.com;proto=https")
	}
	for _, name := range []string{"X-Forwarded-For", "X-Real-Ip", "X-Client-Ip", "True-Client-Ip", "Cf-Connecting-Ip", "X-Cluster-Client-Ip"} {
		add(name, "127.0.0.1", "192.0.2.7", "::1", "", "127.0.0.1, 192.0.2.7")
	}
	for _, name := range gateway.IdentityHeaders() {
		add(name, "admin", "key_1", "")
	}
	add("X-Auth-Status", "200")
	add("X-Auth-Code", "VALID")
	add("Cookie", "api_key="+good, "Authorization=Bearer "+good)
	add("Proxy-Authorization", "Bearer "+good)
	add("X_Api_Key", good) // Go keeps such a name apart
	add("X-Api-Key-2", good)
	add("Api-Key", good)
	add("Connection", "Authorization, X-Api-Key", "close")
	add("Upgrade", "websocket")
	add("User-Agent", "kube-probe/1.30", "ELB-HealthChecker/2.0", "")
	add("X-Request-Id", "1", strings.Repeat("a", 8000))
	add("Content-Length", "1000000")
	add("Range", "bytes=0-0")
	add("If-None-Match", "*")
	add("X-Padding", strings.Repeat("a", 16<<10))
	return out
}

// S1: nothing that a client sends besides makes good what is not,
// one addition or two together.
func TestNothingThatAClientAddsOpensADoor(t *testing.T) {
	w := fixture.New(t)
	doors := gateway.New(func() *halberd.Service { return w.Service }, nil)
	trusted, err := request.ParseProxies("10.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	doors.Trust(trusted)
	policy, err := gateway.ParsePolicy([]byte(`
project: ` + w.Home.String() + `
rules:
  - path: /status
    scopes: []
    host: open.example.com
  - path: /things/{id}
    resource: thing/{id}
  - path: /admin
    scopes: [admin]
`))
	if err != nil {
		t.Fatal(err)
	}
	one, err := halberd.ParseResources([]string{"thing/1"})
	if err != nil {
		t.Fatal(err)
	}
	other := w.Project("other")
	home := "project=" + w.Home.String()
	good := w.Make(halberd.NewKey{Scopes: halberd.Some(halberd.MustScopes("read"))}).Secret.Reveal()
	narrow := w.Make(halberd.NewKey{Scopes: halberd.Some(halberd.MustScopes("read")), Resources: halberd.Some(one)}).Secret.Reveal()
	foreign := w.Make(halberd.NewKey{Project: other.ID}).Secret.Reveal()
	dead := w.Make(halberd.NewKey{})
	if _, err := w.Revoke(w.Ctx(), w.Admin, dead.Key.ID, "", 0); err != nil {
		t.Fatal(err)
	}
	via := http.Header{"X-Forwarded-Method": {"POST"}, "X-Forwarded-Uri": {"/things/1"}, "X-Forwarded-Host": {"api.example.com"}, "X-Forwarded-For": {"192.0.2.1"}}
	nginx := http.Header{"X-Original-Method": {"POST"}, "X-Original-Uri": {"/things/1"}, "X-Original-Host": {"api.example.com"}, "X-Real-Ip": {"192.0.2.1"}}
	bases := []struct {
		name, from, target, key string
		policy                  *gateway.Policy
		sets                    http.Header // by the gateway, in place of what its client sent
	}{
		{"no key", "192.0.2.9", "/v1/auth/forward?scopes=read&" + home, "", nil, nil},
		{"no key, trusted", "10.0.0.1", "/v1/auth/forward?scopes=read&" + home, "", nil, via},
		{"a revoked key", "192.0.2.9", "/v1/auth/nginx?scopes=read&" + home, dead.Secret.Reveal(), nil, nil},
		{"an unknown key", "10.0.0.1", "/v1/auth/forward?scopes=read&" + home, keytext.Mint("hb_live"), nil, via},
		{"too little", "192.0.2.9", "/v1/auth/forward?scopes=write&" + home, good, nil, nil},
		{"too little, trusted", "10.0.0.1", "/v1/auth/nginx?scopes=write&" + home, good, nil, nginx},
		{"another project's", "192.0.2.9", "/v1/auth/forward?scopes=read&" + home, foreign, nil, nil},
		{"another resource", "192.0.2.9", "/v1/auth/forward?scopes=read&resource=thing/2&" + home, narrow, nil, nil},
		{"no resource", "192.0.2.9", "/v1/auth/forward?scopes=read&" + home, narrow, nil, nil},
		{"several projects and none named", "192.0.2.9", "/v1/auth/forward?scopes=read", good, nil, nil},
		{"nothing asked", "192.0.2.9", "/v1/auth/forward?" + home, good, nil, nil},
		{"nothing asked, nginx", "192.0.2.9", "/v1/auth/nginx", good, nil, nil},
		{"nothing asked, prefix", "192.0.2.9", "/v1/auth/envoy/status", good, nil, nil},
		{"a policy, not trusted", "192.0.2.9", "/v1/auth/forward", good, policy, nil},
		{"a policy, not trusted, nginx", "192.0.2.9", "/v1/auth/nginx", good, policy, nil},
		{"a policy, not trusted, prefix", "192.0.2.9", "/v1/auth/envoy/status", good, policy, nil},
		{"a policy and a write", "10.0.0.1", "/v1/auth/forward", good, policy, via},
		{"a policy and a write, nginx", "10.0.0.1", "/v1/auth/nginx", good, policy, nginx},
		{"a policy and admin, prefix", "10.0.0.1", "/v1/auth/envoy/admin", good, policy, nil},
		{"a policy and no rule, prefix", "10.0.0.1", "/v1/auth/envoy/things", good, policy, nil},
		{"a policy and another host, prefix", "10.0.0.1", "/v1/auth/envoy/status", good, policy, nil},
	}
	more := additions(w.Root.Reveal())
	asked, step := 0, 5
	if os.Getenv("HALBERD_CAMPAIGN") != "" {
		step = 1
	}
	for _, b := range bases {
		doors.Follow(b.policy)
		ask := func(extra ...http.Header) {
			h := http.Header{}
			if b.key != "" {
				h.Set("X-Api-Key", b.key)
			}
			for _, e := range extra {
				for name, values := range e {
					h[name] = append(h[name], values...)
				}
			}
			maps.Copy(h, b.sets)
			asked++
			if got := knock(doors, b.from, "GET", b.target, h); got.Code/100 != 4 || got.Code == http.StatusTeapot {
				t.Errorf("%s, with %v: %d %v", b.name, extra, got.Code, got.Header())
			}
		}
		ask()
		for i, first := range more {
			ask(first)
			for j := i; j < len(more); j += step {
				ask(first, more[j])
			}
		}
	}
	t.Logf("%d requests", asked)
}

// A credential that is there twice, empty or in another dress is none; it is
// never the better of two.
func TestOddCredentialsOpenNoDoor(t *testing.T) {
	s := open(t, "")
	good, bad := s.key(halberd.NewKey{}), keytext.Mint("hb_live")
	const at = "/v1/auth/forward?scopes=read"
	for name, headers := range map[string][]string{
		"two bearers":            {"Authorization", "Bearer " + good, "Authorization", "Bearer " + bad},
		"the same twice":         {"Authorization", "Bearer " + good, "Authorization", "Bearer " + good},
		"two keys":               {"X-Api-Key", good, "X-Api-Key", bad},
		"they differ":            {"Authorization", "Bearer " + bad, "X-Api-Key", good},
		"they differ, turned":    {"Authorization", "Bearer " + good, "X-Api-Key", bad},
		"an empty bearer":        {"Authorization", "Bearer ", "X-Api-Key", good},
		"an empty header":        {"Authorization", "", "X-Api-Key", good},
		"an empty key":           {"Authorization", "Bearer " + good, "X-Api-Key", ""},
		"basic":                  {"Authorization", "Basic " + good, "X-Api-Key", good},
		"basic alone":            {"Authorization", "Basic " + good},
		"no scheme":              {"Authorization", good},
		"two spaces":             {"Authorization", "Bearer  " + good},
		"a tab":                  {"Authorization", "Bearer\t" + good},
		"a list":                 {"X-Api-Key", good + "," + bad},
		"a list of the same":     {"X-Api-Key", good + ", " + good},
		"quoted":                 {"X-Api-Key", `"` + good + `"`},
		"upper case":             {"X-Api-Key", strings.ToUpper(good)},
		"cut":                    {"X-Api-Key", good[:len(good)-1]},
		"longer":                 {"X-Api-Key", good + "a"},
		"repeated":               {"X-Api-Key", good + good},
		"huge":                   {"X-Api-Key", good + strings.Repeat("a", 30<<10)},
		"bytes that are no text": {"X-Api-Key", good + "\xff"},
	} {
		resp := s.ask(at, headers...)
		if resp.StatusCode != 400 && resp.StatusCode != 401 {
			t.Errorf("%s: %d", name, resp.StatusCode)
		}
		if resp.Header.Get("X-Auth-Key-Id") != "" {
			t.Errorf("%s: told who it is", name)
		}
	}
	for name, query := range map[string]string{
		"no scope":                  "?scopes=",
		"a scope and none":          "?scopes=read&scopes=",
		"a comma":                   "?scopes=,",
		"two projects":              "?scopes=read&project=" + s.Home.String() + "&project=" + s.Home.String(),
		"an empty project":          "?scopes=read&project=",
		"a project that is none":    "?scopes=read&project=" + halberd.NewProjectID().String(),
		"a project in upper case":   "?scopes=read&project=" + strings.ToUpper(s.Home.String()),
		"an empty resource":         "?scopes=read&resource=",
		"a resource that is many":   "?scopes=read&resource=thing/*",
		"a word misspelled":         "?scope=read",
		"a word in upper case":      "?Scopes=read",
		"a semicolon":               "?scopes=read;project=x",
		"a bad escape":              "?scopes=%zz",
		"a word besides":            "?scopes=read&a=b",
		"nothing":                   "?",
		"a scope that no key holds": "?scopes=deliveries:replay",
	} {
		if got := s.ask("/v1/auth/forward"+query, "X-Api-Key", good).StatusCode; got == 200 || got/100 != 4 {
			t.Errorf("%s: %d", name, got)
		}
	}
	for _, method := range []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY"} {
		if got := s.send(method, at, "X-Api-Key", bad).StatusCode; got != 401 {
			t.Errorf("%s: %d", method, got)
		}
	}
	for _, path := range []string{"/v1/auth/forward/", "/v1/auth/Forward", "/v1/auth/forward/x", "/v1/auth//forward", "/v1/auth/%66orward", "/v1/auth/nginx%2f", "/v1/auth/", "/v1/auth/envoy", "/v1/auth/../auth/forward"} {
		if got := s.ask(path+"?scopes=read", "X-Api-Key", good).StatusCode; got == 200 {
			t.Errorf("%s: %d", path, got)
		}
	}
}

// Doors: whoever is suspended or deleted opens nothing, an organization-wide
// key no door of a project that is not there for anyone.
func TestDoorsOfWhatIsSuspendedOrDeletedAreClosed(t *testing.T) {
	s := open(t, "")
	p := s.Project("doomed")
	own := s.key(halberd.NewKey{Project: p.ID})
	wide := s.key(halberd.NewKey{Wide: true})
	at := "/v1/auth/forward?scopes=read&project=" + p.ID.String()
	both := func(when string, want int) {
		t.Helper()
		for name, key := range map[string]string{"its own": own, "wide": wide} {
			if got := s.ask(at, "X-Api-Key", key).StatusCode; got != want {
				t.Errorf("%s, %s: %d, want %d", when, name, got, want)
			}
		}
	}
	both("at first", 200)
	suspend := func(active bool) {
		t.Helper()
		if _, err := s.UpdateProject(s.Ctx(), s.Admin, p.ID, halberd.ProjectPatch{Active: halberd.Some(active)}, 0); err != nil {
			t.Fatal(err)
		}
	}
	suspend(false)
	both("suspended", 401)
	suspend(true)
	both("active again", 200)
	if _, err := s.DeleteProject(s.Ctx(), s.Admin, p.ID, 0); err != nil {
		t.Fatal(err)
	}
	both("deleted", 401)
	// The only one that is left needs no name, and is closed when suspended.
	if got := s.ask("/v1/auth/forward?scopes=read", "X-Api-Key", wide).StatusCode; got != 200 {
		t.Errorf("the only project: %d", got)
	}
	p.ID = s.Home
	suspend(false)
	if got := s.ask("/v1/auth/forward?scopes=read", "X-Api-Key", wide).StatusCode; got != 401 {
		t.Errorf("the only project, suspended: %d", got)
	}
	suspend(true)
	if got := s.ask("/v1/auth/forward?scopes=read", "X-Api-Key", wide).StatusCode; got != 200 {
		t.Errorf("the only project, active again: %d", got)
	}
	if got := s.ask("/v1/auth/forward?scopes=read", "X-Api-Key", own).StatusCode; got != 401 {
		t.Errorf("a deleted project's key: %d", got)
	}
}

// A-37 at the doors: no request that begins after a revocation was answered
// passes, whatever policy and proxies are replaced meanwhile.
func TestARevocationIsHeardAtTheDoorsAtOnce(t *testing.T) {
	w := fixture.New(t)
	doors := gateway.New(func() *halberd.Service { return w.Service }, nil)
	trusted, err := request.ParseProxies("10.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	open, err := gateway.ParsePolicy([]byte("rules:\n  - path: /{all...}\n    scopes: []\n"))
	if err != nil {
		t.Fatal(err)
	}
	var revoked atomic.Pointer[string] // the last whose revocation was answered
	stop := make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			if i%2 == 0 {
				doors.Follow(open)
				doors.Trust(trusted)
			} else {
				doors.Follow(nil)
				doors.Trust(nil)
			}
		}
	})
	var passed, refused atomic.Int64
	for range 4 {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				key := revoked.Load()
				if key == nil {
					continue
				}
				for _, target := range []string{"/v1/auth/forward?scopes=read", "/v1/auth/forward", "/v1/auth/envoy/x"} {
					h := http.Header{"X-Api-Key": {*key}, "X-Forwarded-Method": {"GET"}, "X-Forwarded-Uri": {"/x"}}
					if got := knock(doors, "10.0.0.1", "GET", target, h); got.Code == 200 {
						t.Errorf("%s after the revocation: %d", target, got.Code)
					}
					refused.Add(1)
				}
			}
		})
	}
	for range 300 {
		c := w.Make(halberd.NewKey{})
		key := c.Secret.Reveal()
		if got := knock(doors, "10.0.0.1", "GET", "/v1/auth/envoy/x", http.Header{"X-Api-Key": {key}}); got.Code == 200 {
			passed.Add(1)
		}
		if _, err := w.Revoke(w.Ctx(), w.Admin, c.Key.ID, "", 0); err != nil {
			t.Fatal(err)
		}
		revoked.Store(&key)
	}
	close(stop)
	all.Wait()
	t.Logf("%d passed before, %d refused after", passed.Load(), refused.Load())
	if refused.Load() == 0 {
		t.Error("nobody asked")
	}
}
