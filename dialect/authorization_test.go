package dialect_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/dialect/enveloped"
	"github.com/halberdhq/halberd/dialect/plain"
)

// The callers, from none to all, as the columns below have them.
var callers = strings.Fields("none read write verify admin org operator")

// rules says for every operation which status each caller gets on a thing of
// its own, and what one gets, who may do it at all, on a thing of another
// project of the same organization (what a caller of a project may not know),
// of another organization, and on what is not there. "-" is where there is no
// thing to name.
//
// An operation of a table that has no row fails, and so does a row without an
// operation.
var rules = map[string]struct{ own, elsewhere string }{
	//                                none read write verify admin org operator   project organization absent
	"POST /v1/api-keys":                 {"401 403 403 403 201 201 201", "404 404 404"},
	"GET /v1/api-keys":                  {"401 200 200 403 200 200 200", "404 404 404"},
	"POST /v1/api-keys/bulk":            {"401 403 403 403 200 200 200", "404 404 404"},
	"POST /v1/api-keys/verify":          {"401 403 403 200 200 200 200", "- - -"},
	"POST /v1/api-keys/verify-batch":    {"401 403 403 200 200 200 200", "- - -"},
	"GET /v1/api-keys/{id}":             {"401 200 200 403 200 200 200", "404 404 404"},
	"PATCH /v1/api-keys/{id}":           {"401 403 403 403 200 200 200", "404 404 404"},
	"DELETE /v1/api-keys/{id}":          {"401 403 403 403 200 200 200", "404 404 404"},
	"POST /v1/api-keys/{id}/rotate":     {"401 403 403 403 200 200 200", "404 404 404"},
	"DELETE /v1/api-keys/{id}/previous": {"401 403 403 403 200 200 200", "404 404 404"},
	"GET /v1/api-keys/{id}/usage":       {"401 200 200 403 200 200 200", "404 404 404"},
	"GET /v1/usage":                     {"401 200 200 403 200 200 200", "404 404 404"},
	"GET /v1/whoami":                    {"401 200 200 200 200 200 200", "- - -"},
	"GET /v1/projects":                  {"401 200 200 403 200 200 200", "- 404 404"},
	"POST /v1/projects":                 {"401 403 403 403 403 201 201", "- 404 404"},
	"GET /v1/projects/{id}":             {"401 200 200 403 200 200 200", "404 404 404"},
	"PATCH /v1/projects/{id}":           {"401 403 403 403 200 200 200", "404 404 404"},
	"DELETE /v1/projects/{id}":          {"401 403 403 403 403 200 200", "404 404 404"},
	"GET /v1/organizations":             {"401 403 403 403 403 403 200", "- - -"},
	"POST /v1/organizations":            {"401 403 403 403 403 403 201", "- - -"},
	"GET /v1/organizations/{id}":        {"401 403 403 403 403 403 200", "- - 404"},
	"PATCH /v1/organizations/{id}":      {"401 403 403 403 403 403 200", "- - 404"},
	"GET /v1/nodes":                     {"401 403 403 403 403 403 200", "- - -"},
	"GET /v1/members":                   {"401 403 403 403 403 200 200", "- 404 404"},
	"POST /v1/members":                  {"401 403 403 403 403 201 201", "- 404 404"},
	"GET /v1/members/{id}":              {"401 403 403 403 403 200 200", "- 404 404"},
	"PATCH /v1/members/{id}":            {"401 403 403 403 403 200 200", "- 404 404"},
	"POST /v1/members/{id}/invite":      {"401 403 403 403 403 200 200", "- 404 404"},
	"DELETE /v1/members/{id}":           {"401 403 403 403 403 200 200", "- 404 404"},
	"GET /v1/audit-events":              {"401 403 403 403 200 200 200", "- 404 404"},
	"GET /v1/events":                    {"401 403 403 403 200 200 200", "- 404 404"},
	"GET /v1/webhooks":                  {"401 403 403 403 403 200 200", "- 404 404"},
	"POST /v1/webhooks":                 {"401 403 403 403 403 201 201", "- 404 404"},
	"GET /v1/webhooks/{id}":             {"401 403 403 403 403 200 200", "- 404 404"},
	"PATCH /v1/webhooks/{id}":           {"401 403 403 403 403 200 200", "- 404 404"},
	"DELETE /v1/webhooks/{id}":          {"401 403 403 403 403 200 200", "- 404 404"},
	"GET /v1/webhooks/{id}/deliveries":  {"401 403 403 403 403 200 200", "- 404 404"},
	"POST /v1/webhooks/{id}/test":       {"401 403 403 403 403 202 202", "- 404 404"},

	"POST /v1/webhooks/{id}/rotate-secret":             {"401 403 403 403 403 200 200", "- 404 404"},
	"POST /v1/webhooks/{id}/deliveries/{id}/redeliver": {"401 403 403 403 403 202 202", "- 404 404"},

	"GET /v1/alerts":                   {"401 200 200 403 200 200 200", "- 404 404"},
	"GET /v1/alerts/{id}":              {"401 200 200 403 200 200 200", "404 404 404"},
	"POST /v1/alerts/{id}/acknowledge": {"401 403 403 403 200 200 200", "404 404 404"},
	"POST /v1/alerts/{id}/silence":     {"401 403 403 403 200 200 200", "404 404 404"},
	"GET /v1/alert-rules":              {"401 200 200 403 200 200 200", "- 404 404"},
	"POST /v1/alert-rules":             {"401 403 403 403 201 201 201", "404 404 404"},
	"GET /v1/alert-rules/{id}":         {"401 200 200 403 200 200 200", "404 404 404"},
	"PATCH /v1/alert-rules/{id}":       {"401 403 403 403 200 200 200", "404 404 404"},
	"DELETE /v1/alert-rules/{id}":      {"401 403 403 403 200 200 200", "404 404 404"},

	"GET /api/api-keys":         {"401 200 200 403 200 200 200", "- - -"},
	"POST /api/api-keys":        {"401 403 403 403 201 201 201", "- - -"},
	"DELETE /api/api-keys/{id}": {"401 403 403 403 200 200 200", "404 404 404"},
}

