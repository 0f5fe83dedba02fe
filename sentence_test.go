package halberd_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/internal/fixture"
	"github.com/halberdhq/halberd/storage/memory"
)

// fullStore is an engine that, when it is full, lets every change run and keeps
// none.
type fullStore struct {
	halberd.Store
	full bool
}

func (s *fullStore) Update(ctx context.Context, fn func(halberd.Tx) error) error {
	return s.Store.Update(ctx, func(tx halberd.Tx) error {
		if err := fn(tx); err != nil || !s.full {
			return err
		}
		return &halberd.Error{Code: halberd.CodeUnavailable, Message: "the disk is full: nothing was changed"}
	})
}

// every way to revoke a key.
func TestWhatWasToBeRevokedIsRefusedThoughNothingCanBeWritten(t *testing.T) {
	store := &fullStore{Store: memory.New()}
	w := fixture.On(t, store, fixture.NewClock())
	project := w.Project("doomed")
	inProject := w.Make(halberd.NewKey{Project: project.ID})
	rotated := w.Make(halberd.NewKey{})
	overlap, err := w.Rotate(w.Ctx(), w.Admin, rotated.Key.ID, time.Hour, 0)
	if err != nil {
		t.Fatal(err)
	}
	other, bystander := w.Make(halberd.NewKey{}), w.Make(halberd.NewKey{})
	holder := w.Holder("read")
	before := w.Stats().Revision

	store.full = true
	_, revoke := w.Revoke(w.Ctx(), w.Admin, rotated.Key.ID, "leaked", 0)
	_, bulk := w.Bulk(w.Ctx(), w.Admin, halberd.Bulk{Action: halberd.BulkRevoke, Keys: []halberd.KeyID{other.Key.ID}})
	_, deleted := w.DeleteProject(w.Ctx(), w.Admin, project.ID, 0)
	for name, err := range map[string]error{"revoke": revoke, "bulk": bulk, "project": deleted} {
		w.Refused(err, halberd.CodeUnavailable)
		if !strings.Contains(err.Error(), "refused from now on, also after a restart") || !strings.Contains(err.Error(), "(the disk is full)") {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Whoever may not revoke brings no one down, nor does another change.
	_, err = w.Revoke(w.Ctx(), holder, bystander.Key.ID, "", 0)
	w.Refused(err, halberd.CodeForbidden)
	_, err = w.Revoke(w.Ctx(), w.Admin, bystander.Key.ID, "", 99)
	w.Refused(err, halberd.CodeConflict)
	_, err = w.Update(w.Ctx(), w.Admin, bystander.Key.ID, halberd.KeyPatch{Active: halberd.Some(false)}, 0)
	w.Refused(err, halberd.CodeUnavailable)

	dead := map[string]halberd.Secret{
		"in the project": inProject.Secret, "the old secret": rotated.Secret, "the new secret": overlap.Secret, "in bulk": other.Secret,
	}
	refused := func(when string) {
		t.Helper()
		for name, secret := range dead {
			if got := w.Code(secret); got != halberd.Revoked {
				t.Errorf("%s, %s: %s", when, name, got)
			}
		}
		if got := w.Code(bystander.Secret); got != halberd.Valid {
			t.Errorf("%s, the bystander: %s", when, got)
		}
	}
	refused("full")
	if now := w.Stats().Revision; now != before {
		t.Errorf("revision %d, and then %d", before, now)
	}

	store.full = false
	if _, err := w.Update(w.Ctx(), w.Admin, other.Key.ID, halberd.KeyPatch{Name: halberd.Some("renamed")}, 0); err != nil {
		t.Error(err)
	}
	refused("after an edit")
	again, err := w.Revoke(w.Ctx(), w.Admin, rotated.Key.ID, "leaked", 0)
	if err != nil || again.Key.RevokeReason != "leaked" {
		t.Errorf("once more: %v %+v", err, again)
	}
	refused("once more")
}
