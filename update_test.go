package halberd_test

import (
	"fmt"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/internal/fixture"
)

// S0-11 to S0-13, S1-11, S1-12: name, state, permissions, scope and expiry can
// be edited; the value of the key cannot, and stays good.
func TestUpdateEditsAndKeepsTheSecret(t *testing.T) {
	w := fixture.New(t)
	c := w.Make(halberd.NewKey{Name: "Old"})
	end := w.Clock.Now().Add(time.Hour)
	value, gone := "x", (*string)(nil)
	for _, p := range []halberd.KeyPatch{
		{Name: halberd.Some("New Name")},
		{Active: halberd.Some(false)},
		{Active: halberd.Some(true)},
		{Scopes: halberd.Some(halberd.MustScopes("read"))},
		{Resources: halberd.Some(resources(t, "engagement/42"))},
		{ExpiresAt: halberd.Some(halberd.Expiry{At: end})},
		{Metadata: halberd.Some(map[string]*string{"a": &value, "b": &value})},
		{Metadata: halberd.Some(map[string]*string{"a": gone})},
	} {
		if _, err := w.Update(w.Ctx(), w.Admin, c.Key.ID, p, 0); err != nil {
			t.Fatal(err)
		}
	}
	k, err := w.Get(w.Ctx(), w.Admin, c.Key.ID)
	if err != nil || k.Name != "New Name" || k.Scopes.String() != "read" || !k.ExpiresAt.Equal(end) ||
		len(k.Metadata) != 1 || k.Metadata["b"] != "x" || k.Version != 9 {
		t.Errorf("%v: %+v", err, k)
	}
	if got := w.Code(c.Secret); got != halberd.Valid {
		t.Error(got)
	}
}

// a key does not widen itself, in any way.
func TestAKeyDoesNotWidenItself(t *testing.T) {
	w := fixture.New(t)
	net, _ := halberd.ParseIPAllow([]string{"10.0.0.0/8"})
	made := w.Make(halberd.NewKey{
		Scopes: halberd.Some(halberd.MustScopes("admin")), Resources: halberd.Some(resources(t, "a/1")), IPAllow: halberd.Some(net),
		ExpiresInDays: halberd.Some(halberd.ExpiresIn(1)), RateLimits: halberd.Some(halberd.RateLimits{{Limit: 1, WindowSeconds: 1}}),
	})
	by, err := w.Authenticate(w.Ctx(), made.Secret, halberd.Request{ClientIP: addr("10.0.0.1")})
	if err != nil {
		t.Fatal(err)
	}
	for name, p := range map[string]halberd.KeyPatch{
		"resources": {Resources: halberd.Some(halberd.AllResources())},
		"addresses": {IPAllow: halberd.Some(net[:0])},
		"no expiry": {ExpiresAt: halberd.Never()},
		"later":     {ExpiresInDays: halberd.Some(halberd.ExpiresIn(2))},
		"limits":    {RateLimits: halberd.Some(halberd.RateLimits{{Limit: 2, WindowSeconds: 1}})},
		"none":      {RateLimits: halberd.Some(halberd.RateLimits{})},
		"no limits": {RateLimits: halberd.Some(halberd.RateLimits(nil))},
	} {
		if _, err := w.Update(w.Ctx(), by, made.Key.ID, p, 0); halberd.CodeOf(err) != halberd.CodeScopeEscalation {
			t.Errorf("%s: %v", name, err)
		}
	}
	if k, _ := w.Get(w.Ctx(), w.Admin, made.Key.ID); k.Version != 1 {
		t.Errorf("a refused edit left version %d", k.Version)
	}
	// Narrowing itself is allowed.
	if _, err := w.Update(w.Ctx(), by, made.Key.ID, halberd.KeyPatch{Name: halberd.Some("x")}, 0); err != nil {
		t.Error(err)
	}
}