// site is where a thing is: a project of an organization.
type site struct {
	org     halberd.OrganizationID
	project halberd.ProjectID
}

// thing makes what an operation acts on, in a site of its own making, and
// returns the request.
func (s *server) thing(op, where string, own site, neighbor, foreign site) request {
	s.t.Helper()
	at := map[string]site{
		"own": own, "project": neighbor, "organization": foreign,
		"absent": {halberd.NewOrganizationID(), halberd.NewProjectID()},
	}[where]
	method, path, _ := strings.Cut(op, " ")
	q := request{method: method, path: path}
	id := ""
	switch {
	case strings.Contains(path, "/api-keys/{"):
		id = halberd.NewKeyID().String()
		if where != "absent" {
			id = s.Make(halberd.NewKey{Project: at.project, Scopes: halberd.Some(halberd.MustScopes("read"))}).Key.ID.String()
		}
	case strings.Contains(path, "/projects/{"):
		id = at.project.String()
		if method == http.MethodDelete && where != "absent" {
			// The caller's own project would take the caller with it, and a
			// default project stays.
			p, err := s.CreateProject(s.Ctx(), s.Admin, halberd.NewProject{Name: "doomed", Organization: at.org})
			if err != nil {
				s.t.Fatal(err)
			}
			id = p.ID.String()
		}
	case strings.Contains(path, "/members/{"):
		id = halberd.NewMemberID().String()
		if where != "absent" {
			id = s.invite(at.org).Member.ID.String()
		}
	case strings.Contains(path, "/organizations/{"):
		id = at.org.String()
	case strings.Contains(path, "/alerts/{"):
		id = halberd.NewAlertID().String()
		if where != "absent" {
			id = s.alert(at).String()
		}
	case strings.Contains(path, "/alert-rules/{"):
		id = halberd.NewAlertRuleID().String()
		if where != "absent" {
			a, err := s.CreateAlertRule(s.Ctx(), s.Admin, halberd.NewAlertRule{Project: at.project, Kind: halberd.AlertUnused})
			if err != nil {
				s.t.Fatal(err)
			}
			id = a.ID.String()
		}
	case strings.Contains(path, "/webhooks/{"):
		id = halberd.NewWebhookID().String()
		if where != "absent" {
			var delivered halberd.DeliveryID
			id, delivered = s.webhook(at.org)
			path = strings.Replace(path, "/deliveries/{id}", "/deliveries/"+delivered.String(), 1)
		}
	}
	q.path = strings.ReplaceAll(path, "{id}", id)
	named := where != "own"
	switch op {
	case "POST /v1/api-keys":
		q.body = `{}`
		if named {
			q.body = `{"project_id":"` + at.project.String() + `"}`
		}
	case "POST /v1/api-keys/bulk":
		q.body = `{"action":"activate","external_id":"x"}`
		if named {
			q.body = `{"action":"activate","external_id":"x","project_id":"` + at.project.String() + `"}`
		}
	case "POST /api/api-keys":
		q.body = `{"name":"x"}`
	case "POST /v1/api-keys/verify":
		q.body = `{"key":"x"}`
	case "POST /v1/api-keys/verify-batch":
		q.body = `{"checks":[{"key":"x"}]}`
	case "POST /v1/projects":
		q.body = `{"name":"x"}`
		if named {
			q.body = `{"name":"x","organization_id":"` + at.org.String() + `"}`
		}
	case "POST /v1/organizations":
		q.body = `{"name":"x"}`
	case "GET /v1/api-keys", "GET /v1/usage":
		if named {
			q.path += "?project_id=" + at.project.String()
		}
	case "POST /v1/members":
		q.body = `{"email":` + quoted(address()) + `,"role":"read"}`
		if named {
			q.body = `{"email":` + quoted(address()) + `,"role":"read","organization_id":"` + at.org.String() + `"}`
		}
	case "POST /v1/webhooks":
		q.body = `{"url":"https://93.184.216.34/","events":["key.*"]}`
		if named {
			q.body = `{"url":"https://93.184.216.34/","events":[],"organization_id":"` + at.org.String() + `"}`
		}
	case "POST /v1/alerts/{id}/silence":
		q.body = `{"until":null}`
	case "POST /v1/alert-rules":
		q.body = `{"kind":"unused"}`
		if named {
			q.body = `{"kind":"unused","scope":{"project_id":"` + at.project.String() + `"}}`
		}
	case "GET /v1/projects", "GET /v1/members", "GET /v1/audit-events", "GET /v1/events", "GET /v1/webhooks",
		"GET /v1/alerts", "GET /v1/alert-rules":
		if named {
			q.path += "?organization_id=" + at.org.String()
		}
	}
	if method == http.MethodPatch {
		q.body = `{}`
	}
	return q
}

