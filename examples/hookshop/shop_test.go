package hookshop_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/examples/hookshop"
)

func limited(t *testing.T, resource string) halberd.NewKey {
	t.Helper()
	r, err := halberd.ParseResources([]string{resource})
	if err != nil {
		t.Fatal(err)
	}
	return halberd.NewKey{Scopes: halberd.Some(halberd.MustScopes("read")), Resources: halberd.Some(r)}
}

func patchOf(n halberd.NewKey) halberd.KeyPatch { return halberd.KeyPatch{Resources: n.Resources} }

// S3-02: keys are of one organization, and see what is that organization's.
func TestS3_02_OrganizationsShareNothing(t *testing.T) {
	w := open(t)
	org, err := w.CreateOrganization(w.Ctx(), w.Admin, "Other")
	if err != nil {
		t.Fatal(err)
	}
	theirs, err := w.Create(w.Ctx(), w.Admin, halberd.NewKey{Organization: org.ID, Scopes: halberd.Some(halberd.MustScopes("write"))})
	if err != nil {
		t.Fatal(err)
	}
	if status, body := w.send(theirs.Secret, "POST", "/api/sources", `{"name":"Theirs"}`); status != 201 {
		t.Fatalf("%d %s", status, body)
	}
	if _, body := w.send(theirs.Secret, "GET", "/api/sources", ""); !strings.Contains(body, "Theirs") {
		t.Errorf("they see %s", body)
	}
	if _, body := w.send(w.key("read"), "GET", "/api/sources", ""); strings.Contains(body, "Theirs") {
		t.Errorf("we see %s", body)
	}
}

// Bodies are bare and camelCase, refusals S3's, and neither they nor the log
// hold a key.
func TestBodies(t *testing.T) {
	w := open(t)
	k := w.key("write")
	for _, c := range []struct {
		method, path, body string
		want               int
		says               string
	}{
		{"GET", "/healthz", "", 200, `{"status":"ok"}`},
		{"GET", "/api/sources/src_1", "", 200, `{"source":{"id":"src_1","name":"Repository","provider":"github","active":true}}`},
		{"GET", "/api/analytics", "", 200, `{"analytics":{"events":2,"deliveries":2,"failed":1}}`},
		{"POST", "/api/deliveries/del_2/replay", "", 200, `{"delivery":{"id":"del_2","eventId":"evt_2","destinationId":"dst_2","status":"delivered","attempts":4}}`},
		{"POST", "/api/routes", `{"sourceId":"src_1","destinationId":"dst_2"}`, 201, `{"route":{"id":"rte_3","sourceId":"src_1","destinationId":"dst_2","active":true}}`},
		{"DELETE", "/api/routes/rte_3", "", 200, `{"success":true}`},
		{"POST", "/api/tests/tst_1/run", "", 201, `{"result":{"id":"res_2","testId":"tst_1","passed":false,"ranAt":"2024-01-15T10:30:00Z"}}`},
		{"PATCH", "/api/findings/fnd_1", `{"status":"fixed"}`, 200, `"status":"fixed"`},
		{"POST", "/api/tests/tst_1/run", "", 201, `"passed":true`},
		{"GET", "/api/sources/none", "", 404, `{"error":{"code":"NOT_FOUND","message":"not found","requestId":"req_`},
		{"DELETE", "/api/sources/src_1", "", 409, `"CONFLICT","message":"the source is in use"`},
		{"POST", "/api/sources", `{"name":"x","color":"red"}`, 400, `"INVALID_REQUEST"`},
		{"POST", "/api/sources", `{"name":"x"} {}`, 400, `no others`},
		{"POST", "/api/sources", `[]`, 400, `one JSON object`},
		{"POST", "/api/sources", `{"name":1}`, 400, `one JSON object`},
		{"POST", "/api/sources", `{}`, 400, `name must have 1 to 255 characters`},
		{"POST", "/api/sources", `{"name":"` + strings.Repeat("x", 256) + `"}`, 400, `name must`},
		{"POST", "/api/sources", `{"name":"` + strings.Repeat("x", 1<<15) + `"}`, 413, `PAYLOAD_TOO_LARGE`},
		{"POST", "/api/routes", `{"sourceId":"src_9","destinationId":"dst_2"}`, 400, `sourceId must name a source`},
		{"POST", "/api/destinations", `{"name":"x","url":"file:///etc/passwd"}`, 400, `url must be`},
		{"POST", "/api/destinations", `{"name":"x","url":"https://u:p@example.com"}`, 400, `url must be`},
		{"POST", "/api/tests/tst_1/run", `{}`, 400, `takes none`},
		{"PATCH", "/api/findings/fnd_1", `{"status":"lost"}`, 400, `open, fixed or accepted`},
	} {
		if status, body := w.send(k, c.method, c.path, c.body); status != c.want || !strings.Contains(body, c.says) {
			t.Errorf("%s %s %.80s: %d %s, want %d with %s", c.method, c.path, c.body, status, body, c.want, c.says)
		}
	}
	req, err := http.NewRequestWithContext(t.Context(), "POST", w.url+"/api/sources", strings.NewReader(`{"name":"x"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Api-Key", k.Reveal())
	if status, body := w.do(req); status != 415 {
		t.Errorf("no media type: %d %s", status, body)
	}
	if status, body := w.send(halberd.NewSecret("hb_live_nothing"), "GET", "/api/sources", ""); status != 401 ||
		!strings.HasPrefix(body, `{"error":{"code":"UNAUTHORIZED","message":"Invalid or missing API key","requestId":"req_`) {
		t.Errorf("no key: %d %s", status, body)
	}
	if log := w.log.String(); strings.Contains(log, k.Reveal()) || strings.Contains(log, "hb_live") ||
		!strings.Contains(log, "verdict=MALFORMED") || !strings.Contains(log, `route="POST /api/sources"`) {
		t.Errorf("the log:\n%s", log)
	}
}

// Memory has a bound.
func TestAShelfIsFullAtSomeTime(t *testing.T) {
	w := open(t)
	k := w.key("write")
	status, body := 201, ""
	made := 0
	for ; status == 201 && made < 2000; made++ {
		status, body = w.send(k, "POST", "/api/projects", `{"name":"One more"}`)
	}
	if status != 409 || made != 1000 || !strings.Contains(body, "LIMIT_REACHED") {
		t.Errorf("after %d: %d %s", made, status, body)
	}
}

func TestManyAtOnce(t *testing.T) {
	w := open(t)
	k := w.key("write")
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 25 {
				if status, body := w.send(k, "POST", "/api/sources", `{"name":"Many"}`); status != 201 {
					t.Errorf("%d %s", status, body)
				}
			}
		})
	}
	all.Wait()
	_, body := w.send(k, "GET", "/api/sources", "")
	if n := len(decode[struct{ Sources []any }](t, body).Sources); n != 202 {
		t.Errorf("%d sources", n)
	}
}

func TestNewNeedsAVerifier(t *testing.T) {
	if _, err := hookshop.New(nil, hookshop.Options{}); err == nil {
		t.Error("a shop without a verifier")
	}
}

// Every body that the rows' tests send belongs to a route.
func TestEveryBodyHasARoute(t *testing.T) {
	for pattern := range bodies {
		if _, ok := hookshop.Routes()[pattern]; !ok {
			t.Errorf("%s is no route", pattern)
		}
	}
}
