package sqlite_test

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/internal/fixture"
)

// tampered is a Service on a folder, and someone else's hand in its database.
type tampered struct {
	*fixture.World
	t   *testing.T
	dir string
	sql *sql.DB
}

func tamper(t *testing.T) *tampered {
	t.Helper()
	e := &tampered{t: t, dir: t.TempDir()}
	e.World = fixture.On(t, open(t, e.dir), fixture.NewClock())
	var err error
	if e.sql, err = sql.Open("sqlite", filepath.Join(e.dir, "halberd.db")); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.sql.Close() })
	e.do("PRAGMA busy_timeout = 5000")
	return e
}

func (e *tampered) do(text string, args ...any) {
	e.t.Helper()
	if _, err := e.sql.ExecContext(e.t.Context(), text, args...); err != nil {
		e.t.Fatalf("%s: %v", text, err)
	}
}

// restarted answers what a check says after a restart.
func (e *tampered) restarted(secrets ...halberd.Secret) (codes []halberd.VerdictCode, stats halberd.Stats) {
	e.t.Helper()
	if err := e.Close(); err != nil {
		e.t.Fatal(err)
	}
	s, err := halberd.New(e.t.Context(), open(e.t, e.dir), halberd.Options{Now: e.Clock.Now})
	if err != nil {
		e.t.Fatal(err)
	}
	defer s.Close()
	for _, secret := range secrets {
		v, err := s.Verify(e.t.Context(), halberd.Check{Secret: secret})
		if err != nil {
			e.t.Fatal(err)
		}
		codes = append(codes, v.Code)
	}
	return codes, s.Stats()
}

// putting a revoked key's former row back, which is genuine to the
// last byte, revives it neither in the running server, whatever is edited then,
// nor at the next start.
func TestAFormerRowRevivesNoRevokedKey(t *testing.T) {
	e := tamper(t)
	c := e.Make(halberd.NewKey{})
	e.do("CREATE TABLE saved AS SELECT * FROM keys WHERE id = ?", c.Key.ID[:])
	if _, err := e.Revoke(e.Ctx(), e.Admin, c.Key.ID, "", 0); err != nil {
		t.Fatal(err)
	}
	e.do("DROP TRIGGER keys_revoked_stays")
	e.do("UPDATE keys SET (state, version, mac, revoked_at, detail) = (SELECT state, version, mac, revoked_at, detail FROM saved) WHERE id = ?", c.Key.ID[:])
	if _, err := e.Update(e.Ctx(), e.Admin, c.Key.ID, halberd.KeyPatch{Name: halberd.Some("edited")}, 0); err != nil {
		t.Fatal(err)
	}
	if got := e.Code(c.Secret); got != halberd.Revoked {
		t.Errorf("the running server answers %s", got)
	}
	if got, _ := e.restarted(c.Secret); got[0] != halberd.Revoked {
		t.Errorf("after a restart: %s", got[0])
	}
}

// a key's digest and MAC do nothing in another key's row.
func TestRowsAreNotToBeExchanged(t *testing.T) {
	for _, columns := range []string{"digest", "digest, mac", "digest, mac, version, created_at, hint, detail"} {
		e := tamper(t)
		weak := e.Make(halberd.NewKey{Scopes: halberd.Some(halberd.MustScopes("read"))})
		strong := e.Make(halberd.NewKey{Scopes: halberd.Some(halberd.MustScopes("admin"))})
		e.do("CREATE TABLE saved AS SELECT * FROM keys")
		e.do("UPDATE keys SET digest = randomblob(32) WHERE id = ?", weak.Key.ID[:])
		e.do("UPDATE keys SET ("+columns+") = (SELECT "+columns+" FROM saved WHERE id = ?) WHERE id = ?", weak.Key.ID[:], strong.Key.ID[:])
		got, stats := e.restarted(weak.Secret, strong.Secret)
		if got[0] != halberd.NotFound || got[1] != halberd.NotFound || stats.Damaged != 2 {
			t.Errorf("%s: %v, %d damaged", columns, got, stats.Damaged)
		}
	}
}

// a record of denied attempts that someone took out of the log is made
// anew, and keeps no other from being written.
func TestDenialsOutliveARecordThatWasTakenOut(t *testing.T) {
	e := tamper(t)
	reader, other := e.Holder("read"), e.Holder("read")
	deny := func(by halberd.Actor) {
		_, err := e.Create(e.Ctx(), by, halberd.NewKey{})
		e.Refused(err, halberd.CodeForbidden)
	}
	denied := func() (list []halberd.AuditEvent) {
		events, err := e.Audit(e.Ctx(), e.Admin, halberd.AuditQuery{Outcome: halberd.OutcomeDenied})
		if err != nil {
			t.Fatal(err)
		}
		return events.List
	}
	deny(reader)
	if got := denied(); len(got) != 1 {
		t.Fatalf("%+v", got)
	}
	e.do("DROP TRIGGER audit_stays")
	e.do("DELETE FROM audit WHERE outcome = 'denied'")
	deny(reader)
	deny(other)
	if got := denied(); len(got) != 2 || got[0].Count != 1 || got[1].Count != 1 {
		t.Errorf("%+v", got)
	}
}

