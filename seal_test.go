package halberd_test

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"strings"
	"testing"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/internal/fixture"
	"github.com/halberdhq/halberd/storage/memory"
)

// again opens a second Service on the store of the first, as a restart does.
func again(t *testing.T, w *fixture.World) (*halberd.Service, error) {
	t.Helper()
	return halberd.New(t.Context(), w.Store, halberd.Options{Now: w.Clock.Now})
}

func code(t *testing.T, s *halberd.Service, secret halberd.Secret) halberd.VerdictCode {
	t.Helper()
	v, err := s.Verify(t.Context(), halberd.Check{Secret: secret})
	if err != nil {
		t.Fatal(err)
	}
	return v.Code
}

// What is at rest is HMAC-SHA256(pepper, SHA-256(secret)), and nothing of the
// secret besides the hint.
func TestDigestAtRest(t *testing.T) {
	w := fixture.New(t)
	c := w.Make(halberd.NewKey{})
	pepper, err := w.Store.Pepper(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	inner := sha256.Sum256([]byte(c.Secret.Reveal()))
	mac := hmac.New(sha256.New, pepper)
	mac.Write(inner[:])
	_ = w.Store.View(t.Context(), func(r halberd.Reader) error {
		k, err := r.Key(c.Key.ID)
		if err != nil || !bytes.Equal(k.Digest[:], mac.Sum(nil)) || k.PepperID != 1 {
			t.Errorf("%v: %x", err, k.Digest)
		}
		return nil
	})
}

// a row edited behind the server's back is refused and reported, in the
// running server as after a restart; a restored row is good again.
func TestEditedRowsAreRefused(t *testing.T) {
	edits := map[string]func(*halberd.KeyRecord){
		"scopes":   func(r *halberd.KeyRecord) { r.Scopes = "read write admin" },
		"policy":   func(r *halberd.KeyRecord) { r.Policy = `{"operator":true}` },
		"expiry":   func(r *halberd.KeyRecord) { r.ExpiresAt = 0; r.NotBefore = 1 },
		"state":    func(r *halberd.KeyRecord) { r.State = halberd.StateInactive },
		"project":  func(r *halberd.KeyRecord) { r.Project = halberd.ProjectID{} },
		"name":     func(r *halberd.KeyRecord) { r.Name = "someone else" },
		"external": func(r *halberd.KeyRecord) { r.ExternalID = "customer 2" },
		"detail":   func(r *halberd.KeyRecord) { r.Detail = `{"created_by":"x"}` },
		"pepper":   func(r *halberd.KeyRecord) { r.PepperID = 2 },
		"mac":      func(r *halberd.KeyRecord) { r.MAC[7] ^= 1 },
	}
	for name, edit := range edits {
		w := fixture.New(t)
		c := w.Make(halberd.NewKey{Name: "mine"})
		err := w.Store.Update(t.Context(), func(tx halberd.Tx) error {
			r, err := tx.Key(c.Key.ID)
			if err != nil {
				return err
			}
			edit(&r)
			r.Version++
			return tx.UpdateKey(r)
		})
		if err != nil {
			t.Fatal(err)
		}
		if got := w.Code(c.Secret); got != halberd.NotFound {
			t.Errorf("%s: the running server answers %s", name, got)
		}
		s, err := again(t, w)
		if err != nil {
			t.Fatal(err)
		}
		if got := code(t, s, c.Secret); got != halberd.NotFound || s.Stats().Damaged != 1 {
			t.Errorf("%s: after a restart %s, %d rows reported", name, got, s.Stats().Damaged)
		}
		_, err = s.Get(t.Context(), w.Admin, c.Key.ID)
		if halberd.CodeOf(err) != halberd.CodeUnavailable && name != "project" {
			t.Errorf("%s: reading it: %v", name, err)
		}
		if l, err := s.List(t.Context(), w.Admin, halberd.KeyQuery{}); err != nil || len(l.List) != 1 {
			t.Errorf("%s: %d keys listed, %v", name, len(l.List), err)
		}
	}
}

// A project or organization whose row was edited refuses its keys.
func TestEditedOwnersRefuseTheirKeys(t *testing.T) {
	w := fixture.New(t)
	c := w.Make(halberd.NewKey{})
	err := w.Store.Update(t.Context(), func(tx halberd.Tx) error {
		p, err := tx.Project(w.Home)
		if err != nil {
			return err
		}
		p.Detail = strings.Replace(p.Detail, `"key_ceiling":20`, `"key_ceiling":9999`, 1)
		p.Version++
		return tx.PutProject(p)
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := w.Code(c.Secret); got != halberd.Inactive {
		t.Errorf("the running server answers %s", got)
	}
	s, err := again(t, w)
	if err != nil {
		t.Fatal(err)
	}
	if got := code(t, s, c.Secret); got != halberd.Inactive {
		t.Errorf("%s", got)
	}
	if _, err := s.Create(t.Context(), w.Admin, halberd.NewKey{}); halberd.CodeOf(err) != halberd.CodeUnavailable {
		t.Error(err)
	}
}

// without its pepper, with another one, or with one that is no pepper,
// a store is not opened.
func TestThePepperMustBelong(t *testing.T) {
	w := fixture.New(t)
	right, err := w.Store.Pepper(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	other := bytes.Clone(right)
	other[0] ^= 1
	for name, pepper := range map[string][]byte{
		"another": other, "short": right[:31], "none": {}, "zeros": make([]byte, 32), "text": []byte(strings.Repeat("ab", 16)),
	} {
		if s, err := halberd.New(t.Context(), w.Store, halberd.Options{Pepper: pepper}); err == nil {
			_ = s.Close()
			t.Fatalf("%s: opened", name)
		} else if strings.Contains(err.Error(), string(right)) {
			t.Errorf("%s: the error holds the pepper", name)
		}
	}
	if _, err := halberd.New(t.Context(), forgetful{w.Store}, halberd.Options{}); err == nil || !strings.Contains(err.Error(), "copy it back") {
		t.Errorf("missing: %v", err)
	}
}

// forgetful lost its pepper.
type forgetful struct{ halberd.Store }

func (forgetful) Pepper(context.Context, []byte) ([]byte, error) { return nil, halberd.ErrNotFound }

// Restoring an older database revives no revoked key: the journal is replayed.
func TestTombstonesOutrankAnOlderStore(t *testing.T) {
	w := fixture.New(t)
	c := w.Make(halberd.NewKey{})
	var older halberd.KeyRecord
	_ = w.Store.View(t.Context(), func(r halberd.Reader) (err error) { older, err = r.Key(c.Key.ID); return err })
	if _, err := w.Revoke(w.Ctx(), w.Admin, c.Key.ID, "", 0); err != nil {
		t.Fatal(err)
	}
	// A fresh engine with the rows of yesterday and the journal of today.
	restored := memory.New()
	pepper, _ := w.Store.Pepper(t.Context(), nil)
	if _, err := restored.Pepper(t.Context(), pepper); err != nil {
		t.Fatal(err)
	}
	var forged halberd.Tombstone
	err := w.Store.View(t.Context(), func(r halberd.Reader) error {
		return restored.Update(t.Context(), func(tx halberd.Tx) error {
			fp, err := r.Meta("pepper_fingerprint")
			if err != nil {
				return err
			}
			orgs, _ := r.Organizations(halberd.OrganizationID{}, 10)
			ps, _ := r.Projects(halberd.OrganizationID{}, halberd.ProjectID{}, 10, true)
			admin, _ := r.Key(w.Admin.KeyID())
			forged = halberd.Tombstone{Key: admin.ID, At: 1}
			return errors.Join(tx.SetMeta("pepper_fingerprint", fp), tx.PutOrganization(orgs[0]), tx.PutProject(ps[0]),
				tx.InsertKey(older), tx.InsertKey(admin))
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.Store.Tombstones(t.Context(), func(ts halberd.Tombstone) error {
		return restored.Entomb(t.Context(), []halberd.Tombstone{ts})
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := restored.Entomb(t.Context(), []halberd.Tombstone{forged}); err != nil {
		t.Fatal(err)
	}
	s, err := halberd.New(t.Context(), restored, halberd.Options{Now: w.Clock.Now})
	if err != nil {
		t.Fatal(err)
	}
	if got := code(t, s, c.Secret); got != halberd.Revoked {
		t.Errorf("yesterday's copy answers %s", got)
	}
	if got := code(t, s, w.Root); got != halberd.Valid {
		t.Errorf("a forged tombstone revoked a key: %s", got)
	}
	if events, err := s.Audit(t.Context(), w.Admin, halberd.AuditQuery{Target: c.Key.ID.String()}); err != nil || len(events.List) != 1 {
		t.Errorf("the replay is not audited: %v, %+v", err, events.List)
	}
}

// A revocation that was committed, and whose tombstone was not written any
// more, gets it at the next start.
func TestTheJournalIsCompletedAtTheStart(t *testing.T) {
	w := fixture.New(t)
	c := w.Make(halberd.NewKey{})
	err := w.Store.Update(t.Context(), func(tx halberd.Tx) error {
		r, err := tx.Key(c.Key.ID)
		if err != nil {
			return err
		}
		r.State, r.RevokedAt, r.Version = halberd.StateRevoked, w.Clock.Now().Unix(), r.Version+1
		w.SignForTest(&r)
		return tx.UpdateKey(r)
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := again(t, w); err != nil {
		t.Fatal(err)
	}
	found := 0
	_, err = w.Store.Tombstones(t.Context(), func(ts halberd.Tombstone) error {
		if ts.Key == c.Key.ID && ts.At == w.Clock.Now().Unix() {
			found++
		}
		return nil
	})
	if err != nil || found != 1 {
		t.Errorf("%v, %d tombstones", err, found)
	}
}

// below the server: what is shown is stored, and a first start that
// cannot keep its key makes nothing.
func TestFirstStartMakesAllOrNothing(t *testing.T) {
	s, err := halberd.New(t.Context(), memory.New(), halberd.Options{})
	if err != nil {
		t.Fatal(err)
	}
	full := errors.New("disk full")
	if made, err := s.FirstStart(t.Context(), func(halberd.Secret) error { return full }); made || !errors.Is(err, full) {
		t.Fatalf("%v, %v", made, err)
	}
	var key halberd.Secret
	if made, err := s.FirstStart(t.Context(), func(k halberd.Secret) error { key = k; return nil }); !made || err != nil {
		t.Fatalf("%v, %v", made, err)
	}
	if code(t, s, key) != halberd.Valid {
		t.Error("the kept key is not good")
	}
	if made, err := s.FirstStart(t.Context(), func(halberd.Secret) error { t.Error("asked to keep"); return nil }); made || err != nil {
		t.Errorf("a second first start: %v, %v", made, err)
	}
}

// A lost admin key: Recover makes another, in an organization that is resumed
// if it has to be.
func TestRecover(t *testing.T) {
	w := fixture.New(t)
	org, err := w.CreateOrganization(w.Ctx(), w.Admin, "Second")
	if err != nil {
		t.Fatal(err)
	}
	boss := w.Actor(w.Make(halberd.NewKey{Organization: org.ID, Wide: true, Operator: true, Scopes: halberd.Some(halberd.MustScopes("admin"))}).Secret)
	if _, err := w.UpdateOrganization(w.Ctx(), boss, w.Org, halberd.OrganizationPatch{Active: halberd.Some(false)}, 0); err != nil {
		t.Fatal(err)
	}
	var key halberd.Secret
	if err := w.Recover(w.Ctx(), func(k halberd.Secret) error { key = k; return nil }); err != nil {
		t.Fatal(err)
	}
	by := w.Actor(key)
	if !by.Operator() || by.Organization() != w.Org {
		t.Errorf("%+v", by)
	}
	events, err := w.Audit(w.Ctx(), by, halberd.AuditQuery{Action: halberd.ActionRecover})
	if err != nil || len(events.List) != 2 {
		t.Errorf("%v: %+v", err, events.List)
	}
}
