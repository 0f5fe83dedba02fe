package halberd_test

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/internal/fixture"
	"github.com/halberdhq/halberd/internal/password"
	"github.com/halberdhq/halberd/storage/memory"
)

const lease = 10 * time.Second

// way is a node's way to the database, which can be cut.
type way struct {
	*memory.Node
	cut  atomic.Bool
	mum  atomic.Bool  // acknowledgements get lost
	slow atomic.Int64 // nanoseconds that a renewal takes

	rewound atomic.Pointer[func()] // called after each Rewind

	renewals atomic.Int64
}

var errCut = errors.New("no route to the database")

func (w *way) Update(ctx context.Context, fn func(halberd.Tx) error) error {
	if w.cut.Load() {
		return errCut
	}
	return w.Node.Update(ctx, fn)
}

func (w *way) CatchUp(ctx context.Context) (int64, error) {
	if w.cut.Load() {
		return 0, errCut
	}
	return w.Node.CatchUp(ctx)
}

func (w *way) Renew(ctx context.Context, b halberd.Beat) (halberd.Grant, error) {
	if w.cut.Load() {
		return halberd.Grant{}, errCut
	}
	elapse(time.Duration(w.slow.Load()))
	w.renewals.Add(1)
	return w.Node.Renew(ctx, b)
}

func (w *way) Rewind(ctx context.Context) (int64, error) {
	revision, err := w.Node.Rewind(ctx)
	if fn := w.rewound.Load(); fn != nil {
		(*fn)()
	}
	return revision, err
}

func (w *way) Acknowledge(ctx context.Context, b halberd.Beat) error {
	if w.cut.Load() {
		return errCut
	}
	if w.mum.Load() {
		return nil
	}
	return w.Node.Acknowledge(ctx, b)
}

func (w *way) Nodes(ctx context.Context) ([]halberd.NodeRecord, error) {
	if w.cut.Load() {
		return nil, errCut
	}
	return w.Node.Nodes(ctx)
}

// peer is one node of several.
type peer struct {
	*fixture.World
	way *way
}

// several are nodes on one database, each a World of its own.
type several struct {
	t     *testing.T
	db    *memory.Database
	nodes []*peer
	root  halberd.Secret
}

func pepper() []byte {
	p := make([]byte, halberd.PepperLen)
	for i := range p {
		p[i] = byte(i * 37)
	}
	return p
}

func newSeveral(t *testing.T, n int) *several {
	x := &several{t: t, db: memory.NewDatabase()}
	for range n {
		x.join(memory.NewFolder())
	}
	return x
}

func (x *several) join(folder *memory.Folder) *peer {
	x.t.Helper()
	p := &peer{way: &way{Node: x.db.OpenIn(folder)}}
	s, err := halberd.New(x.t.Context(), p.way, halberd.Options{
		FlushEvery: time.Hour, Passwords: password.Quick(), Pepper: pepper(), Lease: lease, NodeName: "node",
	})
	if err != nil {
		x.t.Fatal(err)
	}
	x.t.Cleanup(func() { _ = s.Close() })
	p.World = &fixture.World{Service: s, T: x.t, Store: p.way}
	if _, err := s.FirstStart(x.t.Context(), func(k halberd.Secret) error { x.root = k; return nil }); err != nil {
		x.t.Fatal(err)
	}
	p.Root, p.Admin = x.root, p.Actor(x.root)
	p.Org = p.Admin.Organization()
	x.nodes = append(x.nodes, p)
	return p
}

// code is what a node answers about a secret; UNAVAILABLE where it says nothing.
func (p *peer) code(secret halberd.Secret) string {
	v, err := p.Verify(p.Ctx(), halberd.Check{Secret: secret})
	if err != nil {
		return string(halberd.CodeOf(err))
	}
	return string(v.Code)
}

func (x *several) want(secret halberd.Secret, want ...string) {
	x.t.Helper()
	for i, p := range x.nodes {
		if got := p.code(secret); got != want[min(i, len(want)-1)] {
			x.t.Errorf("node %d answers %s, want %s", i, got, want[min(i, len(want)-1)])
		}
	}
}

// G1, A-41: a key that one node revokes is dead on all when the answer is there,
// and a new one is good on all.
func TestANewKeyAndARevokedOneAreSoOnEveryNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newSeveral(t, 3)
		for i := range 20 {
			a, b := x.nodes[i%3], x.nodes[(i+1)%3]
			k := a.Make(halberd.NewKey{})
			if !k.Propagation.Confirmed || k.Propagation.Nodes != 3 {
				t.Fatalf("created: %+v", k.Propagation)
			}
			x.want(k.Secret, "VALID")
			elapse(11 * time.Minute)
			x.want(k.Secret, "VALID")
			out, err := b.Revoke(t.Context(), b.Admin, k.Key.ID, "", 0)
			if err != nil || !out.Propagation.Confirmed || out.Propagation.Nodes != 3 {
				t.Fatalf("revoked: %+v, %v", out.Propagation, err)
			}
			x.want(k.Secret, "REVOKED")
			if w := out.Propagation.Waited; w > 100*time.Millisecond {
				t.Errorf("waited %v for healthy nodes", w)
			}
		}
	})
}

