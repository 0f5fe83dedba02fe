package halberd

import (
	"context"
	"errors"
	"time"
)

// Changed is the outcome of a change to one key.
type Changed struct {
	Key         Key
	Secret      Secret // of create and rotate, this once; zero otherwise
	Propagation Propagation
}

// Create makes a key. It is stored before its secret is returned, and good on
// every node when it is. Beyond the project's ceiling it is KEY_LIMIT_EXCEEDED.
func (s *Service) Create(ctx context.Context, by Actor, n NewKey) (Changed, error) {
	var made Changed
	p, err := s.change(ctx, by, ActionCreateKey, func(tx Tx, by Actor) error {
		if done, err := s.replayed(tx, by); err != nil {
			return err
		} else if done != "" {
			return replay(done)
		}
		k, p, err := s.plan(tx, by, n)
		if err != nil {
			return err
		}
		if p != nil {
			if err := s.underCeiling(tx, p); err != nil {
				return err
			}
		}
		prefix := DefaultKeyPrefix
		if p != nil {
			prefix = p.KeyPrefix
		} else if d, err := tx.DefaultProject(k.Organization); err == nil {
			if dp, err := s.openProject(&d, new(packer)); err == nil {
				prefix = dp.KeyPrefix
			}
		}
		secret, err := s.insert(tx, by, ActionCreateKey, &k, prefix)
		if err != nil {
			return err
		}
		made = Changed{Key: k, Secret: secret}
		return s.remember(tx, by, k.ID.String())
	})
	if err != nil {
		return Changed{}, err
	}
	made.Propagation = p
	return made, nil
}

// plan turns what was asked into a key, with the project's defaults shortened
// to the creator's bounds, and refuses what goes beyond them. The project is
// nil for an organization-wide key.
func (s *Service) plan(tx Tx, by Actor, n NewKey) (Key, *Project, error) {
	org, p, err := s.home(tx, by, n)
	if err != nil {
		return Key{}, nil, err
	}
	now := s.stamp()
	k := Key{
		ID: NewKeyID(), Organization: org, Operator: n.Operator,
		Name: n.Name, ExternalID: n.ExternalID, Metadata: n.Metadata,
		Active: true, CreatedAt: now, CreatedBy: by.Ref(), OwnedBy: by.member, Version: 1,
	}
	if k.NotBefore, err = resolveNotBefore(n.NotBefore, now); err != nil {
		return Key{}, nil, err
	}
	defaults := MustScopes("read", "write")
	var projectLimits RateLimits
	if p != nil {
		k.Project, defaults, projectLimits = p.ID, p.DefaultScopes, p.RateLimits
	}
	if err := checkLabels(&k); err != nil {
		return Key{}, nil, err
	}

	k.Scopes = defaults.intersect(by.scopes)
	if n.Scopes.Set {
		k.Scopes = n.Scopes.Value
	}
	k.Resources = by.resources
	if n.Resources.Set {
		k.Resources = n.Resources.Value
	}
	k.IPAllow = by.ipAllow
	if n.IPAllow.Set {
		k.IPAllow = n.IPAllow.Value
	}
	if n.RateLimits.Set {
		if k.RateLimits, err = n.RateLimits.Value.validate("rate_limits"); err != nil {
			return Key{}, nil, err
		}
	} else if !projectLimits.within(by.rateLimits) {
		k.RateLimits = by.rateLimits.and(projectLimits)
	}
	k.Quota = by.quota
	if n.Quota.Set {
		if k.Quota, err = n.Quota.Value.validate(); err != nil {
			return Key{}, nil, err
		}
	}
	if k.ExpiresAt, err = planExpiry(by, n, now, p); err != nil {
		return Key{}, nil, err
	}
	switch {
	case k.Scopes.IsZero():
		return Key{}, nil, Invalid("scopes", "must name at least one of read, write, admin, verify")
	case k.Resources.IsZero():
		return Key{}, nil, Invalid("resources", `must name at least one resource, or be ["*"] for all`)
	case !k.ExpiresAt.IsZero() && !k.NotBefore.IsZero() && !k.NotBefore.Before(k.ExpiresAt):
		return Key{}, nil, Invalid("not_before", "must be before expires_at")
	case k.Operator && (p != nil || !k.Scopes.Holds(ScopeAdmin)):
		return Key{}, nil, Invalid("operator", "is for organization-wide admin keys")
	}
	if err := by.grants(&k, projectLimits); err != nil {
		return Key{}, nil, err
	}
	return k, p, by.setsLimits(k.RateLimits, projectLimits)
}