// address is an email that nobody has yet.
func address() string { return halberd.NewMemberID().String() + "@example.com" }

// invite makes a member who has not accepted yet.
func (s *server) invite(org halberd.OrganizationID) halberd.Invited {
	s.t.Helper()
	in, err := s.InviteMember(s.Ctx(), s.Admin, halberd.NewMember{Email: address(), Role: halberd.ScopeRead, Organization: org})
	if err != nil {
		s.t.Fatal(err)
	}
	return in
}

// alert keeps an alert, as an evaluation would have.
func (s *server) alert(at site) halberd.AlertID {
	s.t.Helper()
	id := halberd.NewAlertID()
	if err := s.Store.Update(s.Ctx(), func(tx halberd.Tx) error {
		return tx.PutAlert(halberd.AlertRecord{
			ID: id, Organization: at.org, Project: at.project, Rule: halberd.NewAlertRuleID(), Kind: string(halberd.AlertUnused),
			Subject: "it", State: halberd.AlertOpen, OpenedAt: 1, Version: 1, Detail: `{"cause":"Nobody uses it any more."}`,
		})
	}); err != nil {
		s.t.Fatal(err)
	}
	return id
}

// webhook makes a webhook and a delivery to it.
func (s *server) webhook(org halberd.OrganizationID) (string, halberd.DeliveryID) {
	s.t.Helper()
	must := func(err error) {
		if err != nil {
			s.t.Fatal(err)
		}
	}
	h, err := s.CreateWebhook(s.Ctx(), s.Admin, halberd.NewWebhook{Organization: org, URL: "https://93.184.216.34/"})
	must(err)
	_, err = s.TestWebhook(s.Ctx(), s.Admin, h.Webhook.ID)
	must(err)
	for more := true; more; {
		_, more, err = s.Relay(s.Ctx())
		must(err)
	}
	log, err := s.WebhookDeliveries(s.Ctx(), s.Admin, h.Webhook.ID, "", halberd.Page{})
	must(err)
	return h.Webhook.ID.String(), log.List[0].ID
}

