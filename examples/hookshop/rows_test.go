package hookshop_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/examples/hookshop"
)

func sorted(lines string) string {
	all := strings.Split(strings.TrimSpace(lines), "\n")
	slices.Sort(all)
	return strings.Join(all, "\n")
}

// passes fails the test unless the key is let through to every route, each in
// a shop as it was opened.
func passes(t *testing.T, key func(*world) halberd.Secret, patterns ...string) {
	t.Helper()
	for _, pattern := range patterns {
		w := open(t)
		if status, body := w.call(key(w), pattern); !good(pattern, status) {
			t.Errorf("%s: %d %s", pattern, status, body)
		}
	}
}

// good reports whether a status is that of the route's success, or of a
// conflict that only who was let through is told.
func good(pattern string, status int) bool {
	return status/100 == 2 || status == 409 && strings.HasPrefix(pattern, "DELETE ")
}

// refused fails the test unless the key is refused with 403 and nothing
// changes.
func refused(t *testing.T, key func(*world) halberd.Secret, patterns ...string) {
	t.Helper()
	w := open(t)
	before, k := w.look(), key(w)
	for _, pattern := range patterns {
		if status, body := w.call(k, pattern); status != 403 {
			t.Errorf("%s: %d %s, want 403", pattern, status, body)
		}
	}
	if after := w.look(); after != before {
		t.Errorf("the shop changed:\n%s\nand was:\n%s", after, before)
	}
}

func with(scopes string) func(*world) halberd.Secret {
	return func(w *world) halberd.Secret { return w.key(scopes) }
}

// patterns are the routes that a test picks.
func patterns(pick func(string) bool) []string {
	var out []string
	for _, p := range slices.Sorted(maps.Keys(hookshop.Routes())) {
		if pick(p) {
			out = append(out, p)
		}
	}
	return out
}

var (
	cud = []string{
		"POST /api/sources", "PATCH /api/sources/{id}", "DELETE /api/sources/{id}",
		"POST /api/destinations", "PATCH /api/destinations/{id}", "DELETE /api/destinations/{id}",
		"POST /api/routes", "PATCH /api/routes/{id}", "DELETE /api/routes/{id}",
		"POST /api/deliveries/{id}/replay",
		"POST /api/tunnels", "PATCH /api/tunnels/{id}", "DELETE /api/tunnels/{id}",
	}
	people = []string{"GET /api/users", "POST /api/users"}
)

// S3-27, S3-29: a read-only key views sources, destinations, routes, events,
// deliveries and analytics, and does nothing that mutates.
func TestS3_29_ReadKeysViewAndChangeNothing(t *testing.T) {
	passes(t, with("read"),
		"GET /api/sources", "GET /api/sources/{id}", "GET /api/destinations", "GET /api/destinations/{id}",
		"GET /api/routes", "GET /api/routes/{id}", "GET /api/events", "GET /api/events/{id}",
		"GET /api/deliveries", "GET /api/deliveries/{id}", "GET /api/analytics")
	refused(t, with("read"), patterns(mutates)...)
}

// Whatever method a read key uses on whatever path there is, the shop stays as
// it is: also by methods that no route has.
func TestS3_29_NoMethodOfAReadKeyChangesAnything(t *testing.T) {
	w := open(t)
	before, k := w.look(), w.key("read")
	for pattern := range hookshop.Routes() {
		_, path, _ := strings.Cut(pattern, " ")
		for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "QUERY"} {
			if status, body := w.call(k, method+" "+path); status != 403 && status != 200 || status == 200 && path != "/healthz" {
				t.Errorf("%s %s: %d %s", method, path, status, body)
			}
		}
	}
	if after := w.look(); after != before {
		t.Errorf("the shop changed:\n%s\nand was:\n%s", after, before)
	}
}

// S3-28, S3-30: a write key also creates, updates and deletes sources,
// destinations and routes, replays deliveries and manages tunnels.
func TestS3_30_WriteKeysChangeWebhooks(t *testing.T) {
	passes(t, with("write"), cud...)
	passes(t, with("write"), patterns(func(p string) bool {
		return !mutates(p) && !slices.Contains(people, p)
	})...)
	refused(t, with("read"), cud...)
}

