package halberd_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/internal/fixture"
)

// events are all that the actor reaches, oldest first.
func events(w *fixture.World, by halberd.Actor, q halberd.EventQuery) []halberd.Event {
	w.T.Helper()
	out, err := w.Events(w.Ctx(), by, q)
	if err != nil {
		w.T.Fatal(err)
	}
	return out.List
}

// sinceLast is what happened since it was called last.
func sinceLast(w *fixture.World) func() []halberd.Event {
	var last halberd.EventID
	next := func() []halberd.Event {
		list := events(w, halberd.Root("test"), halberd.EventQuery{After: last})
		if len(list) > 0 {
			last = list[len(list)-1].ID
		}
		return list
	}
	next()
	return next
}

func types(list []halberd.Event) string {
	var out []string
	for _, e := range list {
		out = append(out, string(e.Type))
	}
	return strings.Join(out, " ")
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestEveryChangeIsAnEvent(t *testing.T) {
	w := fixture.New(t)
	ctx := w.Ctx()
	if got, want := types(events(w, w.Admin, halberd.EventQuery{})), "organization.created project.created key.created"; got != want {
		t.Fatalf("first start: %s", got)
	}
	next := sinceLast(w)
	var k halberd.Changed
	var p halberd.ChangedProject
	var m halberd.Invited
	var o halberd.ChangedOrganization
	for _, c := range []struct {
		do   func() error
		want string
	}{
		{func() (err error) { k, err = w.Create(ctx, w.Admin, halberd.NewKey{Name: "a"}); return err }, "key.created"},
		{func() error {
			_, err := w.Update(ctx, w.Admin, k.Key.ID, halberd.KeyPatch{Name: halberd.Some("b")}, 0)
			return err
		}, "key.updated"},
		{func() error {
			_, err := w.Update(ctx, w.Admin, k.Key.ID, halberd.KeyPatch{Name: halberd.Some("b")}, 0)
			return err
		}, ""},
		{func() error {
			_, err := w.Update(ctx, w.Admin, k.Key.ID, halberd.KeyPatch{Name: halberd.Some("c"), Active: halberd.Some(false)}, 0)
			return err
		}, "key.deactivated"},
		{func() error {
			_, err := w.Update(ctx, w.Admin, k.Key.ID, halberd.KeyPatch{Active: halberd.Some(true)}, 0)
			return err
		}, "key.activated"},
		{func() error { _, err := w.Rotate(ctx, w.Admin, k.Key.ID, time.Hour, 0); return err }, "key.rotated"},
		{func() error { _, err := w.EndOverlap(ctx, w.Admin, k.Key.ID, 0); return err }, "key.updated"},
		{func() error { _, err := w.Revoke(ctx, w.Admin, k.Key.ID, "", 0); return err }, "key.revoked"},
		{func() error { _, err := w.Revoke(ctx, w.Admin, k.Key.ID, "", 0); return err }, ""},
		{func() (err error) {
			p, err = w.CreateProject(ctx, w.Admin, halberd.NewProject{Name: "p"})
			return err
		}, "project.created"},
		{func() error {
			_, err := w.UpdateProject(ctx, w.Admin, p.ID, halberd.ProjectPatch{RateLimits: limited(halberd.RateLimit{Limit: 1, WindowSeconds: 1})}, 0)
			return err
		}, "project.updated"},
		{func() error {
			_, err := w.UpdateProject(ctx, w.Admin, p.ID, halberd.ProjectPatch{Active: halberd.Some(false)}, 0)
			return err
		}, "project.deactivated"},
		{func() error {
			_, err := w.UpdateProject(ctx, w.Admin, p.ID, halberd.ProjectPatch{Active: halberd.Some(true)}, 0)
			return err
		}, "project.activated"},
		{func() error { // the former default gives it up, without an audit record of its own
			_, err := w.UpdateProject(ctx, w.Admin, p.ID, halberd.ProjectPatch{Default: halberd.Some(true)}, 0)
			return err
		}, "project.updated project.updated"},
		{func() error {
			_, err := w.UpdateProject(ctx, w.Admin, w.Home, halberd.ProjectPatch{Default: halberd.Some(true)}, 0)
			return err
		}, "project.updated project.updated"},
		{func() error {
			_, err := w.Create(ctx, w.Admin, halberd.NewKey{Project: p.ID})
			_, deleted := w.DeleteProject(ctx, w.Admin, p.ID, 0)
			return errors.Join(err, deleted)
		}, "key.created key.revoked project.deleted"},
		{func() (err error) { o, err = w.CreateOrganization(ctx, w.Admin, "o"); return err }, "organization.created project.created"},
		{func() error {
			_, err := w.UpdateOrganization(ctx, w.Admin, o.ID, halberd.OrganizationPatch{Name: halberd.Some("oo")}, 0)
			return err
		}, "organization.updated"},
		{func() error {
			_, err := w.UpdateOrganization(ctx, w.Admin, o.ID, halberd.OrganizationPatch{Active: halberd.Some(false)}, 0)
			return err
		}, "organization.deactivated"},
		{func() (err error) {
			m, err = w.InviteMember(ctx, w.Admin, halberd.NewMember{Email: "ann@example.com", Role: halberd.ScopeAdmin})
			return err
		}, "member.invited"},
		{func() error {
			_, err := w.Accept(ctx, m.Secret, "Ann", "correct horse battery", halberd.Request{})
			return err
		}, "member.joined"},
		{func() error { // a session is no change
			_, err := w.SignIn(ctx, "ann@example.com", "correct horse battery", halberd.Request{})
			return err
		}, ""},
		{func() error {
			_, err := w.UpdateMember(ctx, w.Admin, m.Member.ID, halberd.MemberPatch{Role: halberd.Some(halberd.ScopeWrite)}, 0)
			return err
		}, "member.updated"},
		{func() error {
			_, err := w.UpdateMember(ctx, w.Admin, m.Member.ID, halberd.MemberPatch{Active: halberd.Some(false)}, 0)
			return err
		}, "member.deactivated"},
		{func() error {
			_, err := w.UpdateMember(ctx, w.Admin, m.Member.ID, halberd.MemberPatch{Active: halberd.Some(true)}, 0)
			return err
		}, "member.activated"},
		{func() error {
			s, err := w.SignIn(ctx, "ann@example.com", "correct horse battery", halberd.Request{})
			must(t, err)
			by, err := w.MemberActor(m.Member.ID, s.Epoch, halberd.Request{})
			return errors.Join(err, w.SignOutEverywhere(ctx, by))
		}, "member.signed_out"},
		{func() error {
			_, err := w.RemoveMember(ctx, w.Admin, m.Member.ID, halberd.Leaving{}, 0)
			return err
		}, "member.removed"},
		{func() error { return w.Recover(ctx, func(halberd.Secret) error { return nil }) }, "key.created"},
	} {
		must(t, c.do())
		if got := types(next()); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
	for _, e := range events(w, halberd.Root("test"), halberd.EventQuery{Page: halberd.Page{Limit: 100}}) {
		if !slices.Contains(halberd.EventTypes(), e.Type) {
			t.Errorf("%s is in no list of types", e.Type)
		}
	}
}

// What an event carries is what its receiver needs to act: whose it is, which
// version, what changed, by whom.
func TestAnEventNamesItsCause(t *testing.T) {
	w := fixture.New(t)
	k := w.Make(halberd.NewKey{Name: "build server", ExternalID: "cust_1"})
	next := sinceLast(w)
	out, err := w.Update(w.Ctx(), w.Admin, k.Key.ID, halberd.KeyPatch{Name: halberd.Some("=cmd"), Scopes: halberd.Some(halberd.MustScopes("read"))}, 0)
	must(t, err)
	e := next()[0]
	if e.Version != out.Key.Version || e.TargetKind != "key" || e.Target != k.Key.ID.String() || e.Organization != w.Org || e.Project != w.Home {
		t.Errorf("%+v", e)
	}
	var got map[string]any
	must(t, json.Unmarshal([]byte(e.Data), &got))
	want := map[string]any{
		"key_id": k.Key.ID.String(), "organization_id": w.Org.String(), "project_id": w.Home.String(), "version": float64(2),
		"prefix": k.Key.Hint, "label": "=cmd", "external_id": "cust_1", "state": "active",
		"changed": []any{"label", "scopes"}, "actor": map[string]any{"type": "key", "id": w.Admin.Ref()},
	}
	a, _ := json.Marshal(got)
	b, _ := json.Marshal(want)
	if !bytes.Equal(a, b) {
		t.Errorf("\n got %s\nwant %s", a, b)
	}
}

func TestARefusedChangeIsNoEvent(t *testing.T) {
	w := fixture.New(t)
	k := w.Make(halberd.NewKey{})
	next := sinceLast(w)
	if _, err := w.Update(w.Ctx(), w.Admin, k.Key.ID, halberd.KeyPatch{Name: halberd.Some("x")}, 99); halberd.CodeOf(err) != halberd.CodeConflict {
		t.Fatal(err)
	}
	_, err := w.Update(w.Ctx(), w.Holder("write"), k.Key.ID, halberd.KeyPatch{Name: halberd.Some("x")}, 0)
	w.Refused(err, halberd.CodeForbidden)
	if got := types(next()); got != "key.created" { // the holder's
		t.Error(got)
	}
}

func TestEventsAreReadWithinTheReach(t *testing.T) {
	w := fixture.New(t)
	p := w.Project("other")
	there := w.Make(halberd.NewKey{Project: p.ID})
	by := w.Actor(w.Make(halberd.NewKey{Project: p.ID, Scopes: halberd.Some(halberd.MustScopes("admin"))}).Secret)
	if got := types(events(w, by, halberd.EventQuery{})); got != "project.created key.created key.created" {
		t.Errorf("a project's admin sees %s", got)
	}
	_, err := w.Events(w.Ctx(), w.Holder("write"), halberd.EventQuery{})
	w.Refused(err, halberd.CodeForbidden)
	o, err := w.CreateOrganization(w.Ctx(), w.Admin, "another")
	must(t, err)
	if got := types(events(w, w.Admin, halberd.EventQuery{Organization: o.ID})); got != "organization.created project.created" {
		t.Errorf("an operator sees of the other %s", got)
	}
	_, err = w.Events(w.Ctx(), by, halberd.EventQuery{Organization: o.ID})
	w.Refused(err, halberd.CodeNotFound)
	// An event outside the reach is no place to follow from.
	first := events(w, w.Admin, halberd.EventQuery{Types: []string{"organization.created"}})[0]
	_, err = w.Events(w.Ctx(), by, halberd.EventQuery{After: first.ID})
	w.Refused(err, halberd.CodeInvalid)
	if got := events(w, by, halberd.EventQuery{Target: there.Key.ID.String()}); len(got) != 1 {
		t.Errorf("of one target: %d", len(got))
	}
}

func TestEventsAreListedPageByPageAndByType(t *testing.T) {
	w := fixture.New(t)
	for range 5 {
		w.Make(halberd.NewKey{})
	}
	for _, descending := range []bool{false, true} {
		var all []halberd.Event
		q := halberd.EventQuery{Types: []string{"key.*"}, Descending: descending, Page: halberd.Page{Limit: 4}}
		for {
			page, err := w.Events(w.Ctx(), w.Admin, q)
			must(t, err)
			all = append(all, page.List...)
			if page.Next == "" {
				break
			}
			q.Page.Cursor = page.Next
		}
		ordered := slices.IsSortedFunc(all, func(a, b halberd.Event) int { return bytes.Compare(a.ID[:], b.ID[:]) })
		if len(all) != 6 || ordered == descending {
			t.Errorf("%d events, rising: %v", len(all), ordered)
		}
		q.Types = []string{"project.created"}
		_, err := w.Events(w.Ctx(), w.Admin, q)
		w.Refused(err, halberd.CodeInvalid) // a cursor of another filter
	}
	for _, bad := range []string{"key", "key.creat*", "key.born", "", "*.*", "key.created "} {
		_, err := w.Events(w.Ctx(), w.Admin, halberd.EventQuery{Types: []string{bad}})
		w.Refused(err, halberd.CodeInvalid)
	}
}

func TestEventsAreKeptForAWhile(t *testing.T) {
	w := fixture.New(t)
	tidy := func() {
		t.Helper()
		for more := true; more; {
			var err error
			more, err = w.TidyEvents(w.Ctx(), halberd.EventRetention)
			must(t, err)
		}
	}
	w.Clock.Pass(halberd.EventRetention + time.Second)
	w.Make(halberd.NewKey{})
	tidy() // nobody has taken the old ones yet
	if got := types(events(w, w.Admin, halberd.EventQuery{})); got != "organization.created project.created key.created key.created" {
		t.Fatal(got)
	}
	w.Clock.Pass(3 * halberd.EventRetention)
	tidy() // but not for ever
	if got := types(events(w, w.Admin, halberd.EventQuery{})); got != "key.created" {
		t.Fatal(got)
	}
	_, err := w.TidyEvents(w.Ctx(), time.Hour)
	w.Refused(err, halberd.CodeInvalid)
}

// Whoever changes rows beside Service.update would change them without an event.
func TestEveryTransactionOfTheServiceGoesThroughTheOutbox(t *testing.T) {
	files, err := filepath.Glob("*.go")
	must(t, err)
	found := 0
	for _, name := range files {
		source, err := os.ReadFile(name)
		must(t, err)
		if strings.HasSuffix(name, "_test.go") || !bytes.Contains(source, []byte("store.Update(")) {
			continue
		}
		found++
		if name != "outbox.go" && name != "quota_state.go" && name != "storedlimits.go" { // quotas and limits are no rows that have events
			t.Errorf("%s calls store.Update: use Service.update", name)
		}
	}
	if found != 3 {
		t.Errorf("%d files were found to call store.Update: this test looks for something else", found)
	}
}
