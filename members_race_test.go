package halberd_test

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/internal/fixture"
	"github.com/halberdhq/halberd/internal/password"
	"github.com/halberdhq/halberd/storage/sqlite"
)

// Of everything that may act as an admin one stays, whoever removes, demotes,
// deactivates, revokes and bulk-revokes at once.
func TestOneAdminStaysWhateverHappensAtOnce(t *testing.T) {
	for round := range 4 {
		store, err := sqlite.Open(t.Context(), t.TempDir(), sqlite.Options{})
		if err != nil {
			t.Fatal(err)
		}
		w := fixture.On(t, store, fixture.NewClock())
		var people []halberd.Signed
		var keys []halberd.Changed
		for i := range 3 {
			people = append(people, somebody(t, w, fmt.Sprintf("p%d@example.com", i)))
			keys = append(keys, w.Make(halberd.NewKey{Wide: true, Scopes: halberd.Some(halberd.MustScopes("admin")), ExternalID: "x"}))
		}
		actors := []halberd.Actor{w.Admin}
		for _, p := range people {
			a, err := w.MemberActor(p.Member.ID, p.Epoch, halberd.Request{})
			if err != nil {
				t.Fatal(err)
			}
			actors = append(actors, a)
		}
		for _, k := range keys {
			actors = append(actors, w.Actor(k.Secret))
		}
		var all sync.WaitGroup
		ctx := context.Background()
		for i, a := range actors {
			all.Go(func() {
				for j := range people {
					p := people[(i+j+round)%len(people)].Member.ID
					switch (i + j) % 3 {
					case 0:
						_, _ = w.RemoveMember(ctx, a, p, halberd.Leaving{Keys: halberd.SuspendKeys}, 0)
					case 1:
						_, _ = w.UpdateMember(ctx, a, p, halberd.MemberPatch{Role: halberd.Some(halberd.ScopeRead)}, 0)
					default:
						_, _ = w.InviteAgain(ctx, a, p)
					}
				}
				_, _ = w.Bulk(ctx, a, halberd.Bulk{Action: halberd.BulkRevoke, ExternalID: "x"})
				_, _ = w.Revoke(ctx, a, w.Admin.KeyID(), "", 0)
			})
		}
		all.Wait()
		good := 0
		if w.Code(w.Root) == halberd.Valid {
			good++
		}
		for _, k := range keys {
			if w.Code(k.Secret) == halberd.Valid {
				good++
			}
		}
		for i := range people {
			if s, err := w.SignIn(ctx, fmt.Sprintf("p%d@example.com", i), pass, halberd.Request{}); err == nil && s.Member.Role == halberd.ScopeAdmin {
				good++
			}
		}
		if good < 1 {
			t.Fatalf("round %d: nobody is left", round)
		}
	}
}

// meeting lets nobody go on before everybody has come so far.
type meeting struct {
	halberd.Passwords
	all sync.WaitGroup
}

func (m *meeting) Hash(password string) (string, error) {
	hash, err := m.Passwords.Hash(password)
	m.all.Done()
	m.all.Wait()
	return hash, err
}

// One link lets one person in, however many use it at once.
func TestALinkIsUsedOnceAtOnce(t *testing.T) {
	w := fixture.New(t)
	in, err := w.InviteMember(t.Context(), w.Admin, halberd.NewMember{Email: "ada@example.com", Role: halberd.ScopeAdmin})
	if err != nil {
		t.Fatal(err)
	}
	const many = 20
	m := &meeting{Passwords: password.Quick()}
	m.all.Add(many)
	s, err := halberd.New(t.Context(), w.Store, halberd.Options{Now: w.Clock.Now, Passwords: m})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	var good atomic.Int64
	var all sync.WaitGroup
	for i := range many {
		all.Go(func() {
			if _, err := s.Accept(context.Background(), in.Secret, fmt.Sprint(i), fmt.Sprint(pass, i), halberd.Request{}); err == nil {
				good.Add(1)
			}
		})
	}
	all.Wait()
	if good.Load() != 1 {
		t.Errorf("%d were let in", good.Load())
	}
}
