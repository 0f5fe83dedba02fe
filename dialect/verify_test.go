package dialect_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

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

func TestABatchIsItsChecksInOrder(t *testing.T) {
	s := serve(t)
	service := s.Make(halberd.NewKey{Scopes: halberd.Some(halberd.MustScopes("verify"))}).Secret
	limited := quoted(s.Make(halberd.NewKey{Name: "Acme", RateLimits: halberd.Some(halberd.RateLimits{{Limit: 2, WindowSeconds: 60}})}).Secret.Reveal())
	checks := []string{
		`{"key":` + limited + `,"scopes":["admin"]}`, `{"key":"x"}`, `{"key":` + limited + `,"cost":2,"include":["label"]}`, `{"key":` + limited + `}`,
		`{"key":` + quoted(s.Root.Reveal()) + `,"resource":"a/b","client_ip":"2001:db8::1","user_agent":"\u00fc"}`,
	}
	batch := func(checks ...string) answer {
		return s.as(service, "POST", "/v1/api-keys/verify-batch", `{"checks":[`+strings.Join(checks, ",")+`]}`)
	}
	together := batch(checks...).is(t, 200)
	s.Clock.Pass(time.Hour)
	var want []string
	for _, c := range checks {
		want = append(want, raw(t, s.as(service, "POST", "/v1/api-keys/verify", c).is(t, 200).body, "data"))
	}
	if got := raw(t, together.body, "data"); got != "["+strings.Join(want, ",")+"]" {
		t.Errorf("together\n%s\none by one\n%s", got, want)
	}
	s.Clock.Pass(time.Hour)
	t.Run("one that makes no sense spends nothing of the others", func(t *testing.T) {
		spend := `{"key":` + limited + `,"cost":2}`
		for broken, field := range map[string]string{
			`{"key":""}`: "key", `{"key":"x","cost":0}`: "cost", `{"key":"x","cost":1000001}`: "cost", `{"key":"x","cost":"1"}`: "cost", `{"key":"x","scopes":["root"]}`: "scopes",
			`{"key":"x","resource":"a/*"}`: "resource", `{"key":"x","client_ip":"x"}`: "client_ip", `{"key":"x","include":["x"]}`: "include",
			`{"key":"x","key":"x"}`: "key", `{"key":"x","Cost":1}`: "Cost", `{"key":"x","tags":[]}`: "tags",
		} {
			batch(spend, broken).names(t, "checks[1]."+field)
		}
		batch(spend, "null").names(t, "checks[1]")
		if code := batch(spend).is(t, 200); !strings.Contains(code.body, `"code":"VALID"`) {
			t.Error(code.body)
		}
	})
	t.Run("1 to 100", func(t *testing.T) {
		batch().names(t, "checks")
		batch(slices.Repeat([]string{`{"key":"x"}`}, 101)...).names(t, "checks")
		if a := batch(slices.Repeat([]string{`{"key":"x"}`}, 100)...).is(t, 200); len(a.at("data").([]any)) != 100 {
			t.Error(a.body)
		}
		s.as(service, "POST", "/v1/api-keys/verify-batch", `{}`).names(t, "checks")
		s.as(service, "POST", "/v1/api-keys/verify-batch", `{"checks":null}`).names(t, "checks")
	})
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

// What a key's holder sees of it costs nothing of its limits, and is the same for a key
// of any scope.
func TestWhoAmITellsTheLimitsAndTakesNothing(t *testing.T) {
	s := serve(t)
	if _, err := s.UpdateProject(s.Ctx(), s.Admin, s.Home, halberd.ProjectPatch{RateLimits: halberd.Some(halberd.RateLimits{{Limit: 5, WindowSeconds: 60}})}, 0); err != nil {
		t.Fatal(err)
	}
	own := halberd.Some(halberd.RateLimits{{Name: "mine", Limit: 10, WindowSeconds: 10}})
	for _, scope := range []string{"read", "verify", "deliveries:replay"} {
		scopes := halberd.Some(halberd.MustScopes(scope))
		for name, k := range map[string]halberd.Secret{
			`[{"name":"default","limit":5,"window_seconds":60,"remaining":3,"reset_seconds":24}]`: s.Make(halberd.NewKey{Scopes: scopes}).Secret,
			`[{"name":"mine","limit":10,"window_seconds":10,"remaining":8,"reset_seconds":2}]`:    s.Make(halberd.NewKey{Scopes: scopes, RateLimits: own}).Secret,
		} {
			s.root("POST", "/v1/api-keys/verify", `{"key":`+quoted(k.Reveal())+`,"cost":2}`).is(t, 200)
			for range 3 {
				a := s.as(k, "GET", "/v1/whoami", "").is(t, 200)
				if got := raw(t, a.body, "data", "limits"); got != name {
					t.Errorf("%s: %s, want %s", scope, got, name)
				}
			}
		}
	}
	if got := raw(t, s.root("GET", "/v1/whoami", "").is(t, 200).body, "data", "limits"); got != "[]" {
		t.Error(got)
	}
}