// whenever the database goes away, a node answers for as long as its lease is
// set to, and then not for long. A database that is slow is not kept busy by that.
func TestALeaseIsAlwaysWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newSeveral(t, 2)
		k := x.nodes[0].Make(halberd.NewKey{})
		for moment := range 25 {
			elapse(time.Minute + time.Duration(moment)*11*time.Millisecond)
			x.nodes[0].way.cut.Store(true)
			elapse(lease - time.Millisecond)
			x.want(k.Secret, "VALID")
			elapse(halberd.LeaseSpare + time.Millisecond)
			x.want(k.Secret, "UNAVAILABLE", "VALID")
			x.nodes[0].way.cut.Store(false)
		}
		const took = 300 * time.Millisecond
		way := x.nodes[1].way
		way.slow.Store(int64(took))
		elapse(time.Minute)
		before := way.renewals.Load()
		elapse(time.Minute)
		if n := way.renewals.Load() - before; n < 30 || n > int64(time.Minute/(4*took)) {
			t.Errorf("%d renewals in a minute", n)
		}
		x.want(k.Secret, "VALID")
	})
}

// a node that is cut off answers until its lease ends, and nothing then;
// the revocation through another waits for that, and is not answered before.
func TestARevocationOutlastsTheLeaseOfANodeThatIsCutOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newSeveral(t, 3)
		k := x.nodes[0].Make(halberd.NewKey{})
		x.nodes[2].way.cut.Store(true)
		stop := make(chan struct{})
		stale := 0
		go func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if x.nodes[2].code(k.Secret) == "VALID" {
					stale++
				}
				elapse(50 * time.Millisecond)
			}
		}()
		began := time.Now()
		out, err := x.nodes[0].Revoke(t.Context(), x.nodes[0].Admin, k.Key.ID, "", 0)
		took := time.Since(began)
		x.want(k.Secret, "REVOKED", "REVOKED", "UNAVAILABLE")
		close(stop)
		synctest.Wait()
		if err != nil || !out.Propagation.Confirmed {
			t.Fatalf("%+v, %v", out.Propagation, err)
		}
		if stale == 0 || took < lease*8/10 || took > lease*105/100+500*time.Millisecond {
			t.Errorf("answered after %v; the cut node said VALID %d times", took, stale)
		}
		// Nobody waits for it again.
		k = x.nodes[1].Make(halberd.NewKey{})
		if k.Propagation.Nodes != 2 || k.Propagation.Waited > 100*time.Millisecond {
			t.Errorf("the next change waited for it: %+v", k.Propagation)
		}
		// And it comes back by itself, with everything.
		x.nodes[2].way.cut.Store(false)
		elapse(2 * time.Second)
		x.want(k.Secret, "VALID")
	})
}

// What only adds is not held up for longer than a second, and says that it is
// not confirmed.
func TestACreateWaitsASecondAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newSeveral(t, 2)
		x.nodes[1].way.cut.Store(true)
		began := time.Now()
		k := x.nodes[0].Make(halberd.NewKey{})
		if took := time.Since(began); took < time.Second || took > 1100*time.Millisecond || k.Propagation.Confirmed {
			t.Errorf("answered after %v with %+v", took, k.Propagation)
		}
	})
}

// A repetition finds nothing to do, and waits all the same: the first may not be
// known everywhere.
func TestARepeatedRevocationWaitsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newSeveral(t, 2)
		k := x.nodes[0].Make(halberd.NewKey{})
		x.nodes[1].way.cut.Store(true)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		out, err := x.nodes[0].Revoke(ctx, x.nodes[0].Admin, k.Key.ID, "", 0)
		if halberd.CodeOf(err) != halberd.CodeUnavailable || out.Propagation.Confirmed || out.Propagation.EffectiveBy.IsZero() {
			t.Fatalf("a revocation that was not waited for: %+v, %v", out.Propagation, err)
		}
		if got := x.nodes[1].code(k.Secret); got != "VALID" {
			t.Fatalf("the cut node says %s", got)
		}
		before := x.nodes[0].Stats().Revision
		out, err = x.nodes[0].Revoke(t.Context(), x.nodes[0].Admin, k.Key.ID, "", 0)
		if err != nil || !out.Propagation.Confirmed {
			t.Fatalf("%+v, %v", out.Propagation, err)
		}
		if after := x.nodes[0].Stats().Revision; after == before {
			t.Error("the repetition took no revision: nothing says that the first was replicated")
		}
		x.want(k.Secret, "REVOKED", "UNAVAILABLE")
	})
}

