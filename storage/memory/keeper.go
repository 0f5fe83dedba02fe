package memory

import (
	"context"
	"slices"
	"sync"

	"github.com/halberdhq/halberd"
)

// Folder is what a process keeps for itself, not in the database: it outlives
// the Store that was opened in it. It has a lock of its own: Pepper may be called
// inside an Update.
type Folder struct {
	mu         sync.Mutex // guards the rest
	pepper     []byte
	tombstones []halberd.Tombstone
}

// NewFolder makes an empty one.
func NewFolder() *Folder { return &Folder{} }

// Pepper implements halberd.Keeper.
func (s *Store) Pepper(ctx context.Context, create []byte) ([]byte, error) {
	s.folder.mu.Lock()
	defer s.folder.mu.Unlock()
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
	s.folder.mu.Lock()
	defer s.folder.mu.Unlock()
	if err := s.usable(ctx); err != nil {
		return err
	}
	s.folder.tombstones = append(s.folder.tombstones, ts...)
	return nil
}

// Tombstones implements halberd.Keeper.
func (s *Store) Tombstones(ctx context.Context, each func(halberd.Tombstone) error) (int, error) {
	s.folder.mu.Lock()
	if err := s.usable(ctx); err != nil {
		s.folder.mu.Unlock()
		return 0, err
	}
	all := slices.Clone(s.folder.tombstones)
	s.folder.mu.Unlock()
	for _, t := range all {
		if err := each(t); err != nil {
			return 0, err
		}
	}
	return 0, nil
}
