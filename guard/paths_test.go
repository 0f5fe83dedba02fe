package guard_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/guard"
	"github.com/halberdhq/halberd/internal/fixture"
)

// reached says which path a router that matches decoded paths, or one that
// matches paths as they were sent, would go by.
var reached = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
	fmt.Fprint(w, r.URL.Path, " ", r.URL.RawPath)
})

// A path that routers read in different ways goes no further, on open routes
// too: what is `/files/{name}` here must not be `/files/{name}/secret` there.
// All others are settled, so that there is one way to read them.
func TestOnePathOneRoute(t *testing.T) {
	w := fixture.New(t)
	g, err := guard.New(w.Service, guard.Routes{
		"GET /files/{name}":        {Open: true},
		"GET /files/{name}/secret": {Scope: "admin"},
		"GET /users/{name}":        {Scope: "read"},
		"GET /docs/{path...}":      {Scope: "read"},
		"/any/{path...}":           {Open: true},
	}, guard.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(g.Protect(reached))
	defer s.Close()
	key := w.Make(halberd.NewKey{Scopes: scopes("read")}).Secret.Reveal()
	for _, c := range []struct {
		path string
		want int
		body string
	}{
		{"/files/a", 200, "/files/a "}, {"/files/a%2Fsecret", 403, ""}, {"/files/a%2fsecret", 403, ""}, {"/files/a/secret", 403, ""},
		{"/files/%2e%2e", 403, ""}, {"/files/.%2E", 403, ""}, {"/files/%2e", 403, ""}, {"/files/..%2fusers", 403, ""},
		{"/users/a%2F..%2Fb", 403, ""}, {"/users/a%2F", 403, ""}, {"/users/%2Fa", 403, ""},
		{"/docs/a/b", 200, "/docs/a/b "}, {"/docs/a%2Fb", 403, ""}, {"/docs/a/%2e%2e/b", 403, ""}, {"/docs/", 200, "/docs/ "},
		{"/docs/a/..%2f..%2ffiles", 403, ""}, {"/docs/%2e%2e/", 403, ""},
		{"/users/%61", 200, "/users/a "}, {"/%75sers/a", 200, "/users/a "}, {"/users/a%40b.c", 200, "/users/a@b.c "},
		{"/users/%252e%252e", 200, "/users/%2e%2e "}, {"/users/a%252Fb", 200, "/users/a%2Fb "}, {"/users/...", 200, "/users/... "},
	} {
		status, body, _ := ask(t, "GET", s.URL+c.path, "X-Api-Key", key)
		if status != c.want || status == 200 && body != c.body {
			t.Errorf("%s: %d %q, want %d %q", c.path, status, body, c.want, c.body)
		}
	}
	if status, _, _ := ask(t, "GET", s.URL+"/users/a%2Fb"); status != 401 {
		t.Errorf("without a key: %d", status)
	}
	// ServeMux does not clean the path of a CONNECT.
	for path, want := range map[string]int{"/any/x": 200, "/any/../users/a": 403, "/any//users": 403} {
		r := httptest.NewRequest(http.MethodConnect, path, nil)
		rec := httptest.NewRecorder()
		if g.Protect(reached).ServeHTTP(rec, r); rec.Code != want {
			t.Errorf("CONNECT %s: %d, want %d", path, rec.Code, want)
		}
	}
}

// Other protocols are judged by the same rules: Judge.
func TestJudge(t *testing.T) {
	w := fixture.New(t)
	k := w.Make(halberd.NewKey{Scopes: scopes("read")})
	good := http.Header{"X-Api-Key": {k.Secret.Reveal()}}
	v, why := guard.Judge(t.Context(), w.Service, good, halberd.Check{Scopes: []halberd.Scope{"read"}})
	if why != nil || v.KeyID != k.Key.ID {
		t.Errorf("%v %v", v, why)
	}
	for name, c := range map[string]struct {
		by     guard.Verifier
		header http.Header
		scope  halberd.Scope
		want   int
	}{
		"A-99 no verifier":   {nil, good, "read", 503},
		"A-99 nil pointer":   {(*halberd.Service)(nil), good, "read", 503},
		"A-99 it fails":      {broken{errors.New("away")}, good, "read", 503},
		"A-06 none":          {w.Service, nil, "read", 401},
		"A-09 twice":         {w.Service, http.Header{"X-Api-Key": {"a", "a"}}, "read", 400},
		"another scope":      {w.Service, good, "write", 403},
		"A-11 another case":  {w.Service, http.Header{"x-api-key": {k.Secret.Reveal()}}, "read", 401},
		"the key of nowhere": {w.Service, http.Header{"Authorization": {"Bearer hb_live_"}}, "read", 401},
	} {
		_, why := guard.Judge(t.Context(), c.by, c.header, halberd.Check{Secret: k.Secret, Scopes: []halberd.Scope{c.scope}})
		if why == nil || why.Status != c.want {
			t.Errorf("%s: %+v, want %d", name, why, c.want)
		}
	}
}
