package storagetest

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/halberdhq/halberd"
)

// subject is the store under test, with the test it is held by.
type subject struct {
	*testing.T
	halberd.Store
	notes bool // use calls NoteUsage, and AddUsage at the end
}

var errWanted = errors.New("an error of the caller's")

// The ids of a test are numbers, so that failures can be read.

func keyID(n int) (id halberd.KeyID) {
	binary.BigEndian.PutUint64(id[8:], uint64(n))
	return id
}

func projectID(n int) (id halberd.ProjectID) {
	binary.BigEndian.PutUint64(id[8:], uint64(n))
	return id
}

func organizationID(n int) (id halberd.OrganizationID) {
	binary.BigEndian.PutUint64(id[8:], uint64(n))
	return id
}

func auditID(n int) (id halberd.AuditID) {
	binary.BigEndian.PutUint64(id[8:], uint64(n))
	return id
}

func number(id halberd.KeyID) int { return int(binary.BigEndian.Uint64(id[8:])) }

func numbers(list []halberd.KeyRecord) []int {
	out := make([]int, len(list))
	for i := range list {
		out[i] = number(list[i].ID)
	}
	return out
}

func digest(n int) halberd.Digest { return sha256.Sum256(fmt.Append(nil, "digest ", n)) }

// key is a plain active key, the nth, of project 1 of organization 1.
func key(n int, edits ...func(*halberd.KeyRecord)) halberd.KeyRecord {
	k := halberd.KeyRecord{
		ID:           keyID(n),
		Organization: organizationID(1),
		Project:      projectID(1),
		Digest:       digest(n),
		PepperID:     1,
		State:        halberd.StateActive,
		Hint:         "hb_live_abc",
		Name:         fmt.Sprint("key ", n),
		Scopes:       "read write",
		Policy:       `{"resources":["*"]}`,
		CreatedAt:    1_000_000 + int64(n),
		Version:      1,
		MAC:          sha256.Sum256(fmt.Append(nil, "mac ", n)),
	}
	for _, edit := range edits {
		edit(&k)
	}
	return k
}

func project(n int, edits ...func(*halberd.ProjectRecord)) halberd.ProjectRecord {
	p := halberd.ProjectRecord{
		ID: projectID(n), Organization: organizationID(1), Name: fmt.Sprint("project ", n),
		CreatedAt: 1_000_000, Version: 1, Detail: `{"key_prefix":"hb_live"}`,
		MAC: sha256.Sum256(fmt.Append(nil, "project mac ", n)),
	}
	for _, edit := range edits {
		edit(&p)
	}
	return p
}

func organization(n int) halberd.OrganizationRecord {
	return halberd.OrganizationRecord{
		ID: organizationID(n), Name: fmt.Sprint("organization ", n), Active: true,
		CreatedAt: 1_000_000, Version: 1, MAC: sha256.Sum256(fmt.Append(nil, "organization mac ", n)),
	}
}

// next is the record that may replace k.
func next(k halberd.KeyRecord, edits ...func(*halberd.KeyRecord)) halberd.KeyRecord {
	k.Version++
	k.MAC = sha256.Sum256(k.MAC[:])
	for _, edit := range edits {
		edit(&k)
	}
	return k
}

func revoke(at int64) func(*halberd.KeyRecord) {
	return func(k *halberd.KeyRecord) { k.State, k.RevokedAt = halberd.StateRevoked, at }
}

func (s *subject) update(fn func(halberd.Tx) error) {
	s.Helper()
	if err := s.Update(s.Context(), fn); err != nil {
		s.Fatalf("Update: %v", err)
	}
}

func (s *subject) view(fn func(halberd.Reader) error) {
	s.Helper()
	if err := s.View(s.Context(), fn); err != nil {
		s.Fatalf("View: %v", err)
	}
}

func (s *subject) insert(ks ...halberd.KeyRecord) {
	s.Helper()
	s.update(func(tx halberd.Tx) error {
		for _, k := range ks {
			if err := tx.InsertKey(k); err != nil {
				return fmt.Errorf("InsertKey %d: %w", number(k.ID), err)
			}
		}
		return nil
	})
}

// refused runs one transaction and wants this error from it, and from the
// store as it is.
func (s *subject) refused(want error, fn func(halberd.Tx) error) {
	s.Helper()
	if err := s.Update(s.Context(), fn); !errors.Is(err, want) {
		s.Fatalf("Update: %v, want %v", err, want)
	}
}

func (s *subject) key(n int) (k halberd.KeyRecord) {
	s.Helper()
	s.view(func(r halberd.Reader) (err error) {
		k, err = r.Key(keyID(n))
		return err
	})
	return k
}

func (s *subject) list(f halberd.KeyFilter) (ks []halberd.KeyRecord) {
	s.Helper()
	s.view(func(r halberd.Reader) (err error) {
		ks, err = r.Keys(f)
		return err
	})
	return ks
}

func (s *subject) wantList(f halberd.KeyFilter, want ...int) {
	s.Helper()
	if got := numbers(s.list(f)); !slices.Equal(got, want) {
		s.Errorf("Keys(%+v): %v, want %v", f, got, want)
	}
}

func (s *subject) use(batches ...halberd.UsageBatch) {
	s.Helper()
	add := s.AddUsage
	if s.notes {
		add = s.NoteUsage
		batches = append(slices.Clip(batches), halberd.UsageBatch{})
	}
	for i, b := range batches {
		if s.notes && i == len(batches)-1 {
			add = s.AddUsage
		}
		if err := add(s.Context(), b); err != nil {
			s.Fatalf("batch %d: %v", i, err)
		}
	}
}

// used is one use of a key, long after the keys were made.
func used(n int, at int64) halberd.UsageBatch {
	return halberd.UsageBatch{
		Counts: []halberd.UsageCount{counted(n, at-at%60, "VALID", 1)},
		Uses:   []halberd.KeyUse{{Key: keyID(n), Organization: organizationID(1), Project: projectID(1), At: at}},
	}
}

// counted is what was counted of a key in project 1.
func counted(n int, minute int64, verdict string, count int64) halberd.UsageCount {
	return halberd.UsageCount{
		Key: keyID(n), Organization: organizationID(1), Project: projectID(1), Minute: minute, Verdict: verdict, Count: count,
	}
}

func equal[T comparable](s *subject, what string, got, want T) {
	s.Helper()
	if got != want {
		s.Errorf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

func background() context.Context { return context.Background() }