// Callers who give up do not begin anew: however often they come back, a silent node
// is waited for once.
func TestWhoComesBackWaitsOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newSeveral(t, 2)
		a := x.nodes[0]
		k, other := a.Make(halberd.NewKey{}), a.Make(halberd.NewKey{})
		elapse(time.Minute)
		x.nodes[1].way.cut.Store(true)
		began := time.Now()
		var tries []time.Duration
		for i := 0; ; i++ {
			ctx, cancel := context.WithTimeout(t.Context(), lease*4/10)
			_, err := a.Revoke(ctx, a.Admin, []halberd.KeyID{k.Key.ID, other.Key.ID}[i%2], "", 0)
			cancel()
			if tries = append(tries, time.Since(began)); err == nil {
				break
			}
			if i == 10 {
				t.Fatalf("not confirmed after %v", tries)
			}
		}
		if took := time.Since(began); took < lease || took > (lease+halberd.LeaseSpare)*105/100+100*time.Millisecond {
			t.Errorf("confirmed after %v", tries)
		}
		x.want(k.Secret, "REVOKED", "UNAVAILABLE")
	})
}

// Respond-async: the answer comes before it is confirmed, with the time by which
// it will be. That time is kept.
func TestAnAsynchronousRevocationSaysByWhenItHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newSeveral(t, 2)
		k := x.nodes[0].Make(halberd.NewKey{})
		x.nodes[1].way.cut.Store(true)
		by := x.nodes[0].Admin.Via(halberd.Request{Async: true})
		out, err := x.nodes[0].Revoke(t.Context(), by, k.Key.ID, "", 0)
		if err != nil || out.Propagation.Confirmed || out.Propagation.EffectiveBy.IsZero() {
			t.Fatalf("%+v, %v", out.Propagation, err)
		}
		if w := out.Propagation.Waited; w > 100*time.Millisecond {
			t.Errorf("waited %v", w)
		}
		elapse(time.Until(out.Propagation.EffectiveBy))
		x.want(k.Secret, "REVOKED", "UNAVAILABLE")
	})
}

// Whatever narrows waits; what widens does not.
func TestWhatNarrowsWaitsForANodeThatIsSilent(t *testing.T) {
	some := halberd.Some[halberd.Scopes]
	for name, c := range map[string]struct {
		narrows bool
		do      func(p *peer, k halberd.Key, other halberd.ProjectID) (halberd.Propagation, error)
	}{
		"scopes": {true, func(p *peer, k halberd.Key, _ halberd.ProjectID) (halberd.Propagation, error) {
			c, err := p.Update(p.Ctx(), p.Admin, k.ID, halberd.KeyPatch{Scopes: some(halberd.MustScopes("read"))}, 0)
			return c.Propagation, err
		}},
		"more scopes": {false, func(p *peer, k halberd.Key, _ halberd.ProjectID) (halberd.Propagation, error) {
			c, err := p.Update(p.Ctx(), p.Admin, k.ID, halberd.KeyPatch{Scopes: some(halberd.MustScopes("read", "write", "verify"))}, 0)
			return c.Propagation, err
		}},
		"deactivate": {true, func(p *peer, k halberd.Key, _ halberd.ProjectID) (halberd.Propagation, error) {
			c, err := p.Update(p.Ctx(), p.Admin, k.ID, halberd.KeyPatch{Active: halberd.Some(false)}, 0)
			return c.Propagation, err
		}},
		"expiry": {true, func(p *peer, k halberd.Key, _ halberd.ProjectID) (halberd.Propagation, error) {
			c, err := p.Update(p.Ctx(), p.Admin, k.ID, halberd.KeyPatch{ExpiresInDays: halberd.Some(halberd.ExpiresIn(1))}, 0)
			return c.Propagation, err
		}},
		"rotate": {true, func(p *peer, k halberd.Key, _ halberd.ProjectID) (halberd.Propagation, error) {
			c, err := p.Rotate(p.Ctx(), p.Admin, k.ID, 0, 0)
			return c.Propagation, err
		}},
		"bulk": {true, func(p *peer, k halberd.Key, _ halberd.ProjectID) (halberd.Propagation, error) {
			c, err := p.Bulk(p.Ctx(), p.Admin, halberd.Bulk{Action: halberd.BulkRevoke, Keys: []halberd.KeyID{k.ID}})
			return c.Propagation, err
		}},
		"label": {true, func(p *peer, k halberd.Key, _ halberd.ProjectID) (halberd.Propagation, error) {
			c, err := p.Update(p.Ctx(), p.Admin, k.ID, halberd.KeyPatch{Name: halberd.Some("x")}, 0)
			return c.Propagation, err
		}},
		"suspend a project": {true, func(p *peer, _ halberd.Key, other halberd.ProjectID) (halberd.Propagation, error) {
			c, err := p.UpdateProject(p.Ctx(), p.Admin, other, halberd.ProjectPatch{Active: halberd.Some(false)}, 0)
			return c.Propagation, err
		}},
		"delete a project": {true, func(p *peer, _ halberd.Key, other halberd.ProjectID) (halberd.Propagation, error) {
			return p.DeleteProject(p.Ctx(), p.Admin, other, 0)
		}},
		"create a project": {false, func(p *peer, _ halberd.Key, _ halberd.ProjectID) (halberd.Propagation, error) {
			c, err := p.CreateProject(p.Ctx(), p.Admin, halberd.NewProject{Name: "another"})
			return c.Propagation, err
		}},
		"invite": {false, func(p *peer, _ halberd.Key, _ halberd.ProjectID) (halberd.Propagation, error) {
			c, err := p.InviteMember(p.Ctx(), p.Admin, halberd.NewMember{Email: "ada@example.com", Role: "read"})
			return c.Propagation, err
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := newSeveral(t, 2)
				a := x.nodes[0]
				k := a.Make(halberd.NewKey{}).Key
				other := a.Project("other").ID
				x.nodes[1].way.cut.Store(true)
				began := time.Now()
				p, err := c.do(a, k, other)
				took := time.Since(began)
				if err != nil || p.Confirmed != c.narrows || (took > 2*time.Second) != c.narrows {
					t.Errorf("%v after %v: %+v", err, took, p)
				}
			})
		})
	}
}

