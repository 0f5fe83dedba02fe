package halberd

import (
	"context"
	"maps"
	"time"
)

// Update edits a key. What narrows is good on every node when it returns; what
// widens obeys the granting rule. A revoked key is KEY_REVOKED. version is that
// of the state the caller saw, 0 for any; a stale one is CONFLICT.
func (s *Service) Update(ctx context.Context, by Actor, id KeyID, p KeyPatch, version int64) (Changed, error) {
	var out Changed
	spread, err := s.change(ctx, by, ActionUpdateKey, func(tx Tx, by Actor) error {
		k, err := s.updateOne(tx, by, id, p, version)
		out = Changed{Key: k}
		return err
	})
	if err != nil {
		return Changed{}, err
	}
	out.Propagation = spread
	return out, nil
}

// updateOne is Update within a transaction. A refusal, which is an *Error,
// comes before anything is written.
func (s *Service) updateOne(tx Tx, by Actor, id KeyID, p KeyPatch, version int64) (Key, error) {
	k, row, err := s.editable(tx, by, id, version)
	if err != nil {
		return k, err
	}
	before := k
	if err := s.patch(tx, by, &k, p); err != nil {
		return k, err
	}
	diff := changesOf(&before, &k)
	if len(diff) == 0 {
		return k, nil
	}
	if err := s.keepAdmin(tx, &before, &k); err != nil {
		return k, err
	}
	if err := s.put(tx, &row, &k); err != nil {
		return k, err
	}
	return k, s.audit(tx, by, ActionUpdateKey, k.Organization, k.Project, "key", k.ID.String(), diff)
}

// editable reads a key for a change: reached, not held above the actor, not
// revoked, and of the version the caller saw.
func (s *Service) editable(tx Tx, by Actor, id KeyID, version int64) (Key, KeyRecord, error) {
	k, row, err := s.keyOf(tx, by, id)
	if err != nil {
		return k, row, err
	}
	if err := by.mayActOn(&k); err != nil {
		return k, row, err
	}
	if !k.RevokedAt.IsZero() {
		return k, row, refuse(CodeKeyRevoked, "the key was revoked and nothing brings it back: create a new one")
	}
	return k, row, sameVersion(version, k.Version)
}

func sameVersion(seen, now int64) error {
	if seen != 0 && seen != now {
		return refuse(CodeConflict, "it was changed meanwhile (version %d, not %d); read it again and retry", now, seen)
	}
	return nil
}

// put stores k over row: one version up, sealed anew.
func (s *Service) put(tx Tx, row *KeyRecord, k *Key) error {
	k.Version++
	next := k.record()
	next.Digest, next.PreviousDigest = row.Digest, row.PreviousDigest
	s.sign(&next)
	return tx.UpdateKey(next)
}

