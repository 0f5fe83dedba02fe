package halberd_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/internal/fixture"
)

func names(ks []halberd.Key) (out []string) {
	for _, k := range ks {
		out = append(out, k.Name)
	}
	return out
}

// S3-06, S4-11: a list holds what the caller reaches, newest first; revoked
// keys only when asked for; expired ones stay.
func TestListShowsWhatTheCallerReaches(t *testing.T) {
	w := fixture.New(t)
	org, err := w.CreateOrganization(w.Ctx(), w.Admin, "Other")
	if err != nil {
		t.Fatal(err)
	}
	other := w.Project("other")
	reader := w.Make(halberd.NewKey{Name: "reader", Scopes: halberd.Some(halberd.MustScopes("read"))})
	w.Clock.Pass(time.Second)
	w.Make(halberd.NewKey{Name: "there", Project: other.ID})
	w.Clock.Pass(time.Second)
	w.Make(halberd.NewKey{Name: "foreign", Organization: org.ID})
	gone := w.Make(halberd.NewKey{Name: "gone"})
	if _, err := w.Revoke(w.Ctx(), w.Admin, gone.Key.ID, "", 0); err != nil {
		t.Fatal(err)
	}
	w.Make(halberd.NewKey{Name: "brief", ExpiresInDays: halberd.Some(halberd.ExpiresIn(1))})
	w.Clock.Pass(48 * time.Hour)

	list := func(by halberd.Actor, q halberd.KeyQuery) string {
		t.Helper()
		l, err := w.List(w.Ctx(), by, q)
		if err != nil {
			return string(halberd.CodeOf(err))
		}
		return strings.Join(names(l.List), " ")
	}
	by := w.Actor(reader.Secret)
	verifier := w.Actor(w.Make(halberd.NewKey{Organization: org.ID, Name: "verifier", Scopes: halberd.Some(halberd.MustScopes("verify"))}).Secret)
	for _, c := range []struct {
		by   halberd.Actor
		q    halberd.KeyQuery
		want string
	}{
		{by, halberd.KeyQuery{}, "brief reader"},
		{w.Admin, halberd.KeyQuery{}, "brief there reader First admin key"},
		{w.Admin, halberd.KeyQuery{Project: other.ID}, "there"},
		{by, halberd.KeyQuery{Project: other.ID}, "NOT_FOUND"},
		{by, halberd.KeyQuery{Organization: org.ID}, "NOT_FOUND"},
		{w.Admin, halberd.KeyQuery{Organization: org.ID, Text: "foreign"}, "foreign"},
		{by, halberd.KeyQuery{States: []halberd.State{halberd.StateRevoked}}, "gone"},
		{by, halberd.KeyQuery{States: []halberd.State{halberd.StateExpired}}, "brief"},
		{by, halberd.KeyQuery{States: []halberd.State{"dead"}}, "INVALID_REQUEST"},
		{by, halberd.KeyQuery{Text: "READ"}, "reader"},
		{by, halberd.KeyQuery{Text: "%"}, ""},
		{by, halberd.KeyQuery{Text: "_e_"}, ""},
		{by, halberd.KeyQuery{Scope: "write"}, "brief"},
		{by, halberd.KeyQuery{Scope: "nonsense"}, "INVALID_REQUEST"},
		{by, halberd.KeyQuery{ExpiresBefore: w.Clock.Now()}, "brief"},
		{by, halberd.KeyQuery{Sort: halberd.KeySort{By: halberd.SortName}}, "brief reader"},
		{by, halberd.KeyQuery{Sort: halberd.KeySort{By: halberd.SortName, Descending: true}}, "reader brief"},
		{by, halberd.KeyQuery{Sort: halberd.KeySort{By: "digest"}}, "INVALID_REQUEST"},
		{by, halberd.KeyQuery{Page: halberd.Page{Limit: -1}}, "INVALID_REQUEST"},
		{verifier, halberd.KeyQuery{}, "FORBIDDEN"},
	} {
		if got := list(c.by, c.q); got != c.want {
			t.Errorf("%+v: %q, want %q", c.q, got, c.want)
		}
	}
}

