package storagetest

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/halberdhq/halberd"
)

func memberID(n int) (id halberd.MemberID) {
	binary.BigEndian.PutUint64(id[8:], uint64(n))
	return id
}

// member is an active admin, the nth, of organization 1.
func member(n int, edits ...func(*halberd.MemberRecord)) halberd.MemberRecord {
	m := halberd.MemberRecord{
		ID: memberID(n), Organization: organizationID(1), Email: fmt.Sprintf("m%d@example.com", n), Role: "admin",
		State: halberd.MemberActive, CreatedAt: 1_000_000, Version: 1, Detail: `{"name":"M"}`,
		MAC: sha256.Sum256(fmt.Append(nil, "member mac ", n)),
	}
	for _, edit := range edits {
		edit(&m)
	}
	return m
}

func removed(m *halberd.MemberRecord) { m.State = halberd.MemberRemoved }

func version(v int64) func(*halberd.MemberRecord) {
	return func(m *halberd.MemberRecord) { m.Version = v }
}

func (s *subject) putMembers(ms ...halberd.MemberRecord) {
	s.Helper()
	s.update(func(tx halberd.Tx) error {
		for _, m := range ms {
			if err := tx.PutMember(m); err != nil {
				return fmt.Errorf("PutMember %s: %w", m.Email, err)
			}
		}
		return nil
	})
}

func (s *subject) noMember(ms ...halberd.MemberRecord) {
	s.Helper()
	for _, m := range ms {
		s.refused(halberd.ErrConflict, func(tx halberd.Tx) error { return tx.PutMember(m) })
	}
}

func (s *subject) wantMember(name halberd.MemberName, want halberd.MemberRecord) {
	s.Helper()
	s.view(func(r halberd.Reader) error {
		got, err := r.MemberWith(name)
		if want.ID.IsZero() {
			equal(s, "error", err, halberd.ErrNotFound)
			return nil
		}
		equal(s, "member", got, want)
		return err
	})
}

