package halberd_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/internal/fixture"
)

// S0-16, S1-14, S1-15, S3-25, S4-13, S4-14, A-38: revoked is at once and for
// good.
func TestRevokedIsTerminal(t *testing.T) {
	w := fixture.New(t)
	c := w.Make(halberd.NewKey{ExpiresInDays: halberd.Some(halberd.ExpiresIn(1))})
	id := c.Key.ID
	out, err := w.Revoke(w.Ctx(), w.Admin, id, "leaked", 0)
	if err != nil || out.Key.RevokeReason != "leaked" || out.Key.RevokedBy != w.Admin.Ref() || !out.Propagation.Confirmed {
		t.Fatalf("%v: %+v", err, out)
	}
	if got := w.Code(c.Secret); got != halberd.Revoked {
		t.Error(got)
	}
	for name, do := range map[string]func() error{
		"activate": func() error {
			_, err := w.Update(w.Ctx(), w.Admin, id, halberd.KeyPatch{Active: halberd.Some(true)}, 0)
			return err
		},
		"rename": func() error {
			_, err := w.Update(w.Ctx(), w.Admin, id, halberd.KeyPatch{Name: halberd.Some("x")}, 0)
			return err
		},
		"extend": func() error {
			_, err := w.Update(w.Ctx(), w.Admin, id, halberd.KeyPatch{ExpiresAt: halberd.Never()}, 0)
			return err
		},
		"rotate":  func() error { _, err := w.Rotate(w.Ctx(), w.Admin, id, 0, 0); return err },
		"overlap": func() error { _, err := w.EndOverlap(w.Ctx(), w.Admin, id, 0); return err },
	} {
		if err := do(); halberd.CodeOf(err) != halberd.CodeKeyRevoked {
			t.Errorf("%s: %v", name, err)
		}
	}
	first := out.Key.RevokedAt
	w.Clock.Pass(time.Hour)
	again, err := w.Revoke(w.Ctx(), w.Admin, id, "again", 1)
	if err != nil || !again.Key.RevokedAt.Equal(first) || again.Key.RevokeReason != "leaked" {
		t.Errorf("revoked twice: %v, %+v", err, again.Key)
	}
	if got := w.Code(c.Secret); got != halberd.Revoked {
		t.Error(got)
	}
	if l, _ := w.List(w.Ctx(), w.Admin, halberd.KeyQuery{States: []halberd.State{halberd.StateRevoked}}); len(l.List) != 1 {
		t.Errorf("%d revoked keys are listed when asked for", len(l.List))
	}
}

// G1b in small: no check that begins after Revoke returned accepts the key,
// while checks, edits and revocations run at once. A-39: the revocation
// survives everything that runs beside it.
func TestNoCheckAfterRevokeAccepts(t *testing.T) {
	w := fixture.New(t)
	if _, err := w.UpdateProject(w.Ctx(), w.Admin, w.Home, halberd.ProjectPatch{KeyCeiling: halberd.Some(100_000)}, 0); err != nil {
		t.Fatal(err)
	}
	const keys = 400
	list := make([]halberd.Changed, keys)
	dead := make([]atomic.Bool, keys)
	for i := range list {
		list[i] = w.Make(halberd.NewKey{})
	}
	var stop atomic.Bool
	var checks atomic.Int64
	var checkers, changers sync.WaitGroup
	for g := range 4 {
		checkers.Go(func() {
			for i := g; !stop.Load(); i++ {
				n := i * 13 % keys
				was := dead[n].Load()
				v, err := w.Verify(w.Ctx(), halberd.Check{Secret: list[n].Secret})
				if err != nil || (was && v.Valid()) {
					t.Errorf("key %d: %s, %v after it was revoked", n, v.Code, err)
					return
				}
				checks.Add(1)
			}
		})
	}
	changers.Go(func() {
		for i := range keys {
			_, _ = w.Update(w.Ctx(), w.Admin, list[i].Key.ID, halberd.KeyPatch{Name: halberd.Some("renamed")}, 0)
		}
	})
	changers.Go(func() {
		for i := range keys {
			if _, err := w.Revoke(w.Ctx(), w.Admin, list[i].Key.ID, "", 0); err != nil {
				t.Error(err)
			}
			dead[i].Store(true)
		}
	})
	changers.Wait()
	stop.Store(true)
	checkers.Wait()
	for i := range list {
		if got := w.Code(list[i].Secret); got != halberd.Revoked {
			t.Errorf("key %d is %s", i, got)
		}
	}
	t.Logf("0 stale of %d checks after %d revocations", checks.Load(), keys)
}

// A-37 on one node: an admin key that is minting when it is revoked mints
// nothing after the answer.
func TestADyingAdminKeyMintsNothing(t *testing.T) {
	w := fixture.New(t)
	if _, err := w.UpdateProject(w.Ctx(), w.Admin, w.Home, halberd.ProjectPatch{KeyCeiling: halberd.Some(100_000)}, 0); err != nil {
		t.Fatal(err)
	}
	for range 30 {
		admin := w.Make(halberd.NewKey{Scopes: halberd.Some(halberd.MustScopes("admin"))})
		by := w.Actor(admin.Secret) // as authenticated before the revocation
		var dead, stop atomic.Bool
		var minters sync.WaitGroup
		for range 4 {
			minters.Go(func() {
				for !stop.Load() {
					was := dead.Load()
					if _, err := w.Create(w.Ctx(), by, halberd.NewKey{}); err == nil && was {
						t.Error("a revoked admin key minted a key")
						return
					}
				}
			})
		}
		if _, err := w.Revoke(w.Ctx(), w.Admin, admin.Key.ID, "", 0); err != nil {
			t.Fatal(err)
		}
		dead.Store(true)
		if _, err := w.Create(w.Ctx(), by, halberd.NewKey{}); halberd.CodeOf(err) != halberd.CodeUnauthorized {
			t.Error(err)
		}
		stop.Store(true)
		minters.Wait()
	}
}

