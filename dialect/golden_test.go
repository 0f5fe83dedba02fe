package dialect_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/legacy"

	"github.com/halberdhq/halberd/dialect/apidoc"
)

// A script is a conversation whose every word is kept in testdata. What an
// answer holds may be used later: $key_id, $secret.
type script []struct {
	as   string // "root", "none", or a name given by "keep"
	line string // method and path
	body string
	keep string // calls the key of this answer so: $keep is its id, and it may speak
}

var scripts = map[string]script{
	"s2-create": {
		{as: "root", line: "POST /v1/api-keys", body: `{"label": "Production backend"}`},
		{as: "root", line: "POST /v1/api-keys", body: `{}`},
		{as: "root", line: "POST /v1/api-keys", body: `{"label": 7}`},
		{as: "none", line: "POST /v1/api-keys", body: `{"label": "Production backend"}`},
	},
	"s3-document": {
		{as: "root", line: "POST /api/api-keys", body: sample, keep: "github"},
		{as: "root", line: "GET /api/api-keys"},
		{as: "root", line: "DELETE /api/api-keys/$github"},
		{as: "root", line: "POST /api/api-keys", body: `{"name":"x","expiresInDays":0.5}`},
		{as: "github", line: "GET /api/api-keys"},
	},
	"v1-life-of-a-key": {
		{as: "root", line: "POST /v1/api-keys", keep: "k", body: `{"label":"Acme","scopes":["write","deliveries:replay"],"resources":["engagement/42","sources/*"],
			"expires_at":"2024-02-29","not_before":"2024-01-15T10:30:00Z","external_id":"acme","metadata":{"plan":"gold"},
			"ip_allow":["127.0.0.1","2001:db8::/32"],"rate_limits":[{"limit":100,"window_seconds":60}]}`},
		{as: "k", line: "GET /v1/whoami"},
		{as: "root", line: "GET /v1/api-keys?external_id=acme&state=active&limit=1"},
		{as: "root", line: "PATCH /v1/api-keys/$k", body: `{"label":null,"expires_at":null,"external_id":null,"metadata":{"plan":null,"tier":"1"},"ip_allow":null,"rate_limits":null,"active":false}`},
		{as: "root", line: "POST /v1/api-keys/$k/rotate", body: `{"overlap_seconds":3600}`},
		{as: "root", line: "POST /v1/api-keys/$k/rotate"},
		{as: "root", line: "DELETE /v1/api-keys/$k/previous"},
		{as: "root", line: "DELETE /v1/api-keys/$k?reason=leaked"},
		{as: "root", line: "PATCH /v1/api-keys/$k", body: `{"active":true}`},
		{as: "root", line: "GET /v1/api-keys/$k"},
	},
	"v1-verify": {
		{as: "root", line: "POST /v1/api-keys", keep: "k", body: `{"label":"Acme","metadata":{"plan":"gold"},"rate_limits":[{"limit":2,"window_seconds":60}]}`},
		{as: "root", line: "POST /v1/api-keys/verify", body: `{"key":"$secret(k)","scopes":["write"],"resource":"engagement/42","client_ip":"203.0.113.7","cost":1,"include":["label","metadata"]}`},
		{as: "root", line: "POST /v1/api-keys/verify", body: `{"key":"$secret(k)","scopes":["admin"]}`},
		{as: "root", line: "POST /v1/api-keys/verify", body: `{"key":"$secret(k)","cost":2}`},
		{as: "root", line: "PATCH /v1/api-keys/$k", body: `{"rate_limits":null,"quota":{"limit":100,"refill":"day","per":"external_id"}}`},
		{as: "root", line: "POST /v1/api-keys/verify", body: `{"key":"$secret(k)","cost":40}`},
		{as: "root", line: "POST /v1/api-keys/verify", body: `{"key":"$secret(k)","cost":61}`},
		{as: "root", line: "GET /v1/api-keys/$k"},
		{as: "root", line: "PATCH /v1/api-keys/$k", body: `{"quota":{"limit":100,"refill":"interval","every_seconds":1}}`},
		{as: "root", line: "PATCH /v1/api-keys/$k", body: `{"quota":{"limit":100,"refill":"interval","every_seconds":7200}}`},
		{as: "root", line: "PATCH /v1/api-keys/$k", body: `{"quota":null}`},
		{as: "root", line: "POST /v1/api-keys/verify", body: `{"key":"hb_live_nonsense","include":["label"]}`},
		{as: "k", line: "POST /v1/api-keys/verify", body: `{"key":"x"}`},
	},
	"v1-projects-and-organizations": {
		{as: "root", line: "POST /v1/projects", keep: "p", body: `{"name":"Web","key_prefix":"whr_live","key_ceiling":5,"default_scopes":["read"],"default_expires_in_days":30,"max_expires_in_days":90,"rate_limits":[{"name":"default","limit":100,"window_seconds":60,"burst":10}]}`},
		{as: "root", line: "GET /v1/projects"},
		{as: "root", line: "GET /v1/projects/$p"},
		{as: "root", line: "PATCH /v1/projects/$p", body: `{"name":"Web 2","key_prefix":null,"key_ceiling":null,"default_scopes":null,"default_expires_in_days":null,"max_expires_in_days":null,"rate_limits":null,"active":false}`},
		{as: "root", line: "DELETE /v1/projects/$p"},
		{as: "root", line: "POST /v1/organizations", keep: "o", body: `{"name":"Acme"}`},
		{as: "root", line: "GET /v1/organizations?limit=2"},
		{as: "root", line: "GET /v1/organizations/$o"},
		{as: "root", line: "PATCH /v1/organizations/$o", body: `{"name":"Acme Corp","active":false}`},
		{as: "root", line: "GET /v1/audit-events?action=project.update&sort=at"},
	},
	"v1-members": {
		{as: "root", line: "POST /v1/members", keep: "m", body: `{"email":"Ana@Example.com","role":"write"}`},
		{as: "root", line: "POST /v1/members", body: `{"email":"ana@example.com","role":"read"}`},
		{as: "root", line: "POST /v1/members", body: `{"email":"bo@example.com","role":"owner"}`},
		{as: "root", line: "PATCH /v1/members/$m", body: `{"name":"Ana Duarte","role":"admin"}`},
		{as: "root", line: "PATCH /v1/members/$m", body: `{"active":false}`},
		{as: "root", line: "GET /v1/members?limit=1"},
		{as: "root", line: "GET /v1/members/$m"},
		{as: "root", line: "POST /v1/members/$m/invite"},
		{as: "root", line: "GET /v1/api-keys?owned_by=$m"},
		{as: "root", line: "DELETE /v1/members/$m?keys=suspend"},
		{as: "root", line: "GET /v1/members/$m"},
	},
	"v1-alerts": {
		{as: "root", line: "GET /v1/alerts?state=open,acknowledged"},
		{as: "root", line: "GET /v1/alert-rules?limit=2"},
		{as: "root", line: "POST /v1/alert-rules", keep: "r", body: `{"kind":"error_share","threshold":20.5,"window_seconds":300,"reasons":["RATE_LIMITED"],"active":false}`},
		{as: "root", line: "POST /v1/alert-rules", body: `{"kind":"weather"}`},
		{as: "root", line: "POST /v1/alert-rules", body: `{"kind":"unused","threshold":"much"}`},
		{as: "root", line: "PATCH /v1/alert-rules/$r", body: `{"threshold":30,"reasons":null,"active":true}`},
		{as: "root", line: "GET /v1/alert-rules/$r"},
		{as: "root", line: "DELETE /v1/alert-rules/$r"},
		{as: "root", line: "GET /v1/alert-rules/$r"},
		{as: "root", line: "GET /v1/alerts/alr_01h455vb4pex5vsknk084sn02q"},
		{as: "root", line: "GET /v1/alerts?state=loud"},
	},
	"v1-events-and-webhooks": {
		{as: "root", line: "POST /v1/webhooks", keep: "w", body: `{"url":"https://93.184.216.34/hooks","events":["key.*","project.deleted"]}`},
		{as: "root", line: "POST /v1/webhooks", body: `{"url":"https://93.184.216.34/"}`},
		{as: "root", line: "POST /v1/webhooks", keep: "s", body: `{"url":"https://93.184.216.34/services/T0/B0/aVerySecretWord","events":["alert.*"],"format":"slack"}`},
		{as: "root", line: "PATCH /v1/webhooks/$w", body: `{"url":"https://93.184.216.34/b","events":["*"],"active":false}`},
		{as: "root", line: "POST /v1/webhooks/$w/test"},
		{as: "root", line: "PATCH /v1/webhooks/$w", body: `{"active":true}`},
		{as: "root", line: "POST /v1/webhooks/$w/test"},
		{as: "root", line: "POST /v1/webhooks/$w/rotate-secret", body: `{"overlap_seconds":3600}`},
		{as: "root", line: "POST /v1/webhooks/$w/rotate-secret"},
		{as: "root", line: "GET /v1/webhooks?limit=1"},
		{as: "root", line: "GET /v1/webhooks/$w"},
		{as: "root", line: "GET /v1/webhooks/$w/deliveries?state=failed"},
		{as: "root", line: "POST /v1/webhooks/$w/deliveries/$w/redeliver"},
		{as: "root", line: "POST /v1/api-keys", keep: "k", body: `{"label":"Acme"}`},
		{as: "root", line: "GET /v1/events?type=key.*,webhook.test&target=$k"},
		{as: "root", line: "GET /v1/events?type=webhook.created,webhook.updated&sort=-at&limit=2"},
		{as: "k", line: "GET /v1/events"},
		{as: "root", line: "DELETE /v1/webhooks/$w"},
		{as: "root", line: "GET /v1/webhooks/$w"},
	},
}

