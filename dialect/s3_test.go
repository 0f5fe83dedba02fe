package dialect_test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/halberdhq/halberd"
)

const sample = `{"name":"GitHub Actions","scopes":["read","write"],"expiresInDays":90}`

// members lists the names of a JSON object in the order they were written.
func members(t *testing.T, object string) []string {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(object))
	var out []string
	depth := 0
	for name := true; ; {
		tok, err := d.Token()
		if err != nil {
			return out
		}
		switch tok := tok.(type) {
		case json.Delim:
			if tok == '{' || tok == '[' {
				depth++
			} else {
				depth--
			}
			name = depth == 1
		case string:
			if depth == 1 && name {
				out = append(out, tok)
			}
			name = depth == 1 && !name
		default:
			name = depth == 1
		}
	}
}

func raw(t *testing.T, body string, path ...string) string {
	t.Helper()
	text := json.RawMessage(body)
	for _, name := range path {
		var m map[string]json.RawMessage
		if err := json.Unmarshal(text, &m); err != nil {
			t.Fatal(err, string(text))
		}
		text = m[name]
	}
	return string(text)
}

// What 003 prints, row by row of the checklist.
func TestS3(t *testing.T) {
	s := serve(t)
	made := s.root("POST", "/api/api-keys", sample).is(t, 201)
	id, secret := made.text("apiKey.id"), halberd.NewSecret(made.text("key"))
	listed := s.root("GET", "/api/api-keys", "").is(t, 200)
	item := func(a answer, id string) string {
		var l struct {
			APIKeys []json.RawMessage `json:"apiKeys"`
		}
		if err := json.Unmarshal([]byte(a.body), &l); err != nil {
			t.Fatal(err)
		}
		for _, k := range l.APIKeys {
			if raw(t, string(k), "id") == quoted(id) {
				return string(k)
			}
		}
		return ""
	}

	t.Run("S3-01 a key needs no session", func(t *testing.T) {
		a := s.as(secret, "GET", "/api/api-keys", "").is(t, 200)
		if a.header.Get("Set-Cookie") != "" {
			t.Error("a cookie")
		}
	})
	t.Run("S3-02 keys belong to one organization", func(t *testing.T) {
		o, err := s.CreateOrganization(s.Ctx(), s.Admin, "Other")
		if err != nil {
			t.Fatal(err)
		}
		other := s.Make(halberd.NewKey{Organization: o.ID, Scopes: halberd.Some(halberd.MustScopes("admin"))})
		if got := s.as(other.Secret, "GET", "/api/api-keys", "").is(t, 200); strings.Contains(got.body, id) {
			t.Error("another organization sees the key")
		}
		s.as(other.Secret, "DELETE", "/api/api-keys/"+id, "").refuses(t, 404, "NOT_FOUND")
	})
	t.Run("S3-03 read-only or read-write", func(t *testing.T) {
		for asked, want := range map[string]string{`["read"]`: `["read"]`, `["read","write"]`: `["read","write"]`, `["write"]`: `["read","write"]`} {
			a := s.root("POST", "/api/api-keys", `{"name":"x","scopes":`+asked+`}`).is(t, 201)
			if got := raw(t, a.body, "apiKey", "scopes"); got != want {
				t.Errorf("%s became %s", asked, got)
			}
		}
	})
	t.Run("S3-04 expiry after a time", func(t *testing.T) {
		a := s.root("POST", "/api/api-keys", `{"name":"short","expiresInDays":1}`).is(t, 201)
		key := halberd.NewSecret(a.text("key"))
		s.as(key, "GET", "/api/api-keys", "").is(t, 200)
		s.Clock.Pass(24 * time.Hour)
		defer s.Clock.Pass(-24 * time.Hour)
		s.as(key, "GET", "/api/api-keys", "").refuses(t, 401, "UNAUTHORIZED")
	})
	t.Run("S3-05 S3-12 S3-23 the value is shown once", func(t *testing.T) {
		if strings.Contains(listed.body, secret.Reveal()[12:]) {
			t.Error("the list shows the secret")
		}
	})
	t.Run("S3-06 S3-07 S3-08 the three endpoints, and no other", func(t *testing.T) {
		for _, c := range []struct {
			method, path string
			status       int
		}{
			{"PUT", "/api/api-keys", 405}, {"PATCH", "/api/api-keys/" + id, 405}, {"GET", "/api/api-keys/" + id, 405},
			{"GET", "/api/nothing", 404}, {"GET", "/api", 404}, {"GET", "/api/api-keys/", 404},
		} {
			a := s.root(c.method, c.path, "").is(t, c.status)
			if a.text("error.requestId") == "" || (c.status == 405) != (a.header.Get("Allow") != "") {
				t.Errorf("%s %s: %s, Allow %q", c.method, c.path, a.body, a.header.Get("Allow"))
			}
		}
	})
	t.Run("S3-09 Authorization: Bearer with an API key", func(t *testing.T) {
		s.send(request{method: "GET", path: "/api/api-keys"}).refuses(t, 401, "UNAUTHORIZED")
		s.as(secret, "POST", "/api/api-keys", sample).refuses(t, 403, "FORBIDDEN") // creating keys needs admin
	})
	t.Run("S3-10 a bare list", func(t *testing.T) {
		if got := members(t, listed.body); !slices.Equal(got, []string{"apiKeys"}) {
			t.Error(got)
		}
	})
	t.Run("S3-11 an item's fields, in the document's order", func(t *testing.T) {
		want := strings.Fields("id name prefix scopes createdAt lastUsedAt expiresAt")
		if got := members(t, item(listed, id)); !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
	t.Run("S3-13 id", func(t *testing.T) {
		if !regexp.MustCompile(`^key_[0-9a-z]{26}$`).MatchString(id) {
			t.Error(id)
		}
	})
	t.Run("S3-14 prefix and three dots", func(t *testing.T) {
		name := "whr_live"
		if _, err := s.UpdateProject(s.Ctx(), s.Admin, s.Home, halberd.ProjectPatch{KeyPrefix: halberd.Some(name)}, 0); err != nil {
			t.Fatal(err)
		}
		a := s.root("POST", "/api/api-keys", `{"name":"x"}`).is(t, 201)
		if got := a.text("apiKey.prefix"); !regexp.MustCompile(`^whr_live_\w{3}\.\.\.$`).MatchString(got) || len(got) != 15 {
			t.Error(got)
		}
	})
	t.Run("S3-15 S3-16 scopes is a list, times end in Z", func(t *testing.T) {
		if raw(t, item(listed, id), "scopes") != `["read","write"]` || raw(t, item(listed, id), "createdAt") != `"2024-01-15T10:30:00Z"` {
			t.Error(item(listed, id))
		}
	})
	t.Run("S3-17 create is application/json", func(t *testing.T) {
		s.send(request{method: "POST", path: "/api/api-keys", key: s.Root, body: sample, header: map[string][]string{"Content-Type": {"text/plain"}}}).
			refuses(t, 415, "UNSUPPORTED_MEDIA_TYPE")
	})
	t.Run("S3-18 name is required", func(t *testing.T) {
		for _, body := range []string{`{}`, `{"name":""}`, `{"name":null}`, `{"name":7}`, `{"label":"x"}`, `{"name":"` + strings.Repeat("x", 256) + `"}`} {
			a := s.root("POST", "/api/api-keys", body)
			a.refuses(t, 400, "INVALID_REQUEST")
			if strings.Contains(body, "name") && !strings.HasPrefix(a.text("error.message"), "name ") {
				t.Errorf("%s: %s", body, a.body)
			}
		}
	})
	t.Run("S3-19 S3-20 scopes and expiry have defaults", func(t *testing.T) {
		for _, body := range []string{`{"name":"x"}`, `{"name":"x","scopes":null,"expiresInDays":null}`} {
			a := s.root("POST", "/api/api-keys", body).is(t, 201)
			if raw(t, a.body, "apiKey", "scopes") != `["read","write"]` || raw(t, a.body, "apiKey", "expiresAt") != "null" {
				t.Error(a.body)
			}
		}
	})
	t.Run("S3-21 S3-22 the sample, in the document's order", func(t *testing.T) {
		if got := members(t, made.body); !slices.Equal(got, []string{"apiKey", "key"}) {
			t.Error(got)
		}
		want := strings.Fields("id name prefix scopes createdAt expiresAt")
		if got := members(t, raw(t, made.body, "apiKey")); !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		if !strings.HasPrefix(made.text("key"), strings.TrimSuffix(made.text("apiKey.prefix"), "...")) {
			t.Error(made.body)
		}
	})
	t.Run("S3-24 ninety days after 15 January is 14 April", func(t *testing.T) {
		if got := made.text("apiKey.expiresAt"); got != "2024-04-14T10:30:00Z" {
			t.Error(got)
		}
	})
	t.Run("S3-25 delete", func(t *testing.T) {
		a := s.root("POST", "/api/api-keys", `{"name":"doomed"}`).is(t, 201)
		for range 2 {
			if got := s.root("DELETE", "/api/api-keys/"+a.text("apiKey.id"), "").is(t, 200); got.body != `{"success":true}` {
				t.Error(got.body)
			}
		}
		s.as(halberd.NewSecret(a.text("key")), "GET", "/api/api-keys", "").refuses(t, 401, "UNAUTHORIZED")
		if item(s.root("GET", "/api/api-keys", ""), a.text("apiKey.id")) != "" {
			t.Error("a revoked key is in the list")
		}
	})
	t.Run("S3-26 Bearer or X-API-Key", func(t *testing.T) {
		s.send(request{method: "GET", path: "/api/api-keys", header: map[string][]string{"X-Api-Key": {secret.Reveal()}}}).is(t, 200)
	})
	t.Run("S3-27 S3-28 read and write", func(t *testing.T) {
		reader := s.root("POST", "/api/api-keys", `{"name":"r","scopes":["read"]}`).is(t, 201)
		for scope, valid := range map[string]bool{"read": true, "write": false} {
			a := s.root("POST", "/v1/api-keys/verify", `{"key":`+quoted(reader.text("key"))+`,"scopes":[`+quoted(scope)+`]}`).is(t, 200)
			if a.at("data.valid") != valid {
				t.Error(a.body)
			}
		}
	})
	t.Run("S3-32 lastUsedAt moves with a use and is null before", func(t *testing.T) {
		a := s.root("POST", "/api/api-keys", `{"name":"fresh"}`).is(t, 201)
		at := func() string {
			return raw(t, item(s.root("GET", "/api/api-keys", ""), a.text("apiKey.id")), "lastUsedAt")
		}
		if at() != "null" {
			t.Error(at())
		}
		s.Clock.Pass(time.Hour)
		s.as(halberd.NewSecret(a.text("key")), "GET", "/api/api-keys", "").is(t, 200)
		if at() != `"2024-01-15T11:30:00Z"` {
			t.Error(at())
		}
	})
	t.Run("S3-36 every refusal has code, message and requestId", func(t *testing.T) {
		for _, a := range []answer{
			s.send(request{method: "GET", path: "/api/api-keys"}), s.root("POST", "/api/api-keys", "{"), s.root("GET", "/api/x", ""),
			s.root("DELETE", "/api/api-keys/"+halberd.NewKeyID().String(), ""), s.root("GET", "/api/api-keys?limit=1", ""),
		} {
			if got := members(t, raw(t, a.body, "error")); !slices.Equal(got, []string{"code", "message", "requestId"}) || !slices.Equal(members(t, a.body), []string{"error"}) {
				t.Errorf("%d %s", a.status, a.body)
			}
		}
	})
}

func TestA30_ExpiresInDaysIsAWholeNumber(t *testing.T) {
	s := serve(t)
	for _, days := range []string{"0", "-1", "0.5", "90.5", "1e308", "1e400", "9223372036854775807", "9223372036854775808", `"90"`, "NaN", "true", "[]", "36501"} {
		a := s.root("POST", "/api/api-keys", `{"name":"x","expiresInDays":`+days+`}`)
		a.refuses(t, 400, "INVALID_REQUEST")
		if days != "NaN" && !strings.HasPrefix(a.text("error.message"), "expiresInDays ") {
			t.Errorf("%s: %s", days, a.body)
		}
		b := s.root("POST", "/v1/api-keys", `{"expires_in_days":`+days+`}`)
		if days == "NaN" {
			b.names(t, "body")
		} else {
			b.names(t, "expires_in_days")
		}
	}
	s.root("POST", "/api/api-keys", `{"name":"x","expiresInDays":36500}`).is(t, 201)
}

func TestTheThousandAndFirstKeyIsBehindALink(t *testing.T) {
	s := serve(t)
	if _, err := s.UpdateProject(s.Ctx(), s.Admin, s.Home, halberd.ProjectPatch{KeyCeiling: halberd.Some(2000)}, 0); err != nil {
		t.Fatal(err)
	}
	for i := range 1000 {
		s.Make(halberd.NewKey{Name: fmt.Sprint(i)})
	}
	first := s.root("GET", "/api/api-keys", "").is(t, 200) // 1,000 and the first admin key
	link := regexp.MustCompile(`^<(/api/api-keys\?cursor=[\w%-]+)>; rel="next"$`).FindStringSubmatch(first.header.Get("Link"))
	if link == nil || len(first.at("apiKeys").([]any)) != 1000 {
		t.Fatalf("%d keys, Link %q", len(first.at("apiKeys").([]any)), first.header.Get("Link"))
	}
	second := s.root("GET", link[1], "").is(t, 200)
	if len(second.at("apiKeys").([]any)) != 1 || second.header.Get("Link") != "" {
		t.Errorf("%s, Link %q", second.body, second.header.Get("Link"))
	}
}
