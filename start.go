package halberd

import (
	"context"
	"errors"
)

// FirstStart gives an empty instance its first organization, project and admin
// key (organization-wide, admin, operator), and hands the secret to keep before
// anything is committed: when keep fails, nothing was made. It reports false,
// and calls nothing, where there is an organization already.
func (s *Service) FirstStart(ctx context.Context, keep func(Secret) error) (made bool, err error) {
	_, err = s.commit(ctx, &Request{}, ActionStart, func(tx Tx) error {
		list, err := tx.Organizations(OrganizationID{}, 1)
		if err != nil || len(list) > 0 {
			return err
		}
		by := Root("first start")
		o, err := s.found(tx, by, "Default")
		if err != nil {
			return err
		}
		secret, err := s.adminKey(tx, by, ActionStart, o.ID, "First admin key")
		if err != nil {
			return err
		}
		made = true
		return keep(secret)
	})
	return made && err == nil, outward(err)
}

// Recover makes a new admin key in the oldest organization and hands the
// secret to keep before it is committed. It is for whoever stands at the
// machine when the last admin key was lost: the organization is resumed if it
// was suspended.
func (s *Service) Recover(ctx context.Context, keep func(Secret) error) error {
	_, err := s.commit(ctx, &Request{}, ActionRecover, func(tx Tx) error {
		list, err := tx.Organizations(OrganizationID{}, 1)
		if err != nil {
			return err
		}
		if len(list) == 0 {
			return refuse(CodeNotFound, "there is no organization yet: start the server once")
		}
		by := Root("recover")
		o, err := s.openOrganization(&list[0])
		if err != nil {
			return err
		}
		if !o.Active {
			before := o
			o.Active = true
			if err := s.putOrganization(tx, by, ActionRecover, &before, &o); err != nil {
				return err
			}
		}
		secret, err := s.adminKey(tx, by, ActionRecover, o.ID, "Recovered admin key")
		if err != nil {
			return err
		}
		return keep(secret)
	})
	return outward(err)
}

func (s *Service) adminKey(tx Tx, by Actor, act Action, org OrganizationID, name string) (Secret, error) {
	prefix := DefaultKeyPrefix
	r, err := tx.DefaultProject(org)
	if err != nil && !errors.Is(err, ErrNotFound) {
		return Secret{}, err
	}
	if err == nil {
		p, err := s.openProject(&r, new(packer))
		if err != nil {
			return Secret{}, err
		}
		prefix = p.KeyPrefix
	}
	return s.insert(tx, by, act, &Key{
		ID: NewKeyID(), Organization: org, Operator: true, Name: name,
		Scopes: MustScopes("admin"), Resources: AllResources(),
		Active: true, CreatedAt: s.stamp(), CreatedBy: by.Ref(), Version: 1,
	}, prefix)
}
