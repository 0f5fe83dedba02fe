package halberd_test

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/internal/fixture"
	"github.com/halberdhq/halberd/internal/password"
	"github.com/halberdhq/halberd/storage/memory"
)

// stalled is a way to the database on which changes can take their time, and
// whose follower can be left untold of them.
type stalled struct {
	way
	takes  atomic.Int64 // nanoseconds that a change waits for its turn
	untold atomic.Bool
}

func (s *stalled) Update(ctx context.Context, fn func(halberd.Tx) error) error {
	elapse(time.Duration(s.takes.Load()))
	return s.way.Update(ctx, fn)
}

func (s *stalled) Follow(fn func(halberd.Committed)) {
	s.way.Follow(func(c halberd.Committed) {
		if !s.untold.Load() {
			fn(c)
		}
	})
}

// joinStalled makes such a node.
func (x *several) joinStalled() (*fixture.World, *stalled) {
	x.t.Helper()
	store := &stalled{way: way{Node: x.db.OpenIn(memory.NewFolder())}}
	s, err := halberd.New(x.t.Context(), store, halberd.Options{
		FlushEvery: time.Hour, Passwords: password.Quick(), Pepper: pepper(), Lease: lease, NodeName: "stalled",
	})
	if err != nil {
		x.t.Fatal(err)
	}
	x.t.Cleanup(func() { _ = s.Close() })
	w := &fixture.World{Service: s, T: x.t, Store: store, Root: x.root}
	w.Admin = w.Actor(x.root)
	w.Org = w.Admin.Organization()
	return w, store
}

// A caller who waits for 25 seconds waits so long for all of the call: a change
// that had to wait for its turn leaves less for the others' word.
func TestWhatACallerWaitsIsOfTheWholeCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newSeveral(t, 2)
		w, store := x.joinStalled()
		k := w.Make(halberd.NewKey{})
		x.nodes[0].way.cut.Store(true)
		store.takes.Store(int64(4 * time.Second))
		began := time.Now()
		_, err := w.Revoke(t.Context(), w.Admin.Via(halberd.Request{Wait: 6 * time.Second}), k.Key.ID, "", 0)
		if took := time.Since(began); halberd.CodeOf(err) != halberd.CodeUnavailable || took != 6*time.Second {
			t.Errorf("%v after %v", err, took)
		}
	})
}

// A node that was left behind takes up the present from the records while its own
// change is answered: that change its directory is not told of. It is waited for
// all the same.
func TestAChangeThatTheDirectoryWasNotToldOfIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newSeveral(t, 2)
		w, store := x.joinStalled()
		k := w.Make(halberd.NewKey{})
		elapse(lease)
		x.nodes[0].way.cut.Store(true)
		store.untold.Store(true)
		p, err := w.Revoke(t.Context(), w.Admin, k.Key.ID, "", 0)
		if err != nil || !p.Propagation.Confirmed {
			t.Fatalf("%+v, %v", p.Propagation, err)
		}
		if got := x.nodes[0].code(k.Secret); got == "VALID" {
			t.Error("a node that was cut off accepts a key after its revocation was answered")
		}
	})
}
