package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/internal/fixture"
	"github.com/halberdhq/halberd/storage/postgres"
	"github.com/halberdhq/halberd/storage/sqlite"
)

// told is everything a store tells of itself through its port.
func told(t *testing.T, s halberd.Store) string {
	t.Helper()
	var b strings.Builder
	if err := s.View(t.Context(), func(r halberd.Reader) error {
		revision, err := r.Revision()
		keys, err2 := r.Keys(halberd.KeyFilter{Sort: halberd.SortCreated})
		projects, err3 := r.Projects(halberd.OrganizationID{}, halberd.ProjectID{}, 0, true)
		organizations, err4 := r.Organizations(halberd.OrganizationID{}, 0)
		members, err5 := r.Members(halberd.OrganizationID{}, halberd.MemberID{}, 0, true)
		quotas, err6 := r.Quotas(halberd.QuotaID{}, 0)
		audit, err7 := r.Audit(halberd.AuditFilter{Ascending: true})
		events, err8 := r.Events(halberd.EventFilter{})
		pepper, err9 := r.Meta("pepper_fingerprint")
		fmt.Fprintf(&b, "%d\n%+v\n%+v\n%+v\n%+v\n%+v\n%+v\n%+v\n%s\n", revision, keys, projects, organizations, members, quotas, audit, events, pepper)
		for _, p := range projects {
			n, err := r.CountKeys(p.ID, 0)
			if err != nil {
				return err
			}
			fmt.Fprintln(&b, p.ID, n)
		}
		for _, step := range []halberd.UsageStep{halberd.StepMinute, halberd.StepHour, halberd.StepDay} {
			sums, dropped, err := r.Usage(halberd.UsageFilter{Step: step, To: 1 << 40 / 86400 * 86400})
			fmt.Fprintln(&b, sums, dropped)
			if err != nil {
				return err
			}
		}
		return errors.Join(err, err2, err3, err4, err5, err6, err7, err8, err9)
	}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// What was in SQLite is in PostgreSQL to the last byte, and keys are good as
// before.
func TestASQLiteInstanceIsMovedWhole(t *testing.T) {
	dir := t.TempDir()
	old, err := sqlite.Open(t.Context(), dir, sqlite.Options{Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	clock := fixture.NewClock()
	w := fixture.On(t, old, clock)
	good := w.Make(halberd.NewKey{Name: "good ö%_", ExternalID: "customer 7", Metadata: map[string]string{"a": "b c"}})
	revoked := w.Make(halberd.NewKey{Name: "revoked"})
	wide := w.Make(halberd.NewKey{Wide: true})
	if _, err := w.Revoke(w.Ctx(), w.Admin, revoked.Key.ID, "because", 0); err != nil {
		t.Fatal(err)
	}
	request := halberd.Request{ID: "r", Idempotency: halberd.Idempotency{Key: "once", Route: "POST /x"}}
	if _, err := w.Create(w.Ctx(), w.Admin.Via(request), halberd.NewKey{Wide: true, Name: "once"}); err != nil {
		t.Fatal(err)
	}
	for _, secret := range []halberd.Secret{good.Secret, good.Secret, wide.Secret, revoked.Secret} {
		w.Code(secret)
	}
	pepper, err := old.Pepper(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil { // counts are flushed
		t.Fatal(err)
	}
	if old, err = sqlite.Open(t.Context(), dir, sqlite.Options{Log: quiet}); err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	if err := old.Update(t.Context(), func(tx halberd.Tx) error {
		return tx.PutQuota(halberd.QuotaRecord{ID: halberd.QuotaID{3}, Period: 60, Taken: 5, Lent: 2})
	}); err != nil {
		t.Fatal(err)
	}

	address := fresh(t)
	s := open(t, address, t.TempDir())
	rows, err := s.Fill(t.Context(), func(row func(string, []string, []any) error) error { return old.Tables(t.Context(), row) })
	if err != nil {
		t.Fatal(err)
	}
	if rows["keys"] < 5 || rows["audit"] < 5 || rows["minutes"] == 0 || rows["last_used"] == 0 || rows["idempotency"] != 1 || rows["quotas"] != 1 {
		t.Errorf("moved: %v", rows)
	}
	if was, is := told(t, old), told(t, s); was != is {
		t.Errorf("SQLite tells\n%s\nPostgreSQL tells\n%s", was, is)
	}
	// The folder of the move is a makeshift; the tables must fit each other.
	if findings, err := s.Integrity(t.Context()); err != nil || slices.ContainsFunc(findings, func(f string) bool { return !strings.Contains(f, "/") }) {
		t.Errorf("%v, %v", findings, err)
	}
	if _, err := s.Fill(t.Context(), func(func(string, []string, []any) error) error { t.Error("read"); return nil }); !errors.Is(err, postgres.ErrOccupied) {
		t.Errorf("a second time: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	next := open(t, address, t.TempDir())
	if _, err := next.Pepper(t.Context(), pepper); err != nil {
		t.Fatal(err)
	}
	svc, err := halberd.New(t.Context(), next, halberd.Options{Now: clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	defer svc.Close()
	for secret, want := range map[halberd.Secret]halberd.VerdictCode{good.Secret: halberd.Valid, wide.Secret: halberd.Valid, revoked.Secret: halberd.Revoked} {
		if v, err := svc.Verify(t.Context(), halberd.Check{Secret: secret}); err != nil || v.Code != want {
			t.Errorf("%s is %s, want %s: %v", secret.Hint(), v.Code, want, err)
		}
	}
	if st := svc.Stats(); st.Damaged != 0 {
		t.Errorf("%d rows are damaged", st.Damaged)
	}
	by, err := svc.Authenticate(t.Context(), w.Root, halberd.Request{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := svc.Create(t.Context(), by, halberd.NewKey{Wide: true}); err != nil {
		t.Errorf("a new key: %v", err)
	}
}

// A move that fails leaves the database as empty as it was.
func TestAMoveThatFailsMovesNothing(t *testing.T) {
	s := open(t, fresh(t), t.TempDir())
	before := emptiness(t, s)
	columns := []string{"name", "value"}
	for name, bad := range map[string]func(row func(string, []string, []any) error) error{
		"the reading fails": func(row func(string, []string, []any) error) error {
			return errors.Join(row("meta", columns, []any{"a", "b"}), context.Canceled)
		},
		"a table is not known": func(row func(string, []string, []any) error) error {
			return errors.Join(row("meta", columns, []any{"a", "b"}), row("mets", columns, []any{"a", "b"}))
		},
		"a column is not known": func(row func(string, []string, []any) error) error {
			return row("meta", []string{"name", "value", "more"}, []any{"a", "b", "c"})
		},
		"a column is missing": func(row func(string, []string, []any) error) error {
			return row("meta", []string{"name"}, []any{"a"})
		},
		"a text that cannot stand in it": func(row func(string, []string, []any) error) error {
			return row("meta", columns, []any{"a", "b\x00"})
		},
		"a row twice": func(row func(string, []string, []any) error) error {
			return errors.Join(row("meta", columns, []any{"a", "b"}), row("meta", columns, []any{"a", "b"}))
		},
	} {
		if _, err := s.Fill(t.Context(), bad); err == nil {
			t.Errorf("%s: no error", name)
		}
		if after := emptiness(t, s); after != before {
			t.Errorf("%s: it left %s", name, after)
		}
	}
}

// emptiness is what told is of an empty store.
func emptiness(t *testing.T, s halberd.Store) (text string) {
	t.Helper()
	if err := s.View(t.Context(), func(r halberd.Reader) error {
		revision, err := r.Revision()
		_, err2 := r.Meta("a")
		text = fmt.Sprint(revision, err, err2)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return text
}