// A member whose password changed has no session on any node.
func TestASessionEndsOnEveryNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newSeveral(t, 2)
		a, b := x.nodes[0], x.nodes[1]
		in, err := a.InviteMember(t.Context(), a.Admin, halberd.NewMember{Email: "ada@example.com", Role: "admin"})
		if err != nil {
			t.Fatal(err)
		}
		session, err := b.Accept(t.Context(), in.Secret, "Ada", "correct horse battery", halberd.Request{})
		if err != nil {
			t.Fatal(err)
		}
		for i, p := range x.nodes {
			if _, err := p.MemberActor(session.Member.ID, session.Epoch, halberd.Request{}); err != nil {
				t.Errorf("node %d: %v", i, err)
			}
		}
		if _, err := a.RemoveMember(t.Context(), a.Admin, session.Member.ID, halberd.Leaving{}, 0); err != nil {
			t.Fatal(err)
		}
		for i, p := range x.nodes {
			if _, err := p.MemberActor(session.Member.ID, session.Epoch, halberd.Request{}); halberd.CodeOf(err) != halberd.CodeUnauthorized {
				t.Errorf("node %d: %v", i, err)
			}
		}
	})
}

// G8: while the database is away a node answers right until its lease ends, then
// not at all, and again by itself when it is back. Nothing that judges from
// memory answers without a lease.
func TestNothingIsAnsweredWithoutALease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newSeveral(t, 1)
		p := x.nodes[0]
		k := p.Make(halberd.NewKey{})
		p.way.cut.Store(true)
		elapse(lease * 7 / 10)
		x.want(k.Secret, "VALID")
		elapse(lease)
		x.want(k.Secret, "UNAVAILABLE")
		_, err := p.Authenticate(t.Context(), x.root, halberd.Request{})
		p.Refused(err, halberd.CodeUnavailable)
		p.Refused(p.Permit(p.Admin, halberd.ActionReadKeys), halberd.CodeUnavailable)
		_, err = p.MemberActor(halberd.NewMemberID(), 1, halberd.Request{})
		p.Refused(err, halberd.CodeUnavailable)
		p.Refused(p.Ready(), halberd.CodeUnavailable)
		if _, ok := p.SoleProject(); ok {
			t.Error("a project is known without a lease")
		}
		if _, ok := p.ReachOf(k.Key.Project); ok {
			t.Error("a project's reach is known without a lease")
		}
		_, err = p.Create(t.Context(), p.Admin, halberd.NewKey{})
		p.Refused(err, halberd.CodeUnavailable)
		elapse(time.Minute)
		p.way.cut.Store(false)
		elapse(5 * time.Second)
		x.want(k.Secret, "VALID")
		p.Refused(p.Ready(), "")
	})
}

