package storagetest

import (
	"errors"
	"slices"
	"sync"

	"github.com/halberdhq/halberd"
)

var followCases = []contract{
	{"the follower is told whole records before Update returns", func(s *subject) {
		var told []halberd.Committed
		s.Follow(func(c halberd.Committed) { told = append(told, c) })
		s.insert(key(1), key(2))
		equal(s, "told", len(told), 1)
		wantCommitted(s, told[0], halberd.Committed{Revision: 1, Keys: []halberd.KeyRecord{key(1), key(2)}})

		changed := next(key(1), func(k *halberd.KeyRecord) { k.Name = "new" })
		s.update(func(tx halberd.Tx) error {
			return errors.Join(tx.UpdateKey(changed), tx.PutProject(project(1)), tx.PutOrganization(organization(1)), tx.SetMeta("a", "b"))
		})
		equal(s, "told", len(told), 2)
		wantCommitted(s, told[1], halberd.Committed{
			Revision: 2, Keys: []halberd.KeyRecord{changed},
			Projects: []halberd.ProjectRecord{project(1)}, Organizations: []halberd.OrganizationRecord{organization(1)},
		})
	}},
	{"a record put twice in one Update is told once, as it ended", func(s *subject) {
		var told []halberd.Committed
		s.Follow(func(c halberd.Committed) { told = append(told, c) })
		second := project(1, func(p *halberd.ProjectRecord) { p.Version = 2 })
		s.update(func(tx halberd.Tx) error {
			return errors.Join(tx.InsertKey(key(1)), tx.UpdateKey(next(key(1))), tx.PutProject(project(1)), tx.PutProject(second))
		})
		wantCommitted(s, told[0], halberd.Committed{Revision: 1, Keys: []halberd.KeyRecord{next(key(1))}, Projects: []halberd.ProjectRecord{second}})
	}},
	{"a change without keys, projects or organizations is not told", func(s *subject) {
		s.Follow(func(c halberd.Committed) { s.Errorf("told of %+v", c) })
		s.update(func(tx halberd.Tx) error { return tx.SetMeta("a", "b") })
		s.record(event(1))
		s.refused(errWanted, func(tx halberd.Tx) error { return errors.Join(tx.InsertKey(key(3)), errWanted) })
		s.use(used(1, 5000))
	}},
	{"changes are told in commit order, one at a time, before their Update returns", func(s *subject) {
		var telling sync.Mutex // held by nobody but the one who tells
		var mu sync.Mutex      // of what follows
		var told []int64
		seen := map[halberd.KeyID]bool{}
		s.Follow(func(c halberd.Committed) {
			if !telling.TryLock() {
				s.Error("told of two changes at once")
				telling.Lock()
			}
			defer telling.Unlock()
			mu.Lock()
			defer mu.Unlock()
			told = append(told, c.Revision)
			for _, k := range c.Keys {
				seen[k.ID] = true
			}
		})
		var all sync.WaitGroup
		for n := 1; n <= 100; n++ {
			all.Go(func() {
				err := s.Update(background(), func(tx halberd.Tx) error {
					if n%5 == 0 {
						return errors.Join(tx.InsertKey(key(n)), errWanted)
					}
					return tx.InsertKey(key(n))
				})
				mu.Lock()
				defer mu.Unlock()
				if (err == nil) != seen[keyID(n)] {
					s.Errorf("Update %d: %v, told: %v", n, err, seen[keyID(n)])
				}
			})
		}
		all.Wait()
		equal(s, "told", len(told), 80)
		for i, r := range told {
			equal(s, "revision", r, int64(i+1))
		}
	}},
}

func wantCommitted(s *subject, got, want halberd.Committed) {
	s.Helper()
	if got.Revision != want.Revision || !slices.Equal(got.Keys, want.Keys) ||
		!slices.Equal(got.Projects, want.Projects) || !slices.Equal(got.Organizations, want.Organizations) {
		s.Errorf("told:\n got %+v\nwant %+v", got, want)
	}
}
