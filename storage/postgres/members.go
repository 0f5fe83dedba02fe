package postgres

import (
	"context"

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
	err = r.get("SELECT "+memberColumns+" FROM members WHERE id = $1", []any{id[:]}, func(s *scanner) { s.member(&m) })
	return m, err
}

func (r reader) MemberWith(n halberd.MemberName) (m halberd.MemberRecord, err error) {
	column, value := "email", any(n.Email)
	switch {
	case n.Identity != "":
		column, value = "identity", n.Identity
	case !n.Invite.IsZero():
		column, value = "invite", n.Invite[:]
	}
	if !sayable(n.Email, n.Identity) {
		return m, halberd.ErrNotFound
	}
	err = r.get("SELECT "+memberColumns+" FROM members WHERE state <> 'removed' AND "+column+" = $1", []any{value}, func(s *scanner) { s.member(&m) })
	return m, err
}

func (r reader) Members(org halberd.OrganizationID, after halberd.MemberID, limit int, removed bool) (list []halberd.MemberRecord, err error) {
	q := selection{text: "SELECT " + memberColumns + " FROM members"}
	q.where(true, "id > ?", after[:])
	q.where(!org.IsZero(), "organization = ?", org[:])
	q.where(!removed, "state <> 'removed'")
	q.end(" ORDER BY id" + bound(limit))
	err = r.all(q.text, q.args, func(s *scanner) {
		list = append(list, halberd.MemberRecord{})
		s.member(&list[len(list)-1])
	})
	return list, err
}

func (r reader) CountAdminMembers(org halberd.OrganizationID, except halberd.MemberID) (n int, err error) {
	err = r.get("SELECT count(*) FROM members WHERE organization = $1 AND id <> $2 AND state = 'active' AND role = 'admin'",
		[]any{org[:], except[:]}, func(s *scanner) { n = int(s.int()) })
	return n, err
}

func (t *tx) PutMember(m halberd.MemberRecord) error {
	text := "INSERT INTO members (" + memberColumns + ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11) ON CONFLICT DO NOTHING"
	if m.Version != 1 {
		text = `UPDATE members SET organization = $2, email = $3, role = $4, state = $5, identity = $6, invite = $7,
			created_at = $8, version = $9, detail = $10, mac = $11
			WHERE id = $1 AND version = $9 - 1 AND (state <> 'removed' OR $5 = 'removed')
			AND ($5 = 'removed' OR NOT EXISTS (SELECT 1 FROM members o WHERE o.id <> $1 AND o.state <> 'removed'
				AND (o.email = $3 OR o.identity = $6 AND $6 <> '' OR o.invite = $7)))`
	}
	if err := t.placed(text, m.ID[:], m.Organization[:], m.Email, m.Role, string(m.State), m.Identity, blob(m.Invite),
		m.CreatedAt, m.Version, m.Detail, m.MAC[:]); err != nil {
		return err
	}
	t.changes.Member(m)
	return nil
}

// Session implements halberd.Sessions.
func (s *Store) Session(ctx context.Context, token [32]byte, now int64) (data []byte, err error) {
	err = s.View(ctx, func(r halberd.Reader) error {
		return r.(reader).get("SELECT data FROM sessions WHERE token = $1 AND ends_at > $2", []any{token[:], now},
			func(s *scanner) { data = s.bytes() })
	})
	return data, err
}

// PutSession implements halberd.Sessions. It takes no lock but its row's.
func (s *Store) PutSession(ctx context.Context, token [32]byte, data []byte, endsAt, now int64) error {
	return s.tell(ctx, `WITH ended AS (DELETE FROM sessions WHERE token <> $1 AND ctid = ANY (ARRAY(
			SELECT ctid FROM sessions WHERE ends_at <= $4 ORDER BY ends_at LIMIT 100 FOR UPDATE SKIP LOCKED)))
		INSERT INTO sessions (token, data, ends_at) VALUES ($1, $2, $3)
		ON CONFLICT (token) DO UPDATE SET data = excluded.data, ends_at = excluded.ends_at`, token[:], some(data), endsAt, now)
}

// EndSession implements halberd.Sessions.
func (s *Store) EndSession(ctx context.Context, token [32]byte) error {
	return s.tell(ctx, "DELETE FROM sessions WHERE token = $1", token[:])
}

// tell runs one statement that writes, by itself.
func (s *Store) tell(ctx context.Context, text string, args ...any) error {
	leave, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	_, err = s.ask(ctx, s.pool, text, args, func(*scanner) {})
	return err
}