// A node that was fenced while it was away has missed everything, also two
// rotations of a key and its revocation: it follows the log as far as it reaches
// back, and loads again where it does not.
func TestAFencedNodeComesBackWithWhatItMissed(t *testing.T) {
	for _, forgotten := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			x := newSeveral(t, 2)
			a, b := x.nodes[0], x.nodes[1]
			turned, dead, quiet := a.Make(halberd.NewKey{}), a.Make(halberd.NewKey{}), a.Make(halberd.NewKey{})
			in, err := a.InviteMember(t.Context(), a.Admin, halberd.NewMember{Email: "ada@example.com", Role: "admin"})
			if err != nil {
				t.Fatal(err)
			}
			session, err := a.Accept(t.Context(), in.Secret, "Ada", "correct horse battery", halberd.Request{})
			if err != nil {
				t.Fatal(err)
			}
			b.way.cut.Store(true)
			secrets := []halberd.Secret{turned.Secret}
			for range 3 {
				c, err := a.Rotate(t.Context(), a.Admin, turned.Key.ID, 0, 0)
				if err != nil {
					t.Fatal(err)
				}
				secrets = append(secrets, c.Secret)
			}
			if _, err := a.Revoke(t.Context(), a.Admin, dead.Key.ID, "", 0); err != nil {
				t.Fatal(err)
			}
			if _, err := a.RemoveMember(t.Context(), a.Admin, session.Member.ID, halberd.Leaving{}, 0); err != nil {
				t.Fatal(err)
			}
			born := a.Make(halberd.NewKey{})
			if forgotten {
				x.db.Forget(math.MaxInt64)
			}
			b.way.cut.Store(false)
			elapse(5 * time.Second)
			if got := b.code(secrets[0]) + " " + b.code(secrets[1]) + " " + b.code(secrets[3]); got != "NOT_FOUND NOT_FOUND VALID" {
				t.Errorf("log forgotten %v: the secrets of a key rotated three times: %s", forgotten, got)
			}
			if got := b.code(dead.Secret) + " " + b.code(quiet.Secret) + " " + b.code(born.Secret); got != "REVOKED VALID VALID" {
				t.Errorf("log forgotten %v: %s", forgotten, got)
			}
			if _, err := b.MemberActor(session.Member.ID, session.Epoch, halberd.Request{}); halberd.CodeOf(err) != halberd.CodeUnauthorized {
				t.Errorf("log forgotten %v: a removed member: %v", forgotten, err)
			}
		})
	}
}

// A change that was on its way when its node entered again is of the present
// history, though the present was read before it.
func TestAChangeOfOnesOwnWhileTheNodeLoadsSealsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newSeveral(t, 2)
		a, b := x.nodes[0], x.nodes[1]
		k := a.Make(halberd.NewKey{})
		b.way.cut.Store(true)
		if _, err := a.Revoke(t.Context(), a.Admin, k.Key.ID, "", 0); err != nil { // b is fenced
			t.Fatal(err)
		}
		x.db.Forget(a.Stats().Revision - 1)
		advance := func() {
			if err := b.way.Node.Update(context.Background(), func(tx halberd.Tx) error { return tx.(halberd.ClusterTx).Advance() }); err != nil {
				t.Error(err)
			}
		}
		b.way.rewound.Store(&advance)
		b.way.cut.Store(false)
		elapse(5 * time.Second)
		x.want(k.Secret, "REVOKED")
	})
}

// a standby without the last changes was promoted. The node that has
// applied them answers nothing any more; after a restart its journal revokes
// what another node had revoked.
func TestAStoreThatWentBackInTimeSealsTheNode(t *testing.T) {
	for _, further := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			x := &several{t: t, db: memory.NewDatabase()}
			folder := memory.NewFolder()
			a, b := x.join(folder), x.join(memory.NewFolder())
			k := b.Make(halberd.NewKey{})
			standby := x.db.Standby()
			if _, err := b.Revoke(t.Context(), b.Admin, k.Key.ID, "", 0); err != nil {
				t.Fatal(err)
			}
			elapse(time.Second)
			_ = b.Close()
			standby.Promote()
			if further { // its numbers pass those that were lost
				c := x.join(memory.NewFolder())
				for range 5 {
					c.Make(halberd.NewKey{})
				}
			}
			elapse(lease)
			if got := a.code(k.Secret); got != "UNAVAILABLE" {
				t.Errorf("further %v: %s", further, got)
			}
			elapse(time.Hour)
			if err := a.Ready(); halberd.CodeOf(err) != halberd.CodeUnavailable || !strings.Contains(err.Error(), "sealed") {
				t.Errorf("further %v: not sealed: %v", further, err)
			}
			_ = a.Close()
			again := x.join(folder)
			if got := again.code(k.Secret); got != "REVOKED" {
				t.Errorf("further %v: after a restart: %s", further, got)
			}
		})
	}
}

