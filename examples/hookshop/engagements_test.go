package hookshop_test

import (
	"fmt"
	"testing"
)

type things struct {
	Engagements []struct{ ID string }
	Runbooks    []struct{ ID, EngagementID string }
	Runs        []struct{ ID, EngagementID string }
}

func (x things) String() string { return fmt.Sprint(x.Engagements, x.Runbooks, x.Runs) }

// S1-07: a key for All Engagements reaches every one.
func TestS1_07_AllEngagements(t *testing.T) {
	w := open(t)
	k := w.key("write")
	if _, body := w.send(k, "GET", "/api/engagements", ""); len(decode[things](t, body).Engagements) != 3 {
		t.Errorf("the list: %s", body)
	}
	for _, path := range []string{"/api/engagements/42", "/api/engagements/43", "/api/engagements/44"} {
		if status, body := w.send(k, "GET", path, ""); status != 200 {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}

// S1-08, S1-30: a key for Specific Engagements sees them in lists and nothing
// else, is refused on another, and cannot tell another from none.
func TestS1_08_S1_30_SpecificEngagements(t *testing.T) {
	w := open(t)
	k := w.key("write", "engagement/42")
	const run = `{"targetUrl":"https://example.com"}`
	for _, c := range []struct {
		method, path, body string
		want               int
	}{
		{"GET", "/api/engagements/42", "", 200},
		{"PATCH", "/api/engagements/42", `{"name":"Harbor Bank 2"}`, 200},
		{"POST", "/api/runbooks/rb_1/runs", run, 202},
		{"GET", "/api/engagements/43", "", 403},
		{"GET", "/api/engagements/none", "", 403},
		{"GET", "/api/engagements/42%2F..%2F43", "", 403},
		{"PATCH", "/api/engagements/43", `{"name":"Mine"}`, 403},
		{"POST", "/api/runbooks/rb_2/runs", run, 404},
		{"POST", "/api/runbooks/none/runs", run, 404},
		{"GET", "/api/sources", "", 403}, // belongs to no engagement
		{"GET", "/api/users", "", 403},
	} {
		if status, body := w.send(k, c.method, c.path, c.body); status != c.want {
			t.Errorf("%s %s: %d %s, want %d", c.method, c.path, status, body, c.want)
		}
	}
	if status, body := w.send(w.Root, "POST", "/api/runbooks/rb_2/runs", run); status != 202 {
		t.Fatalf("a run of another engagement: %d %s", status, body)
	}
	for path, want := range map[string]string{
		"/api/engagements": "[{42}] [] []",
		"/api/runbooks":    "[] [{rb_1 42}] []",
		"/api/runs":        "[] [] [{run_1 42}]",
	} {
		if _, body := w.send(k, "GET", path, ""); decode[things](t, body).String() != want {
			t.Errorf("%s: %s, want %s", path, body, want)
		}
	}
}

// S1-11: an edited scope holds from the next request on.
func TestS1_11_AnEditedScopeHoldsAtOnce(t *testing.T) {
	w := open(t)
	made := w.Make(limited(t, "engagement/42"))
	if status, _ := w.send(made.Secret, "GET", "/api/engagements/43", ""); status != 403 {
		t.Fatalf("before: %d", status)
	}
	patch := limited(t, "engagement/43")
	if _, err := w.Update(w.Ctx(), w.Admin, made.Key.ID, patchOf(patch), 0); err != nil {
		t.Fatal(err)
	}
	if status, _ := w.send(made.Secret, "GET", "/api/engagements/43", ""); status != 200 {
		t.Errorf("after, the new one: %d", status)
	}
	if status, _ := w.send(made.Secret, "GET", "/api/engagements/42", ""); status != 403 {
		t.Errorf("after, the old one: %d", status)
	}
}
