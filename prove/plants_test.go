//go:build linux

package prove

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// plant is a bug of server/planted_on.go, and what brings it to light: with two
// nodes, a revocation through the first and checks at the second.
type plant struct {
	bug  string
	what string
	// lease is a second where nothing needs another.
	lease time.Duration
	// happen brings it about, and returns when a check at the second node would be
	// stale.
	happen func(r *round)
}

// Bugs that a machine brings to light whenever it is asked to. Those that need a
// schedule which machines hit too rarely are in the simulation.
var plants = []plant{
	{"no-wait", "a revoker takes itself for alone", time.Second, (*round).cutOff},
	{"silent-counts", "a revoker takes the silent for informed", time.Second, (*round).cutOff},
	{"joins-unseen", "a node answers without being on the list", time.Second, (*round).cutOff},
	{"endless-lease", "a renewal that fails counts all the same", time.Second, (*round).cutOff},
	{"deaf", "a lease is taken though changes are missing", time.Second, (*round).revoke},
	{"ack-first", "a node acknowledges what it has yet to apply", time.Second, (*round).revoke},
	{"fenced-renews", "a fenced node goes on", time.Second, (*round).fencedBefore},
	{"wall-clock", "a lease is judged by the wall clock alone", time.Second, (*round).clockHeldBack},
}

// round is one bug being brought about.
type round struct {
	c       *cluster
	net     *proxies
	h       *history
	l       *load
	o       *owner
	k       held
	revoker *node
	victim  *node
}

// revoke revokes through the first node, on which the proof's eyes are.
func (r *round) revoke() { _ = r.o.revokeThrough(r.o.ctx(), r.k, r.revoker) }

func (r *round) cutOff() {
	r.net.cut(1, bothWays)
	r.revoke()
}

// fencedBefore has the second node outwaited, and back: that nobody waits for it
// any more is right only if it has entered anew.
func (r *round) fencedBefore() {
	other, err := r.o.create(r.o.ctx())
	if err != nil {
		return
	}
	r.net.cut(1, bothWays)
	_ = r.o.revokeThrough(r.o.ctx(), other, r.revoker)
	r.net.heal(1)
	r.victim.awaitReady()
	r.c.leases(0.5)
	r.cutOff()
}

// clockHeldBack sets the second node's clock back as fast as time passes.
func (r *round) clockHeldBack() {
	r.net.cut(1, bothWays)
	began, done := time.Now(), make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(10 * time.Millisecond):
				r.victim.step(-time.Since(began) * 9 / 10)
			}
		}
	})
	r.revoke()
	r.c.leases(0.3)
	close(done)
	all.Wait()
}

// try reports whether the judge finds the bug.
func (p plant) try(t *testing.T, pg *database, bug string) bool {
	t.Helper()
	net := openProxies(t, 2)
	c := open(t, plan{nodes: 2, on: pg, net: net, lease: p.lease, plant: bug})
	h := newHistory()
	l := beginWith(c, h, 1, 2, 10*time.Millisecond)
	r := &round{c: c, net: net, h: h, l: l, o: l.owner(0), revoker: c.nodes[0], victim: c.nodes[1]}
	k, err := r.o.create(r.o.ctx())
	if err != nil {
		t.Logf("%s: %v", p.bug, err) // it is tried again
		l.end()
		return false
	}
	r.k = k
	pause(50)
	p.happen(r)
	c.leases(0.3)
	net.heal(1)
	l.end()
	j := judge(h)
	return len(j.stale)+len(j.backward) > 0
}

// provePlants has every planted bug found, and says how many there are. All are
// tried at once: most of the time is spent waiting for leases to end.
func provePlants(t *testing.T, pg *database) (caught, all int) {
	t.Helper()
	var found atomic.Int64
	t.Run("planted", func(t *testing.T) {
		for _, p := range plants {
			t.Run(p.bug, func(t *testing.T) {
				t.Parallel()
				for range 3 { // a machine that is busy with something else may miss the moment
					if p.try(t, pg, p.bug) {
						found.Add(1)
						return
					}
				}
				t.Errorf("not found: %s", p.what)
			})
		}
	})
	say(t, "planted bugs found by the judge: %d of %d", found.Load(), len(plants))
	return int(found.Load()), len(plants)
}

// What brings the bugs to light finds nothing where there is none.
func TestNothingIsFoundWhereNothingIsPlanted(t *testing.T) {
	pg := shared(t)
	for _, p := range plants {
		t.Run(p.bug, func(t *testing.T) {
			t.Parallel()
			if p.try(t, pg, "") {
				t.Errorf("%s: found in a program that has no bug", p.what)
			}
		})
	}
}
