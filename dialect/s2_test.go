package dialect_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// What 002 prints, row by row of the checklist.
func TestS2(t *testing.T) {
	s := serve(t)
	made := s.root("POST", "/v1/api-keys", `{"label":"Production backend"}`)

	t.Run("S2-01 POST /v1/api-keys creates", func(t *testing.T) { made.is(t, 201) })
	t.Run("S2-02 for the project", func(t *testing.T) {
		if made.text("data.project_id") != s.Home.String() {
			t.Errorf("project %s, want %s", made.text("data.project_id"), s.Home)
		}
	})
	t.Run("S2-03 the full value is only in this answer", func(t *testing.T) {
		secret := made.text("data.key")
		for _, path := range []string{"/v1/api-keys", "/v1/api-keys/" + made.text("data.key_id"), "/v1/audit-events", "/api/api-keys"} {
			if got := s.root("GET", path, "").is(t, 200); strings.Contains(got.body, secret) || strings.Contains(got.body, secret[11:]) {
				t.Errorf("GET %s shows the secret", path)
			}
		}
		if strings.Contains(s.logs.String(), secret[8:]) {
			t.Error("the log shows the secret")
		}
	})
	t.Run("S2-04 label up to 255 characters, {} is valid", func(t *testing.T) {
		s.root("POST", "/v1/api-keys", `{}`).is(t, 201)
		for _, letter := range []string{"a", "é", "😀"} {
			full := strings.Repeat(letter, 255)
			if got := s.root("POST", "/v1/api-keys", `{"label":`+quoted(full)+`}`).is(t, 201); got.text("data.label") != full {
				t.Errorf("255 × %s came back changed", letter)
			}
			s.root("POST", "/v1/api-keys", `{"label":`+quoted(full+letter)+`}`).names(t, "label")
		}
	})
	t.Run("S2-05 data and meta, snake_case", func(t *testing.T) {
		if made.at("data") == nil || made.at("meta.request_id") == nil {
			t.Error(made.body)
		}
		for _, name := range regexp.MustCompile(`"(\w+)":`).FindAllStringSubmatch(made.body, -1) {
			if name[1] != strings.ToLower(name[1]) {
				t.Errorf("%s is not snake_case", name[1])
			}
		}
	})
	for row, c := range map[string]struct{ field, pattern string }{
		"S2-06 key_id":     {"data.key_id", `^key_[0-9a-z]{26}$`},
		"S2-07 key":        {"data.key", `^hb_live_[0-9A-Za-z]{32}$`},
		"S2-08 prefix":     {"data.prefix", `^hb_live_[0-9A-Za-z]{3}$`},
		"S2-09 label":      {"data.label", `^Production backend$`},
		"S2-10 created_at": {"data.created_at", `^2024-01-15T10:30:00Z$`},
		"S2-11 request_id": {"meta.request_id", `^req_[0-9a-z]{26}$`},
	} {
		t.Run(row, func(t *testing.T) {
			if got := made.text(c.field); !regexp.MustCompile(c.pattern).MatchString(got) {
				t.Errorf("%s is %q", c.field, got)
			}
		})
	}
	t.Run("S2-08 the prefix is the key's first 11 characters", func(t *testing.T) {
		if made.text("data.prefix") != made.text("data.key")[:11] {
			t.Error(made.body)
		}
	})
	t.Run("S2-11 request_id is on every answer, and in its header", func(t *testing.T) {
		for _, a := range []answer{
			made,
			s.root("GET", "/v1/api-keys", ""),
			s.send(request{method: "GET", path: "/v1/api-keys"}),
			s.root("GET", "/v1/nothing", ""),
			s.root("PUT", "/v1/api-keys", "{}"),
			s.root("POST", "/v1/api-keys", "["),
		} {
			if id := a.text("meta.request_id"); id == "" || id != a.header.Get("X-Request-Id") {
				t.Errorf("%d: %q in the body, %q in the header", a.status, id, a.header.Get("X-Request-Id"))
			}
		}
	})
	t.Run("S2-12 an error has code and message beside meta", func(t *testing.T) {
		got := s.send(request{method: "POST", path: "/v1/api-keys", body: "{}"})
		if !regexp.MustCompile(`^\{"error":\{"code":"[A-Z_]+","message":"[^"]+"\},"meta":\{"request_id":"req_\w+"\}\}$`).MatchString(got.body) {
			t.Error(got.body)
		}
	})
	t.Run("S2-13 an invalid request is INVALID_REQUEST", func(t *testing.T) {
		s.root("POST", "/v1/api-keys", `{"label":7}`).names(t, "label")
		s.root("POST", "/v1/api-keys", `{"labl":"x"}`).names(t, "labl")
	})
	t.Run("S2-13 the sample's messages, of a webhook API", func(t *testing.T) {
		for _, address := range []string{"", "nonsense", "http://93.184.216.34/", "ftp://93.184.216.34/", "https://169.254.169.254/latest"} {
			got := s.root("POST", "/v1/webhooks", `{"url":`+quoted(address)+`,"events":[]}`)
			got.refuses(t, 400, "INVALID_REQUEST")
			if got.text("error.field") != "url" || !strings.HasPrefix(got.text("error.message"), "endpoint must be a valid HTTPS URL") {
				t.Error(got.body)
			}
		}
		for _, id := range []string{"whk_01h455vb4pex5vsknk084sn02q", "whk_x", "x"} {
			got := s.root("GET", "/v1/webhooks/"+id, "")
			got.refuses(t, 404, "ENDPOINT_NOT_FOUND")
			if got.text("error.message") != "endpoint not found" {
				t.Error(got.body)
			}
		}
	})
	t.Run("S2-14 no key, or no good one, is UNAUTHORIZED", func(t *testing.T) {
		for _, h := range []string{"", "Bearer hb_live_nonsense", "Basic eA=="} {
			q := request{method: "POST", path: "/v1/api-keys", body: "{}", header: map[string][]string{}}
			if h != "" {
				q.header.Set("Authorization", h)
			}
			got := s.send(q)
			got.refuses(t, 401, "UNAUTHORIZED")
			if got.text("error.message") != "Invalid or missing API key" {
				t.Error(got.body)
			}
		}
	})
	t.Run("S2-16 the statuses are 201, 400, 401, and for the limit 409 (ours: none is printed)", func(t *testing.T) {
		made.is(t, 201)
		s.root("POST", "/v1/api-keys", `[]`).is(t, 400)
		s.send(request{method: "POST", path: "/v1/api-keys", body: "{}"}).is(t, 401)
		s.fill()
		s.root("POST", "/v1/api-keys", `{}`).is(t, 409)
	})
}

