package sqlite_test

import (
	"sync"
	"testing"
	"time"

	"github.com/halberdhq/halberd"
)

// A thousand keys in one call are one revision and one commit, all in the
// journal, and stay revoked over a restart. The times are told, not judged: of
// the one call, and of a thousand.
func TestBulkOfAThousandKeys(t *testing.T) {
	e := tamper(t)
	if _, err := e.UpdateProject(e.Ctx(), e.Admin, e.Home, halberd.ProjectPatch{KeyCeiling: halberd.Some(100_000)}, 0); err != nil {
		t.Fatal(err)
	}
	made := make([]halberd.Changed, 2*halberd.MaxBulkKeys)
	var makers sync.WaitGroup
	for g := range 16 { // the writer takes together what waits together
		makers.Go(func() {
			for i := g; i < len(made); i += 16 {
				made[i] = e.Make(halberd.NewKey{})
			}
		})
	}
	makers.Wait()
	var ids []halberd.KeyID
	for _, c := range made[:halberd.MaxBulkKeys] {
		ids = append(ids, c.Key.ID)
	}
	before := e.Stats().Revision
	began := time.Now()
	done, err := e.Bulk(e.Ctx(), e.Admin, halberd.Bulk{Action: halberd.BulkRevoke, Keys: ids})
	together := time.Since(began)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range done.Results {
		if r.Refusal != nil {
			t.Fatal(r.ID, r.Refusal)
		}
	}
	if got := e.Stats().Revision - before; got != 1 {
		t.Errorf("%d revisions", got)
	}
	began = time.Now()
	for _, c := range made[halberd.MaxBulkKeys:] {
		if _, err := e.Revoke(e.Ctx(), e.Admin, c.Key.ID, "", 0); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d keys revoked in one call: %v; one by one: %v", len(ids), together, time.Since(began))

	dead := map[halberd.KeyID]bool{}
	if _, err := e.Store.Tombstones(e.Ctx(), func(t halberd.Tombstone) error { dead[t.Key] = true; return nil }); err != nil {
		t.Fatal(err)
	}
	secrets := make([]halberd.Secret, len(ids))
	for i, id := range ids {
		if !dead[id] {
			t.Fatalf("%s has no tombstone", id)
		}
		secrets[i] = made[i].Secret
	}
	codes, _ := e.restarted(secrets...)
	for i, got := range codes {
		if got != halberd.Revoked {
			t.Fatalf("key %d is %s after a restart", i, got)
		}
	}
}
