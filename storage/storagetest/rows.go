package storagetest

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/halberdhq/halberd"
)

var sharingCases = []clusterContract{
	{"a View sees every Update that has returned anywhere", func(c *cluster) {
		a, b := c.open(), c.open()
		for n := 1; n <= 20; n++ {
			a.insert(key(n))
			equal(b.subject, "key", b.key(n), key(n))
			a, b = b, a
		}
	}},
	{"Updates of different nodes are serial", func(c *cluster) {
		peers := []*peer{c.open(), c.open(), c.open()}
		const ceiling = 20
		var all sync.WaitGroup
		for n := range 3 * ceiling {
			p := peers[n%3]
			all.Go(func() {
				err := p.Update(background(), func(tx halberd.Tx) error {
					taken, err := tx.CountKeys(projectID(1), 1)
					if err != nil {
						return err
					}
					if taken >= ceiling {
						return errWanted
					}
					return tx.InsertKey(key(n))
				})
				if err != nil && !errors.Is(err, errWanted) {
					p.Errorf("Update: %v", err)
				}
			})
		}
		all.Wait()
		equal(peers[0].subject, "keys", len(peers[0].list(halberd.KeyFilter{})), ceiling)
	}},
	{"sessions, quotas and counts are everybody's", func(c *cluster) {
		a, b := c.open(), c.open()
		token := [32]byte{1}
		if err := a.PutSession(a.Context(), token, []byte("who"), 100, 1); err != nil {
			a.Fatal(err)
		}
		if got, err := b.Session(b.Context(), token, 2); string(got) != "who" {
			b.Errorf("Session: %q, %v", got, err)
		}
		quota := halberd.QuotaRecord{ID: halberd.QuotaID{7}, Period: 60, Ends: 120, Taken: 5}
		a.update(func(tx halberd.Tx) error { return tx.PutQuota(quota) })
		b.view(func(r halberd.Reader) error {
			got, err := r.Quota(quota.ID)
			equal(b.subject, "quota", got, quota)
			return err
		})
		batch := used(1, 600)
		batch.Writer, batch.Number = [16]byte{9}, 1
		a.insert(key(1))
		a.use(batch)
		b.use(batch) // the same batch again, by another way
		b.view(func(r halberd.Reader) error {
			sums, _, err := r.Usage(halberd.UsageFilter{Keys: []halberd.KeyID{keyID(1)}, Step: halberd.StepMinute, To: 1200})
			if len(sums) != 1 || sums[0].Count != 1 {
				b.Errorf("counted: %+v", sums)
			}
			return err
		})
	}},
	{"what a node keeps for itself is not shared", func(c *cluster) {
		a, b := c.open(), c.open()
		if _, err := a.Pepper(a.Context(), pepper("a")); err != nil {
			a.Fatal(err)
		}
		if _, err := b.Pepper(b.Context(), nil); !errors.Is(err, halberd.ErrNotFound) {
			b.Errorf("Pepper: %v", err)
		}
		a.entomb(tombstone(1))
		b.wantTombstones()
	}},
}

