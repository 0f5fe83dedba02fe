package frameworks_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/examples/frameworks"
	"github.com/halberdhq/halberd/guard"
	"github.com/halberdhq/halberd/storage/memory"
)

func each(t *testing.T, run func(t *testing.T, keys *halberd.Service, url string)) {
	t.Helper()
	for name, build := range map[string]func(guard.Verifier) (http.Handler, error){
		"chi": frameworks.Chi, "echo": frameworks.Echo, "gin": frameworks.Gin,
	} {
		t.Run(name, func(t *testing.T) {
			keys, err := halberd.New(t.Context(), memory.New(), halberd.Options{})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = keys.Close() })
			if _, err := keys.FirstStart(t.Context(), func(halberd.Secret) error { return nil }); err != nil {
				t.Fatal(err)
			}
			handler, err := build(keys)
			if err != nil {
				t.Fatal(err)
			}
			s := httptest.NewServer(handler)
			t.Cleanup(s.Close)
			run(t, keys, s.URL)
		})
	}
}

func issue(t *testing.T, keys *halberd.Service, scope string, resources ...string) halberd.Changed {
	t.Helper()
	projects, err := keys.ListProjects(t.Context(), halberd.Root("test"), halberd.OrganizationID{}, halberd.Page{})
	if err != nil {
		t.Fatal(err)
	}
	n := halberd.NewKey{Project: projects.List[0].ID, Scopes: halberd.Some(halberd.MustScopes(scope))}
	if resources != nil {
		r, err := halberd.ParseResources(resources)
		if err != nil {
			t.Fatal(err)
		}
		n.Resources = halberd.Some(r)
	}
	c, err := keys.Create(t.Context(), halberd.Root("test"), n)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func ask(t *testing.T, method, url, key string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if key != "" {
		req.Header.Set("Authorization", "Bearer "+key)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(body)
}

// A read key reads and does not write; without a key, and after revoke, nothing.
func TestAKeyOfScopeRead(t *testing.T) {
	each(t, func(t *testing.T, keys *halberd.Service, url string) {
		k, w := issue(t, keys, "read"), issue(t, keys, "write")
		key := k.Secret.Reveal()
		for _, c := range []struct {
			method, path, key string
			want              int
		}{
			{"GET", "/sources", key, 200}, {"POST", "/sources", key, 403}, {"POST", "/sources", w.Secret.Reveal(), 200},
			{"GET", "/sources", "", 401}, {"GET", "/sources", "hb_live_nonsense", 401},
			{"GET", "/nowhere", key, 403}, {"DELETE", "/sources", key, 403}, {"GET", "/nowhere", "", 401},
			{"GET", "/files/a", "", 200}, {"GET", "/files/a/secret", "", 401}, {"GET", "/files/a/secret", key, 403},
		} {
			if status, body := ask(t, c.method, url+c.path, c.key); status != c.want {
				t.Errorf("%s %s: %d %s, want %d", c.method, c.path, status, body, c.want)
			}
		}
		if _, body := ask(t, "GET", url+"/sources/42", key); body != fmt.Sprintf(`%s "42"`, k.Key.ID) {
			t.Errorf("the handler learns %s", body)
		}
		if _, err := keys.Revoke(t.Context(), halberd.Root("test"), k.Key.ID, "", 0); err != nil {
			t.Fatal(err)
		}
		if status, body := ask(t, "GET", url+"/sources", key); status != 401 {
			t.Errorf("after revoke: %d %s", status, body)
		}
	})
}

// A path is one route to guard and to the router, however it is encoded: the
// handler gets the very value that was judged, or is not reached.
func TestEncodedPaths(t *testing.T) {
	each(t, func(t *testing.T, keys *halberd.Service, url string) {
		k := issue(t, keys, "read", "source/42", "source/a@b", "source/%34")
		me := k.Key.ID.String()
		for _, c := range []struct {
			path string
			want int
			body string
		}{
			{"/sources/42", 200, me + ` "42"`}, {"/sources/43", 403, ""}, {"/sources/%34%32", 200, me + ` "42"`}, {"/sources/4%33", 403, ""},
			{"/sources/a%40b", 200, me + ` "a@b"`}, {"/%73ources/42", 200, me + ` "42"`},
			{"/sources/%2534", 200, me + ` "%34"`}, {"/sources/%2533", 403, ""}, // decoded once, by all
			{"/sources/42%2F..%2F43", 403, ""}, {"/sources/42%2f", 403, ""}, {"/sources/%2e%2e", 403, ""}, {"/sources/..%2Fsources", 403, ""},
			{"/sources/42%00", 403, ""}, {"/sources/*", 403, ""},
			{"/files/a", 200, `nobody "a"`}, {"/files/a%2Fsecret", 403, ""}, {"/files/a%2fsecret", 403, ""}, {"/files/..%2Fsources", 403, ""},
			{"/files/%2e%2e/secret", 403, ""}, {"/files/a%252Fsecret", 200, `nobody "a%2Fsecret"`},
			{"/files/a;/secret", 403, ""}, {"/files/a%5Csecret", 200, `nobody "a\\secret"`},
		} {
			status, body := ask(t, "GET", url+c.path, k.Secret.Reveal())
			if status != c.want || status == 200 && body != c.body {
				t.Errorf("%s: %d %s, want %d %s", c.path, status, body, c.want, c.body)
			}
		}
	})
}
