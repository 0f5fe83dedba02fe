// Package memory is the engine that keeps everything in maps: for tests, for
// trying things out, and as the plain statement of what an engine does. What
// it holds ends with the process.
//
// Start at Store.Update: one lock makes transactions serial, and a list of
// undo steps makes a failed one as if it had not been. tx.go holds the writes,
// reader.go the reads, list.go the orders, usage.go, load.go and keeper.go the rest.
package memory

import (
	"context"
	"sync"

	"github.com/halberdhq/halberd"
)

// Store is a halberd.Store without a disk. Make one with New.
type Store struct {
	mu     sync.RWMutex // held for writing by Update and Close, for reading by View
	closed bool
	follow func(halberd.Committed)
	state

	keeper keeper
}

var _ halberd.Store = (*Store)(nil)

// state is everything that transactions change. Records behind pointers are
// replaced, never edited.
type state struct {
	revision      int64
	meta          map[string]string
	keys          map[halberd.KeyID]*halberd.KeyRecord
	homes         map[home]map[halberd.KeyID]bool // the keys of each project
	digests       map[halberd.Digest]halberd.KeyID
	projects      map[halberd.ProjectID]halberd.ProjectRecord
	organizations map[halberd.OrganizationID]halberd.OrganizationRecord
	members       map[halberd.MemberID]halberd.MemberRecord
	sessions      map[[32]byte]session
	idempotent    map[idempotencyKey]halberd.IdempotencyRecord
	audit         []halberd.AuditRecord // in the order they were recorded
	audited       map[halberd.AuditID]int
	quotas        map[halberd.QuotaID]halberd.QuotaRecord

	usage    [len(steps)]sums   // by minute, hour, day
	batches  map[[16]byte]int64 // the number of each writer's last batch
	lastUsed map[halberd.KeyID]halberd.KeyUse
}

// home is where a key lives: a project, or (zero) the organization itself.
type home struct {
	organization halberd.OrganizationID
	project      halberd.ProjectID
}

type idempotencyKey struct {
	actor, route string
	key          [32]byte
}

// New makes an empty store.
func New() *Store {
	return &Store{state: state{
		meta:          map[string]string{},
		keys:          map[halberd.KeyID]*halberd.KeyRecord{},
		homes:         map[home]map[halberd.KeyID]bool{},
		digests:       map[halberd.Digest]halberd.KeyID{},
		projects:      map[halberd.ProjectID]halberd.ProjectRecord{},
		organizations: map[halberd.OrganizationID]halberd.OrganizationRecord{},
		members:       map[halberd.MemberID]halberd.MemberRecord{},
		sessions:      map[[32]byte]session{},
		idempotent:    map[idempotencyKey]halberd.IdempotencyRecord{},
		audited:       map[halberd.AuditID]int{},
		usage:         [len(steps)]sums{{count: map[slot]int64{}}, {count: map[slot]int64{}}, {count: map[slot]int64{}}},
		batches:       map[[16]byte]int64{},
		lastUsed:      map[halberd.KeyID]halberd.KeyUse{},
		quotas:        map[halberd.QuotaID]halberd.QuotaRecord{},
	}}
}

// Update implements halberd.Store. A panic in fn undoes its changes and goes on.
func (s *Store) Update(ctx context.Context, fn func(halberd.Tx) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.usable(ctx); err != nil {
		return err
	}
	t := &tx{reader: reader{&s.state}}
	kept := false
	defer func() {
		if !kept {
			t.rollback()
		}
	}()
	if err := fn(t); err != nil {
		return err
	}
	kept = true
	if t.changes.Empty() {
		return nil
	}
	s.revision++
	if s.follow != nil {
		s.follow(t.changes.Committed(s.revision))
	}
	return nil
}

// View implements halberd.Store.
func (s *Store) View(ctx context.Context, fn func(halberd.Reader) error) error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if err := s.usable(ctx); err != nil {
		return err
	}
	return fn(reader{&s.state})
}

// Follow implements halberd.Store.
func (s *Store) Follow(fn func(halberd.Committed)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.follow = fn
}

// Close implements halberd.Store.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return halberd.ErrClosed
	}
	s.closed = true
	return nil
}

// usable is asked with mu held.
func (s *Store) usable(ctx context.Context) error {
	if s.closed {
		return halberd.ErrClosed
	}
	return ctx.Err()
}
