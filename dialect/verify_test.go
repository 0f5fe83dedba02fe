package dialect_test

import (
	"regexp"
	"testing"

	"github.com/halberdhq/halberd"
)

func TestAServiceThatMayOnlyCheckSeesWhatItAskedFor(t *testing.T) {
	s := serve(t)
	service := s.Make(halberd.NewKey{Scopes: halberd.Some(halberd.MustScopes("verify"))}).Secret
	key := s.Make(halberd.NewKey{Name: "Acme"}).Secret.Reveal()
	a := s.as(service, "POST", "/v1/api-keys/verify", `{"key":`+quoted(key)+`,"include":["label","metadata"]}`).is(t, 200)
	if a.text("data.label") != "Acme" || raw(t, a.body, "data", "metadata") != "{}" {
		t.Error(a.body)
	}
	if b := s.as(service, "POST", "/v1/api-keys/verify", `{"key":`+quoted(key)+`}`); regexp.MustCompile("label|metadata").MatchString(b.body) {
		t.Error(b.body)
	}
	s.as(service, "GET", "/v1/api-keys", "").refuses(t, 403, "FORBIDDEN")
}

func TestAForeignKeyIsAnUnknownKey(t *testing.T) {
	s := serve(t)
	o, err := s.CreateOrganization(s.Ctx(), s.Admin, "Foreign")
	if err != nil {
		t.Fatal(err)
	}
	service := s.Make(halberd.NewKey{Scopes: halberd.Some(halberd.MustScopes("verify"))}).Secret
	foreign := s.Make(halberd.NewKey{Organization: o.ID}).Secret.Reveal()
	for _, key := range []string{foreign, serve(t).Root.Reveal()} {
		a := s.as(service, "POST", "/v1/api-keys/verify", `{"key":`+quoted(key)+`,"include":["label","metadata"]}`).is(t, 200)
		want := `{"valid":false,"code":"NOT_FOUND","reason":"there is no such key","key_id":null,"external_id":null,"organization_id":null,` +
			`"project_id":null,"scopes":null,"resources":null,"expires_at":null,"rate_limits":null,"quota":null,"retry_after_seconds":null,"revision":null}`
		if got := raw(t, a.body, "data"); got != want {
			t.Error(got)
		}
	}
}

func TestWhatIsNoIDIsAbsent(t *testing.T) {
	s := serve(t)
	for _, path := range []string{"/v1/api-keys/", "/v1/projects/", "/v1/organizations/"} {
		absent := map[string]string{"/v1/api-keys/": halberd.NewKeyID().String(), "/v1/projects/": halberd.NewProjectID().String(), "/v1/organizations/": halberd.NewOrganizationID().String()}[path]
		want := anonymous(s.root("GET", path+absent, "").is(t, 404))
		for _, id := range []string{"x", "key_", "prj_01h455vb4pex5vsknk084sn02", "%00", "..%2f", "'%20OR%201=1", s.Root.Reveal(), absent + "0"} {
			a := s.root("GET", path+id, "")
			if a.status != 404 || anonymous(a) != want {
				t.Errorf("%s%s: %d %s", path, id, a.status, a.body)
			}
			if a := s.root("PATCH", path+id, `{}`); a.status != 404 {
				t.Errorf("PATCH %s%s: %d %s", path, id, a.status, a.body)
			}
		}
		// Before the credential is known, an id is not looked at.
		s.send(request{method: "GET", path: path + "x"}).refuses(t, 401, "UNAUTHORIZED")
	}
}

func TestAuditFilters(t *testing.T) {
	s := serve(t)
	id := s.Make(halberd.NewKey{}).Key.ID.String()
	s.as(s.Make(halberd.NewKey{}).Secret, "DELETE", "/v1/api-keys/"+id, "").refuses(t, 403, "FORBIDDEN")
	for query, want := range map[string]int{
		"target=" + id: 1, "outcome=denied": 1, "action=key.create": 2, "action=key.create&target=" + id: 1, "actor=" + s.Admin.KeyID().String(): 2,
		"from=2024-01-15T10:30:01Z": 0, "to=2024-01-15T10:30:00Z": 0, "from=2024-01-15T10:30:00Z&limit=1": 1,
	} {
		a := s.root("GET", "/v1/audit-events?"+query, "").is(t, 200)
		if got := len(a.at("data").([]any)); got != want {
			t.Errorf("%s finds %d, want %d: %s", query, got, want, a.body)
		}
	}
	all := s.root("GET", "/v1/audit-events?sort=at", "").is(t, 200).at("data").([]any)
	first := all[0].(map[string]any)["audit_id"].(string)
	if a := s.root("GET", "/v1/audit-events?sort=at&after="+first, "").is(t, 200); len(a.at("data").([]any)) != len(all)-1 {
		t.Error(a.body)
	}
	for query, field := range map[string]string{"from=2024-01-15": "from", "to=x": "to", "after=x": "after", "outcome=maybe": "outcome", "sort=id": "sort"} {
		s.root("GET", "/v1/audit-events?"+query, "").names(t, field)
	}
}