// Acting on a key needs at least its scopes, and rotating one hands out its
// secret: it must be no stronger than the one who rotates.
func TestActingOnAStrongerKey(t *testing.T) {
	w := fixture.New(t)
	some := w.Make(halberd.NewKey{Scopes: halberd.Some(halberd.MustScopes("admin")), Resources: halberd.Some(resources(t, "a/1"))})
	by := w.Actor(some.Secret)
	all := w.Make(halberd.NewKey{})
	_, err := w.Rotate(w.Ctx(), by, all.Key.ID, 0, 0)
	w.Refused(err, halberd.CodeScopeEscalation)
	wideAdmin := w.Actor(w.Make(halberd.NewKey{Wide: true, Scopes: halberd.Some(halberd.MustScopes("admin"))}).Secret)
	for name, do := range map[string]func() error{
		"edit": func() error {
			_, err := w.Update(w.Ctx(), wideAdmin, w.Admin.KeyID(), halberd.KeyPatch{Name: halberd.Some("x")}, 0)
			return err
		},
		"rotate": func() error { _, err := w.Rotate(w.Ctx(), wideAdmin, w.Admin.KeyID(), 0, 0); return err },
		"revoke": func() error { _, err := w.Revoke(w.Ctx(), wideAdmin, w.Admin.KeyID(), "", 0); return err },
	} {
		if err := do(); halberd.CodeOf(err) != halberd.CodeScopeEscalation {
			t.Errorf("%s an operator: %v", name, err)
		}
	}
}

// A stale version is CONFLICT and changes nothing; a change that changes
// nothing leaves no trace.
func TestVersions(t *testing.T) {
	w := fixture.New(t)
	c := w.Make(halberd.NewKey{Name: "a"})
	if _, err := w.Update(w.Ctx(), w.Admin, c.Key.ID, halberd.KeyPatch{Name: halberd.Some("b")}, 1); err != nil {
		t.Fatal(err)
	}
	_, err := w.Update(w.Ctx(), w.Admin, c.Key.ID, halberd.KeyPatch{Name: halberd.Some("c")}, 1)
	w.Refused(err, halberd.CodeConflict)
	_, err = w.Rotate(w.Ctx(), w.Admin, c.Key.ID, 0, 1)
	w.Refused(err, halberd.CodeConflict)
	_, err = w.Revoke(w.Ctx(), w.Admin, c.Key.ID, "", 1)
	w.Refused(err, halberd.CodeConflict)
	if out, err := w.Update(w.Ctx(), w.Admin, c.Key.ID, halberd.KeyPatch{Name: halberd.Some("b")}, 2); err != nil || out.Key.Version != 2 {
		t.Errorf("%v, version %d", err, out.Key.Version)
	}
	events, err := w.Audit(w.Ctx(), w.Admin, halberd.AuditQuery{Target: c.Key.ID.String()})
	if err != nil || len(events.List) != 2 {
		t.Errorf("%v, %d events", err, len(events.List))
	}
}

