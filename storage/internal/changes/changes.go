// Package changes gathers what one transaction changed, for engines to tell
// their follower: one record for each thing, the last one put.
package changes

import "github.com/halberdhq/halberd"

// Set is the changes of one transaction. The zero value is ready to use.
type Set struct {
	keys          []halberd.KeyRecord
	keyAt         map[halberd.KeyID]int
	projects      []halberd.ProjectRecord
	organizations []halberd.OrganizationRecord
	members       []halberd.MemberRecord
}

// Key notes the new record of a key.
func (s *Set) Key(k halberd.KeyRecord) {
	k.LastUsedAt, k.LastUsedFrom, k.LastUsedAgent = 0, "", ""
	if i, again := s.keyAt[k.ID]; again {
		s.keys[i] = k
		return
	}
	if s.keyAt == nil {
		s.keyAt = map[halberd.KeyID]int{}
	}
	s.keyAt[k.ID] = len(s.keys)
	s.keys = append(s.keys, k)
}

// Project notes the new record of a project.
func (s *Set) Project(p halberd.ProjectRecord) {
	for i := range s.projects {
		if s.projects[i].ID == p.ID {
			s.projects[i] = p
			return
		}
	}
	s.projects = append(s.projects, p)
}

// Organization notes the new record of an organization.
func (s *Set) Organization(o halberd.OrganizationRecord) {
	for i := range s.organizations {
		if s.organizations[i].ID == o.ID {
			s.organizations[i] = o
			return
		}
	}
	s.organizations = append(s.organizations, o)
}

// Member notes the new record of a member.
func (s *Set) Member(m halberd.MemberRecord) {
	for i := range s.members {
		if s.members[i].ID == m.ID {
			s.members[i] = m
			return
		}
	}
	s.members = append(s.members, m)
}

// Empty reports whether nothing was put that takes a revision.
func (s *Set) Empty() bool {
	return len(s.keys) == 0 && len(s.projects) == 0 && len(s.organizations) == 0 && len(s.members) == 0
}

// Committed is the set as a follower is told of it.
func (s *Set) Committed(revision int64) halberd.Committed {
	return halberd.Committed{
		Revision: revision, Keys: s.keys, Projects: s.projects, Organizations: s.organizations, Members: s.members,
	}
}
