package dialect_test

import (
	"fmt"
	"testing"
	"time"
)

// S1-23: usage statistics, with the errors; every point is in the series.
func TestS1_23_UsageOverHTTP(t *testing.T) {
	s := serve(t)
	made := s.root("POST", "/v1/api-keys", `{"scopes":["read"],"external_id":"acme"}`).is(t, 201)
	id, key := made.text("data.key_id"), made.text("data.key")
	check := func(more string) {
		t.Helper()
		s.root("POST", "/v1/api-keys/verify", `{"key":"`+key+`","client_ip":"203.0.113.7","user_agent":"curl/8.14.1"`+more+`}`).is(t, 200)
	}
	check("")
	check("")
	check(`,"scopes":["write"]`)
	for _, path := range []string{
		"/v1/api-keys/" + id + "/usage?", "/v1/usage?key_id=" + id, "/v1/usage?external_id=acme",
		"/v1/usage?external_id=acme&project_id=" + made.text("data.project_id"),
		"/v1/usage?external_id=acme&organization_id=" + made.text("data.organization_id"),
	} {
		got := s.root("GET", path+"&from=2024-01-15T10:00:00Z&to=2024-01-15T12:00:00Z&step=hour", "").is(t, 200)
		want := `{"from":"2024-01-15T10:00:00Z","to":"2024-01-15T12:00:00Z","step":"hour","kept_from":null,"series":[` +
			`{"start":"2024-01-15T10:00:00Z","counts":{"INSUFFICIENT_SCOPE":1,"VALID":2}},{"start":"2024-01-15T11:00:00Z","counts":{}}],` +
			`"total":{"INSUFFICIENT_SCOPE":1,"VALID":2}}`
		if body := fmt.Sprintf(`{"data":%s,"meta":{"request_id":"%s"}}`, want, got.header.Get("X-Request-Id")); got.body != body {
			t.Errorf("%s:\n got %s\nwant %s", path, got.body, body)
		}
	}
	// Dates: the beginning of the one, the end of the other.
	got := s.root("GET", "/v1/usage?from=2024-01-01&to=2024-01-31", "").is(t, 200)
	if got.text("data.from") != "2024-01-01T00:00:00Z" || got.text("data.to") != "2024-02-01T00:00:00Z" || got.text("data.step") != "day" {
		t.Errorf("a month: %s", got.body)
	}
	for query, field := range map[string]string{
		"step=week": "step", "from=yesterday": "from", "to=2024-01-32": "to", "from=": "from", "key_id=x": "key_id", "project_id=x": "project_id",
		"to=9999-12-31": "to", "from=9999-12-31T00:00:00Z&to=9999-12-31T23:59:59Z": "to",
		"project_id=prj_00000000000000000000000000": "project_id", "key_id=key_00000000000000000000000000": "key_id",
		"from=2024-01-15&to=2024-01-14": "to", "from=2024-01-01&to=2024-01-03&step=minute": "step", "from=2000-01-01&to=2024-01-01": "from",
		"key_id=" + id + "&external_id=acme": "key_id", "since=1h": "since", "from=2024-01-15&from=2024-01-14": "from",
		"from=1969-12-31": "from", "from=2024-01-15T10:00:00+0100": "from",
	} {
		answer := s.root("GET", "/v1/usage?"+query, "")
		answer.refuses(t, 400, "INVALID_REQUEST")
		if answer.text("error.field") != field {
			t.Errorf("%s: %s", query, answer.body)
		}
	}
	s.root("GET", "/v1/api-keys/"+id+"/usage?key_id="+id, "").refuses(t, 400, "INVALID_REQUEST")
	s.root("GET", "/v1/api-keys/x/usage", "").refuses(t, 404, "NOT_FOUND")
}

// The last use tells when, from where and by which program.
func TestTheLastUseIsTold(t *testing.T) {
	s := serve(t)
	made := s.root("POST", "/v1/api-keys", `{}`).is(t, 201)
	path := "/v1/api-keys/" + made.text("data.key_id")
	s.Clock.Pass(time.Minute)
	s.root("POST", "/v1/api-keys/verify", `{"key":"`+made.text("data.key")+`","client_ip":"2001:db8::1","user_agent":"a\nb"}`).is(t, 200)
	s.root("GET", "/v1/usage", "").is(t, 200) // stores what is in memory
	got := s.root("GET", path, "").is(t, 200)
	for field, want := range map[string]string{
		"last_used_at": "2024-01-15T10:31:00Z", "last_used_from": "2001:db8::1", "last_used_agent": "a b",
	} {
		if got.text("data."+field) != want {
			t.Errorf("%s: %s, want %s", field, got.text("data."+field), want)
		}
	}
}
