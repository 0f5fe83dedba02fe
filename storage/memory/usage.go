package memory

import (
	"context"
	"sync"

	"github.com/halberdhq/halberd"
)

type usageSlot struct {
	key     halberd.KeyID
	minute  int64
	verdict string
}

// AddUsage implements halberd.Usage.
func (s *Store) AddUsage(ctx context.Context, counts []halberd.UsageCount) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(ctx); err != nil {
		return err
	}
	for _, c := range counts {
		s.usage[usageSlot{c.Key, c.Minute, c.Verdict}] += c.Count
		if c.LastUsedAt > s.lastUsed[c.Key] {
			s.lastUsed[c.Key] = c.LastUsedAt
		}
	}
	return nil
}

// Used returns how often a verdict fell on a key in one minute.
func (s *Store) Used(ctx context.Context, key halberd.KeyID, minute int64, verdict string) (int64, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.usable(ctx); err != nil {
		return 0, err
	}
	return s.usage[usageSlot{key, minute, verdict}], nil
}

// Load implements halberd.Store.
func (s *Store) Load(ctx context.Context, parts int, revokedSince int64, each func([]halberd.KeyRecord) error) error {
	s.mu.RLock()
	if err := s.usable(ctx); err != nil {
		s.mu.RUnlock()
		return err
	}
	var all []*halberd.KeyRecord
	for _, k := range s.keys {
		if k.State != halberd.StateRevoked || k.RevokedAt >= revokedSince {
			all = append(all, k)
		}
	}
	s.mu.RUnlock()

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