// S1-05: Read-Only views data only.
func TestS1_05_ReadOnlyViewsEngagements(t *testing.T) {
	passes(t, with("read"), "GET /api/engagements", "GET /api/engagements/{id}", "GET /api/runbooks", "GET /api/runs")
	refused(t, with("read"), "PATCH /api/engagements/{id}", "POST /api/runbooks/{id}/runs")
}

// S1-06: Read/Write views and modifies data.
func TestS1_06_ReadWriteViewsAndModifiesEngagements(t *testing.T) {
	passes(t, with("write"),
		"GET /api/engagements", "GET /api/engagements/{id}", "GET /api/runbooks", "GET /api/runs",
		"PATCH /api/engagements/{id}", "POST /api/runbooks/{id}/runs")
}

// S0-17: admin has full access, user management and sensitive operations
// included, and nobody else has those.
func TestS0_17_AdminKeysMayDoEverything(t *testing.T) {
	all := patterns(func(string) bool { return true })
	passes(t, with("admin"), all...)
	sensitive := append([]string{"DELETE /api/projects/{id}"}, people...)
	refused(t, with("write"), sensitive...)
	refused(t, with("read"), sensitive...)
}

// S0-18: write creates and modifies projects, runs tests, updates findings, and
// does not manage users.
func TestS0_18_WriteKeysWorkOnProjects(t *testing.T) {
	passes(t, with("write"), "POST /api/projects", "PATCH /api/projects/{id}", "POST /api/tests/{id}/run", "PATCH /api/findings/{id}")
	refused(t, with("write"), people...)
}

// S0-19: read views projects, experiments and results only.
func TestS0_19_ReadKeysViewProjects(t *testing.T) {
	passes(t, with("read"), "GET /api/projects", "GET /api/projects/{id}", "GET /api/experiments", "GET /api/results", "GET /api/findings", "GET /api/tests")
	refused(t, with("read"), "POST /api/projects", "PATCH /api/projects/{id}", "DELETE /api/projects/{id}",
		"POST /api/tests/{id}/run", "PATCH /api/findings/{id}", "GET /api/users", "POST /api/users")
}

// S4-01: a pipeline triggers a review, asks for its result and downloads the
// report.
func TestS4_01_APipelineReviewsAndDownloads(t *testing.T) {
	w := open(t)
	k := w.key("write")
	_, body := w.call(k, "POST /api/reviews")
	review := decode[struct {
		Review struct{ ID, Status, ReportID string }
	}](t, body).Review
	if review.Status != "completed" || review.ReportID == "" {
		t.Fatalf("the review: %s", body)
	}
	reader := w.key("read")
	if status, body := w.send(reader, "GET", "/api/reviews", ""); status != 200 || !strings.Contains(body, review.ID) {
		t.Errorf("the reviews: %d %s", status, body)
	}
	if status, body := w.send(reader, "GET", "/api/reports/"+review.ReportID+"/download", ""); status != 200 || body != "# Review of example/second\n\nNothing was found.\n" {
		t.Errorf("the report: %d %s", status, body)
	}
	refused(t, with("read"), "POST /api/reviews")
}

// What the table says of every route, for a key of every kind.
func TestEveryRouteAsksForWhatItsLineSays(t *testing.T) {
	ladder := []string{"nobody", "verify", "own:word", "read", "write", "admin"}
	rung := map[halberd.Scope]int{"read": 3, "write": 4, "admin": 5}
	for pattern, rule := range hookshop.Routes() {
		for i, who := range ladder {
			w := open(t)
			var k halberd.Secret
			if who != "nobody" {
				k = w.key(who)
			}
			status, body := w.call(k, pattern)
			switch {
			case rule.Open || rung[rule.Scope] != 0 && i >= rung[rule.Scope]:
				if !good(pattern, status) {
					t.Errorf("%s by %s: %d %s", pattern, who, status, body)
				}
			case who == "nobody" && status != 401, who != "nobody" && status != 403:
				t.Errorf("%s by %s: %d %s", pattern, who, status, body)
			}
		}
	}
}
