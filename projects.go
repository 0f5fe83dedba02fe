package halberd

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/halberdhq/halberd/internal/keytext"
)

// Projects is one page. Next is empty at the end.
type Projects struct {
	List []Project
	Next string
}

const maxCeiling = 1_000_000

// ListProjects reads the projects that the actor reaches, oldest first. org
// is for operators; zero is the actor's own.
func (s *Service) ListProjects(ctx context.Context, by Actor, org OrganizationID, page Page) (out Projects, err error) {
	err = s.look(ctx, by, ActionReadProjects, func(r Reader) error {
		if org.IsZero() {
			org = by.organization
		} else if err := s.reached(r, by, org, by.project); err != nil {
			return err
		}
		if !by.wide() {
			p, err := s.project(r, by.project)
			out.List = []Project{p}
			return err
		}
		limit, err := pageLimit(page)
		if err != nil {
			return err
		}
		bound := "projects\n" + org.String()
		after, err := s.position(bound, page.Cursor)
		if err != nil {
			return err
		}
		var from ProjectID
		if after != nil {
			from = ProjectID(after.ID)
		}
		rows, err := r.Projects(org, from, limit+1, false)
		if err != nil {
			return err
		}
		if len(rows) > limit {
			rows = rows[:limit]
			out.Next = s.cursor(bound, KeyPosition{ID: KeyID(rows[limit-1].ID)})
		}
		out.List = openRows(s, rows, func(r *ProjectRecord) fmt.Stringer { return r.ID }, func(r *ProjectRecord) (Project, error) { return s.openProject(r, new(packer)) })
		return nil
	})
	return out, err
}

// GetProject reads one project.
func (s *Service) GetProject(ctx context.Context, by Actor, id ProjectID) (p Project, err error) {
	err = s.look(ctx, by, ActionReadProjects, func(r Reader) error {
		p, err = s.projectOf(r, by, id)
		return err
	})
	return p, err
}

// projectOf reads a project that the actor reaches and that was not deleted.
func (s *Service) projectOf(r Reader, by Actor, id ProjectID) (Project, error) {
	p, err := s.project(r, id)
	if err != nil {
		return p, err
	}
	if !by.reaches(p.Organization, p.ID) || !p.DeletedAt.IsZero() {
		return Project{}, errNotFound()
	}
	return p, nil
}

// CreateProject makes a project. Limits may be set by the one who makes it; a
// ceiling other than the default by an operator.
func (s *Service) CreateProject(ctx context.Context, by Actor, n NewProject) (ChangedProject, error) {
	var p Project
	spread, err := s.change(ctx, by, ActionCreateProject, func(tx Tx, by Actor) error {
		done, err := s.replayed(tx, by)
		if err != nil {
			return err
		}
		if done != "" {
			id, err := ParseProjectID(done)
			if err == nil {
				p, err = s.projectOf(tx, by, id)
			}
			return err
		}
		org := by.organization
		if !n.Organization.IsZero() {
			if !by.reaches(n.Organization, ProjectID{}) {
				return errNotFound()
			}
			org = n.Organization
		}
		if _, err := tx.Organization(org); err != nil {
			return err
		}
		p = freshProject(org, n.Name, s.stamp())
		if err := s.patchProject(by, &p, ProjectPatch{
			Name: Some(n.Name), KeyCeiling: n.KeyCeiling,
			DefaultScopes: n.DefaultScopes, DefaultExpiresInDays: n.DefaultExpiresInDays,
			MaxExpiresInDays: n.MaxExpiresInDays, RateLimits: n.RateLimits,
			KeyPrefix: Maybe[string]{Set: n.KeyPrefix != "", Value: n.KeyPrefix},
		}); err != nil {
			return err
		}
		if err := s.putProject(tx, &p); err != nil {
			return err
		}
		if err := s.auditProject(tx, by, ActionCreateProject, &Project{}, &p); err != nil {
			return err
		}
		return s.remember(tx, by, p.ID.String())
	})
	return ChangedProject{p, spread}, err
}

// freshProject is a project as S2 and S3 describe one.
func freshProject(org OrganizationID, name string, now time.Time) Project {
	return Project{
		ID: NewProjectID(), Organization: org, Name: name, KeyPrefix: DefaultKeyPrefix, KeyCeiling: DefaultKeyCeiling,
		DefaultScopes: MustScopes("read", "write"), Active: true, CreatedAt: now,
	}
}

// UpdateProject edits a project. Suspending it refuses all its keys at once;
// making it the default takes the place from the former.
func (s *Service) UpdateProject(ctx context.Context, by Actor, id ProjectID, patch ProjectPatch, version int64) (ChangedProject, error) {
	var p Project
	spread, err := s.change(ctx, by, ActionUpdateProject, func(tx Tx, by Actor) (err error) {
		if p, err = s.projectOf(tx, by, id); err != nil {
			return err
		}
		if err := sameVersion(version, p.Version); err != nil {
			return err
		}
		before := p
		if err := s.patchProject(by, &p, patch); err != nil {
			return err
		}
		if patch.Default.Set && patch.Default.Value != p.Default {
			if err := s.makeDefault(tx, by, &p, patch.Default.Value); err != nil {
				return err
			}
		}
		if len(differences(projectFields(&before), projectFields(&p))) == 0 {
			return nil
		}
		if err := s.putProject(tx, &p); err != nil {
			return err
		}
		return s.auditProject(tx, by, ActionUpdateProject, &before, &p)
	})
	return ChangedProject{p, spread}, err
}