// planExpiry: an asked end is judged, a default is shortened to the nearest
// bound: the project's longest life, the creator's own end.
func planExpiry(by Actor, n NewKey, now time.Time, p *Project) (time.Time, error) {
	end, asked, err := resolveExpiry(n.ExpiresAt, n.ExpiresInDays, now, p)
	if err != nil || asked {
		return end, err
	}
	days := 0
	if p != nil {
		days = p.DefaultExpiresInDays
		if p.MaxExpiresInDays > 0 && (days == 0 || days > p.MaxExpiresInDays) {
			days = p.MaxExpiresInDays
		}
	}
	if days > 0 {
		end = now.Add(time.Duration(days) * 24 * time.Hour)
	}
	if !by.expiresAt.IsZero() && (end.IsZero() || end.After(by.expiresAt)) {
		end = by.expiresAt
	}
	return end, nil
}

// home finds where a new key belongs. What the creator does not reach is not
// there.
func (s *Service) home(tx Tx, by Actor, n NewKey) (OrganizationID, *Project, error) {
	org := by.organization
	if !n.Organization.IsZero() {
		if !by.reaches(n.Organization, by.project) {
			return org, nil, errNotFound()
		}
		org = n.Organization
	}
	var err error
	if n.Project.IsZero() && by.project.IsZero() {
		if org, err = onlyOrganization(tx, org); err != nil {
			return org, nil, err
		}
	}
	if n.Wide {
		if !n.Project.IsZero() {
			return org, nil, Invalid("project_id", "must be null for an organization-wide key")
		}
		if !by.wide() {
			return org, nil, refuse(CodeForbidden, "an organization-wide key is made by an organization-wide admin")
		}
		o, err := tx.Organization(org)
		if err == nil && !s.seal.genuine(&o, o.MAC, new(packer)) {
			err = damagedRow(o.ID, errMAC)
		}
		return org, nil, err
	}
	id := n.Project
	if id.IsZero() {
		id = by.project
	}
	var p Project
	if id.IsZero() {
		var r ProjectRecord
		if r, err = tx.DefaultProject(org); err == nil {
			p, err = s.openProject(&r, new(packer))
		}
	} else {
		p, err = s.project(tx, id)
	}
	switch {
	case err != nil:
		return org, nil, err
	case !p.DeletedAt.IsZero(), !by.reaches(p.Organization, p.ID), !n.Organization.IsZero() && p.Organization != n.Organization:
		return org, nil, errNotFound()
	}
	return p.Organization, &p, nil
}

// onlyOrganization is org, or for a system actor, which is of none, the one
// organization that there is.
func onlyOrganization(r Reader, org OrganizationID) (OrganizationID, error) {
	if !org.IsZero() {
		return org, nil
	}
	list, err := r.Organizations(OrganizationID{}, 2)
	if err != nil || len(list) == 0 {
		return org, errors.Join(err, ErrNotFound)
	}
	if len(list) > 1 {
		return org, Invalid("organization_id", "must be named: there are several organizations")
	}
	return list[0].ID, nil
}

func checkLabels(k *Key) error {
	if err := checkText("label", k.Name, maxName); err != nil {
		return err
	}
	if err := checkText("external_id", k.ExternalID, maxExternalID); err != nil {
		return err
	}
	return checkMetadata(k.Metadata)
}

// underCeiling refuses the key after the last that a project may hold (S2-15).
func (s *Service) underCeiling(r Reader, p *Project) error {
	n, err := r.CountKeys(p.ID, s.stamp().Unix())
	if err != nil {
		return err
	}
	if n >= p.KeyCeiling {
		return refuse(CodeKeyLimitExceeded, "Maximum of %d API keys per project", p.KeyCeiling)
	}
	return nil
}

// insert mints a secret for k and stores it.
func (s *Service) insert(tx Tx, by Actor, act Action, k *Key, prefix string) (Secret, error) {
	secret := mintSecret(prefix)
	k.Hint = secret.Hint()
	r := k.record()
	r.Digest = s.seal.digest(secret)
	s.sign(&r)
	if err := tx.InsertKey(r); err != nil {
		return Secret{}, err
	}
	return secret, s.audit(tx, by, act, k.Organization, k.Project, "key", k.ID.String(), changesOf(nil, k))
}

// sign completes a record.
func (s *Service) sign(r *KeyRecord) {
	r.PepperID = s.seal.layers
	var buf packer
	r.MAC = s.seal.mac(r, &buf)
}

func (s *Service) project(r Reader, id ProjectID) (Project, error) {
	row, err := r.Project(id)
	if err != nil {
		return Project{}, err
	}
	return s.openProject(&row, new(packer))
}

// isAbsent reports whether err means that a thing is not there.
func isAbsent(err error) bool {
	return errors.Is(err, ErrNotFound) || CodeOf(err) == CodeNotFound
}