// the store lost its last change and has made another under the same number
// since. The number says nothing then: neither is who has applied the lost one
// informed of the other, nor may it go on.
func TestAHistoryReplacedByOneAsLongSealsTheNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newSeveral(t, 2)
		a, b := x.nodes[0], x.nodes[1]
		k := a.Make(halberd.NewKey{})
		elapse(time.Second)
		standby := x.db.Standby()
		b.way.cut.Store(true)
		a.Make(halberd.NewKey{}) // is lost, and b never heard of it
		a.way.cut.Store(true)
		standby.Promote()
		b.way.cut.Store(false)
		revoked := make(chan struct{})
		go func() {
			defer close(revoked)
			if out, err := b.Revoke(t.Context(), b.Admin, k.Key.ID, "", 0); err != nil || !out.Propagation.Confirmed {
				t.Errorf("%+v, %v", out.Propagation, err)
			}
			x.want(k.Secret, "UNAVAILABLE", "REVOKED")
		}()
		elapse(3 * time.Second) // the revocation is made, and waits for a, whose renewal is due
		if was, is := a.Stats().Revision, b.Stats().Revision; was != is {
			t.Fatalf("the histories have %d and %d revisions", was, is)
		}
		a.way.cut.Store(false)
		<-revoked
		elapse(time.Hour)
		if err := a.Ready(); err == nil || !strings.Contains(err.Error(), "sealed") {
			t.Errorf("not sealed: %v", err)
		}
	})
}

// the node was fenced meanwhile, and the store's numbers have passed those it
// knows. Where the log shows that the history is another one, that is enough.
// Where it does not reach back, the node loads: a key that only the lost history
// had would be good on it for ever, and nobody could revoke it.
func TestANodeThatEntersAnotherHistoryIsSealed(t *testing.T) {
	for _, forgotten := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			x := newSeveral(t, 2)
			a, b := x.nodes[0], x.nodes[1]
			standby := x.db.Standby()
			var k halberd.Changed
			if forgotten {
				k = b.Make(halberd.NewKey{})
				x.want(k.Secret, "VALID")
			} else if _, err := b.CreateProject(t.Context(), b.Admin, halberd.NewProject{Name: "another"}); err != nil {
				t.Fatal(err)
			}
			a.way.cut.Store(true)
			_ = b.Close()
			standby.Promote()
			c := x.join(memory.NewFolder())
			for range 5 {
				c.Make(halberd.NewKey{})
			}
			elapse(5 * lease) // until it is fenced
			if forgotten {
				x.db.Forget(c.Stats().Revision - 1)
			}
			a.way.cut.Store(false)
			elapse(5 * time.Second)
			if got := a.code(k.Secret); forgotten && got != "UNAVAILABLE" {
				t.Errorf("%s", got)
			}
			if err := a.Ready(); err == nil || !strings.Contains(err.Error(), "sealed") {
				t.Errorf("forgotten %v: not sealed: %v", forgotten, err)
			}
		})
	}
}

// the node was fenced meanwhile, and the log does not reach back to what it
// knows, so that nothing shows that the history is another one. It takes the
// store's word: a secret that only the lost history had is good on it no more, and
// whatever ends the key ends it here as well.
func TestALoadFromAnotherHistoryKeepsNoSecretOfTheFormer(t *testing.T) {
	const never, overlap = -1, time.Hour
	for name, c := range map[string]struct{ before, lost, after time.Duration }{
		"one rotation":                     {never, 0, never},
		"one with an overlap":              {never, overlap, never},
		"one of two":                       {0, 0, never},
		"one of two with an overlap":       {0, overlap, never},
		"one, and another since":           {never, 0, 0},
		"one, and another with an overlap": {never, overlap, overlap},
		"one of two, and another since":    {0, 0, 0},
		"one of two, and an overlap since": {0, 0, overlap},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := newSeveral(t, 2)
				a, b := x.nodes[0], x.nodes[1]
				k := a.Make(halberd.NewKey{})
				good, dead := []halberd.Secret{k.Secret}, []halberd.Secret{}
				rotate := func(p *peer, overlap time.Duration) halberd.Secret {
					c, err := p.Rotate(t.Context(), p.Admin, k.Key.ID, overlap, 0)
					if err != nil {
						t.Fatal(err)
					}
					return c.Secret
				}
				turn := func(p *peer, overlap time.Duration) {
					if overlap == never {
						return
					}
					s := rotate(p, overlap)
					if overlap == 0 {
						good, dead = nil, append(dead, good...)
					}
					good = append(good, s)
				}
				turn(b, c.before)
				elapse(time.Second)
				standby := x.db.Standby()
				gone := rotate(b, c.lost)
				if got := a.code(gone); got != "VALID" {
					t.Fatal(got)
				}
				a.way.cut.Store(true)
				_ = b.Close()
				standby.Promote()
				d := x.join(memory.NewFolder())
				turn(d, c.after)
				for range 5 {
					d.Make(halberd.NewKey{})
				}
				elapse(5 * lease) // until it is fenced
				x.db.Forget(d.Stats().Revision - 1)
				a.way.cut.Store(false)
				elapse(5 * time.Second)
				x.nodes = []*peer{a, d}
				x.want(gone, "NOT_FOUND")
				for _, s := range good {
					x.want(s, "VALID")
				}
				for _, s := range dead {
					if got := a.code(s); got == "VALID" {
						t.Error("a secret that was replaced is good")
					}
				}
				if _, err := d.Revoke(t.Context(), d.Admin, k.Key.ID, "", 0); err != nil {
					t.Fatal(err)
				}
				x.want(gone, "NOT_FOUND")
				for _, s := range good {
					x.want(s, "REVOKED")
				}
			})
		})
	}
}

