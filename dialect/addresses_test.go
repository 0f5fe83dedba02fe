package dialect_test

import (
	"strings"
	"testing"

	"github.com/halberdhq/halberd"
)

func TestPathsAreNotRedirected(t *testing.T) {
	s := serve(t)
	for _, path := range []string{
		"/v1//api-keys", "/v1/./api-keys", "/v1/x/../api-keys", "/v1/api-keys/", "/v1/api-keys/%2e%2e/whoami", "/v1%2fapi-keys",
		"/v1", "/v1/", "/v1/nothing", "/v1/webhooks/", "/v1/api-keys/bulk/x", "/api//api-keys", "/api/../api/api-keys",
	} {
		a := s.lines(path, "Authorization: Bearer "+s.Root.Reveal())
		a.refuses(t, 404, "NOT_FOUND")
		if a.header.Get("Location") != "" || a.header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %v", path, a.header)
		}
	}
	for path, allow := range map[string]string{"/v1/api-keys": "GET, HEAD, POST", "/v1/api-keys/verify": "POST", "/v1/api-keys/x": "DELETE, GET, HEAD, PATCH"} {
		a := s.root("PUT", path, "")
		a.refuses(t, 405, "METHOD_NOT_ALLOWED")
		if a.header.Get("Allow") != allow {
			t.Errorf("%s: Allow %q, want %q", path, a.header.Get("Allow"), allow)
		}
	}
	t.Run("A-79 nothing of the operator's", func(t *testing.T) {
		for _, path := range []string{"/v1/metrics", "/v1/debug/pprof", "/v1/debug/vars", "/metrics", "/debug/pprof/", "/debug/vars"} {
			s.root("GET", path, "").is(t, 404)
		}
	})
}

func TestQueriesAreReadStrictly(t *testing.T) {
	s := serve(t)
	for query, field := range map[string]string{
		"taste=sour": "taste", "limit=1&limit=1": "limit", "limit=0": "limit", "limit=101": "limit", "limit=1e1": "limit", "limit=": "limit",
		"limit=%2B1": "limit", "state=alive": "state", "state=active,": "state", "state=": "state", "sort=name": "sort", "scope=root": "scope",
		"expires_before=soon": "expires_before", "expires_before=1970-01-01T00:00:00Z": "expires_before", "unused_since=1969-12-31": "unused_since", "project_id=x": "project_id", "organization_id=x": "organization_id",
		"q=%00": "q", "q=%ff": "q", "a;b": "query", "q=%zz": "query",
		"cursor=x": "cursor", "cursor=" + strings.Repeat("x", 8000): "cursor", "api_key=x": "api_key", "%27%20OR%201=1": "a field",
	} {
		s.root("GET", "/v1/api-keys?"+query, "").names(t, field)
	}
	for _, query := range []string{"q=", "cursor=", "state=active,revoked", "sort=-label", "limit=100", "expires_before=2026-01-31", "unused_since=2026-01-31T00:00:00%2B02:00"} {
		s.root("GET", "/v1/api-keys?"+query, "").is(t, 200)
	}
	s.root("GET", "/v1/whoami?x=1", "").names(t, "x")
	s.root("DELETE", "/v1/api-keys/"+halberd.NewKeyID().String()+"?reason="+strings.Repeat("x", 256), "").refuses(t, 404, "NOT_FOUND")
}

func TestA35_ACursorOpensOneList(t *testing.T) {
	s := serve(t)
	for range 5 {
		s.Make(halberd.NewKey{})
	}
	cursor := s.root("GET", "/v1/api-keys?limit=2", "").is(t, 200).text("meta.next_cursor")
	second := s.root("GET", "/v1/api-keys?limit=2&cursor="+cursor, "").is(t, 200)
	if len(second.at("data").([]any)) != 2 {
		t.Error(second.body)
	}
	for i := range cursor {
		flipped := []byte(cursor)
		flipped[i] ^= 1
		if a := s.root("GET", "/v1/api-keys?limit=2&cursor="+string(flipped), ""); a.status != 400 {
			t.Fatalf("byte %d flipped: %d %s", i, a.status, a.body)
		}
	}
	for _, path := range []string{
		"/v1/api-keys?scope=read&cursor=", "/v1/api-keys?sort=label&cursor=", "/v1/projects?cursor=", "/v1/audit-events?cursor=",
	} {
		s.root("GET", path+cursor, "").names(t, "cursor")
	}
}

func TestA36_SQLIsText(t *testing.T) {
	s := serve(t)
	for _, evil := range []string{`' OR 1=1;--`, `'; DROP TABLE keys;--`, `\`, `$1`, `%`, `_`} {
		a := s.root("POST", "/v1/api-keys", `{"label":`+quoted(evil)+`}`).is(t, 201)
		if a.text("data.label") != evil {
			t.Error(a.body)
		}
	}
	for q, want := range map[string]int{"%25": 1, "_": 2, "'": 2, "%25%25": 0, "%5C": 1} {
		a := s.root("GET", "/v1/api-keys?q="+q, "").is(t, 200)
		// "_" is also in every hint, as a literal.
		if got := len(a.at("data").([]any)); got != want && q != "_" {
			t.Errorf("A-34 q=%s finds %d, want %d", q, got, want)
		}
	}
}
