package storagetest

import (
	"errors"
	"sync"

	"github.com/halberdhq/halberd"
)

var closeCases = []contract{
	{"everything after Close is ErrClosed", func(s *subject) {
		s.insert(key(1))
		if err := s.Close(); err != nil {
			s.Fatalf("Close: %v", err)
		}
		ctx := s.Context()
		_, pepperErr := s.Pepper(ctx, nil)
		_, tombErr := s.Tombstones(ctx, func(halberd.Tombstone) error { return nil })
		for name, err := range map[string]error{
			"Update":     s.Update(ctx, func(halberd.Tx) error { s.Error("ran"); return nil }),
			"View":       s.View(ctx, func(halberd.Reader) error { s.Error("ran"); return nil }),
			"Load":       s.Load(ctx, 1, 0, func([]halberd.KeyRecord) error { s.Error("ran"); return nil }),
			"AddUsage":   s.AddUsage(ctx, used(1, 100)),
			"Pepper":     pepperErr,
			"Entomb":     s.Entomb(ctx, []halberd.Tombstone{tombstone(1)}),
			"Tombstones": tombErr,
			"Close":      s.Close(),
		} {
			if !errors.Is(err, halberd.ErrClosed) {
				s.Errorf("%s: %v", name, err)
			}
		}
	}},
	{"Close waits for what is under way, and each Update ends one way or the other", func(s *subject) {
		inside, release := make(chan bool), make(chan bool)
		var all sync.WaitGroup
		all.Go(func() {
			if err := s.Update(background(), func(tx halberd.Tx) error {
				close(inside)
				<-release
				return tx.InsertKey(key(1))
			}); err != nil {
				s.Errorf("the Update under way: %v", err)
			}
		})
		<-inside
		for n := 2; n < 30; n++ {
			all.Go(func() {
				err := s.Update(background(), func(tx halberd.Tx) error { return tx.InsertKey(key(n)) })
				if err != nil && !errors.Is(err, halberd.ErrClosed) {
					s.Errorf("Update: %v", err)
				}
			})
		}
		all.Go(func() {
			if err := s.Close(); err != nil {
				s.Errorf("Close: %v", err)
			}
		})
		close(release)
		all.Wait()
	}},
}