// what a caller sends is never SQL.
func TestA36_SQLIsText(t *testing.T) {
	w := fixture.On(t, open(t, t.TempDir()), fixture.NewClock())
	for _, evil := range []string{`' OR 1=1;--`, `'; DROP TABLE keys;--`, `\`, `$1`, `?1`, `%`, `"`, "`", `{"$gt":""}`} {
		c := w.Make(halberd.NewKey{Wide: true, Name: evil, ExternalID: evil, Metadata: map[string]string{"x": evil}})
		for name, q := range map[string]halberd.KeyQuery{"text": {Text: evil}, "external id": {ExternalID: evil}} {
			l, err := w.List(w.Ctx(), w.Admin, q)
			if err != nil || len(l.List) == 0 || l.List[0].ID != c.Key.ID || l.List[0].Name != evil || l.List[0].Metadata["x"] != evil {
				t.Errorf("%s %q: %v, %+v", name, evil, err, l.List)
			}
		}
		for name, err := range map[string]error{
			"sort":    second(w.List(w.Ctx(), w.Admin, halberd.KeyQuery{Sort: halberd.KeySort{By: halberd.SortField(evil)}})),
			"state":   second(w.List(w.Ctx(), w.Admin, halberd.KeyQuery{States: []halberd.State{halberd.State(evil)}})),
			"scope":   second(w.List(w.Ctx(), w.Admin, halberd.KeyQuery{Scope: halberd.Scope(evil)})),
			"cursor":  second(w.List(w.Ctx(), w.Admin, halberd.KeyQuery{Page: halberd.Page{Cursor: evil}})),
			"outcome": second(w.Audit(w.Ctx(), w.Admin, halberd.AuditQuery{Outcome: halberd.Outcome(evil)})),
		} {
			w.Refused(err, halberd.CodeInvalid)
			if err != nil && strings.Contains(err.Error(), "sqlite") {
				t.Errorf("%s: %v", name, err)
			}
		}
		events, err := w.Audit(w.Ctx(), w.Admin, halberd.AuditQuery{Actor: evil, Target: evil, Action: halberd.Action(evil)})
		if err != nil || len(events.List) != 0 {
			t.Errorf("audit %q: %v, %d events", evil, err, len(events.List))
		}
		by := w.Admin.Via(halberd.Request{ID: evil, Idempotency: halberd.Idempotency{Key: evil, Route: evil}})
		if _, err := w.Create(w.Ctx(), by, halberd.NewKey{Wide: true}); err != nil {
			t.Errorf("idempotency key %q: %v", evil, err)
		}
		if v, err := w.Verify(w.Ctx(), halberd.Check{Secret: halberd.NewSecret(evil)}); err != nil || v.Code != halberd.Malformed {
			t.Errorf("credential %q: %v, %s", evil, err, v.Code)
		}
		if _, err := w.Revoke(w.Ctx(), w.Admin, c.Key.ID, evil, 0); err != nil {
			t.Errorf("reason %q: %v", evil, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// a search is literal, and a pattern is no work. The time is reported; a
// hundred thousand keys in the campaign, a tenth of them here.
func TestASearchIsLiteralAndNoWork(t *testing.T) {
	n := 10_000
	if os.Getenv("HALBERD_CAMPAIGN") != "" {
		n = 100_000
	}
	s := open(t, t.TempDir())
	defer s.Close()
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	insert(t, s, all...)
	for name, text := range map[string]string{"%": "%", "_": "__", "ten thousand %": strings.Repeat("%", 10_000), "a%a%…": strings.Repeat("a%", 5000)} {
		began := time.Now()
		err := s.View(t.Context(), func(r halberd.Reader) error {
			found, err := r.Keys(halberd.KeyFilter{Organization: benchOrganization, Text: text, Sort: halberd.SortCreated, Limit: 51})
			if len(found) != 0 {
				t.Errorf("%s finds %d keys", name, len(found))
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s in %d keys: %s", name, n, time.Since(began))
	}
}

// A project whose row was edited behind the server's back takes no alerts from
// others.
func TestADamagedProjectEndsNoEvaluation(t *testing.T) {
	e := tamper(t)
	p, err := e.CreateProject(e.Ctx(), e.Admin, halberd.NewProject{Name: "Edited"})
	if err != nil {
		t.Fatal(err)
	}
	within, other := e.Make(halberd.NewKey{Project: p.ID}), e.Make(halberd.NewKey{})
	if _, err := e.Revoke(e.Ctx(), e.Admin, other.Key.ID, "", 0); err != nil {
		t.Fatal(err)
	}
	if err := e.EvaluateAlerts(e.Ctx()); err != nil {
		t.Fatal(err)
	}
	e.do("UPDATE projects SET name = 'edited' WHERE id = ?", p.ID[:])
	e.Code(within.Secret)
	e.Code(other.Secret)
	if _, err := e.Usage(e.Ctx(), e.Admin, halberd.UsageQuery{}); err != nil {
		t.Fatal(err)
	}
	e.Clock.Pass(time.Minute)
	if err := e.EvaluateAlerts(e.Ctx()); err != nil {
		t.Error(err)
	}
	list, err := e.ListAlerts(e.Ctx(), e.Admin, halberd.AlertQuery{Kind: halberd.AlertEnded})
	if err != nil || len(list.List) != 1 {
		t.Errorf("%+v, %v", list.List, err)
	}
}
