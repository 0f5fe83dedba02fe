package dialect_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/halberdhq/halberd"
)

func TestIdempotencyKeys(t *testing.T) {
	s := serve(t)
	post := func(path, body string, keys ...string) answer {
		return s.send(request{method: "POST", path: path, key: s.Root, body: body, header: http.Header{"Idempotency-Key": keys}})
	}
	t.Run("A-55 which are none", func(t *testing.T) {
		for _, keys := range [][]string{{""}, {strings.Repeat("x", 256)}, {"é"}, {"a b"}, {"a", "a"}} {
			post("/v1/api-keys", `{}`, keys...).names(t, "Idempotency-Key")
		}
		s.send(request{method: "GET", path: "/v1/api-keys", key: s.Root, header: http.Header{"Idempotency-Key": {"x"}}}).names(t, "Idempotency-Key")
		post("/v1/api-keys", `{}`, strings.Repeat("x", 255)).is(t, 201)
	})
	t.Run("A-53 A-57 a repetition makes no second key and shows no secret", func(t *testing.T) {
		first := post("/v1/api-keys", `{"label":"once"}`, "one").is(t, 201)
		again := post("/v1/api-keys", `{"label":"once"}`, "one")
		again.refuses(t, 409, "IDEMPOTENT_REPLAY")
		if again.text("error.key_id") != first.text("data.key_id") || strings.Contains(again.body, first.text("data.key")[11:]) {
			t.Error(again.body)
		}
	})
	t.Run("A-53 fifty at once", func(t *testing.T) {
		var wg sync.WaitGroup
		made := make(chan int, 50)
		for range 50 {
			wg.Go(func() { made <- post("/v1/api-keys", `{}`, "fifty").status })
		}
		wg.Wait()
		close(made)
		count := map[int]int{}
		for status := range made {
			count[status]++
		}
		if count[201] != 1 || count[409] != 49 {
			t.Error(count)
		}
	})
	t.Run("A-54 another body is refused, another caller or route is another request", func(t *testing.T) {
		post("/v1/api-keys", `{ "label":"once"}`, "one").refuses(t, 422, "IDEMPOTENCY_MISMATCH")
		other := s.Make(halberd.NewKey{Wide: true, Scopes: halberd.Some(halberd.MustScopes("admin"))}).Secret
		s.send(request{method: "POST", path: "/v1/api-keys", key: other, body: `{"label":"once"}`, header: http.Header{"Idempotency-Key": {"one"}}}).is(t, 201)
		post("/api/api-keys", `{"name":"once"}`, "one").is(t, 201)
		a, b := s.Make(halberd.NewKey{}).Key.ID.String(), s.Make(halberd.NewKey{}).Key.ID.String()
		post("/v1/api-keys/"+a+"/rotate", `{}`, "two").is(t, 200)
		post("/v1/api-keys/"+b+"/rotate", `{}`, "two").is(t, 200)
		post("/v1/api-keys/"+a+"/rotate", `{}`, "two").refuses(t, 409, "IDEMPOTENT_REPLAY")
	})
}

func TestIfMatch(t *testing.T) {
	s := serve(t)
	id := s.Make(halberd.NewKey{}).Key.ID.String()
	patch := func(body string, versions ...string) answer {
		return s.send(request{method: "PATCH", path: "/v1/api-keys/" + id, key: s.Root, body: body, header: http.Header{"If-Match": versions}})
	}
	for _, bad := range []string{`1`, `W/"1"`, `"0"`, `"-1"`, `"01"`, `""`, `"x"`, `"1`, `"1", "2"`} {
		patch(`{}`, bad).names(t, "If-Match")
	}
	patch(`{}`, `"1"`, `"1"`).names(t, "If-Match")
	if a := patch(`{"label":"a"}`, `"1"`).is(t, 200); a.at("data.version") != 2.0 {
		t.Error(a.body)
	}
	patch(`{"label":"b"}`, `"1"`).refuses(t, 409, "CONFLICT")
	patch(`{"label":"b"}`, `*`).is(t, 200)
	for _, q := range []request{
		{method: "DELETE", path: "/v1/api-keys/" + id}, {method: "POST", path: "/v1/api-keys/" + id + "/rotate", body: "{}"},
		{method: "DELETE", path: "/v1/api-keys/" + id + "/previous"}, {method: "DELETE", path: "/api/api-keys/" + id},
	} {
		q.key, q.header = s.Root, http.Header{"If-Match": {`"1"`}}
		s.send(q).refuses(t, 409, "CONFLICT")
	}
}

func TestHeadersOfEveryAnswer(t *testing.T) {
	s := serve(t)
	for _, q := range []request{
		{method: "POST", path: "/v1/api-keys", key: s.Root, body: `{}`}, {method: "GET", path: "/v1/nothing"},
		{method: "PUT", path: "/v1/api-keys"}, {method: "GET", path: "/api/api-keys", key: s.Root}, {method: "HEAD", path: "/v1/whoami", key: s.Root},
	} {
		a := s.send(q)
		if a.header.Get("Cache-Control") != "no-store" || a.header.Get("X-Content-Type-Options") != "nosniff" || a.header.Get("Content-Type") != "application/json" {
			t.Errorf("A-77 %s %s: %v", q.method, q.path, a.header)
		}
	}
	for given, kept := range map[string]bool{"abc.DEF_1-2": true, strings.Repeat("x", 64): true, strings.Repeat("x", 65): false, "a b": false, "é": false, "a\tb": false} {
		a := s.send(request{method: "GET", path: "/v1/whoami", key: s.Root, header: http.Header{"X-Request-Id": {given}}})
		if id := a.header.Get("X-Request-Id"); (id == given) != kept || id != a.text("meta.request_id") {
			t.Errorf("%q became %q", given, id)
		}
	}
	t.Run("A-94 one line each, nothing forged", func(t *testing.T) {
		s := serve(t)
		a := s.send(request{method: "GET", path: "/v1/whoami?x=%0aforged", key: s.Root, header: http.Header{"User-Agent": {"x\tforged"}}})
		if a.status != 400 || strings.Contains(s.logs.String(), "forged") || strings.Count(s.logs.String(), "\n") != 1 {
			t.Errorf("%d\n%s", a.status, s.logs)
		}
		if !strings.Contains(s.logs.String(), "request_id="+a.header.Get("X-Request-Id")) || !strings.Contains(s.logs.String(), "by="+s.Admin.Ref()) {
			t.Error(s.logs)
		}
	})
}

func TestA95_TheAuditLogIsForAdminsOfTheirOwn(t *testing.T) {
	s := serve(t)
	o, err := s.CreateOrganization(s.Ctx(), s.Admin, "Other")
	if err != nil {
		t.Fatal(err)
	}
	other := s.Make(halberd.NewKey{Organization: o.ID, Wide: true, Scopes: halberd.Some(halberd.MustScopes("admin"))})
	s.as(other.Secret, "GET", "/v1/audit-events?organization_id="+s.Org.String(), "").refuses(t, 404, "NOT_FOUND")
	if a := s.as(other.Secret, "GET", "/v1/audit-events", "").is(t, 200); strings.Contains(a.body, s.Org.String()) {
		t.Error(a.body)
	}
	s.as(s.Make(halberd.NewKey{}).Secret, "GET", "/v1/audit-events", "").refuses(t, 403, "FORBIDDEN")
}
