package sqlite

import (
	"context"
	"database/sql/driver"

	"github.com/halberdhq/halberd"
)

const memberColumns = "id, organization, email, role, state, identity, invite, created_at, version, detail, mac"

func (s *scanner) member(m *halberd.MemberRecord) {
	s.into(m.ID[:])
	s.into(m.Organization[:])
	m.Email = s.text()
	m.Role = s.text()
	m.State = halberd.MemberState(s.text())
	m.Identity = s.text()
	s.into(m.Invite[:])
	m.CreatedAt = s.int()
	m.Version = s.int()
	m.Detail = s.text()
	s.into(m.MAC[:])
}

func (r reader) Member(id halberd.MemberID) (m halberd.MemberRecord, err error) {
	err = r.get("SELECT "+memberColumns+" FROM members WHERE id = ?", []driver.Value{id[:]}, func(s *scanner) { s.member(&m) })
	return m, err
}

func (r reader) MemberWith(n halberd.MemberName) (m halberd.MemberRecord, err error) {
	column, value := "email", driver.Value(n.Email)
	switch {
	case n.Identity != "":
		column, value = "identity", n.Identity
	case !n.Invite.IsZero():
		column, value = "invite", n.Invite[:]
	}
	err = r.get("SELECT "+memberColumns+" FROM members WHERE state <> 'removed' AND "+column+" = ?", []driver.Value{value}, func(s *scanner) { s.member(&m) })
	return m, err
}

func (r reader) Members(org halberd.OrganizationID, after halberd.MemberID, limit int, removed bool) (list []halberd.MemberRecord, err error) {
	q := selection{text: "SELECT " + memberColumns + " FROM members"}
	q.where(true, "id > ?", after[:])
	q.where(!org.IsZero(), "organization = ?", org[:])
	q.where(!removed, "state <> 'removed'")
	q.end(" ORDER BY id LIMIT ?", bound(limit))
	err = r.all(q.text, q.args, func(s *scanner) {
		list = append(list, halberd.MemberRecord{})
		s.member(&list[len(list)-1])
	})
	return list, err
}

func (r reader) CountAdminMembers(org halberd.OrganizationID, except halberd.MemberID) (n int, err error) {
	err = r.get("SELECT count(*) FROM members WHERE organization = ? AND id <> ? AND state = 'active' AND role = 'admin'",
		[]driver.Value{org[:], except[:]}, func(s *scanner) { n = int(s.int()) })
	return n, err
}

func (t *tx) PutMember(m halberd.MemberRecord) error {
	args := []driver.Value{
		m.ID[:], m.Organization[:], m.Email, m.Role, string(m.State), word(m.Identity), blob(m.Invite),
		m.CreatedAt, m.Version, m.Detail, m.MAC[:],
	}
	text := "INSERT INTO members (" + memberColumns + ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
	if m.Version != 1 {
		text = `UPDATE members SET organization = ?2, email = ?3, role = ?4, state = ?5, identity = ?6, invite = ?7,
			created_at = ?8, version = ?9, detail = ?10, mac = ?11 WHERE id = ?1 AND version = ?9 - 1`
	}
	if err := t.placed(text, args...); err != nil {
		return err
	}
	t.changes.Member(m)
	return nil
}

// Session implements halberd.Sessions.
func (s *Store) Session(ctx context.Context, token [32]byte, now int64) (data []byte, err error) {
	err = s.View(ctx, func(r halberd.Reader) error {
		return r.(reader).get("SELECT data FROM sessions WHERE token = ? AND ends_at > ?", []driver.Value{token[:], now},
			func(s *scanner) { data = s.bytes() })
	})
	return data, err
}

// PutSession implements halberd.Sessions.
func (s *Store) PutSession(ctx context.Context, token [32]byte, data []byte, endsAt, now int64) error {
	return s.Update(ctx, func(t halberd.Tx) error {
		tx := t.(*tx)
		if _, err := tx.exec("DELETE FROM sessions WHERE row IN (SELECT row FROM sessions WHERE ends_at <= ? ORDER BY ends_at LIMIT 100)", now); err != nil {
			return err
		}
		return tx.placed(`INSERT INTO sessions (token, data, ends_at) VALUES (?1, ?2, ?3)
			ON CONFLICT (token) DO UPDATE SET data = ?2, ends_at = ?3`, token[:], data, endsAt)
	})
}

// EndSession implements halberd.Sessions.
func (s *Store) EndSession(ctx context.Context, token [32]byte) error {
	return s.Update(ctx, func(t halberd.Tx) error {
		_, err := t.(*tx).exec("DELETE FROM sessions WHERE token = ?", token[:])
		return err
	})
}