// patch applies p to k. Each value that is asked for is judged; what goes
// beyond the grantor is refused only where it goes beyond what the key had.
func (s *Service) patch(tx Tx, by Actor, k *Key, p KeyPatch) error {
	was := *k
	var home *Project
	if !k.Project.IsZero() {
		hp, err := s.project(tx, k.Project)
		if err != nil {
			return err
		}
		home = &hp
	}
	if p.Name.Set {
		k.Name = p.Name.Value
	}
	if p.ExternalID.Set {
		k.ExternalID = p.ExternalID.Value
	}
	if p.Metadata.Set {
		k.Metadata = merge(k.Metadata, p.Metadata.Value)
	}
	if err := checkLabels(k); err != nil {
		return err
	}
	if p.NotBefore.Set {
		var err error
		if k.NotBefore, err = resolveNotBefore(p.NotBefore.Value, s.stamp()); err != nil {
			return err
		}
	}
	if p.Scopes.Set {
		k.Scopes = p.Scopes.Value
	}
	if p.Resources.Set {
		k.Resources = p.Resources.Value
	}
	if p.IPAllow.Set {
		k.IPAllow = p.IPAllow.Value
	}
	if p.Active.Set {
		k.Active = p.Active.Value
	}
	end, asked, err := resolveExpiry(p.ExpiresAt, p.ExpiresInDays, s.stamp(), home)
	if err != nil {
		return err
	}
	if asked {
		k.ExpiresAt = end
	}
	var limits RateLimits
	if home != nil {
		limits = home.RateLimits
	}
	if p.RateLimits.Set {
		if k.RateLimits, err = p.RateLimits.Value.validate("rate_limits"); err != nil {
			return err
		}
		if err := by.setsLimits(k.RateLimits, limits); err != nil {
			return err
		}
	}
	if p.Quota.Set {
		if k.Quota, err = p.Quota.Value.validate(); err != nil {
			return err
		}
	}
	switch {
	case k.Scopes.IsZero():
		return Invalid("scopes", "must not be empty")
	case k.Resources.IsZero():
		return Invalid("resources", "must not be empty")
	case !k.ExpiresAt.IsZero() && !k.NotBefore.IsZero() && !k.NotBefore.Before(k.ExpiresAt):
		return Invalid("not_before", "must be before expires_at")
	case k.Operator && !k.Scopes.Holds(ScopeAdmin):
		return Invalid("scopes", "of an operator must hold admin")
	}
	if beyond(&was, k, limits) {
		if err := by.grants(k, limits); err != nil {
			return err
		}
	}
	// A key that had left the ceiling's count by expiring takes a place again.
	now := s.now()
	if home != nil && expiredAt(&was, now) && !expiredAt(k, now) {
		return s.underCeiling(tx, home)
	}
	return nil
}

func expiredAt(k *Key, now time.Time) bool {
	return !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt)
}

// beyond reports whether after may do anything that before might not, in a
// project with these limits.
func beyond(before, after *Key, project RateLimits) bool {
	switch {
	case !after.Scopes.Within(before.Scopes),
		!after.Resources.Within(before.Resources),
		!ipWithin(after.IPAllow, before.IPAllow),
		!after.limits(project).within(before.limits(project)),
		!after.Quota.within(before.Quota),
		after.Active && !before.Active,
		!before.NotBefore.IsZero() && after.NotBefore.Before(before.NotBefore),
		!before.ExpiresAt.IsZero() && (after.ExpiresAt.IsZero() || after.ExpiresAt.After(before.ExpiresAt)):
		return true
	}
	return false
}

// merge is RFC 7396 one level deep.
func merge(m map[string]string, patch map[string]*string) map[string]string {
	if patch == nil {
		return nil
	}
	out := maps.Clone(m)
	if out == nil {
		out = map[string]string{}
	}
	for name, value := range patch {
		if value == nil {
			delete(out, name)
		} else {
			out[name] = *value
		}
	}
	return out
}

// keepAdmin refuses a change after which no one could call as an
// organization-wide admin any more.
func (s *Service) keepAdmin(tx Tx, before, after *Key) error {
	now := s.now()
	if !unboundAdmin(before, now) || unboundAdmin(after, now) {
		return nil
	}
	others, err := tx.CountAdmins(before.Organization, before.ID, now.Unix())
	if err != nil {
		return err
	}
	people, err := tx.CountAdminMembers(before.Organization, MemberID{})
	if err != nil {
		return err
	}
	if others+people == 0 {
		return refuse(CodeLastAdmin, "this is the organization's last admin without an end: make another organization-wide admin key first")
	}
	return nil
}

// unboundAdmin is what Reader.CountAdmins counts, but that engines do not know
// of resources and addresses: the last one may not be bound by those either.
func unboundAdmin(k *Key, now time.Time) bool {
	return k.Project.IsZero() && k.Scopes.Holds(ScopeAdmin) && k.StateAt(now) == StateActive &&
		k.ExpiresAt.IsZero() && !now.Before(k.NotBefore) && k.Resources.All() && len(k.IPAllow) == 0
}
