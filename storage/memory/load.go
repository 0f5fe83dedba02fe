package memory

import (
	"context"
	"sync"

	"github.com/halberdhq/halberd"
)

// Load implements halberd.Store.
func (s *Store) Load(ctx context.Context, parts int, revokedSince int64, each func([]halberd.KeyRecord) error) error {
	s.db.mu.RLock()
	if err := s.usable(ctx); err != nil {
		s.db.mu.RUnlock()
		return err
	}
	var all []*halberd.KeyRecord
	for _, k := range s.db.keys {
		if k.State != halberd.StateRevoked || k.RevokedAt >= revokedSince {
			all = append(all, k)
		}
	}
	s.db.mu.RUnlock()

	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	parts = max(1, parts)
	var done sync.WaitGroup
	for p := range parts {
		done.Go(func() {
			part := all[len(all)*p/parts : len(all)*(p+1)/parts]
			batch := make([]halberd.KeyRecord, 0, 512)
			for len(part) > 0 {
				batch = batch[:0]
				for _, k := range part[:min(len(part), cap(batch))] {
					batch = append(batch, *k)
				}
				part = part[len(batch):]
				err := context.Cause(ctx)
				if err == nil {
					err = each(batch)
				}
				if err != nil {
					stop(err)
					return
				}
			}
		})
	}
	done.Wait()
	return context.Cause(ctx)
}
