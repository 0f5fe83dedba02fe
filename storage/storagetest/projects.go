package storagetest

import (
	"github.com/halberdhq/halberd"
)

var projectCases = []contract{
	{"a project comes back as it was put", func(s *subject) {
		want := project(1, func(p *halberd.ProjectRecord) { p.Default = true })
		s.put(want)
		equal(s, "project", s.project(1), want)
		changed := want
		changed.Name, changed.Detail, changed.Version, changed.Default, changed.DeletedAt = "Übung", "{}", 2, false, 99
		s.put(changed)
		equal(s, "project", s.project(1), changed)
	}},
	{"a project that is not there is ErrNotFound", func(s *subject) {
		s.refused(halberd.ErrNotFound, func(tx halberd.Tx) error {
			_, err := tx.Project(projectID(1))
			return err
		})
		s.refused(halberd.ErrNotFound, func(tx halberd.Tx) error {
			_, err := tx.DefaultProject(organizationID(1))
			return err
		})
	}},
	{"a project is put at the version after its last", func(s *subject) {
		at := func(v int64) func(*halberd.ProjectRecord) {
			return func(p *halberd.ProjectRecord) { p.Version = v }
		}
		s.refused(halberd.ErrConflict, func(tx halberd.Tx) error { return tx.PutProject(project(1, at(2))) })
		s.put(project(1))
		for _, v := range []int64{0, 1, 3} {
			s.refused(halberd.ErrConflict, func(tx halberd.Tx) error { return tx.PutProject(project(1, at(v))) })
		}
		s.put(project(1, at(2)))
	}},
	{"an organization has one default project", func(s *subject) {
		isDefault := func(p *halberd.ProjectRecord) { p.Default = true }
		s.put(project(1, isDefault), project(2))
		s.put(project(3, isDefault, func(p *halberd.ProjectRecord) { p.Organization = organizationID(2) }))
		s.refused(halberd.ErrConflict, func(tx halberd.Tx) error {
			return tx.PutProject(project(2, isDefault, func(p *halberd.ProjectRecord) { p.Version = 2 }))
		})
		s.put(project(1, func(p *halberd.ProjectRecord) { p.Version = 2 }),
			project(2, isDefault, func(p *halberd.ProjectRecord) { p.Version = 2 }))
		s.view(func(r halberd.Reader) error {
			got, err := r.DefaultProject(organizationID(1))
			equal(s, "default", got.ID, projectID(2))
			return err
		})
	}},
	{"a deleted project is no default", func(s *subject) {
		isDefault := func(p *halberd.ProjectRecord) { p.Default = true }
		s.put(project(1, isDefault))
		s.put(project(1, isDefault, func(p *halberd.ProjectRecord) { p.Version, p.DeletedAt = 2, 9 }))
		s.refused(halberd.ErrNotFound, func(tx halberd.Tx) error {
			_, err := tx.DefaultProject(organizationID(1))
			return err
		})
		s.put(project(2, isDefault))
	}},
	{"projects are listed by id, page by page, deleted ones when asked for", func(s *subject) {
		for n := 9; n >= 1; n-- {
			s.put(project(n, func(p *halberd.ProjectRecord) {
				if n == 4 {
					p.DeletedAt = 7
				}
				if n == 6 {
					p.Organization = organizationID(2)
				}
			}))
		}
		s.wantProjects(organizationID(1), 0, 100, false, 1, 2, 3, 5, 7, 8, 9)
		s.wantProjects(organizationID(1), 0, 100, true, 1, 2, 3, 4, 5, 7, 8, 9)
		s.wantProjects(organizationID(1), 3, 2, false, 5, 7)
		s.wantProjects(organizationID(1), 9, 2, false)
		s.wantProjects(organizationID(2), 0, 100, false, 6)
		s.wantProjects(halberd.OrganizationID{}, 5, 0, false, 6, 7, 8, 9)
	}},
	{"an organization comes back as it was put", func(s *subject) {
		want := organization(1)
		s.update(func(tx halberd.Tx) error { return tx.PutOrganization(want) })
		changed := want
		changed.Name, changed.Active, changed.Version = "Ünion", false, 2
		for _, c := range []halberd.OrganizationRecord{want, {ID: organizationID(1), Version: 3}, {ID: organizationID(9), Version: 2}} {
			s.refused(halberd.ErrConflict, func(tx halberd.Tx) error { return tx.PutOrganization(c) })
		}
		s.update(func(tx halberd.Tx) error { return tx.PutOrganization(changed) })
		s.view(func(r halberd.Reader) error {
			got, err := r.Organization(organizationID(1))
			equal(s, "organization", got, changed)
			return err
		})
		s.refused(halberd.ErrNotFound, func(tx halberd.Tx) error {
			_, err := tx.Organization(organizationID(2))
			return err
		})
	}},
	{"organizations are listed by id, page by page", func(s *subject) {
		s.update(func(tx halberd.Tx) error {
			for n := 7; n >= 1; n-- {
				if err := tx.PutOrganization(organization(n)); err != nil {
					return err
				}
			}
			return nil
		})
		s.view(func(r halberd.Reader) error {
			page, err := r.Organizations(organizationID(2), 3)
			if len(page) != 3 || page[0] != organization(3) || page[2] != organization(5) {
				s.Errorf("page: %+v", page)
			}
			return err
		})
		s.view(func(r halberd.Reader) error {
			page, err := r.Organizations(halberd.OrganizationID{}, 100)
			equal(s, "all", len(page), 7)
			return err
		})
	}},
}

func (s *subject) put(ps ...halberd.ProjectRecord) {
	s.Helper()
	s.update(func(tx halberd.Tx) error {
		for _, p := range ps {
			if err := tx.PutProject(p); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *subject) project(n int) (p halberd.ProjectRecord) {
	s.Helper()
	s.view(func(r halberd.Reader) (err error) {
		p, err = r.Project(projectID(n))
		return err
	})
	return p
}

func (s *subject) wantProjects(org halberd.OrganizationID, after, limit int, deleted bool, want ...int) {
	s.Helper()
	s.view(func(r halberd.Reader) error {
		got, err := r.Projects(org, projectID(after), limit, deleted)
		if err != nil {
			return err
		}
		if len(got) != len(want) {
			s.Errorf("projects after %d: %d of them, want %v", after, len(got), want)
			return nil
		}
		for i := range got {
			equal(s, "listed project", got[i].ID, projectID(want[i]))
		}
		return nil
	})
}
