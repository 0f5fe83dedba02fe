package halberd

import (
	"context"
	"time"
)

// Revoke ends a key for good, both its secrets at once. When it returns, no
// check that begins afterwards accepts the key. Revoking twice is the same
// success, with the time of the first. The row stays, with who, when and why.
func (s *Service) Revoke(ctx context.Context, by Actor, id KeyID, reason string, version int64) (Changed, error) {
	var out Changed
	err := s.change(ctx, by, ActionRevokeKey, func(tx Tx, by Actor) error {
		k, row, err := s.keyOf(tx, by, id)
		if err != nil {
			return err
		}
		if err := by.mayActOn(&k); err != nil {
			return err
		}
		if err := checkText("reason", reason, maxReason); err != nil {
			return err
		}
		out = Changed{Key: k, Propagation: oneNode()}
		if !k.RevokedAt.IsZero() {
			return nil
		}
		if err := sameVersion(version, k.Version); err != nil {
			return err
		}
		after := k
		after.RevokedAt = s.stamp()
		if err := s.keepAdmin(tx, &k, &after); err != nil {
			return err
		}
		if err := s.revokeIn(tx, by, &row, k, after.RevokedAt, reason); err != nil {
			return err
		}
		out.Key, err = s.openKey(&row)
		out.Key.LastUsedAt = k.LastUsedAt
		return err
	})
	if err != nil {
		return Changed{}, err
	}
	// A repeat writes its tombstone again: the first one's caller may have died
	// before it was written.
	return out, s.entomb(ctx, out.Key)
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
func (s *Service) entomb(ctx context.Context, keys ...Key) error {
	ts := make([]Tombstone, len(keys))
	var buf packer
	for i := range keys {
		ts[i] = Tombstone{Key: keys[i].ID, At: keys[i].RevokedAt.Unix()}
		ts[i].MAC = s.seal.mac(&ts[i], &buf)
	}
	if err := s.store.Entomb(context.WithoutCancel(ctx), ts); err != nil {
		return &Error{
			Code: CodeUnavailable, RetryAfter: time.Second, Err: err,
			Message: "the key is revoked, but the journal that keeps it so after a restore could not be written; revoke it again",
		}
	}
	return nil
}