// HALBERD_GOLDEN=write (make golden) writes the files anew.
func TestConversationsAsKept(t *testing.T) {
	check := newConformance(t)
	for name, steps := range scripts {
		t.Run(name, func(t *testing.T) {
			s := serve(t)
			ids, secrets := map[string]string{}, map[string]string{"root": s.Root.Reveal()}
			said := &strings.Builder{}
			for _, step := range steps {
				q := request{header: http.Header{}}
				method, path, _ := strings.Cut(step.line, " ")
				q.method, q.path, q.body = method, expand(path, ids, secrets), expand(step.body, ids, secrets)
				if secret := secrets[step.as]; secret != "" {
					q.header.Set("X-Api-Key", secret)
				}
				a := s.send(q)
				if step.keep != "" {
					for _, at := range []string{"data.key_id", "apiKey.id", "data.member_id", "data.webhook_id", "data.project_id", "data.organization_id"} {
						if ids[step.keep] == "" {
							ids[step.keep] = a.text(at)
						}
					}
					if secrets[step.keep] = a.text("data.key"); secrets[step.keep] == "" {
						secrets[step.keep] = a.text("key")
					}
				}
				check.conforms(t, q, a)
				fmt.Fprintf(said, "> %s   (as %s)\n", step.line, step.as)
				if step.body != "" {
					fmt.Fprintf(said, "> %s\n", strings.Join(strings.Fields(step.body), " "))
				}
				fmt.Fprintf(said, "< %d %s\n", a.status, http.StatusText(a.status))
				for _, h := range []string{"Allow", "Link", "Retry-After", "Www-Authenticate"} {
					if v := a.header.Get(h); v != "" {
						fmt.Fprintf(said, "< %s: %s\n", h, v)
					}
				}
				var pretty bytes.Buffer
				if err := json.Indent(&pretty, []byte(a.body), "", "  "); err != nil {
					t.Fatal(err)
				}
				fmt.Fprintf(said, "%s\n\n", pretty.String())
			}
			golden(t, name, anonymize(said.String()))
		})
	}
}

