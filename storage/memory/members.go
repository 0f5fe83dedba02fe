package memory

import (
	"bytes"
	"context"
	"slices"

	"github.com/halberdhq/halberd"
)

func (r reader) Member(id halberd.MemberID) (halberd.MemberRecord, error) {
	m, found := r.members[id]
	if !found {
		return halberd.MemberRecord{}, halberd.ErrNotFound
	}
	return m, nil
}

func (r reader) MemberWith(n halberd.MemberName) (halberd.MemberRecord, error) {
	for _, m := range r.members {
		if m.State != halberd.MemberRemoved && (n.Email != "" && m.Email == n.Email ||
			n.Identity != "" && m.Identity == n.Identity || !n.Invite.IsZero() && m.Invite == n.Invite) {
			return m, nil
		}
	}
	return halberd.MemberRecord{}, halberd.ErrNotFound
}

func (r reader) Members(org halberd.OrganizationID, after halberd.MemberID, limit int, removed bool) ([]halberd.MemberRecord, error) {
	var out []halberd.MemberRecord
	for _, m := range r.members {
		if (org.IsZero() || m.Organization == org) && (removed || m.State != halberd.MemberRemoved) && bytes.Compare(m.ID[:], after[:]) > 0 {
			out = append(out, m)
		}
	}
	slices.SortFunc(out, func(a, b halberd.MemberRecord) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	return first(out, limit), nil
}

func (r reader) CountAdminMembers(org halberd.OrganizationID, except halberd.MemberID) (int, error) {
	n := 0
	for id, m := range r.members {
		if id != except && m.Organization == org && m.State == halberd.MemberActive && m.Role == string(halberd.ScopeAdmin) {
			n++
		}
	}
	return n, nil
}

func (t *tx) PutMember(m halberd.MemberRecord) error {
	old, found := t.members[m.ID]
	if found && old.Version != m.Version-1 || !found && m.Version != 1 ||
		old.State == halberd.MemberRemoved && m.State != halberd.MemberRemoved {
		return halberd.ErrConflict
	}
	if m.State != halberd.MemberRemoved {
		for id, other := range t.members {
			if id != m.ID && other.State != halberd.MemberRemoved && (other.Email == m.Email ||
				m.Identity != "" && other.Identity == m.Identity || !m.Invite.IsZero() && other.Invite == m.Invite) {
				return halberd.ErrConflict
			}
		}
	}
	set(t, t.members, m.ID, m)
	t.changes.Member(m)
	return nil
}

type session struct {
	data   []byte
	endsAt int64
}

// Session implements halberd.Sessions.
func (s *Store) Session(ctx context.Context, token [32]byte, now int64) ([]byte, error) {
	s.db.mu.RLock()
	defer s.db.mu.RUnlock()
	if err := s.usable(ctx); err != nil {
		return nil, err
	}
	got, found := s.db.sessions[token]
	if !found || got.endsAt <= now {
		return nil, halberd.ErrNotFound
	}
	return slices.Clone(got.data), nil
}

// PutSession implements halberd.Sessions.
func (s *Store) PutSession(ctx context.Context, token [32]byte, data []byte, endsAt, now int64) error {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	if err := s.usable(ctx); err != nil {
		return err
	}
	dropped := 0
	for t, old := range s.db.sessions {
		if old.endsAt <= now && dropped < 100 {
			delete(s.db.sessions, t)
			dropped++
		}
	}
	s.db.sessions[token] = session{slices.Clone(data), endsAt}
	return nil
}

// EndSession implements halberd.Sessions.
func (s *Store) EndSession(ctx context.Context, token [32]byte) error {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	if err := s.usable(ctx); err != nil {
		return err
	}
	delete(s.db.sessions, token)
	return nil
}
