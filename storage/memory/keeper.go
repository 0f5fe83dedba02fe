package memory

import (
	"context"
	"slices"

	"github.com/halberdhq/halberd"
)

// keeper is guarded by the store's mu.
type keeper struct {
	pepper     []byte
	tombstones []halberd.Tombstone
}

// Pepper implements halberd.Keeper.
func (s *Store) Pepper(ctx context.Context, create []byte) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	if s.keeper.pepper == nil {
		if create == nil {
			return nil, halberd.ErrNotFound
		}
		s.keeper.pepper = slices.Clone(create)
	}
	return slices.Clone(s.keeper.pepper), nil
}

// Entomb implements halberd.Keeper.
func (s *Store) Entomb(ctx context.Context, ts []halberd.Tombstone) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(ctx); err != nil {
		return err
	}
	s.keeper.tombstones = append(s.keeper.tombstones, ts...)
	return nil
}

// Tombstones implements halberd.Keeper.
func (s *Store) Tombstones(ctx context.Context, each func(halberd.Tombstone) error) (int, error) {
	s.mu.RLock()
	if err := s.usable(ctx); err != nil {
		s.mu.RUnlock()
		return 0, err
	}
	all := slices.Clone(s.keeper.tombstones)
	s.mu.RUnlock()
	for _, t := range all {
		if err := each(t); err != nil {
			return 0, err
		}
	}
	return 0, nil
}