// Every operation × every caller × where the thing is (A-15, A-19, A-21,
//
func TestWhoMayDoWhat(t *testing.T) {
	table := map[string]bool{}
	for _, op := range append(enveloped.Operations(), plain.Operations()...) {
		table[op.Method+" "+regexp.MustCompile(`\{\w+\}`).ReplaceAllString(op.Path, "{id}")] = true
	}
	for op := range table {
		if _, ok := rules[op]; !ok {
			t.Errorf("%s has no row", op)
		}
	}
	for op := range rules {
		if !table[op] {
			t.Errorf("the row of %s is about no operation", op)
		}
	}
	for op, rule := range rules {
		t.Run(op, func(t *testing.T) {
			t.Parallel()
			s := serve(t)
			own, neighbor, foreign, keys := s.inhabitants()
			for i, want := range strings.Fields(rule.own) {
				q := s.thing(op, "own", own, neighbor, foreign)
				q.key = keys[callers[i]]
				if got := s.send(q); itoa(got.status) != want {
					t.Errorf("%s on their own: %d %s, want %s", callers[i], got.status, got.body, want)
				}
			}
			for i, where := range []string{"project", "organization", "absent"} {
				want := strings.Fields(rule.elsewhere)[i]
				if want == "-" {
					continue
				}
				for j, caller := range callers {
					right := strings.Fields(rule.own)[j]
					reaches := caller == "operator" && where != "absent" || caller == "org" && where == "project"
					status := want
					if right == "401" || right == "403" || reaches {
						status = right // who may not at all learns nothing more
					}
					q := s.thing(op, where, own, neighbor, foreign)
					q.key = keys[caller]
					got := s.send(q)
					if itoa(got.status) != status {
						t.Errorf("%s, %s: %d %s, want %s", caller, where, got.status, got.body, status)
					}
					if status == "404" && anonymous(got) != absentBody(op) {
						t.Errorf("%s, %s: %s differs from what is absent", caller, where, got.body)
					}
				}
			}
		})
	}
}

// inhabitants makes two projects of one organization, a foreign one, and a key
// for each caller, at home in the first project.
func (s *server) inhabitants() (own, neighbor, foreign site, keys map[string]halberd.Secret) {
	s.t.Helper()
	must := func(err error) {
		if err != nil {
			s.t.Fatal(err)
		}
	}
	home, other := s.Project("home"), s.Project("neighbor")
	o, err := s.CreateOrganization(s.Ctx(), s.Admin, "Foreign")
	must(err)
	ps, err := s.ListProjects(s.Ctx(), s.Admin, o.ID, halberd.Page{})
	must(err)
	for _, p := range []halberd.ProjectID{home.ID, other.ID, ps.List[0].ID} {
		_, err := s.UpdateProject(s.Ctx(), s.Admin, p, halberd.ProjectPatch{KeyCeiling: halberd.Some(100)}, 0)
		must(err)
	}
	key := func(scope string) halberd.Secret {
		return s.Make(halberd.NewKey{Project: home.ID, Scopes: halberd.Some(halberd.MustScopes(scope))}).Secret
	}
	keys = map[string]halberd.Secret{
		"read": key("read"), "write": key("write"), "verify": key("verify"), "admin": key("admin"),
		"org":      s.Make(halberd.NewKey{Wide: true, Scopes: halberd.Some(halberd.MustScopes("admin"))}).Secret,
		"operator": s.Root,
	}
	return site{s.Org, home.ID}, site{s.Org, other.ID}, site{o.ID, ps.List[0].ID}, keys
}

func itoa(status int) string {
	return string([]byte{byte('0' + status/100), byte('0' + status/10%10), byte('0' + status%10)})
}

// anonymous is an answer without the name of its request.
func anonymous(a answer) string {
	body := strings.ReplaceAll(a.body, a.header.Get("X-Request-Id"), "req")
	return body
}

func absentBody(op string) string {
	if strings.Contains(op, " /api/") {
		return `{"error":{"code":"NOT_FOUND","message":"not found","requestId":"req"}}`
	}
	if strings.Contains(op, "/webhooks/{") {
		return `{"error":{"code":"ENDPOINT_NOT_FOUND","message":"endpoint not found"},"meta":{"request_id":"req"}}`
	}
	return `{"error":{"code":"NOT_FOUND","message":"not found"},"meta":{"request_id":"req"}}`
}