// the last organization-wide admin without an end stays one.
func TestLastAdmin(t *testing.T) {
	w := fixture.New(t)
	me := w.Admin.KeyID()
	project := w.Holder("admin") // of a project: does not count
	_ = project
	brief := w.Make(halberd.NewKey{Wide: true, Scopes: halberd.Some(halberd.MustScopes("admin")), ExpiresInDays: halberd.Some(halberd.ExpiresIn(1))})
	later := w.Make(halberd.NewKey{Wide: true, Scopes: halberd.Some(halberd.MustScopes("admin")), NotBefore: w.Clock.Now().Add(time.Hour)})
	_, _ = brief, later
	try := map[string]func() error{
		"revoke": func() error { _, err := w.Revoke(w.Ctx(), w.Admin, me, "", 0); return err },
		"deactivate": func() error {
			_, err := w.Update(w.Ctx(), w.Admin, me, halberd.KeyPatch{Active: halberd.Some(false)}, 0)
			return err
		},
		"expire": func() error {
			_, err := w.Update(w.Ctx(), w.Admin, me, halberd.KeyPatch{ExpiresInDays: halberd.Some(halberd.ExpiresIn(9))}, 0)
			return err
		},
		"bind to a resource": func() error {
			_, err := w.Update(w.Ctx(), w.Admin, me, halberd.KeyPatch{Resources: halberd.Some(resources(t, "a/1"))}, 0)
			return err
		},
		"bind to an address": func() error {
			net, _ := halberd.ParseIPAllow([]string{"10.0.0.1"})
			_, err := w.Update(w.Ctx(), w.Admin, me, halberd.KeyPatch{IPAllow: halberd.Some(net)}, 0)
			return err
		},
		"postpone": func() error {
			_, err := w.Update(w.Ctx(), w.Admin, me, halberd.KeyPatch{NotBefore: halberd.Some(w.Clock.Now().Add(time.Hour))}, 0)
			return err
		},
		"suspend the organization": func() error {
			_, err := w.UpdateOrganization(w.Ctx(), w.Admin, w.Org, halberd.OrganizationPatch{Active: halberd.Some(false)}, 0)
			return err
		},
	}
	for name, do := range try {
		if err := do(); halberd.CodeOf(err) != halberd.CodeLastAdmin {
			t.Errorf("%s: %v", name, err)
		}
	}
	w.Make(halberd.NewKey{Wide: true, Operator: true, Scopes: halberd.Some(halberd.MustScopes("admin"))})
	if err := try["revoke"](); err != nil {
		t.Errorf("with another admin: %v", err)
	}
}

// two admins who revoke each other at once never both succeed.
func TestTwoAdminsRevokeEachOther(t *testing.T) {
	for range 200 {
		w := fixture.New(t)
		b := w.Make(halberd.NewKey{Wide: true, Operator: true, Scopes: halberd.Some(halberd.MustScopes("admin"))})
		errs := make(chan error, 2)
		other := w.Actor(b.Secret)
		go func() { _, err := w.Revoke(w.Ctx(), w.Admin, b.Key.ID, "", 0); errs <- err }()
		go func() { _, err := w.Revoke(w.Ctx(), other, w.Admin.KeyID(), "", 0); errs <- err }()
		done := 0
		for range 2 {
			if err := <-errs; err == nil {
				done++
			} else if c := halberd.CodeOf(err); c != halberd.CodeUnauthorized && c != halberd.CodeLastAdmin {
				t.Fatal(err)
			}
		}
		if done != 1 {
			t.Fatalf("%d revocations succeeded", done)
		}
		_ = w.Close()
	}
}

// limits are held like scopes. Whoever has tight ones gets no looser
// ones by rotating another key, by bringing one back or by extending one.
func TestLimitsAreWithinTheGrantors(t *testing.T) {
	w := fixture.New(t)
	tight := halberd.RateLimits{{Limit: 1, WindowSeconds: 60}}
	by := w.Actor(w.Make(halberd.NewKey{Scopes: halberd.Some(halberd.MustScopes("admin")), RateLimits: halberd.Some(tight)}).Secret)
	loose := w.Make(halberd.NewKey{ExpiresInDays: halberd.Some(halberd.ExpiresIn(1))}).Key.ID
	asleep := w.Make(halberd.NewKey{}).Key.ID
	if _, err := w.Update(w.Ctx(), w.Admin, asleep, halberd.KeyPatch{Active: halberd.Some(false)}, 0); err != nil {
		t.Fatal(err)
	}
	for name, do := range map[string]func(halberd.Actor) error{
		"rotate": func(by halberd.Actor) error { _, err := w.Rotate(w.Ctx(), by, loose, 0, 0); return err },
		"extend": func(by halberd.Actor) error {
			_, err := w.Update(w.Ctx(), by, loose, halberd.KeyPatch{ExpiresAt: halberd.Never()}, 0)
			return err
		},
		"activate": func(by halberd.Actor) error {
			_, err := w.Update(w.Ctx(), by, asleep, halberd.KeyPatch{Active: halberd.Some(true)}, 0)
			return err
		},
	} {
		if err := do(by); halberd.CodeOf(err) != halberd.CodeScopeEscalation {
			t.Errorf("%s: %v", name, err)
		}
		if err := do(w.Admin); err != nil {
			t.Errorf("%s by one without limits: %v", name, err)
		}
	}
	// Narrowing another key, also to limits above one's own, grants nothing.
	if _, err := w.Update(w.Ctx(), by, loose, halberd.KeyPatch{RateLimits: halberd.Some(halberd.RateLimits{{Limit: 5, WindowSeconds: 60}})}, 0); err != nil {
		t.Error(err)
	}
	// A project's limits are held by its keys.
	if _, err := w.UpdateProject(w.Ctx(), w.Admin, w.Home, halberd.ProjectPatch{RateLimits: halberd.Some(tight)}, 0); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Rotate(w.Ctx(), by, asleep, 0, 0); err != nil {
		t.Error(err)
	}
}

