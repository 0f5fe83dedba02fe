package dialect_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/halberdhq/halberd"
)

func TestBodiesAreReadStrictly(t *testing.T) {
	s := serve(t)
	id := s.Make(halberd.NewKey{}).Key.ID.String()
	deep := strings.Repeat(`[`, 10_000)
	for _, c := range []struct{ row, method, path, body, field string }{
		{"A-24 duplicate", "POST", "/v1/api-keys", `{"scopes":["read"],"scopes":["admin"]}`, "scopes"},
		{"A-24 nested duplicate", "POST", "/v1/api-keys", `{"rate_limits":[{"limit":1,"limit":2,"window_seconds":1}]}`, "rate_limits.limit"},
		{"A-24 duplicate in metadata", "POST", "/v1/api-keys", `{"metadata":{"a":"1","a":"2"}}`, "metadata.a"},
		{"A-24 duplicate in a patch's metadata", "PATCH", "/v1/api-keys/" + id, `{"metadata":{"a":"1","a":null}}`, "metadata.a"},
		{"A-24 escaped duplicate", "POST", "/v1/api-keys", `{"label":"a","l\u0061bel":"b"}`, "label"},
		{"A-25 Scopes", "POST", "/v1/api-keys", `{"Scopes":["read"]}`, "Scopes"},
		{"A-25 SCOPES", "POST", "/v1/api-keys", `{"SCOPES":["read"]}`, "SCOPES"},
		{"A-25 ſcopes", "POST", "/v1/api-keys", `{"ſcopes":["read"]}`, "a field"},
		{"A-25 -", "POST", "/v1/api-keys", `{"-":1}`, "-"},
		{"A-25 nested case", "POST", "/v1/api-keys", `{"rate_limits":[{"Limit":1,"window_seconds":1}]}`, "rate_limits.Limit"},
		{"A-25 nested unknown", "PATCH", "/v1/api-keys/" + id, `{"rate_limits":[{"limit":1,"window_seconds":1,"x":1}]}`, "rate_limits.x"},
		{"A-26 two documents", "POST", "/v1/api-keys", `{"label":"a"}{"scopes":["admin"]}`, "body"},
		{"A-26 trailing ]", "POST", "/v1/api-keys", `{}]`, "body"},
		{"A-26 null", "POST", "/v1/api-keys", `null`, "body"},
		{"A-26 []", "POST", "/v1/api-keys", `[]`, "body"},
		{"A-26 a string", "POST", "/v1/api-keys", `"{}"`, "body"},
		{"A-26 blank", "POST", "/v1/api-keys", ` `, "body"},
		{"A-26 cut", "POST", "/v1/api-keys", `{"label":"a"`, "body"},
		{"A-26 a comment", "POST", "/v1/api-keys", `{/**/}`, "body"},
		{"A-26 BOM", "POST", "/v1/api-keys", "\ufeff{}", "body"},
		{"A-27 NUL", "POST", "/v1/api-keys", `{"label":"a\u0000"}`, "label"},
		{"A-27 CR LF", "POST", "/v1/api-keys", `{"label":"a\r\nb"}`, "label"},
		{"A-27 C1", "POST", "/v1/api-keys", `{"label":"a\u0085"}`, "label"},
		{"A-27 DEL", "POST", "/v1/api-keys", `{"label":"a\u007f"}`, "label"},
		{"A-27 raw NUL", "POST", "/v1/api-keys", "{\"label\":\"a\x00\"}", "body"},
		{"A-29 ff fe", "POST", "/v1/api-keys", "{\"label\":\"\xff\xfe\"}", "body"},
		{"A-29 overlong", "POST", "/v1/api-keys", "{\"label\":\"\xc0\x80\"}", "body"},
		{"A-29 lone surrogate", "POST", "/v1/api-keys", `{"label":"\ud800"}`, "body"},
		{"A-31 deep", "POST", "/v1/api-keys", `{"scopes":` + deep + `}`, "body"},
		{"A-31 17 deep", "POST", "/v1/api-keys", `{"scopes":` + strings.Repeat(`[`, 16) + strings.Repeat(`]`, 16) + `}`, "body"},
		{"null where something must be", "POST", "/v1/api-keys", `{"scopes":null}`, "scopes"},
		{"null in a list", "POST", "/v1/api-keys", `{"scopes":["read",null]}`, "scopes"},
		{"null in new metadata", "POST", "/v1/api-keys", `{"metadata":{"a":null}}`, "metadata.a"},
		{"metadata that is no text", "POST", "/v1/api-keys", `{"metadata":{"a":1}}`, "metadata.a"},
		{"both expiries", "POST", "/v1/api-keys", `{"expires_at":null,"expires_in_days":1}`, "expires_at"},
		{"a past expiry", "POST", "/v1/api-keys", `{"expires_at":"2024-01-14"}`, "expires_at"},
		{"a sloppy instant", "POST", "/v1/api-keys", `{"expires_at":"2025-01-14T1:00:00Z"}`, "expires_at"},
		{"an impossible date", "POST", "/v1/api-keys", `{"expires_at":"2025-02-30"}`, "expires_at"},
		{"a not_before that UTC moves to the year 10000", "POST", "/v1/api-keys", `{"not_before":"9999-12-31T23:59:59-23:59"}`, "not_before"},
		{"a not_before that UTC moves before the year 0", "POST", "/v1/api-keys", `{"not_before":"0000-01-01T00:00:00+01:00"}`, "not_before"},
		{"a not_before that is far away", "POST", "/v1/api-keys", `{"not_before":"9999-12-31T23:59:59Z"}`, "not_before"},
		{"a not_before at the epoch", "POST", "/v1/api-keys", `{"not_before":"1970-01-01T00:00:00Z"}`, "not_before"},
		{"a date for not_before", "POST", "/v1/api-keys", `{"not_before":"2025-02-01"}`, "not_before"},
		{"not an id", "POST", "/v1/api-keys", `{"project_id":"x"}`, "project_id"},
		{"quota is not built", "POST", "/v1/api-keys", `{"quota":{"limit":1}}`, "quota"},
		{"tags are not built", "POST", "/v1/api-keys/verify", `{"key":"x","tags":[]}`, "tags"},
		{"verify without key", "POST", "/v1/api-keys/verify", `{}`, "key"},
		{"verify, cost 0", "POST", "/v1/api-keys/verify", `{"key":"x","cost":0}`, "cost"},
		{"verify, cost null", "POST", "/v1/api-keys/verify", `{"key":"x","cost":null}`, "cost"},
		{"verify, cost over", "POST", "/v1/api-keys/verify", `{"key":"x","cost":1000001}`, "cost"},
		{"verify, include", "POST", "/v1/api-keys/verify", `{"key":"x","include":["secret"]}`, "include"},
		{"verify, client_ip", "POST", "/v1/api-keys/verify", `{"key":"x","client_ip":"fe80::1%eth0"}`, "client_ip"},
		{"verify, resource", "POST", "/v1/api-keys/verify", `{"key":"x","resource":"engagement/*"}`, "resource"},
		{"verify, scope", "POST", "/v1/api-keys/verify", `{"key":"x","scopes":["root"]}`, "scopes"},
		{"PATCH scopes null", "PATCH", "/v1/api-keys/" + id, `{"scopes":null}`, "scopes"},
		{"PATCH resources null", "PATCH", "/v1/api-keys/" + id, `{"resources":null}`, "resources"},
		{"PATCH active null", "PATCH", "/v1/api-keys/" + id, `{"active":null}`, "active"},
		{"rotate, negative", "POST", "/v1/api-keys/" + id + "/rotate", `{"overlap_seconds":-1}`, "overlap_seconds"},
		{"rotate, over", "POST", "/v1/api-keys/" + id + "/rotate", `{"overlap_seconds":2592001}`, "overlap_seconds"},
		{"rotate, overflow", "POST", "/v1/api-keys/" + id + "/rotate", `{"overlap_seconds":9223372036854775807}`, "overlap_seconds"},
		{"project default_scopes", "POST", "/v1/projects", `{"name":"x","default_scopes":["root"]}`, "default_scopes"},
		{"project, 0 days", "POST", "/v1/projects", `{"name":"x","max_expires_in_days":0}`, "max_expires_in_days"},
		{"project name null", "PATCH", "/v1/projects/" + s.Home.String(), `{"name":null}`, "name"},
	} {
		t.Run(c.row, func(t *testing.T) {
			began := time.Now()
			s.root(c.method, c.path, c.body).names(t, c.field)
			if took := time.Since(began); took > time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
	t.Run("A-26 empty", func(t *testing.T) {
		s.send(request{method: "POST", path: "/v1/api-keys", key: s.Root, header: http.Header{"Content-Type": {"application/json"}}}).names(t, "body")
	})
	t.Run("A-31 unauthenticated is 401 without reading", func(t *testing.T) {
		s.send(request{method: "POST", path: "/v1/api-keys", body: deep}).refuses(t, 401, "UNAUTHORIZED")
	})
	for field := range strings.FieldsSeq("key_id id org_id organization prefix hash digest status state revoked_at created_at created_by last_used_at credits version key previous_expires_at") {
		t.Run("A-20 "+field, func(t *testing.T) {
			s.root("POST", "/v1/api-keys", `{"`+field+`":"x"}`).names(t, field)
			s.root("PATCH", "/v1/api-keys/"+id, `{"`+field+`":"x"}`).names(t, field)
		})
	}
	s.root("PATCH", "/v1/api-keys/"+id, `{"project_id":null}`).names(t, "project_id")
	t.Run("A-21 an owner in the body is no credential", func(t *testing.T) {
		s.send(request{method: "POST", path: "/v1/api-keys", body: `{"organization_id":"` + s.Org.String() + `"}`}).refuses(t, 401, "UNAUTHORIZED")
	})
	t.Run("A-28 names are kept byte for byte", func(t *testing.T) {
		for _, name := range []string{"é", "e\u0301", strings.Repeat("😀", 255)} {
			if got := s.root("PATCH", "/v1/api-keys/"+id, `{"label":`+quoted(name)+`}`).is(t, 200); got.text("data.label") != name {
				t.Errorf("%q became %q", name, got.text("data.label"))
			}
		}
	})
	t.Run("what is refused is not repeated", func(t *testing.T) {
		secret := s.Make(halberd.NewKey{}).Secret.Reveal()
		for _, body := range []string{`{"` + secret + `":1}`, `{"label":["` + secret + `"]}`, `{"expires_at":"` + secret + `"}`, `{"project_id":"` + secret + `"}`, `{"scopes":["` + secret + `"]}`} {
			if got := s.root("POST", "/v1/api-keys", body); got.status != 400 || strings.Contains(got.body, secret[8:]) {
				t.Errorf("%d %s", got.status, got.body)
			}
		}
	})
}

func TestA32_LargeBodies(t *testing.T) {
	s := serve(t)
	head := "POST /v1/api-keys HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer " + s.Root.Reveal() + "\r\nContent-Type: application/json\r\n"
	t.Run("10 GB announced", func(t *testing.T) {
		a := s.raw(head + "Content-Length: 10000000000\r\n\r\n{")
		a.refuses(t, 413, "PAYLOAD_TOO_LARGE")
		if !a.closed {
			t.Error("the connection stays open")
		}
	})
	t.Run("endless chunks", func(t *testing.T) {
		a := s.raw(head + "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1000\r\n"+strings.Repeat(" ", 4096)+"\r\n", 17))
		a.refuses(t, 413, "PAYLOAD_TOO_LARGE")
		if !a.closed {
			t.Error("the connection stays open")
		}
	})
	t.Run("64 KiB is read, one more is not", func(t *testing.T) {
		body := `{"label":"x"` + strings.Repeat(" ", 64<<10-13) + `}`
		s.root("POST", "/v1/api-keys", body).is(t, 201)
		a := s.root("POST", "/v1/api-keys", body+" ")
		a.refuses(t, 413, "PAYLOAD_TOO_LARGE")
		if !a.closed {
			t.Error("the connection stays open")
		}
	})
}

func TestA33_MediaTypes(t *testing.T) {
	s := serve(t)
	for media, want := range map[string]int{
		"application/json": 201, "application/json; charset=utf-8": 201, `application/json;charset="UTF-8"`: 201, "Application/JSON": 201,
		"application/json; charset=utf-16": 415, "application/json; x=y": 415, "text/plain": 415, "application/x-www-form-urlencoded": 415,
		"multipart/form-data; boundary=x": 415, "application/merge-patch+json": 415, "": 415, "json": 415,
	} {
		a := s.send(request{method: "POST", path: "/v1/api-keys", key: s.Root, body: "{}", header: http.Header{"Content-Type": {media}}})
		if a.status != want {
			t.Errorf("%q: %d %s, want %d", media, a.status, a.body, want)
		}
	}
	for _, coding := range []string{"gzip", "identity", ""} {
		a := s.send(request{method: "POST", path: "/v1/api-keys", key: s.Root, body: "{}", header: http.Header{"Content-Encoding": {coding}}})
		a.refuses(t, 415, "UNSUPPORTED_MEDIA_TYPE")
	}
	id := s.Make(halberd.NewKey{}).Key.ID.String()
	s.send(request{method: "PATCH", path: "/v1/api-keys/" + id, key: s.Root, body: "{}", header: http.Header{"Content-Type": {"application/merge-patch+json"}}}).is(t, 200)
}
