package storagetest

import (
	"errors"
	"sync"
	"sync/atomic"

	"github.com/halberdhq/halberd"
)

var historyCases = []clusterContract{
	{"an empty database has no history", func(c *cluster) {
		a, b := c.open(), c.open()
		a.catchUp(0)
		b.rewind(0)
		b.catchUp(0)
		a.wantTold(1, 0)
	}},
	{"a node's own change is told before Update returns, after all that came before it", func(c *cluster) {
		a, b := c.open(), c.open()
		a.insert(key(1))
		a.wantTold(1, 1)
		b.insert(key(2))
		b.wantTold(1, 2)
		b.insert(key(3))
		b.wantTold(1, 3)
		a.insert(key(4))
		a.wantTold(1, 4)
	}},
	{"CatchUp tells of every Update that has returned, once", func(c *cluster) {
		a, b, d := c.three()
		a.insert(key(1))
		b.insert(key(2))
		for range 2 {
			d.catchUp(2)
			d.wantTold(1, 2)
		}
		a.catchUp(2)
		a.wantTold(1, 2)
		d.insert(key(3))
		d.catchUp(3)
		d.wantTold(1, 3)
	}},
	{"other nodes are told whole records", func(c *cluster) {
		a, b := c.open(), c.open()
		k := key(1, func(k *halberd.KeyRecord) {
			k.PreviousDigest, k.PreviousExpiresAt, k.ExpiresAt, k.NotBefore = digest(99), 9, 1<<40, 7
			k.ExternalID, k.Detail, k.State = "customer", `{"a":1}`, halberd.StateInactive
		})
		a.update(func(tx halberd.Tx) error {
			return errors.Join(tx.InsertKey(k), tx.InsertKey(key(2)), tx.PutProject(project(1)),
				tx.PutOrganization(organization(1)), tx.PutMember(member(1)))
		})
		a.update(func(tx halberd.Tx) error { return tx.UpdateKey(next(key(2), revoke(50))) })
		b.catchUp(2)
		b.wantTold(1, 2)
		// The first line may tell of what the second made of the record.
		if second := b.told[0].Keys; len(second) == 2 {
			second[1] = key(2)
		}
		wantCommitted(b.subject, b.told[0], halberd.Committed{
			Revision: 1, Keys: []halberd.KeyRecord{k, key(2)},
			Projects: []halberd.ProjectRecord{project(1)}, Organizations: []halberd.OrganizationRecord{organization(1)},
		})
		wantCommitted(b.subject, b.told[1], halberd.Committed{Revision: 2, Keys: []halberd.KeyRecord{next(key(2), revoke(50))}})
		if got := b.told[0].Members; len(got) != 1 || got[0] != member(1) {
			b.Errorf("members told: %+v", got)
		}
	}},
	{"a record is never older than the revision it is told with", func(c *cluster) {
		a, b, d := c.three()
		a.insert(key(1))
		versions := []int64{0, 1} // by revision
		for n := range 20 {
			p := []*peer{a, b}[n%2]
			p.update(func(tx halberd.Tx) error {
				k, err := tx.Key(keyID(1))
				if err != nil {
					return err
				}
				versions = append(versions, k.Version+1)
				return tx.UpdateKey(next(k))
			})
			if n == 9 {
				d.catchUp(11)
			}
		}
		d.catchUp(21)
		d.wantTold(1, 21)
		for _, p := range []*peer{a, b, d} {
			for _, told := range p.told {
				if len(told.Keys) != 1 || told.Keys[0].Version < versions[told.Revision] {
					p.Errorf("told with revision %d: %+v", told.Revision, told.Keys)
				}
			}
		}
	}},
	{"what changes nothing that is checked takes no revision", func(c *cluster) {
		a, b := c.open(), c.open()
		a.update(func(tx halberd.Tx) error { return tx.SetMeta("a", "b") })
		a.record(event(1))
		a.update(func(tx halberd.Tx) error { return tx.PutQuota(halberd.QuotaRecord{ID: halberd.QuotaID{1}}) })
		a.refused(errWanted, func(tx halberd.Tx) error {
			return errors.Join(tx.InsertKey(key(3)), shared(a, tx).Advance(), errWanted)
		})
		b.catchUp(0)
		a.wantTold(1, 0)
	}},
	{"Advance takes a revision for nothing", func(c *cluster) {
		a, b := c.open(), c.open()
		a.advance()
		a.insert(key(1))
		a.advance()
		b.catchUp(3)
		for _, p := range []*peer{a, b} {
			p.wantTold(1, 3)
			for _, told := range []int{0, 2} {
				if len(p.told[told].Keys) > 0 {
					p.Errorf("told: %+v", p.told[told])
				}
			}
		}
		a.view(func(r halberd.Reader) error {
			revision, err := r.Revision()
			equal(a.subject, "revision", revision, int64(3))
			return err
		})
	}},
	{"revisions are dense and in commit order, whoever commits, and each Update is told of before it returns", func(c *cluster) {
		peers := []*peer{c.open(), c.open(), c.open()}
		seen := make([]map[halberd.KeyID]bool, len(peers)) // guarded by mus
		mus := make([]sync.Mutex, len(peers))
		telling := make([]sync.Mutex, len(peers)) // held by nobody but the one who tells
		last := make([]int64, len(peers))
		for i, p := range peers {
			seen[i] = map[halberd.KeyID]bool{}
			p.Follow(func(told halberd.Committed) {
				if !telling[i].TryLock() {
					c.Error("told of two changes at once")
					telling[i].Lock()
				}
				defer telling[i].Unlock()
				mus[i].Lock()
				defer mus[i].Unlock()
				if told.Revision != last[i]+1 {
					c.Errorf("told of revision %d after %d", told.Revision, last[i])
				}
				last[i] = told.Revision
				for _, k := range told.Keys {
					seen[i][k.ID] = true
				}
			})
		}
		sees := func(i, n int) bool {
			mus[i].Lock()
			defer mus[i].Unlock()
			return seen[i][keyID(n)]
		}
		const each = 25
		var all sync.WaitGroup
		for i, p := range peers {
			for n := i * each; n < (i+1)*each; n++ {
				all.Go(func() {
					err := p.Update(background(), func(tx halberd.Tx) error {
						if n%5 == 0 {
							return errors.Join(tx.InsertKey(key(n)), errWanted)
						}
						return tx.InsertKey(key(n))
					})
					if told := sees(i, n); (err == nil) != told {
						c.Errorf("Update %d: %v, told: %v", n, err, told)
					}
					if err != nil {
						return
					}
					other := (i + 1) % len(peers)
					if _, err := peers[other].CatchUp(background()); err != nil {
						c.Errorf("CatchUp: %v", err)
					}
					if !sees(other, n) {
						c.Errorf("another node caught up and was not told of key %d", n)
					}
				})
			}
		}
		all.Wait()
		for i, p := range peers {
			p.catchUp(3 * each * 4 / 5)
			equal(p.subject, "last revision told", last[i], int64(3*each*4/5))
		}
	}},
	{"Load after Rewind, and CatchUp after it, miss nothing", func(c *cluster) {
		a, b := c.open(), c.open()
		const keys = 60
		var made atomic.Int64
		var all sync.WaitGroup
		all.Go(func() {
			for n := 1; n <= keys; n++ {
				if err := a.Update(background(), func(tx halberd.Tx) error { return tx.InsertKey(key(n)) }); err != nil {
					a.Errorf("Update: %v", err)
				}
				made.Store(int64(n))
			}
		})
		before := made.Load()
		revision, err := b.Rewind(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		if revision < before {
			b.Errorf("Rewind: %d, after %d changes", revision, before)
		}
		loaded := b.load(2, 0)
		all.Wait()
		b.catchUp(keys)
		b.wantTold(revision+1, keys)
		for n := int64(1); n <= revision; n++ {
			if _, found := loaded[keyID(int(n))]; !found {
				b.Errorf("key %d of revision %d is neither loaded nor told", n, n)
			}
		}
	}},
}

var lostHistoryCases = []clusterContract{
	{"a node that the log does not reach back to is left behind until it rewinds", func(c *cluster) {
		a, b, d := c.three()
		for n := 1; n <= 4; n++ {
			a.insert(key(n))
			if n <= 2 {
				b.catchUp(int64(n))
			}
		}
		c.Forget(c.T, 3)
		b.leftBehind()
		d.leftBehind()
		a.catchUp(4)
		d.rewind(4)
		d.catchUp(4)
		equal(d.subject, "records", len(d.load(1, 0)), 4)
		a.insert(key(5))
		d.catchUp(5)
		d.wantTold(5, 5)
	}},
	{"an Update that the follower cannot be told of is no success", func(c *cluster) {
		a, b := c.open(), c.open()
		a.insert(key(1), key(2))
		a.insert(key(3))
		c.Forget(c.T, 2)
		err := b.Update(b.Context(), func(tx halberd.Tx) error { return tx.UpdateKey(next(key(1), revoke(50))) })
		if err == nil {
			b.Error("Update: nil")
		}
		b.wantTold(1, 0)
		b.leftBehind()
	}},
	{"a history that lost its end is not what was told", func(c *cluster) {
		a, b, d := c.three()
		a.insert(key(1))
		b.catchUp(1)
		promote := c.Standby(c.T)
		a.advance()
		d.catchUp(2)
		promote()
		a.replaced()
		d.replaced()
		b.catchUp(1)
	}},
	{"a history that gave the same number to another change is not what was told", func(c *cluster) {
		a, b, d := c.three()
		a.insert(key(1))
		b.catchUp(1)
		promote := c.Standby(c.T)
		a.advance()
		d.catchUp(2)
		promote()
		b.advance()
		d.replaced()
		b.advance()
		b.advance()
		d.replaced()
		a.replaced()
		b.catchUp(4)
		d.rewind(4)
		d.catchUp(4)
	}},
	{"a node that was told of another history is not renewed, and acknowledges nothing", func(c *cluster) {
		a, b, d := c.three()
		for n, p := range []*peer{a, b} {
			p.enter(node(n))
		}
		a.activate(0)
		b.catchUp(1)
		d.catchUp(1)
		promote := c.Standby(c.T)
		a.advance()
		b.catchUp(2)
		a.renew(0, 2)
		a.acknowledge(0, 2)
		b.acknowledge(1, 2)
		promote()
		rows := func() [2]halberd.NodeRecord { return [2]halberd.NodeRecord{d.row(0), d.row(1)} }
		before := rows()
		for _, further := range []string{"shorter", "as long", "longer"} {
			for n, p := range []*peer{a, b} {
				beat := halberd.Beat{Incarnation: incarnation(n), Applied: 2}
				if g, err := p.Renew(p.Context(), beat); !errors.Is(err, halberd.ErrHistory) {
					c.Errorf("Renew where the other history is %s: %+v, %v; want ErrHistory", further, g, err)
				}
				if err := p.Acknowledge(p.Context(), beat); !errors.Is(err, halberd.ErrHistory) {
					c.Errorf("Acknowledge where the other history is %s: %v, want ErrHistory", further, err)
				}
			}
			equal(d.subject, "rows", rows(), before)
			d.advance()
		}
		equal(d.subject, "fenced", d.fence(0, before[0].Renewals), true)
		a.notRenewed(0) // to enter again is all that is left to it
		b.rewind(4)
		b.renew(1, 4)
		b.acknowledge(1, 4)
	}},
	{"an Update on a node with another history is no success", func(c *cluster) {
		a, b := c.open(), c.open()
		promote := c.Standby(c.T)
		a.advance()
		promote()
		b.advance()
		if err := a.Update(a.Context(), func(tx halberd.Tx) error { return shared(a, tx).Advance() }); err == nil {
			a.Error("Update: nil")
		}
		a.wantTold(1, 1)
		a.replaced()
	}},
}