// a node whose clock is a year off judges as before, and says so, once; and
// again when it is right.
func TestAClockThatIsFarOffIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		var off atomic.Int64
		s, err := halberd.New(t.Context(), memory.NewDatabase().OpenIn(memory.NewFolder()), halberd.Options{
			FlushEvery: time.Hour, Pepper: pepper(), Lease: lease, Logger: slog.New(slog.NewTextHandler(&log, nil)),
			Now: func() time.Time { return time.Now().Add(time.Duration(off.Load())) },
		})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		says := func(what string, warned, righted int, ahead time.Duration) {
			t.Helper()
			elapse(lease)
			synctest.Wait()
			if w, r := strings.Count(log.String(), "THE CLOCK"), strings.Count(log.String(), "database's again"); w != warned || r != righted {
				t.Errorf("%s: %d warnings and %d all-clears, want %d and %d\n%s", what, w, r, warned, righted, &log)
			}
			if got := s.Stats().Node.Ahead; got != ahead {
				t.Errorf("%s: it is %v ahead, want %v", what, got, ahead)
			}
		}
		const year = 365 * 24 * time.Hour
		says("in step", 0, 0, 0)
		off.Store(int64(30 * time.Second))
		says("half a minute", 0, 0, 30*time.Second)
		off.Store(int64(year))
		says("a year ahead", 1, 0, year)
		says("still", 1, 0, year)
		off.Store(-int64(year))
		says("a year behind", 1, 0, -year)
		off.Store(0)
		says("right again", 1, 1, 0)
	})
}

// A node that leaves is not waited for; one that was killed is waited for once.
func TestAClosedNodeIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newSeveral(t, 3)
		a := x.nodes[0]
		k := a.Make(halberd.NewKey{})
		if err := x.nodes[1].Close(); err != nil {
			t.Fatal(err)
		}
		out, err := a.Revoke(t.Context(), a.Admin, k.Key.ID, "", 0)
		if err != nil || out.Propagation.Nodes != 2 || out.Propagation.Waited > time.Second {
			t.Errorf("%+v, %v", out.Propagation, err)
		}
	})
}

// Two first starts at once: one pepper, one admin key; the other is refused, and
// told where to take the pepper from.
func TestTwoFirstStartsEndWithOnePepper(t *testing.T) {
	db := memory.NewDatabase()
	first, err := halberd.New(t.Context(), db.Open(), halberd.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	_, err = halberd.New(t.Context(), db.Open(), halberd.Options{})
	if halberd.CodeOf(err) != halberd.CodeUnavailable {
		t.Errorf("a node with an empty folder: %v", err)
	}
}

// elapse lets time pass, in a bubble.
func elapse(d time.Duration) { <-time.After(d) }

// Without Redis each node grants its part of a limit: never more than burst +
// rate × t on all of them together, also while nodes join, leave and are killed.
func TestTheNodesTogetherNeverGrantMoreThanALimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newSeveral(t, 2)
		limit := halberd.RateLimit{Limit: 120, WindowSeconds: 60, Burst: 40}
		k := x.nodes[0].Make(halberd.NewKey{RateLimits: limited(limit)})
		began := time.Now()
		var passed []time.Time
		run := func(d time.Duration) {
			for end := time.Now().Add(d); time.Now().Before(end); elapse(50 * time.Millisecond) {
				for _, p := range x.nodes {
					for range 3 {
						if p.code(k.Secret) == "VALID" {
							passed = append(passed, time.Now())
						}
					}
				}
			}
		}
		run(30 * time.Second)
		x.join(memory.NewFolder())
		run(30 * time.Second)
		_ = x.nodes[0].Close()
		run(30 * time.Second)
		x.nodes[1].way.cut.Store(true)
		run(time.Second)
		// The cut node does not hear of the next, and grants on until its lease ends.
		if got := x.join(memory.NewFolder()).code(k.Secret); got != "UNAVAILABLE" {
			t.Errorf("a newcomer that was not made room for answers %s", got)
		}
		run(40 * time.Second) // it is fenced meanwhile
		x.nodes[1].way.cut.Store(false)
		run(20 * time.Second)
		x.join(memory.NewFolder())
		x.join(memory.NewFolder())
		run(40 * time.Second)
		most := 0
		for i := range passed {
			for j := i; j < len(passed); j++ {
				over := (j - i + 1) - 40 - int(2*passed[j].Sub(passed[i]).Seconds())
				most = max(most, over)
			}
		}
		if most > 1 { // the one at each end of a span
			t.Errorf("%d more than burst + rate × t in some span", most)
		}
		whole := 40 + 2*int(time.Since(began).Seconds())
		t.Logf("%d of %d that one node would have granted", len(passed), whole)
		if len(passed) < whole/2 {
			t.Errorf("%d of %d that one node would have granted", len(passed), whole)
		}
	})
}

