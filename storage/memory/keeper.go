package memory

import (
	"context"
	"slices"

	"github.com/halberdhq/halberd"
)

// Folder is what a process keeps for itself, not in the database: it outlives
// the Store that was opened in it. Guarded by the database's mu.
type Folder struct {
	pepper     []byte
	tombstones []halberd.Tombstone
}

// NewFolder makes an empty one.
func NewFolder() *Folder { return &Folder{} }

// Pepper implements halberd.Keeper.
func (s *Store) Pepper(ctx context.Context, create []byte) ([]byte, error) {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	if s.folder.pepper == nil {
		if create == nil {
			return nil, halberd.ErrNotFound
		}
		s.folder.pepper = slices.Clone(create)
	}
	return slices.Clone(s.folder.pepper), nil
}

// Entomb implements halberd.Keeper.
func (s *Store) Entomb(ctx context.Context, ts []halberd.Tombstone) error {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	if err := s.usable(ctx); err != nil {
		return err
	}
	s.folder.tombstones = append(s.folder.tombstones, ts...)
	return nil
}

// Tombstones implements halberd.Keeper.
func (s *Store) Tombstones(ctx context.Context, each func(halberd.Tombstone) error) (int, error) {
	s.db.mu.RLock()
	if err := s.usable(ctx); err != nil {
		s.db.mu.RUnlock()
		return 0, err
	}
	all := slices.Clone(s.folder.tombstones)
	s.db.mu.RUnlock()
	for _, t := range all {
		if err := each(t); err != nil {
			return 0, err
		}
	}
	return 0, nil
}
