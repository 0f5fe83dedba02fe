package halberd

import (
	"context"
	"time"
)

// MaxOverlap is the longest a superseded secret may live on.
const MaxOverlap = 30 * 24 * time.Hour

// Rotate gives a key a new secret; the id stays. The old secret dies at once,
// or after overlap (whole seconds, up to MaxOverlap). While an overlap runs,
// another rotation is CONFLICT.
func (s *Service) Rotate(ctx context.Context, by Actor, id KeyID, overlap time.Duration, version int64) (Changed, error) {
	var out Changed
	p, err := s.change(ctx, by, ActionRotateKey, func(tx Tx, by Actor) error {
		if done, err := s.replayed(tx, by); err != nil {
			return err
		} else if done != "" {
			return replay(done)
		}
		k, row, err := s.editable(tx, by, id, version)
		if err != nil {
			return err
		}
		if overlap < 0 || overlap > MaxOverlap || overlap%time.Second != 0 {
			return Invalid("overlap_seconds", "must be a whole number from 0 to %d", int64(MaxOverlap/time.Second))
		}
		prefix := row.Hint[:len(row.Hint)-4]
		var limits RateLimits
		if !k.Project.IsZero() {
			p, err := s.project(tx, k.Project)
			if err != nil {
				return err
			}
			prefix, limits = p.KeyPrefix, p.RateLimits
		}
		// Whoever rotates holds the new secret: it may be no stronger than they.
		if err := by.grants(&k, limits); err != nil {
			return err
		}
		now := s.stamp()
		if now.Before(k.PreviousExpiresAt) {
			return refuse(CodeConflict, "the overlap of the last rotation runs until %s; end it first", k.PreviousExpiresAt.Format(time.RFC3339))
		}
		before := k
		secret := mintSecret(prefix)
		k.Hint, k.PreviousExpiresAt = secret.Hint(), time.Time{}
		if overlap > 0 {
			k.PreviousExpiresAt = now.Add(overlap)
		}
		row.PreviousDigest, row.Digest = row.Digest, s.seal.digest(secret)
		if err := s.put(tx, &row, &k); err != nil {
			return err
		}
		out = Changed{Key: k, Secret: secret}
		if err := s.audit(tx, by, ActionRotateKey, k.Organization, k.Project, "key", k.ID.String(), changesOf(&before, &k)); err != nil {
			return err
		}
		return s.remember(tx, by, k.ID.String())
	})
	out.Propagation = p
	if err != nil && p.EffectiveBy.IsZero() {
		return Changed{}, err
	}
	return out, err // with the secret, also when it could not be waited for
}

// EndOverlap kills the superseded secret of a rotation now. Without a running
// overlap it changes nothing and succeeds.
func (s *Service) EndOverlap(ctx context.Context, by Actor, id KeyID, version int64) (Changed, error) {
	var out Changed
	p, err := s.change(ctx, by, ActionEndOverlap, func(tx Tx, by Actor) error {
		k, row, err := s.editable(tx, by, id, version)
		if err != nil {
			return err
		}
		now := s.stamp()
		out = Changed{Key: k}
		if !now.Before(k.PreviousExpiresAt) {
			return nil
		}
		before := k
		k.PreviousExpiresAt = time.Time{}
		if err := s.put(tx, &row, &k); err != nil {
			return err
		}
		out.Key = k
		return s.audit(tx, by, ActionEndOverlap, k.Organization, k.Project, "key", k.ID.String(), changesOf(&before, &k))
	})
	if err != nil {
		return Changed{}, err
	}
	out.Propagation = p
	return out, nil
}