// S1-16: rotation by hand needs two keys good at once; Rotate keeps the id.
// with an overlap both secrets are good until it ends; revoking kills
// both.
func TestRotate(t *testing.T) {
	w := fixture.New(t)
	c := w.Make(halberd.NewKey{})
	id := c.Key.ID
	at := func(s halberd.Secret, want halberd.VerdictCode) {
		t.Helper()
		if got := w.Code(s); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	r1, err := w.Rotate(w.Ctx(), w.Admin, id, 0, 0)
	if err != nil || r1.Key.ID != id || r1.Key.Hint != r1.Secret.Hint() || r1.Secret == c.Secret {
		t.Fatalf("%v: %+v", err, r1)
	}
	at(c.Secret, halberd.Expired)
	at(r1.Secret, halberd.Valid)

	r2, err := w.Rotate(w.Ctx(), w.Admin, id, time.Hour, 0)
	if err != nil {
		t.Fatal(err)
	}
	at(c.Secret, halberd.NotFound)
	at(r1.Secret, halberd.Valid)
	at(r2.Secret, halberd.Valid)
	_, err = w.Rotate(w.Ctx(), w.Admin, id, 0, 0)
	w.Refused(err, halberd.CodeConflict)
	w.Clock.Pass(time.Hour - time.Second)
	at(r1.Secret, halberd.Valid)
	w.Clock.Pass(time.Second)
	at(r1.Secret, halberd.Expired)
	at(r2.Secret, halberd.Valid)

	r3, err := w.Rotate(w.Ctx(), w.Admin, id, halberd.MaxOverlap, 0)
	if err != nil {
		t.Fatal(err)
	}
	at(r2.Secret, halberd.Valid)
	if _, err := w.EndOverlap(w.Ctx(), w.Admin, id, 0); err != nil {
		t.Fatal(err)
	}
	at(r2.Secret, halberd.Expired)
	at(r3.Secret, halberd.Valid)
	if k, err := w.Get(w.Ctx(), w.Admin, id); err != nil || !k.PreviousExpiresAt.IsZero() {
		t.Errorf("an overlap that ended shows %v, %v", k.PreviousExpiresAt, err)
	}

	r4, err := w.Rotate(w.Ctx(), w.Admin, id, time.Hour, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Update(w.Ctx(), w.Admin, id, halberd.KeyPatch{Scopes: halberd.Some(halberd.MustScopes("read"))}, 0); err != nil {
		t.Fatal(err)
	}
	v, _ := w.Verify(w.Ctx(), halberd.Check{Secret: r3.Secret, Scopes: []halberd.Scope{"write"}})
	if v.Code != halberd.InsufficientScope {
		t.Errorf("an edit does not reach the superseded secret: %s", v.Code)
	}
	if _, err := w.Revoke(w.Ctx(), w.Admin, id, "", 0); err != nil {
		t.Fatal(err)
	}
	at(r3.Secret, halberd.Revoked)
	at(r4.Secret, halberd.Revoked)

	for _, bad := range []time.Duration{-1, time.Millisecond, halberd.MaxOverlap + time.Second} {
		d := w.Make(halberd.NewKey{})
		_, err := w.Rotate(w.Ctx(), w.Admin, d.Key.ID, bad, 0)
		w.Refused(err, halberd.CodeInvalid)
	}
}

// of fifty rotations at once that saw the same version, or ask for an
// overlap, exactly one succeeds.
func TestConcurrentRotations(t *testing.T) {
	for name, ask := range map[string]struct {
		overlap time.Duration
		version int64
	}{"of one version": {0, 1}, "with an overlap": {time.Hour, 0}} {
		w := fixture.New(t)
		c := w.Make(halberd.NewKey{})
		var done atomic.Int64
		var winner atomic.Pointer[halberd.Changed]
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				r, err := w.Rotate(w.Ctx(), w.Admin, c.Key.ID, ask.overlap, ask.version)
				if err == nil {
					done.Add(1)
					winner.Store(&r)
				} else if halberd.CodeOf(err) != halberd.CodeConflict {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if done.Load() != 1 || w.Code(winner.Load().Secret) != halberd.Valid {
			t.Errorf("%s: %d succeeded", name, done.Load())
		}
	}
}

// A secret that was replaced without an overlap, or whose overlap was ended, is
// dead whatever the clock does then: also when it is set back.
func TestAReplacedSecretStaysDeadWhenTheClockGoesBack(t *testing.T) {
	w := fixture.New(t)
	at := w.Make(halberd.NewKey{})
	if _, err := w.Rotate(w.Ctx(), w.Admin, at.Key.ID, 0, 0); err != nil {
		t.Fatal(err)
	}
	ended := w.Make(halberd.NewKey{})
	if _, err := w.Rotate(w.Ctx(), w.Admin, ended.Key.ID, time.Hour, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := w.EndOverlap(w.Ctx(), w.Admin, ended.Key.ID, 0); err != nil {
		t.Fatal(err)
	}
	w.Clock.Pass(-10 * time.Minute)
	restarted, err := again(t, w)
	if err != nil {
		t.Fatal(err)
	}
	for name, old := range map[string]halberd.Secret{"replaced": at.Secret, "ended": ended.Secret} {
		if got := w.Code(old); got != halberd.Expired {
			t.Errorf("%s: %s", name, got)
		}
		if got := code(t, restarted, old); got != halberd.Expired {
			t.Errorf("%s, after a restart: %s", name, got)
		}
	}
}