// A quota is never exceeded by all nodes together, and what one gives back the
// others may spend.
func TestAQuotaIsSpentOnceOnAllNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newSeveral(t, 3)
		k := x.nodes[0].Make(halberd.NewKey{Quota: quota(1000, halberd.RefillNone)})
		passed := 0
		spend := func(p *peer, n int) {
			for range n {
				if p.code(k.Secret) == "VALID" {
					passed++
				}
			}
		}
		for range 10 {
			for _, p := range x.nodes {
				spend(p, 20)
			}
		}
		spend(x.nodes[0], 1000)
		spend(x.nodes[1], 1000)
		_ = x.nodes[2].Close() // gives back what the others think is spent
		x.nodes = x.nodes[:2]
		for range 5 {
			elapse(2 * time.Second)
			for _, p := range x.nodes {
				spend(p, 1000)
			}
		}
		if passed != 1000 {
			t.Errorf("%d uses of a quota of 1000", passed)
		}
		if err := x.nodes[0].Close(); err != nil {
			t.Fatal(err)
		}
		_ = x.nodes[1].Close()
		if again := x.join(memory.NewFolder()); again.Stats().Forfeited.Uses != 0 {
			t.Errorf("%+v forfeited though all ended cleanly", again.Stats().Forfeited)
		}
	})
}

// A check may ask for the revision of a change: a node that has not heard of it
// catches up, and one that cannot says nothing.
func TestACheckWaitsForTheRevisionItAsksFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newSeveral(t, 2)
		a, b := x.nodes[0], x.nodes[1]
		k := a.Make(halberd.NewKey{})
		at := a.Stats().Revision
		if v, err := b.Verify(t.Context(), halberd.Check{Secret: k.Secret, AtLeast: at}); err != nil || v.Revision < at {
			t.Errorf("%v, %+v", err, v)
		}
		_, err := b.Verify(t.Context(), halberd.Check{Secret: k.Secret, AtLeast: at + 1})
		b.Refused(err, halberd.CodeUnavailable)
		one := fixture.New(t)
		_, err = one.Verify(t.Context(), halberd.Check{Secret: one.Root, AtLeast: one.Stats().Revision + 1})
		one.Refused(err, halberd.CodeUnavailable)
		b.way.cut.Store(true)
		c := a.Make(halberd.NewKey{})
		_, err = b.Verify(t.Context(), halberd.Check{Secret: c.Secret, AtLeast: a.Stats().Revision})
		b.Refused(err, halberd.CodeUnavailable)
	})
}

// The list of nodes says how far each has come.
func TestTheListOfNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newSeveral(t, 3)
		elapse(time.Minute)
		list, err := x.nodes[1].Nodes(t.Context(), x.nodes[1].Admin)
		if err != nil || len(list) != 3 {
			t.Fatal(list, err)
		}
		this := 0
		for _, n := range list {
			if n.This {
				this++
			}
			if n.State != halberd.NodeActive || n.Behind != 0 || n.Lease != lease+halberd.LeaseSpare || n.Name != "node" || time.Since(n.SeenAt) > lease {
				t.Errorf("%+v", n)
			}
		}
		if this != 1 {
			t.Errorf("%d of them are the one that was asked", this)
		}
		st := x.nodes[1].Stats().Node
		if st == nil || st.Nodes != 3 || st.Left < lease/2 || st.Sealed {
			t.Errorf("%+v", st)
		}
		holder := x.nodes[0].Make(halberd.NewKey{Wide: true, Scopes: halberd.Some(halberd.MustScopes("admin"))})
		_, err = x.nodes[1].Nodes(t.Context(), x.nodes[1].Actor(holder.Secret))
		x.nodes[1].Refused(err, halberd.CodeForbidden)
	})
	one := fixture.New(t)
	if list, err := one.Nodes(t.Context(), one.Admin); err != nil || len(list) != 1 || !list[0].This {
		t.Errorf("one process: %v, %v", list, err)
	}
}
