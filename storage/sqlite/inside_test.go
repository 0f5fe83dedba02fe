package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/halberdhq/halberd"
)

// These look at what cannot be seen from outside.

func openInside(t *testing.T) *Store {
	t.Helper()
	s, err := Open(t.Context(), t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func raw(t *testing.T, s *Store, text string, args ...driver.Value) error {
	t.Helper()
	return s.Update(t.Context(), func(tx2 halberd.Tx) error {
		_, err := tx2.(*tx).c.exec(text, args...)
		return err
	})
}

func record(n int) halberd.KeyRecord {
	return halberd.KeyRecord{
		ID: halberd.KeyID{14: byte(n >> 8), 15: byte(n)}, Organization: halberd.OrganizationID{1}, Project: halberd.ProjectID{1},
		Digest: halberd.Digest{1, byte(n >> 8), byte(n)}, State: halberd.StateActive, Detail: strings.Repeat("x", 2000), CreatedAt: 1, Version: 1,
	}
}

func TestListsWalkIndexesAndDoNotSort(t *testing.T) {
	s := openInside(t)
	places := map[string]halberd.KeyFilter{
		"organization": {Organization: halberd.OrganizationID{1}},
		"project":      {Organization: halberd.OrganizationID{1}, Project: halberd.ProjectID{1}},
	}
	for place, f := range places {
		for _, sort := range []halberd.SortField{halberd.SortCreated, halberd.SortName, halberd.SortExpires, halberd.SortLastUsed} {
			for _, descending := range []bool{false, true} {
				for _, after := range []*halberd.KeyPosition{nil, {Int: 5, Text: "n", ID: halberd.KeyID{1}}} {
					for _, valueless := range []bool{false, true} {
						if valueless && sort != halberd.SortExpires && sort != halberd.SortLastUsed {
							continue
						}
						f.Sort, f.Descending, f.After, f.Limit = sort, descending, after, 50
						q := segment(f, 0, valueless)
						plan := explain(t, s, q)
						if strings.Contains(plan, "TEMP B-TREE") || strings.Contains(plan, "SCAN") || !strings.Contains(plan, place+"_by_") && !strings.Contains(plan, "last_used_of_"+place) {
							t.Errorf("%s\n%s", q.text, plan)
						}
						if after != nil && !strings.Contains(plan, ")>(") && !strings.Contains(plan, ")<(") && !strings.Contains(plan, "id>") && !strings.Contains(plan, "id<") {
							t.Errorf("the position is not sought: %s\n%s", q.text, plan)
						}
					}
				}
			}
		}
	}
}

func TestFiltersForFewKeysUseTheirIndexes(t *testing.T) {
	s := openInside(t)
	for want, f := range map[string]halberd.KeyFilter{
		"keys_by_external_id":            {Organization: halberd.OrganizationID{1}, ExternalID: "e", Sort: halberd.SortName},
		"keys_of_organization_by_expiry": {Organization: halberd.OrganizationID{1}, ExpiresBefore: 9},
		"keys_of_project_by_expiry":      {Project: halberd.ProjectID{1}, ExpiresBefore: 9, Sort: halberd.SortLastUsed},
		"keys_by_expiry":                 {ExpiresBefore: 9},
	} {
		if plan := explain(t, s, segment(f, 0, false)); !strings.Contains(plan, "SEARCH k USING INDEX "+want+" ") {
			t.Errorf("%s: %s", want, plan)
		}
	}
}

func explain(t *testing.T, s *Store, q *selection) (plan string) {
	t.Helper()
	err := s.View(t.Context(), func(r halberd.Reader) error {
		return r.(reader).all("EXPLAIN QUERY PLAN "+q.text, q.args, func(s *scanner) {
			s.at = 3
			plan += s.text() + "\n"
		})
	})
	if err != nil {
		t.Fatalf("%s: %v", q.text, err)
	}
	return plan
}

func TestTheDatabaseItselfForbids(t *testing.T) {
	s := openInside(t)
	gone := record(2)
	gone.State, gone.RevokedAt = halberd.StateRevoked, 1
	if err := s.Update(t.Context(), func(tx halberd.Tx) error {
		return errors.Join(tx.InsertKey(record(1)), tx.InsertKey(gone), tx.AppendAudit(halberd.AuditRecord{ID: halberd.AuditID{1}}))
	}); err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		"UPDATE keys SET state = 'active'",
		"UPDATE keys SET state = 'expired'",
		"DELETE FROM keys",
		"UPDATE keys SET digest = x'00'",
		"UPDATE keys SET previous_digest = (SELECT max(digest) FROM keys) WHERE row = 1",
		"UPDATE keys SET created_at = 'yesterday'",
		"DELETE FROM audit",
		"UPDATE audit SET outcome = 'done'",
	} {
		if err := raw(t, s, text); code(err)&0xff != 19 {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestDurabilityIsWhatIsPromised(t *testing.T) {
	s := openInside(t)
	for pragma, want := range map[string]driver.Value{"journal_mode": "wal", "synchronous": int64(2)} {
		if _, err := s.writer.conn.one(t.Context(), "PRAGMA "+pragma, nil, func(row []driver.Value) error {
			if row[0] != want {
				t.Errorf("%s: %v", pragma, row[0])
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	for _, text := range []string{"DELETE FROM meta", "DELETE FROM usage.minutes"} {
		if err := s.View(t.Context(), func(r halberd.Reader) error { _, err := r.(reader).c.exec(text); return err }); err == nil {
			t.Errorf("a reader may %s", text)
		}
	}
}

func TestAFullDiskIsSaidAndPasses(t *testing.T) {
	s := openInside(t)
	told := 0
	s.Follow(func(c halberd.Committed) { told += len(c.Keys) })
	if err := raw(t, s, "PRAGMA max_page_count = 120"); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	var mu sync.Mutex
	kept, full := 0, 0
	for n := range 200 {
		all.Go(func() {
			err := s.Update(context.Background(), func(tx halberd.Tx) error {
				if err := tx.InsertKey(record(n)); err != nil && errors.Is(err, halberd.ErrConflict) {
					return err
				}
				return nil // even a caller that does not look
			})
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				kept++
			} else if full++; halberd.CodeOf(err) != halberd.CodeUnavailable || !strings.Contains(err.Error(), "full") {
				t.Errorf("Update: %v", err)
			}
		})
	}
	all.Wait()
	if full == 0 || kept == 0 {
		t.Fatalf("%d kept, %d refused", kept, full)
	}
	if err := raw(t, s, "PRAGMA max_page_count = 100000"); err != nil {
		t.Fatalf("with room again: %v", err)
	}
	for n := range 20 {
		if err := s.Update(t.Context(), func(tx halberd.Tx) error { return tx.InsertKey(record(1000 + n)) }); err != nil {
			t.Fatalf("with room again: %v", err)
		}
	}
	loaded := 0
	if err := s.Load(t.Context(), 1, 0, func(b []halberd.KeyRecord) error { loaded += len(b); return nil }); err != nil {
		t.Fatal(err)
	}
	if loaded != kept+20 || told != loaded {
		t.Errorf("%d were acknowledged, %d are there, %d were told", kept+20, loaded, told)
	}
}

func TestANewerSchemaIsRefused(t *testing.T) {
	for _, name := range []string{keysName, usageName} {
		dir := t.TempDir()
		s, err := Open(t.Context(), dir, Options{})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		c, err := connect(t.Context(), filepath.Join(dir, name), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, 1)")
		if err != nil {
			t.Fatal(err)
		}
		if err := c.close(); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), dir, Options{}); !errors.Is(err, ErrNewer) || !strings.Contains(err.Error(), "9999") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestMigrationsAreRunOnceAndLeaveDataAlone(t *testing.T) {
	s := openInside(t)
	if err := s.Update(t.Context(), func(tx halberd.Tx) error { return tx.InsertKey(record(1)) }); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if err := migrate(t.Context(), s.folder.File(keysName), "keys"); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.View(t.Context(), func(r halberd.Reader) error { _, err := r.Key(record(1).ID); return err }); err != nil {
		t.Error(err)
	}
}

// modernc.org/sqlite is only right with the very version of modernc.org/libc
// that it was made with. Another module can lift it unnoticed.
func TestLibcIsTheOneSQLiteWants(t *testing.T) {
	ours := readRequires(t, filepath.Join("..", "..", "go.mod"))
	cache, err := exec.CommandContext(t.Context(), "go", "env", "GOMODCACHE").Output()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(strings.TrimSpace(string(cache)), "modernc.org", fmt.Sprint("sqlite@", ours["modernc.org/sqlite"]), "go.mod")
	want := readRequires(t, file)["modernc.org/libc"]
	if got := ours["modernc.org/libc"]; got == "" || got != want {
		t.Errorf("modernc.org/libc is %q in go.mod, and modernc.org/sqlite wants %q", got, want)
	}
}

func readRequires(t *testing.T, path string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	versions := map[string]string{}
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(strings.TrimPrefix(line, "require "))
		if len(f) >= 2 && strings.Contains(f[0], "/") && strings.HasPrefix(f[1], "v") {
			versions[f[0]] = f[1]
		}
	}
	return versions
}
