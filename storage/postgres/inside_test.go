package postgres

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/internal/pgtest"
)

// These look at what cannot be seen from outside.

// inside is a store on a server of its own, which has many keys.
func inside(t *testing.T) (*Store, *pgx.Conn) {
	t.Helper()
	pg, err := pgtest.Start(pgtest.Options{Settings: []string{"fsync=off"}})
	pgtest.Need(t, err)
	t.Cleanup(pg.Remove)
	s, err := Open(t.Context(), pg.Address("postgres"), t.TempDir(), Options{Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	c, err := pgx.Connect(t.Context(), pg.Address("postgres"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close(context.Background()) })
	return s, c
}

func do(t *testing.T, c *pgx.Conn, text string, args ...any) {
	t.Helper()
	if _, err := c.Exec(t.Context(), text, args...); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
}

const oneID = "'00000000-0000-0000-0000-000000000001'::uuid"

// A page walks an index from its place on, and sorts nothing, however many keys
// there are and were revoked.
func TestListsWalkIndexesAndDoNotSort(t *testing.T) {
	s, c := inside(t)
	do(t, c, `INSERT INTO keys (id, organization, project, digest, pepper_id, state, hint, name, external_id, scopes, policy, created_at,
			expires_at, not_before, previous_expires_at, revoked_at, version, mac, detail, search)
		SELECT gen_random_uuid(), `+oneID+`, `+oneID+`, sha256(n::text::bytea), 1, CASE WHEN n % 4 = 0 THEN 'revoked' ELSE 'active' END, '',
			'key ' || n, '', '', '', n, CASE WHEN n % 2 = 0 THEN 0 ELSE n END, 0, 0, 0, 1, sha256(n::text::bytea), '', 'key ' || n
		FROM generate_series(1, 20000) n`)
	do(t, c, "INSERT INTO last_used (key, organization, project, at) SELECT id, organization, project, created_at FROM keys WHERE created_at % 3 = 0")
	do(t, c, "ANALYZE")
	one := [16]byte{15: 1}
	for place, f := range map[string]halberd.KeyFilter{
		"organization": {Organization: one}, "project": {Organization: one, Project: one},
	} {
		for _, sort := range []halberd.SortField{halberd.SortCreated, halberd.SortName, halberd.SortExpires, halberd.SortLastUsed} {
			for _, descending := range []bool{false, true} {
				for _, after := range []*halberd.KeyPosition{nil, {Int: 10000, Text: "key 5", ID: halberd.KeyID{1}}} {
					for _, valueless := range []bool{false, true} {
						if valueless && sort != halberd.SortExpires && sort != halberd.SortLastUsed {
							continue
						}
						f.Sort, f.Descending, f.After, f.Limit = sort, descending, after, 50
						q := segment(f, 0, valueless)
						plan := explain(t, s, q)
						index := strings.Contains(plan, "keys_of_"+place+"_by_") || strings.Contains(plan, "keys_of_organization_by_") || strings.Contains(plan, "last_used_")
						if strings.Contains(plan, "Sort") || strings.Contains(plan, "Seq Scan") || !index {
							t.Errorf("%s\n%s", q.text, plan)
						}
					}
				}
			}
		}
	}
}

func explain(t *testing.T, s *Store, q *selection) (plan string) {
	t.Helper()
	err := s.View(t.Context(), func(r halberd.Reader) error {
		return r.(reader).all("EXPLAIN "+q.text, q.args, func(s *scanner) { plan += s.text() + "\n" })
	})
	if err != nil {
		t.Fatalf("%s: %v", q.text, err)
	}
	return plan
}

// What must never happen is refused by the database itself, whoever asks.
func TestTheDatabaseItselfForbids(t *testing.T) {
	s, c := inside(t)
	k := halberd.KeyRecord{ID: halberd.KeyID{1}, Digest: halberd.Digest{1}, State: halberd.StateRevoked, Version: 1}
	if err := s.Update(t.Context(), func(tx halberd.Tx) error {
		if err := tx.InsertKey(k); err != nil {
			return err
		}
		if err := tx.PutMember(halberd.MemberRecord{ID: halberd.MemberID{1}, State: halberd.MemberRemoved, Version: 1}); err != nil {
			return err
		}
		return tx.AppendAudit(halberd.AuditRecord{ID: halberd.AuditID{1}, Outcome: "denied", Count: 1})
	}); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		"UPDATE keys SET state = 'active'", "UPDATE keys SET state = 'expired'", "DELETE FROM keys", "TRUNCATE keys",
		"UPDATE keys SET digest = '\\x00'", "UPDATE keys SET previous_digest = digest", "UPDATE members SET state = 'active'",
		"DELETE FROM audit", "TRUNCATE audit", "UPDATE audit SET outcome = 'done'", "UPDATE audit SET count = 0", "UPDATE audit SET count = 2, actor = 'x'",
	} {
		if _, err := c.Exec(t.Context(), text); class(err) != "23" {
			t.Errorf("%s: %v", text, err)
		}
	}
}

// The log is shortened, but not of what a node needs that was seen in the last
// hour, nor of what is younger than that.
func TestTheLogIsShortenedWithinBounds(t *testing.T) {
	s, c := inside(t)
	const revision = 13_000
	do(t, c, "INSERT INTO changes (revision, mark, at) SELECT n, gen_random_uuid(), clock_timestamp() - interval '2 hours' FROM generate_series(1, $1::int) n", revision)
	do(t, c, "UPDATE changes SET at = at - interval '1 day' WHERE revision = 0")
	oldest := func() (n int64) {
		if err := c.QueryRow(t.Context(), "SELECT min(revision) FROM changes").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	do(t, c, "UPDATE changes SET at = clock_timestamp() WHERE revision > 2500")
	node := halberd.NodeRecord{Incarnation: halberd.Incarnation{1}, Applied: 700}
	if err := s.Enter(t.Context(), node); err != nil {
		t.Fatal(err)
	}
	s.prune(revision)
	if got := oldest(); got != 700 {
		t.Errorf("with a node at 700 it begins at %d", got)
	}
	do(t, c, "UPDATE nodes SET seen_at = seen_at - 3700000")
	s.prune(revision)
	if got := oldest(); got != 2501 {
		t.Errorf("with what is young from 2501 on it begins at %d", got)
	}
	do(t, c, "UPDATE changes SET at = clock_timestamp() - interval '2 hours'")
	for range 3 {
		s.prune(revision)
	}
	if got := oldest(); got != revision-pruneKeeps {
		t.Errorf("it begins at %d", got)
	}
}