var memberCases = []contract{
	{"a member comes back as it was put, by id and by each of its names", func(s *subject) {
		want := member(1, func(m *halberd.MemberRecord) { m.Identity, m.Invite = "https://id.example\nsub", digest(7) })
		s.putMembers(member(2), want)
		s.view(func(r halberd.Reader) error {
			got, err := r.Member(memberID(1))
			equal(s, "member", got, want)
			return err
		})
		s.wantMember(halberd.MemberName{Email: want.Email}, want)
		s.wantMember(halberd.MemberName{Identity: want.Identity}, want)
		s.wantMember(halberd.MemberName{Invite: want.Invite}, want)
		s.wantMember(halberd.MemberName{Email: "other@example.com"}, halberd.MemberRecord{})
		s.wantMember(halberd.MemberName{}, halberd.MemberRecord{})
		s.refused(halberd.ErrNotFound, func(tx halberd.Tx) error {
			_, err := tx.Member(memberID(3))
			return err
		})
	}},
	{"a member is put at the version after its last", func(s *subject) {
		s.noMember(member(1, version(2)))
		s.putMembers(member(1))
		s.noMember(member(1), member(1, version(3)))
		s.putMembers(member(1, version(2)))
	}},
	{"email, identity and invitation are one member's, until it is removed", func(s *subject) {
		named := func(m *halberd.MemberRecord) { m.Identity, m.Invite = "issuer\nsub", digest(1) }
		s.putMembers(member(1, named))
		s.noMember(
			member(2, func(m *halberd.MemberRecord) { m.Email = "m1@example.com" }),
			member(2, func(m *halberd.MemberRecord) { m.Identity = "issuer\nsub" }),
			member(2, func(m *halberd.MemberRecord) { m.Invite = digest(1) }),
		)
		s.putMembers(member(2), member(3)) // without identity and invitation: not compared
		s.putMembers(member(1, named, removed, version(2)))
		s.wantMember(halberd.MemberName{Email: "m1@example.com"}, halberd.MemberRecord{})
		s.wantMember(halberd.MemberName{Identity: "issuer\nsub"}, halberd.MemberRecord{})
		s.putMembers(member(4, named, func(m *halberd.MemberRecord) { m.Email = "m1@example.com" }))
	}},
	{"a removed member stays removed", func(s *subject) {
		s.putMembers(member(1))
		s.putMembers(member(1, removed, version(2)))
		s.noMember(member(1, version(3)))
	}},
	{"members are listed by id, page by page, removed ones when asked for", func(s *subject) {
		for n := 6; n >= 1; n-- {
			s.putMembers(member(n, func(m *halberd.MemberRecord) {
				if n == 2 {
					m.Organization = organizationID(2)
				}
			}))
		}
		s.putMembers(member(4, removed, version(2)))
		want := func(org halberd.OrganizationID, after, limit int, gone bool, want ...int) {
			s.Helper()
			s.view(func(r halberd.Reader) error {
				list, err := r.Members(org, memberID(after), limit, gone)
				var got []int
				for _, m := range list {
					got = append(got, int(binary.BigEndian.Uint64(m.ID[8:])))
				}
				if !slices.Equal(got, want) {
					s.Errorf("Members: %v, want %v", got, want)
				}
				return err
			})
		}
		want(organizationID(1), 0, 10, false, 1, 3, 5, 6)
		want(organizationID(1), 0, 10, true, 1, 3, 4, 5, 6)
		want(organizationID(1), 1, 2, false, 3, 5)
		want(halberd.OrganizationID{}, 0, 0, false, 1, 2, 3, 5, 6)
	}},
	{"admins that can sign in are counted", func(s *subject) {
		s.putMembers(member(1), member(2), member(3, func(m *halberd.MemberRecord) { m.Role = "write" }),
			member(4, func(m *halberd.MemberRecord) { m.State = halberd.MemberInvited }),
			member(5, func(m *halberd.MemberRecord) { m.State = halberd.MemberInactive }),
			member(6, func(m *halberd.MemberRecord) { m.Organization = organizationID(2) }))
		s.update(func(tx halberd.Tx) error {
			all, err := tx.CountAdminMembers(organizationID(1), halberd.MemberID{})
			equal(s, "admins", all, 2)
			if err != nil {
				return err
			}
			others, err := tx.CountAdminMembers(organizationID(1), memberID(2))
			equal(s, "others", others, 1)
			return err
		})
	}},
	{"a follower is told of members", func(s *subject) {
		var told []halberd.Committed
		s.Follow(func(c halberd.Committed) { told = append(told, c) })
		s.putMembers(member(1))
		if len(told) != 1 || len(told[0].Members) != 1 || told[0].Members[0] != member(1) || told[0].Revision != 1 {
			s.Errorf("told %+v", told)
		}
	}},
	{"keys are listed by who owns them", func(s *subject) {
		owned := func(n int) func(*halberd.KeyRecord) {
			return func(k *halberd.KeyRecord) { k.OwnedBy = memberID(n) }
		}
		s.insert(key(1, owned(1)), key(2), key(3, owned(2)), key(4, owned(1)))
		of := func(n int) halberd.KeyFilter {
			return halberd.KeyFilter{Organization: organizationID(1), OwnedBy: memberID(n), Limit: 10, Sort: halberd.SortCreated}
		}
		s.wantList(of(1), 1, 4)
		byUse := of(1)
		byUse.Sort = halberd.SortLastUsed
		s.use(used(4, 2_000_000))
		s.wantList(byUse, 4, 1)
		s.update(func(tx halberd.Tx) error { return tx.UpdateKey(next(key(1, owned(1)), owned(2))) })
		s.wantList(of(1), 4)
		s.wantList(of(2), 1, 3)
	}},
	{"a session is kept until it ends, and replaced", func(s *subject) {
		put := func(n int, data string, ends, now int64) {
			s.Helper()
			if err := s.PutSession(s.Context(), digest(n), []byte(data), ends, now); err != nil {
				s.Fatalf("PutSession: %v", err)
			}
		}
		want := func(n int, now int64, want string) {
			s.Helper()
			got, err := s.Session(s.Context(), digest(n), now)
			if want == "" {
				equal(s, "error", err, halberd.ErrNotFound)
				return
			}
			equal(s, "session", string(got), want)
		}
		want(1, 0, "")
		put(1, "one", 100, 10)
		put(2, "two", 200, 10)
		want(1, 99, "one")
		want(1, 100, "")
		put(1, "again", 300, 50)
		want(1, 299, "again")
		put(3, "three", 400, 250) // others have ended by then
		want(1, 250, "again")
		want(2, 250, "")
		for range 2 {
			if err := s.EndSession(s.Context(), digest(1)); err != nil {
				s.Fatalf("EndSession: %v", err)
			}
		}
		want(1, 250, "")
		want(3, 250, "three")
		s.view(func(r halberd.Reader) error {
			rev, err := r.Revision()
			equal(s, "revision", rev, 0)
			return err
		})
	}},
}
