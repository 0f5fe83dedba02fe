package halberd

import (
	"context"
	"fmt"
	"strings"
)

// Organizations is one page. Next is empty at the end.
type Organizations struct {
	List []Organization
	Next string
}

// ListOrganizations reads every organization of the instance, oldest first.
func (s *Service) ListOrganizations(ctx context.Context, by Actor, page Page) (out Organizations, err error) {
	err = s.look(ctx, by, ActionReadOrganizations, func(r Reader) error {
		limit, err := pageLimit(page)
		if err != nil {
			return err
		}
		const bound = "organizations"
		after, err := s.position(bound, page.Cursor)
		if err != nil {
			return err
		}
		var from OrganizationID
		if after != nil {
			from = OrganizationID(after.ID)
		}
		rows, err := r.Organizations(from, limit+1)
		if err != nil {
			return err
		}
		if len(rows) > limit {
			rows = rows[:limit]
			out.Next = s.cursor(bound, KeyPosition{ID: KeyID(rows[limit-1].ID)})
		}
		out.List = openRows(s, rows, func(r *OrganizationRecord) fmt.Stringer { return r.ID }, s.openOrganization)
		return nil
	})
	return out, err
}

// GetOrganization reads one organization.
func (s *Service) GetOrganization(ctx context.Context, by Actor, id OrganizationID) (o Organization, err error) {
	err = s.look(ctx, by, ActionReadOrganizations, func(r Reader) error {
		o, err = s.organization(r, id)
		return err
	})
	return o, err
}

// CreateOrganization makes an organization and its default project.
func (s *Service) CreateOrganization(ctx context.Context, by Actor, name string) (ChangedOrganization, error) {
	var o Organization
	p, err := s.change(ctx, by, ActionCreateOrganization, func(tx Tx, by Actor) error {
		done, err := s.replayed(tx, by)
		if err != nil {
			return err
		}
		if done != "" {
			id, err := ParseOrganizationID(done)
			if err == nil {
				o, err = s.organization(tx, id)
			}
			return err
		}
		if o, err = s.found(tx, by, name); err != nil {
			return err
		}
		return s.remember(tx, by, o.ID.String())
	})
	return ChangedOrganization{o, p}, err
}

// found makes an organization and its default project, both audited.
func (s *Service) found(tx Tx, by Actor, name string) (Organization, error) {
	o := Organization{ID: NewOrganizationID(), Name: name, Active: true, CreatedAt: s.stamp()}
	if err := checkOrganizationName(name); err != nil {
		return o, err
	}
	before, err := tx.Organizations(OrganizationID{}, 1)
	if err != nil {
		return o, err
	}
	first := len(before) == 0
	if err := s.putOrganization(tx, by, ActionCreateOrganization, &Organization{}, &o); err != nil {
		return o, err
	}
	p := freshProject(o.ID, "Default", o.CreatedAt)
	p.Default = true
	if err := s.putProject(tx, &p); err != nil {
		return o, err
	}
	if err := s.usualAlertRules(tx, o.ID, first); err != nil {
		return o, err
	}
	return o, s.auditProject(tx, by, ActionCreateProject, &Project{}, &p)
}

// UpdateOrganization renames, suspends or resumes an organization. Suspending
// refuses all its keys at once; one's own cannot be suspended.
func (s *Service) UpdateOrganization(ctx context.Context, by Actor, id OrganizationID, patch OrganizationPatch, version int64) (ChangedOrganization, error) {
	var o Organization
	p, err := s.change(ctx, by, ActionUpdateOrganization, func(tx Tx, by Actor) (err error) {
		if o, err = s.organization(tx, id); err != nil {
			return err
		}
		if err := sameVersion(version, o.Version); err != nil {
			return err
		}
		before := o
		if patch.Name.Set {
			o.Name = patch.Name.Value
			if err := checkOrganizationName(o.Name); err != nil {
				return err
			}
		}
		if patch.Active.Set {
			o.Active = patch.Active.Value
			if !o.Active && o.ID == by.organization {
				return refuse(CodeLastAdmin, "this would lock you out: your own organization is suspended by an operator of another")
			}
		}
		if len(differences(organizationFields(&before), organizationFields(&o))) == 0 {
			return nil
		}
		return s.putOrganization(tx, by, ActionUpdateOrganization, &before, &o)
	})
	return ChangedOrganization{o, p}, err
}

func checkOrganizationName(name string) error {
	if strings.TrimSpace(name) == "" {
		return Invalid("name", "must not be empty")
	}
	return checkText("name", name, maxName)
}

func (s *Service) organization(r Reader, id OrganizationID) (Organization, error) {
	row, err := r.Organization(id)
	if err != nil {
		return Organization{}, err
	}
	return s.openOrganization(&row)
}

// reached refuses an organization that a call names and that the actor does not
// reach, or that is not there: the same answer.
func (s *Service) reached(r Reader, by Actor, org OrganizationID, project ProjectID) error {
	if !by.reaches(org, project) {
		return errNotFound()
	}
	_, err := r.Organization(org)
	return err
}

func (s *Service) openOrganization(r *OrganizationRecord) (Organization, error) {
	if !s.seal.genuine(r, r.MAC, new(packer)) {
		return Organization{}, damagedRow(r.ID, errMAC)
	}
	return r.organization(), nil
}

func (s *Service) putOrganization(tx Tx, by Actor, act Action, before, o *Organization) error {
	o.Version++
	r := o.record()
	var buf packer
	r.MAC = s.seal.mac(&r, &buf)
	if err := tx.PutOrganization(r); err != nil {
		return err
	}
	return s.audit(tx, by, act, o.ID, ProjectID{}, "organization", o.ID.String(),
		differences(organizationFields(before), organizationFields(o)))
}

// OwnOrganization is the organization that an actor belongs to.
func (s *Service) OwnOrganization(ctx context.Context, by Actor) (o Organization, err error) {
	err = s.look(ctx, by, ActionWhoAmI, func(r Reader) error {
		o, err = s.organization(r, by.organization)
		return err
	})
	return o, err
}
