// Package memory is the engine that keeps everything in maps: for tests, for
// trying things out, and as the plain statement of what an engine does. What
// it holds ends with the process.
//
// New makes a store for one process. A Database is one for several: each opens
// a Node of its own, which is a halberd.Cluster as well.
//
// Start at Store.Update: one lock makes transactions serial, and a list of
// undo steps makes a failed one as if it had not been. tx.go holds the writes,
// reader.go the reads, list.go the orders, usage.go, load.go and keeper.go the
// rest; database.go is what is shared, and node.go those who share it.
package memory

import (
	"context"
	"sync/atomic"

	"github.com/halberdhq/halberd"
)

// Store is a halberd.Store without a disk. Make one with New.
type Store struct {
	db     *Database // its own, but for a Node's
	folder *Folder

	closed atomic.Bool
	follow func(halberd.Committed) // guarded by db.mu
}

var _ halberd.Store = (*Store)(nil)

// New makes an empty store, for one process.
func New() *Store { return &Store{db: NewDatabase(), folder: NewFolder()} }

// Update implements halberd.Store. A panic in fn undoes its changes and goes on.
func (s *Store) Update(ctx context.Context, fn func(halberd.Tx) error) error {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	if err := s.usable(ctx); err != nil {
		return err
	}
	t := &tx{reader: reader{&s.db.state}}
	if err := t.run(func() error { return fn(t) }); err != nil {
		return err
	}
	if t.changes.Empty() {
		return nil
	}
	s.db.revision++
	if s.follow != nil {
		s.follow(t.changes.Committed(s.db.revision))
	}
	return nil
}

// View implements halberd.Store.
func (s *Store) View(ctx context.Context, fn func(halberd.Reader) error) error {
	s.db.mu.RLock()
	defer s.db.mu.RUnlock()
	if err := s.usable(ctx); err != nil {
		return err
	}
	return fn(reader{&s.db.state})
}

// Follow implements halberd.Store.
func (s *Store) Follow(fn func(halberd.Committed)) {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	s.follow = fn
}

// Close implements halberd.Store.
func (s *Store) Close() error {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	if s.closed.Swap(true) {
		return halberd.ErrClosed
	}
	return nil
}

// usable reports why the store cannot be used, if it cannot.
func (s *Store) usable(ctx context.Context) error {
	if s.closed.Load() {
		return halberd.ErrClosed
	}
	return ctx.Err()
}
