package storagetest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/halberdhq/halberd"
)

var loadCases = []contract{
	{"every record is loaded once, whole, across any number of parts", func(s *subject) {
		const n = 1500
		s.update(func(tx halberd.Tx) error {
			for i := 1; i <= n; i++ {
				k := key(i, func(k *halberd.KeyRecord) {
					if i%3 == 0 {
						k.PreviousDigest, k.PreviousExpiresAt = digest(10_000+i), 9
						k.Scopes, k.ExternalID, k.Detail = "read", fmt.Sprint("customer ", i), `{"a":1}`
					}
					if i%5 == 0 {
						k.Project, k.ExpiresAt, k.NotBefore = halberd.ProjectID{}, int64(1000+i), 4
					}
					if i%7 == 0 {
						k.State = halberd.StateInactive
					}
				})
				if err := tx.InsertKey(k); err != nil {
					return err
				}
			}
			return nil
		})
		s.use(used(1, 5000))
		for _, parts := range []int{0, 1, 2, 7} {
			seen := s.load(parts, 0)
			equal(s, fmt.Sprintf("records in %d parts", parts), len(seen), n)
			for id, k := range seen {
				want := s.key(number(id))
				want.LastUsedAt = 0
				if k != want {
					s.Fatalf("loaded:\n got %+v\nwant %+v", k, want)
				}
			}
		}
	}},
	{"an empty store loads nothing", func(s *subject) {
		equal(s, "records", len(s.load(3, 0)), 0)
	}},
	{"keys revoked long ago are left out", func(s *subject) {
		s.insert(key(1), key(2, revoke(99)), key(3, revoke(100)), key(4, revoke(101)))
		seen := s.load(2, 100)
		equal(s, "records", len(seen), 3)
		if _, found := seen[keyID(2)]; found {
			s.Error("a key revoked before then was loaded")
		}
	}},
	{"an error of the receiver ends the load and is returned", func(s *subject) {
		fill(s, 1, 50)
		for _, parts := range []int{1, 4} {
			if err := s.Load(s.Context(), parts, 0, func([]halberd.KeyRecord) error { return errWanted }); !errors.Is(err, errWanted) {
				s.Errorf("Load: %v", err)
			}
		}
		ctx, cancel := context.WithCancel(s.Context())
		cancel()
		if err := s.Load(ctx, 2, 0, func([]halberd.KeyRecord) error { return nil }); !errors.Is(err, context.Canceled) {
			s.Errorf("Load: %v", err)
		}
	}},
}

// load copies what is loaded, which is only valid during the call.
func (s *subject) load(parts int, revokedSince int64) map[halberd.KeyID]halberd.KeyRecord {
	s.Helper()
	var mu sync.Mutex
	seen := map[halberd.KeyID]halberd.KeyRecord{}
	err := s.Load(s.Context(), parts, revokedSince, func(batch []halberd.KeyRecord) error {
		mu.Lock()
		defer mu.Unlock()
		for _, k := range batch {
			if _, again := seen[k.ID]; again {
				s.Errorf("key %d was loaded twice", number(k.ID))
			}
			seen[k.ID] = k
		}
		return nil
	})
	if err != nil {
		s.Fatalf("Load: %v", err)
	}
	return seen
}
