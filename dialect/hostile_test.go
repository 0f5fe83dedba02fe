package dialect_test

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/halberdhq/halberd"
)

// raw sends bytes as they are and returns the first answer.
func (s *server) raw(text string) answer {
	s.t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.URL, "http://"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := io.WriteString(conn, text); err != nil {
		s.t.Fatal(err)
	}
	res, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	body, _ := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, string(body)}
}

// lines sends a GET with header lines as they are written.
func (s *server) lines(path string, lines ...string) answer {
	s.t.Helper()
	return s.raw("GET " + path + " HTTP/1.1\r\nHost: x\r\n" + strings.Join(append(lines, ""), "\r\n") + "\r\n")
}

func TestOneCredentialAndNoOther(t *testing.T) {
	s := serve(t)
	k1 := s.Root.Reveal()
	k2 := s.Make(halberd.NewKey{}).Secret.Reveal()
	restricted := s.Make(halberd.NewKey{Scopes: halberd.Some(halberd.MustScopes("verify"))}).Secret.Reveal()
	for _, path := range []string{"/v1/whoami", "/api/api-keys"} {
		for row, c := range map[string]struct {
			lines []string
			want  int
		}{
			"S3-26 Bearer":               {[]string{"Authorization: Bearer " + k1}, 200},
			"S3-26 X-API-Key":            {[]string{"X-API-Key: " + k1}, 200},
			"scheme in another case":     {[]string{"authorization: bEaReR " + k1}, 200},
			"both, equal":                {[]string{"Authorization: Bearer " + k1, "X-API-Key: " + k1}, 200},
			"A-08 both, differing":       {[]string{"Authorization: Bearer " + k1, "X-API-Key: " + k2}, 400},
			"A-08 turned round":          {[]string{"X-API-Key: " + k2, "Authorization: Bearer " + k1}, 400},
			"A-08 one good":              {[]string{"X-API-Key: nonsense", "Authorization: Bearer " + k1}, 400},
			"A-09 Authorization twice":   {[]string{"Authorization: Bearer " + k1, "Authorization: Bearer " + k1}, 400},
			"A-09 X-API-Key twice":       {[]string{"X-API-Key: " + k1, "x-api-key: " + k1}, 400},
			"A-09 twice in one line":     {[]string{"X-API-Key: " + k1 + ", " + k1}, 401},
			"A-11 X_API_KEY":             {[]string{"X_API_KEY: " + k1}, 401},
			"A-11 X-Api_Key":             {[]string{"X-Api_Key: " + k1}, 401},
			"A-11 X-API-Key-2":           {[]string{"X-API-Key-2: " + k1}, 401},
			"A-11 space before colon":    {[]string{"X-API-Key : " + k1}, 400},
			"A-12 Basic, as user":        {[]string{"Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(k1+":"))}, 401},
			"A-12 Basic, as password":    {[]string{"Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte("x:"+k1))}, 401},
			"A-12 cookie":                {[]string{"Cookie: api_key=" + k1 + "; X-API-Key=" + k1}, 401},
			"A-12 Token":                 {[]string{"Authorization: Token " + k1}, 401},
			"A-12 no scheme":             {[]string{"Authorization: " + k1}, 401},
			"another scheme beside it":   {[]string{"Authorization: Basic eA==", "X-API-Key: " + k1}, 401},
			"nothing":                    {nil, 401},
			"empty Bearer":               {[]string{"Authorization: Bearer "}, 401},
			"empty X-API-Key":            {[]string{"X-API-Key: "}, 401},
			"empty, and a good one":      {[]string{"X-API-Key: ", "Authorization: Bearer " + k1}, 401},
			"two spaces":                 {[]string{"Authorization: Bearer  " + k1}, 401},
			"A-36 SQL in the credential": {[]string{"Authorization: Bearer ' OR 1=1;--"}, 401},
		} {
			t.Run(path+" "+row, func(t *testing.T) {
				if got := s.lines(path, c.lines...); got.status != c.want {
					t.Errorf("got %d %s, want %d", got.status, got.body, c.want)
				}
			})
		}
		t.Run(path+" A-12 a restricted key, either way", func(t *testing.T) {
			if path != "/api/api-keys" {
				return
			}
			for _, h := range []string{"Authorization: Bearer ", "X-API-Key: "} {
				s.lines(path, h+restricted).refuses(t, 403, "FORBIDDEN")
			}
		})
		t.Run(path+" A-10 never from the address", func(t *testing.T) {
			for _, q := range []string{"?api_key=" + k1, "?access_token=" + k1, "?key=" + k1, "/" + k1} {
				got := s.lines(path + q)
				if got.status != 401 && got.status != 404 && got.status != 405 || strings.Contains(got.body, k1) {
					t.Errorf("%s: %d %s", q, got.status, got.body)
				}
			}
			got := s.lines(path+"?api_key="+k1, "Authorization: Bearer "+k1)
			if got.status != 400 || strings.Contains(got.body, k1) {
				t.Errorf("%d %s", got.status, got.body)
			}
		})
	}
	t.Run("A-10 not from a form", func(t *testing.T) {
		form := "api_key=" + k1
		got := s.raw(fmt.Sprintf("POST /v1/api-keys HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: %d\r\n\r\n%s", len(form), form))
		got.refuses(t, 401, "UNAUTHORIZED")
	})
	t.Run("no key is ever in the log", func(t *testing.T) {
		for _, k := range []string{k1, k2, restricted} {
			if strings.Contains(s.logs.String(), k[8:]) {
				t.Error("it is")
			}
		}
	})
}

func TestA76_NotGoodLooksOneWay(t *testing.T) {
	s := serve(t)
	admin := halberd.Some(halberd.MustScopes("admin"))
	revoked, inactive, expired, later := s.Make(halberd.NewKey{Scopes: admin}), s.Make(halberd.NewKey{Scopes: admin}),
		s.Make(halberd.NewKey{Scopes: admin, ExpiresInDays: halberd.Some(halberd.ExpiresIn(1))}),
		s.Make(halberd.NewKey{Scopes: admin, NotBefore: s.Clock.Now().Add(72 * time.Hour)})
	s.root("DELETE", "/v1/api-keys/"+revoked.Key.ID.String(), "").is(t, 200)
	s.root("PATCH", "/v1/api-keys/"+inactive.Key.ID.String(), `{"active":false}`).is(t, 200)
	s.Clock.Pass(25 * time.Hour)
	var want string
	for name, key := range map[string]halberd.Secret{
		"malformed": halberd.NewSecret("x"), "long": halberd.NewSecret(strings.Repeat("x", 8000)), "unknown": serve(t).Root,
		"revoked": revoked.Secret, "inactive": inactive.Secret, "expired": expired.Secret, "not yet": later.Secret,
	} {
		for _, path := range []string{"/v1/whoami", "/v1/api-keys/nonsense", "/v1/api-keys/" + revoked.Key.ID.String()} {
			a := s.as(key, "GET", path, "")
			a.refuses(t, 401, "UNAUTHORIZED")
			a.header.Del("Date")
			id := a.header.Get("X-Request-Id")
			got := strings.ReplaceAll(fmt.Sprint(a.header, a.body), id, "")
			if want == "" {
				want = got
			}
			if got != want {
				t.Errorf("%s, %s:\n%s\n%s", name, path, got, want)
			}
			if a.header.Get("WWW-Authenticate") != `Bearer realm="halberd", error="invalid_token"` {
				t.Error(a.header)
			}
		}
	}
	none := s.send(request{method: "GET", path: "/v1/whoami"})
	if none.header.Get("WWW-Authenticate") != `Bearer realm="halberd"` {
		t.Error(none.header)
	}
	denied := s.as(s.Make(halberd.NewKey{}).Secret, "POST", "/v1/api-keys", "not even JSON")
	denied.refuses(t, 403, "FORBIDDEN")
	if denied.header.Get("WWW-Authenticate") != `Bearer realm="halberd", error="insufficient_scope"` {
		t.Error(denied.header)
	}
}

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
	for _, field := range strings.Fields("key_id id org_id organization prefix hash digest status state revoked_at created_at created_by last_used_at credits version key previous_expires_at") {
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
	})
	t.Run("endless chunks", func(t *testing.T) {
		a := s.raw(head + "Transfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1000\r\n"+strings.Repeat(" ", 4096)+"\r\n", 17))
		a.refuses(t, 413, "PAYLOAD_TOO_LARGE")
	})
	t.Run("64 KiB is read, one more is not", func(t *testing.T) {
		body := `{"label":"x"` + strings.Repeat(" ", 64<<10-13) + `}`
		s.root("POST", "/v1/api-keys", body).is(t, 201)
		a := s.root("POST", "/v1/api-keys", body+" ")
		a.refuses(t, 413, "PAYLOAD_TOO_LARGE")
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

func TestPathsAreNotRedirected(t *testing.T) {
	s := serve(t)
	for _, path := range []string{
		"/v1//api-keys", "/v1/./api-keys", "/v1/x/../api-keys", "/v1/api-keys/", "/v1/api-keys/%2e%2e/whoami", "/v1%2fapi-keys",
		"/v1", "/v1/", "/v1/nothing", "/v1/webhooks", "/v1/api-keys/bulk/x", "/api//api-keys", "/api/../api/api-keys",
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
		"colour=red": "colour", "limit=1&limit=1": "limit", "limit=0": "limit", "limit=101": "limit", "limit=1e1": "limit", "limit=": "limit",
		"limit=%2B1": "limit", "state=alive": "state", "state=active,": "state", "state=": "state", "sort=name": "sort", "scope=root": "scope",
		"expires_before=soon": "expires_before", "project_id=x": "project_id", "organization_id=x": "organization_id",
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