// Pages neither repeat nor miss, also while keys are made.
func TestPagesAreWhole(t *testing.T) {
	w := fixture.New(t)
	if _, err := w.UpdateProject(w.Ctx(), w.Admin, w.Home, halberd.ProjectPatch{KeyCeiling: halberd.Some(1000)}, 0); err != nil {
		t.Fatal(err)
	}
	by := w.Holder("admin")
	for i := range 100 {
		w.Make(halberd.NewKey{Name: fmt.Sprint("n", i)})
	}
	for _, field := range []halberd.SortField{"", halberd.SortCreated, halberd.SortName, halberd.SortExpires, halberd.SortLastUsed} {
		seen := map[string]bool{}
		q := halberd.KeyQuery{Text: "n", Sort: halberd.KeySort{By: field}, Page: halberd.Page{Limit: 7}}
		for {
			l, err := w.List(w.Ctx(), by, q)
			if err != nil {
				t.Fatal(err)
			}
			for _, k := range l.List {
				if seen[k.ID.String()] {
					t.Fatalf("by %q: %s twice", field, k.Name)
				}
				seen[k.ID.String()] = true
			}
			if l.Next == "" {
				break
			}
			q.Page.Cursor = l.Next
			w.Make(halberd.NewKey{Name: "x"})
		}
		for i := range 100 {
			found := false
			l, _ := w.List(w.Ctx(), by, halberd.KeyQuery{Text: fmt.Sprint("n", i), Page: halberd.Page{Limit: 100}})
			for _, k := range l.List {
				found = found || seen[k.ID.String()]
			}
			if !found {
				t.Errorf("by %q: n%d is missing", field, i)
			}
		}
	}
}

// a cursor that was changed, or is another list's, is refused by name.
func TestCursorsOpenOneListOnly(t *testing.T) {
	w := fixture.New(t)
	other := w.Project("other")
	for range 5 {
		w.Make(halberd.NewKey{Name: "n"})
		w.Make(halberd.NewKey{Project: other.ID})
	}
	q := halberd.KeyQuery{Page: halberd.Page{Limit: 2}}
	l, err := w.List(w.Ctx(), w.Admin, q)
	if err != nil || l.Next == "" {
		t.Fatal(err)
	}
	refused := func(q halberd.KeyQuery, by halberd.Actor, cursor string) {
		t.Helper()
		q.Page.Cursor = cursor
		_, err := w.List(w.Ctx(), by, q)
		if halberd.CodeOf(err) != halberd.CodeInvalid || !strings.Contains(err.Error(), "cursor") {
			t.Errorf("cursor of %d characters: %v", len(cursor), err)
		}
	}
	for i := range l.Next {
		c := byte('A')
		if l.Next[i] == c {
			c = 'B'
		}
		refused(q, w.Admin, l.Next[:i]+string(c)+l.Next[i+1:])
		refused(q, w.Admin, l.Next[:i]+"~"+l.Next[i+1:])
	}
	refused(q, w.Admin, strings.Repeat("A", 1<<20))
	refused(q, w.Admin, "' OR 1=1;--")
	refused(halberd.KeyQuery{Text: "n"}, w.Admin, l.Next)
	refused(halberd.KeyQuery{Project: other.ID}, w.Admin, l.Next)
	refused(halberd.KeyQuery{Sort: halberd.KeySort{By: halberd.SortName}}, w.Admin, l.Next)
	refused(q, w.Holder("read"), l.Next)
	ps, err := w.ListProjects(w.Ctx(), w.Admin, halberd.OrganizationID{}, halberd.Page{Limit: 1})
	if err != nil || ps.Next == "" {
		t.Fatal(err)
	}
	refused(q, w.Admin, ps.Next)
}

func FuzzCursor(f *testing.F) {
	w := fixture.New(f)
	for range 3 {
		w.Make(halberd.NewKey{})
	}
	l, err := w.List(f.Context(), w.Admin, halberd.KeyQuery{Page: halberd.Page{Limit: 1}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(l.Next)
	f.Add("")
	f.Fuzz(func(t *testing.T, cursor string) {
		got, err := w.List(t.Context(), w.Admin, halberd.KeyQuery{Page: halberd.Page{Limit: 1, Cursor: cursor}})
		if err == nil && cursor != "" && cursor != l.Next && len(got.List) > 0 {
			t.Errorf("%q opened the list", cursor)
		}
		if err != nil && halberd.CodeOf(err) != halberd.CodeInvalid {
			t.Error(err)
		}
	})
}

// A list that its caller gives up loses no counts of others.
func TestAListGivenUpLosesNoCounts(t *testing.T) {
	w := fixture.New(t)
	c := w.Make(halberd.NewKey{})
	if got := w.Code(c.Secret); got != halberd.Valid {
		t.Fatal(got)
	}
	gone, giveUp := context.WithCancel(w.Ctx())
	giveUp()
	if _, err := w.List(gone, w.Admin, halberd.KeyQuery{Sort: halberd.KeySort{By: halberd.SortLastUsed}}); err == nil {
		t.Error("a list for nobody")
	}
	l, err := w.List(w.Ctx(), w.Admin, halberd.KeyQuery{UnusedSince: w.Clock.Now()})
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range l.List {
		if k.ID == c.Key.ID {
			t.Error("the use of the key was forgotten")
		}
	}
}