// expand puts ids ($k) and secrets ($secret(k)) into a text.
func expand(text string, ids, secrets map[string]string) string {
	for name, secret := range secrets {
		text = strings.ReplaceAll(text, "$secret("+name+")", secret)
	}
	for name, id := range ids {
		text = regexp.MustCompile(`\$`+name+`\b`).ReplaceAllString(text, id)
	}
	return text
}

var (
	anID    = regexp.MustCompile(`\b(key|mem|prj|org|aud|req|evt|whk|dlv|alr|rul)_[0-9a-z]{26}\b`)
	aSecret = regexp.MustCompile(`\b([a-z]+_(?:live|invite))_[0-9A-Za-z]{32}\b`)
	aSigner = regexp.MustCompile(`\bwhsec_[0-9A-Za-z+/=]{44}`)
	aHint   = regexp.MustCompile(`\b([a-z]+_live)_[0-9A-Za-z]{3}\b`)
	aCursor = regexp.MustCompile(`("next_cursor": )"[^"]+"`)
)

// anonymize numbers the ids of a conversation and blots out what is random.
func anonymize(text string) string {
	text = aSecret.ReplaceAllString(text, "${1}_<32 characters>")
	text = aSigner.ReplaceAllString(text, "whsec_<44 characters>")
	text = aHint.ReplaceAllString(text, "${1}_abc")
	text = aCursor.ReplaceAllString(text, `${1}"<cursor>"`)
	var seen []string
	text = anID.ReplaceAllStringFunc(text, func(id string) string {
		if strings.HasPrefix(id, "req_") {
			return "req_<id>"
		}
		i := slices.Index(seen, id)
		if i < 0 {
			i, seen = len(seen), append(seen, id)
		}
		return fmt.Sprintf("%s_<%d>", id[:3], i+1)
	})
	return text
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".txt")
	if os.Getenv("HALBERD_GOLDEN") == "write" {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got == string(want) {
		return
	}
	g, w := strings.Split(got, "\n"), strings.Split(string(want), "\n")
	for i := range min(len(g), len(w)) {
		if g[i] != w[i] {
			t.Fatalf("%s:%d\ngot  %s\nwant %s", file, i+1, g[i], w[i])
		}
	}
	t.Fatalf("%s: %d lines, want %d", file, len(g), len(w))
}