var rowCases = []clusterContract{
	{"a node enters joining, with all it says of itself", func(c *cluster) {
		a, b := c.open(), c.open()
		want := halberd.NodeRecord{
			Incarnation: incarnation(1), Name: "Node ä", State: halberd.NodeJoining, Applied: 3,
			Lease: 1500 * time.Millisecond, Version: "v1.2.3",
		}
		a.enter(want)
		got := b.row(1)
		if got.SeenAt <= 0 {
			b.Error("it was not seen")
		}
		got.SeenAt = 0
		equal(b.subject, "row", got, want)
		if err := b.Enter(b.Context(), want); err == nil {
			b.Error("the same incarnation entered twice")
		}
	}},
	{"a renewal counts and notes, and answers with what is true as of it", func(c *cluster) {
		a, b := c.open(), c.open()
		a.enter(node(1))
		a.activate(1)
		for n := int64(1); n <= 5; n++ {
			b.advance()
			equal(a.subject, "granted at", a.renew(1, n).Revision, n+1)
			got := b.row(1)
			equal(b.subject, "renewals", got.Renewals, n)
			equal(b.subject, "applied", got.Applied, n)
		}
	}},
	{"a renewal sees every Update that has returned", func(c *cluster) {
		a, b := c.open(), c.open()
		a.enter(node(1))
		a.activate(1)
		var all sync.WaitGroup
		var done int64
		var mu sync.Mutex // guards done
		for range 4 {
			all.Go(func() {
				for range 10 {
					var revision int64
					if err := b.Update(background(), func(tx halberd.Tx) (err error) {
						revision, err = tx.Revision()
						return errors.Join(err, shared(b, tx).Advance())
					}); err != nil {
						b.Errorf("Update: %v", err)
					}
					mu.Lock()
					done = max(done, revision+1)
					mu.Unlock()
				}
			})
		}
		for range 40 {
			mu.Lock()
			before := done
			mu.Unlock()
			if got := a.renew(1, 0).Revision; got < before {
				a.Errorf("granted at revision %d, after %d was answered", got, before)
			}
		}
		all.Wait()
	}},
	{"the time of a grant never goes back, whoever is granted", func(c *cluster) {
		a, b := c.open(), c.open()
		a.enter(node(1))
		b.enter(node(2))
		a.activate(1)
		b.activate(2)
		var last time.Time
		for range 20 {
			for n, p := range []*peer{a, b} {
				now := p.renew(n+1, 0).Now
				if now.Before(last) || now.IsZero() {
					p.Errorf("granted at %v, after %v", now, last)
				}
				last = now
			}
		}
	}},
	{"what a node has applied never goes back", func(c *cluster) {
		a, b := c.open(), c.open()
		a.enter(node(1))
		a.activate(1)
		a.acknowledge(1, 7)
		equal(b.subject, "applied", b.row(1).Applied, int64(7))
		a.acknowledge(1, 5)
		a.renew(1, 6)
		equal(b.subject, "applied", b.row(1).Applied, int64(7))
		equal(b.subject, "renewals", b.row(1).Renewals, int64(1))
	}},
	{"who is not there is not renewed", func(c *cluster) {
		a := c.open()
		a.notRenewed(1)
		a.enter(node(1))
		a.leave(1)
		a.notRenewed(1)
		a.leave(1)
		a.wantRows()
	}},
	{"who was fenced is not renewed, nor activated", func(c *cluster) {
		a, b := c.open(), c.open()
		a.enter(node(1))
		a.enter(node(2))
		a.activate(1)
		a.renew(1, 0)
		equal(b.subject, "fenced", b.fence(1, 1), true)
		equal(b.subject, "fenced", b.fence(2, 0), true)
		for n := 1; n <= 2; n++ {
			got := b.row(n)
			equal(b.subject, "state", got.State, halberd.NodeFenced)
			if got.FencedAt <= 0 {
				b.Error("no time of its fencing")
			}
			a.notRenewed(n)
			a.refused(halberd.ErrFenced, func(tx halberd.Tx) error { return shared(a, tx).Activate(incarnation(n)) })
			equal(b.subject, "state", b.row(n).State, halberd.NodeFenced)
		}
	}},
	{"only who was not renewed since is fenced", func(c *cluster) {
		a, b := c.open(), c.open()
		a.enter(node(1))
		a.activate(1)
		a.renew(1, 0)
		a.renew(1, 0)
		for _, renewals := range []int64{0, 1, 3} {
			equal(b.subject, "fenced", b.fence(1, renewals), false)
		}
		equal(b.subject, "fenced", b.fence(9, 0), false)
		equal(b.subject, "state", b.row(1).State, halberd.NodeActive)
		a.renew(1, 0)
		equal(b.subject, "fenced", b.fence(1, 3), true)
	}},
	{"of a renewal and a fencing at once, one is done", func(c *cluster) {
		a, b := c.open(), c.open()
		for n := 1; n <= 40; n++ {
			a.enter(node(n))
			a.activate(n)
			var renewed, fenced error
			var did bool
			var all sync.WaitGroup
			all.Go(func() { _, renewed = a.Renew(background(), halberd.Beat{Incarnation: incarnation(n)}) })
			all.Go(func() { did, fenced = b.Fence(background(), incarnation(n), 0) })
			all.Wait()
			if fenced != nil || renewed != nil && !errors.Is(renewed, halberd.ErrFenced) || (renewed == nil) == did {
				c.Errorf("Renew: %v; Fence: %v, %v", renewed, did, fenced)
			}
		}
	}},
	{"Activate takes a revision, and its row is active from it on", func(c *cluster) {
		a, b := c.open(), c.open()
		a.enter(node(1))
		a.activate(1)
		a.wantTold(1, 1)
		equal(b.subject, "state", b.row(1).State, halberd.NodeActive)
		b.catchUp(1)
		for _, n := range []int{1, 2} { // active already; not there
			a.refused(halberd.ErrFenced, func(tx halberd.Tx) error { return shared(a, tx).Activate(incarnation(n)) })
		}
		b.catchUp(1)
	}},
	{"an Update that is undone activates nobody", func(c *cluster) {
		a, b := c.open(), c.open()
		a.enter(node(1))
		a.refused(errWanted, func(tx halberd.Tx) error {
			return errors.Join(shared(a, tx).Activate(incarnation(1)), errWanted)
		})
		equal(b.subject, "state", b.row(1).State, halberd.NodeJoining)
		a.activate(1)
	}},
	{"every row is listed as it is, wherever it was changed", func(c *cluster) {
		peers := []*peer{c.open(), c.open(), c.open()}
		for n := range 30 {
			p, other := peers[n%3], peers[(n+1)%3]
			p.enter(node(n))
			equal(other.subject, "state", other.row(n).State, halberd.NodeJoining)
			other.activate(n)
			equal(p.subject, "state", p.row(n).State, halberd.NodeActive)
			p.renew(n, int64(n))
			equal(other.subject, "renewals", other.row(n).Renewals, int64(1))
			if n%2 == 0 {
				p.leave(n)
			}
		}
		var odd []int
		for n := 1; n < 30; n += 2 {
			odd = append(odd, n)
		}
		peers[0].wantRows(odd...)
	}},
	{"rows outlive the handle that made them", func(c *cluster) {
		a, b := c.open(), c.open()
		a.enter(node(1))
		a.activate(1)
		if err := a.Close(); err != nil {
			a.Fatal(err)
		}
		equal(b.subject, "state", b.row(1).State, halberd.NodeActive)
		equal(b.subject, "fenced", b.fence(1, 0), true)
	}},
}

