package halberd

import (
	"context"
	"sync"
	"time"
)

// Revoke ends a key for good, both its secrets at once. When it returns, no
// check that begins afterwards accepts the key. Revoking twice is the same
// success, with the time of the first. The row stays, with who, when and why.
func (s *Service) Revoke(ctx context.Context, by Actor, id KeyID, reason string, version int64) (Changed, error) {
	var out Changed
	p, err := s.change(ctx, by, ActionRevokeKey, func(tx Tx, by Actor) error {
		k, err := s.revokeOne(tx, by, id, reason, version)
		out = Changed{Key: k}
		return err
	})
	out.Propagation = p
	return out, err
}

// revokeOne is Revoke within a transaction. A refusal, which is an *Error,
// comes before anything is written.
func (s *Service) revokeOne(tx Tx, by Actor, id KeyID, reason string, version int64) (Key, error) {
	k, row, err := s.keyOf(tx, by, id)
	if err != nil {
		return k, err
	}
	if err := by.mayActOn(&k); err != nil {
		return k, err
	}
	if err := checkText("reason", reason, maxReason); err != nil {
		return k, err
	}
	if !k.RevokedAt.IsZero() {
		// A repeat writes its tombstone again: the first one's caller may have died
		// before it was written.
		if t, ok := tx.(*sentences); ok {
			t.rows = append(t.rows, row)
		}
		return k, nil
	}
	if err := sameVersion(version, k.Version); err != nil {
		return k, err
	}
	after := k
	after.RevokedAt = s.stamp()
	if err := s.keepAdmin(tx, &k, &after); err != nil {
		return k, err
	}
	if err := s.revokeIn(tx, by, &row, k, after.RevokedAt, reason); err != nil {
		return k, err
	}
	used := k
	k, err = s.openKey(&row)
	k.LastUsedAt, k.LastUsedFrom, k.LastUsedAgent = used.LastUsedAt, used.LastUsedFrom, used.LastUsedAgent
	return k, err
}

// revokeIn revokes k, whose record is row, and audits it; row is the new record
// afterwards.
func (s *Service) revokeIn(tx Tx, by Actor, row *KeyRecord, k Key, at time.Time, reason string) error {
	before := k
	k.RevokedAt, k.RevokedBy, k.RevokeReason = at, by.Ref(), reason
	k.Version++
	next := k.record()
	next.Digest, next.PreviousDigest = row.Digest, row.PreviousDigest
	s.sign(&next)
	if err := tx.UpdateKey(next); err != nil {
		return err
	}
	*row = next
	return s.audit(tx, by, ActionRevokeKey, k.Organization, k.Project, "key", k.ID.String(), changesOf(&before, &k))
}

// entomb writes the tombstones of revoked keys to the journal that outlives a
// restored backup. The keys are dead already; only an answer must wait for it.
// What could not be written is owed, and is written with the next: a repeat that
// finds nothing left to revoke is no success before that.
func (s *Service) entomb(ctx context.Context, keys ...KeyRecord) error {
	ts := s.owed.all()
	owed := map[KeyID]bool{}
	for i := range ts {
		owed[ts[i].Key] = true
	}
	var buf packer
	for i := range keys {
		if owed[keys[i].ID] {
			continue
		}
		t := Tombstone{Key: keys[i].ID, At: keys[i].RevokedAt}
		t.MAC = s.seal.mac(&t, &buf)
		ts = append(ts, t)
	}
	if len(ts) == 0 {
		return nil
	}
	err := s.store.Entomb(context.WithoutCancel(ctx), ts)
	s.owed.settle(ts, err == nil)
	if err != nil {
		return &Error{
			Code: CodeUnavailable, RetryAfter: time.Second, Err: err,
			Message: "the key is revoked, but the journal that keeps it so after a restore could not be written; revoke it again",
		}
	}
	return nil
}

// debts are tombstones that are not in the journal yet. At every start New
// completes the journal, so they need not outlive the process, and those beyond
// maxDebts wait for that.
type debts struct {
	mu sync.Mutex
	by map[KeyID]Tombstone
}

const maxDebts = 100_000

// owe adds one.
func (d *debts) owe(t Tombstone) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.by) < maxDebts {
		note(&d.by, t.Key, t)
	}
}

func (d *debts) all() []Tombstone {
	d.mu.Lock()
	defer d.mu.Unlock()
	var ts []Tombstone
	for _, t := range d.by {
		ts = append(ts, t)
	}
	return ts
}

// settle strikes out what was paid, or keeps what was not.
func (d *debts) settle(ts []Tombstone, paid bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, t := range ts {
		if paid {
			delete(d.by, t.Key)
			continue
		}
		if len(d.by) < maxDebts {
			note(&d.by, t.Key, t)
		}
	}
}