// conformance holds real requests and answers against the document that is
// published.
type conformance struct{ router routers.Router }

func newConformance(t *testing.T) conformance {
	t.Helper()
	doc, err := openapi3.NewLoader().LoadFromData(apidoc.Document())
	if err != nil {
		t.Fatal(err)
	}
	if err := doc.Validate(t.Context()); err != nil {
		t.Fatal(err)
	}
	router, err := legacy.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	return conformance{router}
}

func (c conformance) conforms(t *testing.T, q request, a answer) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), q.method, q.path, strings.NewReader(q.body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = q.header.Clone()
	if q.body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	route, params, err := c.router.FindRoute(r)
	if err != nil {
		t.Fatalf("%s %s is not in the document: %v", q.method, q.path, err)
	}
	in := &openapi3filter.RequestValidationInput{
		Request: r, PathParams: params, Route: route,
		Options: &openapi3filter.Options{
			AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true, MultiError: true,
		},
	}
	err = openapi3filter.ValidateRequest(t.Context(), in)
	if invalid := a.status == 400; invalid != (err != nil) {
		t.Errorf("%s %s was answered %d, and the document says of it: %v", q.method, q.path, a.status, err)
	}
	out := &openapi3filter.ResponseValidationInput{
		RequestValidationInput: in, Status: a.status, Header: a.header, Options: in.Options,
	}
	out.SetBodyBytes([]byte(a.body))
	if err := openapi3filter.ValidateResponse(t.Context(), out); err != nil {
		t.Errorf("the answer of %s %s is not what the document says: %v", q.method, q.path, err)
	}
}