func incarnation(n int) (i halberd.Incarnation) {
	binary.BigEndian.PutUint64(i[8:], uint64(n))
	return i
}

func node(n int) halberd.NodeRecord {
	return halberd.NodeRecord{Incarnation: incarnation(n), Name: fmt.Sprint("node ", n), Lease: 10 * time.Second}
}

func (p *peer) enter(n halberd.NodeRecord) {
	p.Helper()
	if err := p.Enter(p.Context(), n); err != nil {
		p.Fatalf("Enter: %v", err)
	}
}

func (p *peer) activate(n int) {
	p.Helper()
	p.update(func(tx halberd.Tx) error { return shared(p, tx).Activate(incarnation(n)) })
}

func (p *peer) renew(n int, applied int64) halberd.Grant {
	p.Helper()
	g, err := p.Renew(p.Context(), halberd.Beat{Incarnation: incarnation(n), Applied: applied})
	if err != nil {
		p.Fatalf("Renew: %v", err)
	}
	return g
}

func (p *peer) notRenewed(n int) {
	p.Helper()
	if _, err := p.Renew(p.Context(), halberd.Beat{Incarnation: incarnation(n)}); !errors.Is(err, halberd.ErrFenced) {
		p.Errorf("Renew: %v, want ErrFenced", err)
	}
}

func (p *peer) acknowledge(n int, applied int64) {
	p.Helper()
	if err := p.Acknowledge(p.Context(), halberd.Beat{Incarnation: incarnation(n), Applied: applied}); err != nil {
		p.Fatalf("Acknowledge: %v", err)
	}
}

func (p *peer) fence(n int, renewals int64) bool {
	p.Helper()
	did, err := p.Fence(p.Context(), incarnation(n), renewals)
	if err != nil {
		p.Fatalf("Fence: %v", err)
	}
	return did
}

func (p *peer) leave(n int) {
	p.Helper()
	if err := p.Leave(p.Context(), incarnation(n)); err != nil {
		p.Fatalf("Leave: %v", err)
	}
}

func (p *peer) nodes() map[halberd.Incarnation]halberd.NodeRecord {
	p.Helper()
	list, err := p.Nodes(p.Context())
	if err != nil {
		p.Fatalf("Nodes: %v", err)
	}
	out := map[halberd.Incarnation]halberd.NodeRecord{}
	for _, r := range list {
		out[r.Incarnation] = r
	}
	equal(p.subject, "rows with an incarnation of their own", len(out), len(list))
	return out
}

func (p *peer) row(n int) halberd.NodeRecord {
	p.Helper()
	r, found := p.nodes()[incarnation(n)]
	if !found {
		p.Fatalf("node %d is not listed", n)
	}
	return r
}

func (p *peer) wantRows(want ...int) {
	p.Helper()
	rows := p.nodes()
	equal(p.subject, "rows", len(rows), len(want))
	for _, n := range want {
		if _, found := rows[incarnation(n)]; !found {
			p.Errorf("node %d is not listed", n)
		}
	}
}