// What many keys share is kept once, and only while some key has it: whoever may
// edit keys cannot fill the memory by editing one.
func TestEditingForeverCostsNoMemory(t *testing.T) {
	w := fixture.New(t)
	one, two := w.Make(halberd.NewKey{ExternalID: "both"}), w.Make(halberd.NewKey{ExternalID: "both"})
	policies, externals := w.SharedForTest()
	for i := range 300 {
		net := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}), 32)
		if _, err := w.Update(w.Ctx(), w.Admin, one.Key.ID, halberd.KeyPatch{
			ExternalID: halberd.Some(fmt.Sprint("customer ", i)), IPAllow: halberd.Some([]netip.Prefix{net}),
		}, 0); err != nil {
			t.Fatal(err)
		}
		if i%100 == 0 {
			if _, err := w.Rotate(w.Ctx(), w.Admin, one.Key.ID, time.Second, 0); err != nil {
				t.Fatal(err)
			}
			w.Clock.Pass(time.Second)
		}
	}
	if p, e := w.SharedForTest(); p != policies+1 || e != externals+1 {
		t.Errorf("%d policies and %d external ids are kept, of %d and %d at first", p, e, policies, externals)
	}
	if v, err := w.Verify(w.Ctx(), halberd.Check{Secret: two.Secret}); err != nil || v.ExternalID != "both" {
		t.Errorf("%v: the other key has %q", err, v.ExternalID)
	}
	if _, err := w.Update(w.Ctx(), w.Admin, one.Key.ID, halberd.KeyPatch{ExternalID: halberd.Some("both"), IPAllow: halberd.Some[[]netip.Prefix](nil)}, 0); err != nil {
		t.Fatal(err)
	}
	if p, e := w.SharedForTest(); p != policies || e != externals {
		t.Errorf("%d policies and %d external ids are kept, of %d and %d at first", p, e, policies, externals)
	}
}

// a check beside edits answers by one state of the key, never by parts of
// two, and never by what another key left behind.
func TestChecksBesideEditsSeeOneState(t *testing.T) {
	w := fixture.New(t)
	c := w.Make(halberd.NewKey{ExternalID: "0", Resources: halberd.Some(resources(t, "a/0"))})
	var done atomic.Bool
	var checks sync.WaitGroup
	for range 2 {
		checks.Go(func() {
			for !done.Load() {
				v, err := w.Verify(w.Ctx(), halberd.Check{Secret: c.Secret, FiltersResources: true})
				if err != nil || v.Code != halberd.Valid || v.Resources.Strings()[0] != "a/"+v.ExternalID {
					t.Errorf("%v: %s %q %v", err, v.Code, v.ExternalID, v.Resources.Strings())
					return
				}
			}
		})
	}
	for i := range 1000 {
		if _, err := w.Update(w.Ctx(), w.Admin, c.Key.ID, halberd.KeyPatch{
			ExternalID: halberd.Some(fmt.Sprint(i)), Resources: halberd.Some(resources(t, fmt.Sprint("a/", i))),
		}, 0); err != nil {
			t.Fatal(err)
		}
	}
	done.Store(true)
	checks.Wait()
}
