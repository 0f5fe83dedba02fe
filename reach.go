package halberd

import "maps"

// Reach bounds a check to one organization, or to one project and the
// organization-wide keys above it.
type Reach struct {
	Organization OrganizationID
	Project      ProjectID
}

func (r Reach) holds(own *owner) bool {
	if r.Organization.IsZero() && r.Project.IsZero() {
		return true
	}
	if !r.Organization.IsZero() && own.organization != r.Organization {
		return false
	}
	return r.Project.IsZero() || own.project.IsZero() || own.project == r.Project
}

// ReachOf is the reach of a project: its own keys and those of its whole
// organization. False: there is no such project, or it is suspended, which closes
// it to the keys of its whole organization as well; or Ready has the reason.
func (s *Service) ReachOf(id ProjectID) (Reach, bool) {
	if s.mayAnswer() != nil {
		return Reach{}, false
	}
	d := s.dir
	if known := d.reaches.Load(); known != nil {
		if r, ok := (*known)[id]; ok {
			return r, true
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	p := d.projects[id]
	if p == nil || !p.DeletedAt.IsZero() || !p.Active {
		return Reach{}, false
	}
	r := Reach{p.Organization, p.ID}
	next := map[ProjectID]Reach{id: r}
	if known := d.reaches.Load(); known != nil && len(*known) < maxReaches {
		maps.Copy(next, *known)
	}
	d.reaches.Store(&next)
	return r, true
}

// maxReaches bounds what is remembered for ReachOf: an instance has as many
// doors as its operator has written down.
const maxReaches = 256

// SoleProject is the reach of the instance's only project. False: there are
// several, or none, or it is suspended; or Ready has the reason.
func (s *Service) SoleProject() (Reach, bool) {
	if s.mayAnswer() != nil {
		return Reach{}, false
	}
	sole := s.dir.sole.Load()
	if sole == nil {
		return Reach{}, false
	}
	return *sole, true
}

// countProject keeps the number of projects, and which one it is while there is
// one only. Called with mu held, before p takes its place.
func (d *directory) countProject(p *Project) {
	d.reaches.Store(nil)
	was := d.projects[p.ID]
	if was != nil && was.DeletedAt.IsZero() {
		d.present--
	}
	if p.DeletedAt.IsZero() {
		d.present++
	}
	d.sole.Store(nil)
	if d.present != 1 {
		return
	}
	only := p
	if !p.DeletedAt.IsZero() {
		for _, other := range d.projects {
			if other.ID != p.ID && other.DeletedAt.IsZero() {
				only = other
			}
		}
	}
	if only.Active && only.DeletedAt.IsZero() {
		d.sole.Store(&Reach{only.Organization, only.ID})
	}
}
