package halberd

import (
	"context"
	"fmt"
	"net/mail"
	"strings"
	"time"
)

const (
	invitationPrefix = "hb_invite"
	// invitationLife is how long an invitation's link is good.
	invitationLife = 7 * 24 * time.Hour
	maxEmail       = 254 // bytes, RFC 5321
)

// ListMembers reads the members of an organization, oldest first; removed ones
// are left out. org is for operators; zero is the actor's own.
func (s *Service) ListMembers(ctx context.Context, by Actor, org OrganizationID, page Page) (out Members, err error) {
	err = s.look(ctx, by, ActionReadMembers, func(r Reader) error {
		if org.IsZero() {
			org = by.organization
		} else if err := s.reached(r, by, org, by.project); err != nil {
			return err
		}
		limit, err := pageLimit(page)
		if err != nil {
			return err
		}
		bound := "members\n" + org.String()
		after, err := s.position(bound, page.Cursor)
		if err != nil {
			return err
		}
		var from MemberID
		if after != nil {
			from = MemberID(after.ID)
		}
		rows, err := r.Members(org, from, limit+1, false)
		if err != nil {
			return err
		}
		if len(rows) > limit {
			rows = rows[:limit]
			out.Next = s.cursor(bound, KeyPosition{ID: KeyID(rows[limit-1].ID)})
		}
		out.List = openRows(s, rows, func(r *MemberRecord) fmt.Stringer { return r.ID }, s.openMember)
		return nil
	})
	return out, err
}

// GetMember reads one member. A member may always read itself.
func (s *Service) GetMember(ctx context.Context, by Actor, id MemberID) (m Member, err error) {
	act := ActionReadMembers
	if by.kind == ActorMember && by.member == id {
		act = ActionWhoAmI
	}
	err = s.look(ctx, by, act, func(r Reader) error {
		m, err = s.memberOf(r, by, id)
		return err
	})
	return m, err
}

// memberOf reads a member that the actor reaches and that was not removed.
func (s *Service) memberOf(r Reader, by Actor, id MemberID) (Member, error) {
	row, err := r.Member(id)
	if err != nil {
		return Member{}, err
	}
	if !by.reaches(row.Organization, ProjectID{}) || row.State == MemberRemoved {
		return Member{}, errNotFound()
	}
	return s.openMember(&row)
}

// InviteMember makes a member who may sign in once the invitation is accepted.
// No one invites above themselves.
func (s *Service) InviteMember(ctx context.Context, by Actor, n NewMember) (Invited, error) {
	var out Invited
	p, err := s.change(ctx, by, ActionInviteMember, func(tx Tx, by Actor) error {
		if done, err := s.replayed(tx, by); err != nil {
			return err
		} else if done != "" {
			return refuse(CodeIdempotencyReplay, "this was done before under the same Idempotency-Key, and its link was shown then: invite the member again for a new one")
		}
		email, err := checkEmail(n.Email)
		if err != nil {
			return err
		}
		org := by.organization
		if !n.Organization.IsZero() {
			if !by.reaches(n.Organization, ProjectID{}) {
				return errNotFound()
			}
			org = n.Organization
		}
		if org, err = onlyOrganization(tx, org); err != nil {
			return err
		}
		if _, err := s.organization(tx, org); err != nil {
			return err
		}
		m := Member{
			ID: NewMemberID(), Organization: org, Email: email, Role: n.Role, Operator: n.Operator,
			CreatedAt: s.stamp(), CreatedBy: by.Ref(),
		}
		if err := checkRole(&m); err != nil {
			return err
		}
		if err := by.employs(&m); err != nil {
			return err
		}
		if _, err := tx.MemberWith(MemberName{Email: email}); err == nil {
			return refuse(CodeConflict, "%s is a member already: invite them again for a new link, or change their role", email)
		} else if !isAbsent(err) {
			return err
		}
		out.Secret = s.invite(&m)
		if err := s.putMember(tx, by, ActionInviteMember, &Member{}, &m); err != nil {
			return err
		}
		out.Member = m
		return s.remember(tx, by, m.ID.String())
	})
	if err != nil {
		return Invited{}, err
	}
	out.Propagation = p
	return out, nil
}

// invite gives m a new link: the former one is dead, and so is every way m had
// to sign in until it is accepted.
func (s *Service) invite(m *Member) Secret {
	secret := mintSecret(invitationPrefix)
	m.invite = s.seal.digest(secret)
	m.InvitedUntil = s.stamp().Add(invitationLife)
	m.State, m.HasPassword, m.password, m.identity, m.Provider = MemberInvited, false, "", "", ""
	m.epoch++
	return secret
}