// makeDefault moves the default to p: the former default gives it up first.
func (s *Service) makeDefault(tx Tx, by Actor, p *Project, want bool) error {
	switch {
	case !want:
		return Invalid("default", "cannot be taken away; make another project the default")
	case !by.wide():
		return refuse(CodeForbidden, "the default project is chosen by an organization-wide admin")
	}
	row, err := tx.DefaultProject(p.Organization)
	if err != nil && !isAbsent(err) {
		return err
	}
	if err == nil {
		former, err := s.openProject(&row, new(packer))
		if err != nil {
			return err
		}
		after := former
		after.Default = false
		if err := s.putProject(tx, &after); err != nil {
			return err
		}
	}
	p.Default = true
	return nil
}

// DeleteProject revokes every key of a project and hides it. The default
// project stays: CONFLICT.
func (s *Service) DeleteProject(ctx context.Context, by Actor, id ProjectID, version int64) (Propagation, error) {
	return s.change(ctx, by, ActionDeleteProject, func(tx Tx, by Actor) error {
		p, err := s.projectOf(tx, by, id)
		if err != nil {
			return err
		}
		if err := sameVersion(version, p.Version); err != nil {
			return err
		}
		if p.Default {
			return refuse(CodeConflict, "the default project cannot be deleted: make another project the default first")
		}
		if err := s.revokeAllIn(tx, by, &p, "the project was deleted"); err != nil {
			return err
		}
		before := p
		p.DeletedAt = s.stamp()
		if err := s.putProject(tx, &p); err != nil {
			return err
		}
		return s.auditProject(tx, by, ActionDeleteProject, &before, &p)
	})
}

// revokeAllIn revokes the keys of a project that are not revoked yet.
func (s *Service) revokeAllIn(tx Tx, by Actor, p *Project, reason string) error {
	now := s.stamp()
	f := KeyFilter{
		Organization: p.Organization, Project: p.ID, Sort: SortCreated, Limit: 500, Now: now.Unix(),
		States: []State{StateActive, StateInactive, StateExpired},
	}
	for {
		rows, err := tx.Keys(f)
		if err != nil {
			return err
		}
		for i := range rows {
			pos := keyPosition(&rows[i], f.Sort)
			f.After = &pos
			k, err := s.openKey(&rows[i])
			if err != nil {
				continue // a damaged row is refused anyway
			}
			if err := by.mayActOn(&k); err != nil {
				return err
			}
			if err := s.revokeIn(tx, by, &rows[i], k, now, reason); err != nil {
				return err
			}
		}
		if len(rows) < f.Limit {
			return nil
		}
	}
}

// patchProject applies and judges values. Raising a ceiling or a limit is an
// operator's.
func (s *Service) patchProject(by Actor, p *Project, patch ProjectPatch) error {
	if patch.Name.Set {
		p.Name = patch.Name.Value
	}
	if strings.TrimSpace(p.Name) == "" {
		return Invalid("name", "must not be empty")
	}
	if err := checkText("name", p.Name, maxName); err != nil {
		return err
	}
	if patch.KeyPrefix.Set {
		if !keytext.ValidPrefix(patch.KeyPrefix.Value) {
			return Invalid("key_prefix", "must be 1 to %d characters: lower-case letters and digits, parted by single underscores, beginning with a letter", keytext.MaxPrefix)
		}
		p.KeyPrefix = patch.KeyPrefix.Value
	}
	if patch.KeyCeiling.Set && patch.KeyCeiling.Value != p.KeyCeiling {
		if !by.operator {
			return refuse(CodeForbidden, "key_ceiling is set by an operator")
		}
		if n := patch.KeyCeiling.Value; n < 1 || n > maxCeiling {
			return Invalid("key_ceiling", "must be from 1 to %d", maxCeiling)
		}
		p.KeyCeiling = patch.KeyCeiling.Value
	}
	if patch.DefaultScopes.Set {
		p.DefaultScopes = patch.DefaultScopes.Value
	}
	if p.DefaultScopes.IsZero() {
		return Invalid("default_scopes", "must not be empty")
	}
	for _, d := range []struct {
		field string
		want  Maybe[int]
		at    *int
	}{
		{"default_expires_in_days", patch.DefaultExpiresInDays, &p.DefaultExpiresInDays},
		{"max_expires_in_days", patch.MaxExpiresInDays, &p.MaxExpiresInDays},
	} {
		if !d.want.Set {
			continue
		}
		if d.want.Value < 0 || d.want.Value > maxExpiryDays {
			return Invalid(d.field, "must be from 1 to %d, or null for none", maxExpiryDays)
		}
		*d.at = d.want.Value
	}
	if patch.RateLimits.Set {
		ls, err := patch.RateLimits.Value.validate("rate_limits")
		if err != nil {
			return err
		}
		if !by.operator && !ls.within(p.RateLimits) {
			return refuse(CodeForbidden, "rate_limits are raised by an operator: ask whoever runs this service")
		}
		p.RateLimits = ls
	}
	if patch.Active.Set {
		p.Active = patch.Active.Value
	}
	return nil
}

func (s *Service) putProject(tx Tx, p *Project) error {
	p.Version++
	r := p.record()
	var buf packer
	r.MAC = s.seal.mac(&r, &buf)
	return tx.PutProject(r)
}

func (s *Service) auditProject(tx Tx, by Actor, act Action, before, after *Project) error {
	return s.audit(tx, by, act, after.Organization, after.ID, "project", after.ID.String(),
		differences(projectFields(before), projectFields(after)))
}

// KeysInUse counts the keys that take a place under a project's ceiling.
func (s *Service) KeysInUse(ctx context.Context, by Actor, id ProjectID) (n int, err error) {
	err = s.look(ctx, by, ActionReadProjects, func(r Reader) error {
		if _, err := s.projectOf(r, by, id); err != nil {
			return err
		}
		n, err = r.CountKeys(id, s.now().Unix())
		return err
	})
	return n, err
}
