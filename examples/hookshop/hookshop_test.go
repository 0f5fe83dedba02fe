package hookshop_test

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/examples/hookshop"
	"github.com/halberdhq/halberd/internal/fixture"
)

// world is a shop behind a running Service, on a real port.
type world struct {
	*fixture.World
	url string
	log *strings.Builder
}

func open(t *testing.T) *world {
	t.Helper()
	w := &world{World: fixture.New(t), log: &strings.Builder{}}
	shop, err := hookshop.New(w.Service, hookshop.Options{Now: w.Clock.Now, Log: slog.New(slog.NewTextHandler(w.log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewServer(shop)
	t.Cleanup(s.Close)
	w.url = s.URL
	return w
}

// key makes a key with scopes, limited to resources where some are given.
func (w *world) key(scopes string, resources ...string) halberd.Secret {
	w.T.Helper()
	n := halberd.NewKey{Scopes: halberd.Some(halberd.MustScopes(strings.Fields(scopes)...))}
	if len(resources) > 0 {
		r, err := halberd.ParseResources(resources)
		if err != nil {
			w.T.Fatal(err)
		}
		n.Resources = halberd.Some(r)
	}
	return w.Make(n).Secret
}

// call makes the request that a pattern means, with a body that is right for
// it, on things that every shop begins with.
func (w *world) call(key halberd.Secret, pattern string) (status int, body string) {
	w.T.Helper()
	method, path, _ := strings.Cut(pattern, " ")
	for part, id := range ids {
		if strings.HasPrefix(path, part) {
			path = strings.Replace(path, "{id}", id, 1)
		}
	}
	return w.send(key, method, path, bodies[pattern])
}

func (w *world) send(key halberd.Secret, method, path, body string) (int, string) {
	w.T.Helper()
	req, err := http.NewRequestWithContext(w.Ctx(), method, w.url+path, strings.NewReader(body))
	if err != nil {
		w.T.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	if !key.IsZero() {
		req.Header.Set("Authorization", "Bearer "+key.Reveal())
	}
	return w.do(req)
}

func (w *world) do(req *http.Request) (int, string) {
	w.T.Helper()
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		w.T.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		w.T.Fatal(err)
	}
	return res.StatusCode, string(text)
}

// look is everything that the shop shows, to see whether it changed.
func (w *world) look() string {
	w.T.Helper()
	var all strings.Builder
	for pattern := range hookshop.Routes() {
		if path, ok := strings.CutPrefix(pattern, "GET "); ok && !strings.Contains(path, "{") {
			status, body := w.send(w.Root, "GET", path, "")
			if status != 200 {
				w.T.Fatalf("%s: %d %s", pattern, status, body)
			}
			all.WriteString(path + " " + body)
		}
	}
	return sorted(all.String())
}

// ids are things that every shop begins with and that nothing else uses.
var ids = map[string]string{
	"/api/sources/": "src_2", "/api/destinations/": "dst_2", "/api/routes/": "rte_2", "/api/events/": "evt_2",
	"/api/deliveries/": "del_2", "/api/tunnels/": "tun_1", "/api/engagements/": "42", "/api/runbooks/": "rb_1",
	"/api/projects/": "prj_1", "/api/tests/": "tst_1", "/api/findings/": "fnd_1", "/api/reports/": "rep_1",
}

var bodies = map[string]string{
	"POST /api/sources":            `{"name":"Forms","provider":"custom"}`,
	"PATCH /api/sources/{id}":      `{"active":false}`,
	"POST /api/destinations":       `{"name":"Mail","url":"https://mail.example.com/in"}`,
	"PATCH /api/destinations/{id}": `{"name":"Book"}`,
	"POST /api/routes":             `{"sourceId":"src_1","destinationId":"dst_2"}`,
	"PATCH /api/routes/{id}":       `{"active":false}`,
	"POST /api/tunnels":            `{"name":"Desk","target":"http://127.0.0.1:4000"}`,
	"PATCH /api/tunnels/{id}":      `{"name":"Lap"}`,
	"PATCH /api/engagements/{id}":  `{"status":"closed"}`,
	"POST /api/runbooks/{id}/runs": `{"targetUrl":"https://example.com"}`,
	"POST /api/projects":           `{"name":"Second"}`,
	"PATCH /api/projects/{id}":     `{"name":"Helper"}`,
	"PATCH /api/findings/{id}":     `{"status":"fixed"}`,
	"POST /api/users":              `{"name":"Grace","email":"grace@example.com"}`,
	"POST /api/reviews":            `{"repository":"example/second"}`,
}

func mutates(pattern string) bool {
	return !strings.HasPrefix(pattern, "GET ")
}

func decode[T any](t *testing.T, text string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return v
}
