package postgres

import (
	"context"

	"github.com/halberdhq/halberd"
)

// Pepper implements halberd.Keeper. It is a file of the node's own folder: the
// operator brings the same one to every node.
func (s *Store) Pepper(ctx context.Context, create []byte) ([]byte, error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer leave()
	return s.keeper.Pepper(create)
}

// Entomb implements halberd.Keeper, in the node's own journal.
func (s *Store) Entomb(ctx context.Context, ts []halberd.Tombstone) error {
	leave, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	return s.keeper.Entomb(ts)
}

// Tombstones implements halberd.Keeper.
func (s *Store) Tombstones(ctx context.Context, each func(halberd.Tombstone) error) (damaged int, err error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return 0, err
	}
	defer leave()
	return s.keeper.Tombstones(each)
}