func TestS2_15_TwentyKeysAProject(t *testing.T) {
	s := serve(t)
	var first string
	for i := range 20 {
		a := s.root("POST", "/v1/api-keys", fmt.Sprintf(`{"label":"%d"}`, i)).is(t, 201)
		if i == 0 {
			first = a.text("data.key_id")
		}
	}
	full := s.root("POST", "/v1/api-keys", `{}`)
	full.refuses(t, 409, "KEY_LIMIT_EXCEEDED")
	if full.text("error.message") != "Maximum of 20 API keys per project" {
		t.Error(full.body)
	}
	s.root("DELETE", "/v1/api-keys/"+first, "").is(t, 200)
	s.root("POST", "/v1/api-keys", `{}`).is(t, 201)
	s.root("POST", "/v1/api-keys", `{}`).refuses(t, 409, "KEY_LIMIT_EXCEEDED")
}

// S2-17: the document has create only; the rest is ours, and every field of an
// object is always there.
func TestS2_17_EveryFieldIsAlwaysThere(t *testing.T) {
	s := serve(t)
	made := s.root("POST", "/v1/api-keys", `{}`).is(t, 201)
	want := strings.Fields(`key_id label prefix project_id organization_id operator external_id scopes resources state
		active created_at created_by owned_by expires_at not_before last_used_at last_used_from last_used_agent revoked_at revoked_by revoke_reason
		previous_expires_at ip_allow rate_limits quota metadata version`)
	slices.Sort(want)
	got := s.root("GET", "/v1/api-keys/"+made.text("data.key_id"), "").is(t, 200)
	var names []string
	for name := range got.at("data").(map[string]any) {
		names = append(names, name)
	}
	slices.Sort(names)
	if !slices.Equal(names, want) {
		t.Errorf("got  %v\nwant %v", names, want)
	}
	for field, empty := range map[string]string{"ip_allow": "[]", "metadata": "{}", "rate_limits": "null", "expires_at": "null"} {
		if !strings.Contains(got.body, `"`+field+`":`+empty) {
			t.Errorf("%s is not %s in %s", field, empty, got.body)
		}
	}
}