// InviteAgain gives a member a new link, for an invitation that ended or a
// password that was forgotten. Until it is accepted the member cannot sign in.
func (s *Service) InviteAgain(ctx context.Context, by Actor, id MemberID) (Invited, error) {
	var out Invited
	p, err := s.change(ctx, by, ActionInviteMember, func(tx Tx, by Actor) error {
		m, err := s.memberOf(tx, by, id)
		if err != nil {
			return err
		}
		if err := by.employs(&m); err != nil {
			return err
		}
		before := m
		out.Secret = s.invite(&m)
		if err := s.keepAdminMember(tx, &before, &m); err != nil {
			return err
		}
		out.Member = m
		return s.putMember(tx, by, ActionInviteMember, &before, &out.Member)
	})
	if err != nil {
		return Invited{}, err
	}
	out.Propagation = p
	return out, nil
}

// UpdateMember edits a member. A new role, and deactivation, end the member's
// sessions at once. A member may change its own name.
func (s *Service) UpdateMember(ctx context.Context, by Actor, id MemberID, p MemberPatch, version int64) (ChangedMember, error) {
	var out Member
	act := ActionUpdateMember
	own := by.kind == ActorMember && by.member == id && p == (MemberPatch{Name: p.Name})
	if own {
		act = ActionUpdateSelf
	}
	spread, err := s.change(ctx, by, act, func(tx Tx, by Actor) error {
		m, err := s.memberOf(tx, by, id)
		if err != nil {
			return err
		}
		if !own {
			if err := by.employs(&m); err != nil {
				return err
			}
		}
		if err := sameVersion(version, m.Version); err != nil {
			return err
		}
		before := m
		if err := m.patch(p); err != nil {
			return err
		}
		out = m
		if len(differences(memberFields(&before), memberFields(&m))) == 0 {
			return nil
		}
		if !own {
			if err := by.employs(&m); err != nil {
				return err
			}
		}
		if err := s.keepAdminMember(tx, &before, &m); err != nil {
			return err
		}
		if before.Role != m.Role || before.Operator != m.Operator || before.State != m.State {
			m.epoch++
		}
		err = s.putMember(tx, by, act, &before, &m)
		out = m
		return err
	})
	if err != nil {
		return ChangedMember{}, err
	}
	return ChangedMember{out, spread}, nil
}

func (m *Member) patch(p MemberPatch) error {
	if p.Name.Set {
		if err := checkText("name", p.Name.Value, maxName); err != nil {
			return err
		}
		m.Name = p.Name.Value
	}
	if p.Role.Set {
		m.Role = p.Role.Value
	}
	if p.Operator.Set {
		m.Operator = p.Operator.Value
	}
	if p.Active.Set {
		switch {
		case !p.Active.Value && m.State == MemberInvited:
			return refuse(CodeConflict, "the invitation is not accepted yet: remove the member instead")
		case !p.Active.Value:
			m.State = MemberInactive
		case m.State == MemberInactive:
			m.State = MemberActive
		}
	}
	return checkRole(m)
}

func checkRole(m *Member) error {
	switch m.Role {
	case ScopeRead, ScopeWrite, ScopeAdmin:
	default:
		return Invalid("role", "must be read, write or admin")
	}
	if m.Operator && m.Role != ScopeAdmin {
		return Invalid("role", "of an operator must be admin")
	}
	return nil
}

// checkEmail folds the ASCII letters of an address to lower case: beyond them,
// folding makes one of two people's addresses. It need not be one that works: the
// link says that.
func checkEmail(text string) (string, error) {
	bad := Invalid("email", "must be an address such as name@example.com")
	if err := checkText("email", text, maxEmail); err != nil {
		return "", err
	}
	a, err := mail.ParseAddress(text)
	if err != nil || a.Name != "" || a.Address != text || len(text) > maxEmail || strings.ContainsAny(text, " \"<>") {
		return "", bad
	}
	return LowerASCII(text), nil
}

// employs refuses acting on, or making, a member that may more than the actor:
// a member is what a key without bounds would be.
func (a Actor) employs(m *Member) error {
	return a.grants(&Key{Scopes: m.scopes(), Resources: AllResources(), Operator: m.Operator}, nil)
}

// scopes are what the member's role holds; none for a role that is none.
func (m *Member) scopes() Scopes {
	scopes, err := ParseScopes([]string{string(m.Role)})
	if err != nil {
		return Scopes{}
	}
	return scopes
}

// keepAdminMember refuses a change after which nothing could sign in or call as
// an organization-wide admin any more.
func (s *Service) keepAdminMember(tx Tx, before, after *Member) error {
	if !before.admin() || after.admin() {
		return nil
	}
	people, err := tx.CountAdminMembers(before.Organization, before.ID)
	if err != nil {
		return err
	}
	keys, err := tx.CountAdmins(before.Organization, KeyID{}, s.now().Unix())
	if err != nil {
		return err
	}
	if people+keys == 0 {
		return refuse(CodeLastAdmin, "this is the organization's last admin: make another member an admin first")
	}
	return nil
}

func (s *Service) putMember(tx Tx, by Actor, act Action, before, m *Member) error {
	m.Version++
	r := m.record()
	var buf packer
	r.MAC = s.seal.mac(&r, &buf)
	if err := tx.PutMember(r); err != nil {
		return err
	}
	return s.audit(tx, by, act, m.Organization, ProjectID{}, "member", m.ID.String(),
		differences(memberFields(before), memberFields(m)))
}
