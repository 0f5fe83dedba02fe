package halberd

import (
	"context"
	"crypto/hmac"
	"strings"
	"unicode/utf8"
)

// Passwords is how members' passwords are kept: a slow, salted hash in text.
// Safe for concurrent use.
type Passwords interface {
	Hash(password string) (string, error)
	// Matches takes as long whatever the answer.
	Matches(password, hash string) (bool, error)
}

const (
	minPassword = 12   // code points
	maxPassword = 1024 // bytes: what is hashed has a bound
)

// Signed is a member who has proved who they are. A session keeps the member
// and the epoch, and nothing else: MemberActor says whether they are still good.
type Signed struct {
	Member Member
	Epoch  int64
}

// Identity is what an OpenID provider says of a person.
type Identity struct {
	Issuer, Subject string
	Email           string
	EmailVerified   bool
}

func (i Identity) text() string { return i.Issuer + "\n" + i.Subject }

func issuerOf(identity string) string {
	issuer, _, _ := strings.Cut(identity, "\n")
	return issuer
}

// HasMembers reports whether anyone was ever let in who is not removed: until
// then the admin key opens the console.
func (s *Service) HasMembers() bool { return s.dir.hasMembers() }

// MemberActor is a member as an actor, for a session that began at an epoch. It
// is UNAUTHORIZED once the member was removed, deactivated, given another role
// or password, or signed out everywhere.
func (s *Service) MemberActor(id MemberID, epoch int64, r Request) (Actor, error) {
	if err := s.Ready(); err != nil {
		return Actor{}, err
	}
	a := Actor{kind: ActorMember, member: id, epoch: epoch, from: r.ClientIP, request: r}
	now, ok := s.dir.member(id)
	if !ok || !a.fill(now) {
		return Actor{}, errSignedOut()
	}
	return a, nil
}

// fill makes a what the member is now, or reports that it is no longer good.
func (a *Actor) fill(m standingMember) bool {
	if m.epoch != a.epoch || !m.good {
		return false
	}
	a.organization, a.operator, a.scopes, a.resources = m.organization, m.operator, m.scopes, AllResources()
	return true
}

func errSignedOut() *Error { return refuse(CodeUnauthorized, "you are signed out: sign in again") }

// errSignIn is the one answer to a sign-in that failed, whatever the reason.
func errSignIn() *Error { return refuse(CodeUnauthorized, "the email or the password is wrong") }

// SignIn proves a member by password. Unknown and wrong are the same answer in
// the same time. After ten failures for an email, or sixty from an address, it is
// RATE_LIMITED whatever the password, for at most half a minute, or two seconds
// (see trySignIn).
func (s *Service) SignIn(ctx context.Context, email, password string, r Request) (out Signed, err error) {
	if s.closed.Load() {
		return Signed{}, outward(ErrClosed)
	}
	if s.passwords == nil {
		return Signed{}, refuse(CodeForbidden, "signing in by password is switched off")
	}
	email = LowerASCII(email)
	settle, err := s.trySignIn(email, r.ClientIP)
	if err != nil {
		return Signed{}, err
	}
	defer func() { settle(CodeOf(err) != CodeUnauthorized) }()
	var m Member
	err = s.store.View(ctx, func(rd Reader) error {
		row, err := rd.MemberWith(MemberName{Email: email})
		if err != nil || email == "" {
			return err
		}
		m, err = s.openMember(&row)
		return err
	})
	if err != nil && !isAbsent(err) {
		return Signed{}, outward(err)
	}
	hash := m.password
	known := m.State == MemberActive && hash != ""
	if !known {
		if hash, err = s.decoy(); err != nil {
			return Signed{}, err
		}
	}
	ok := false
	err = nil
	if len(password) <= maxPassword {
		ok, err = s.passwords.Matches(password, hash)
	}
	switch {
	case err != nil:
		return Signed{}, outward(err)
	case !known || !ok:
		if !m.ID.IsZero() {
			by := Actor{kind: ActorMember, member: m.ID, organization: m.Organization, request: r}
			return Signed{}, s.deny(by, ActionSignIn, errSignIn())
		}
		return Signed{}, errSignIn()
	}
	return s.signed(ctx, m.ID, ActionSignIn, r, func(m *Member) error {
		if !hmac.Equal([]byte(m.password), []byte(hash)) {
			return errSignIn() // it was changed meanwhile
		}
		return nil
	})
}

// decoy is the hash that no password fits, made once.
func (s *Service) decoy() (string, error) {
	s.decoyOnce.Do(func() { s.decoyHash, s.decoyErr = s.passwords.Hash(mintSecret("decoy").Reveal()) })
	return s.decoyHash, s.decoyErr
}

// SignInWith proves a member by an OpenID provider, which the caller has
// verified. The first time, the provider's verified email links it to the member
// who has it: that accepts an invitation which has not ended.
func (s *Service) SignInWith(ctx context.Context, i Identity, r Request) (Signed, error) {
	if s.closed.Load() {
		return Signed{}, outward(ErrClosed)
	}
	if i.Issuer == "" || i.Subject == "" || strings.Contains(i.Issuer, "\n") {
		return Signed{}, Invalid("identity", "must have an issuer and a subject")
	}
	refused := refuse(CodeUnauthorized, "you are not a member here: ask an admin to invite you by the email address you sign in with")
	var id MemberID
	err := s.store.View(ctx, func(rd Reader) error {
		row, err := rd.MemberWith(MemberName{Identity: i.text()})
		if isAbsent(err) && i.EmailVerified && i.Email != "" {
			row, err = rd.MemberWith(MemberName{Email: LowerASCII(i.Email)})
		}
		id = row.ID
		return err
	})
	if isAbsent(err) {
		return Signed{}, refused
	}
	if err != nil {
		return Signed{}, outward(err)
	}
	return s.signed(ctx, id, ActionSignIn, r, func(m *Member) error {
		switch {
		case m.identity == i.text():
		case m.identity != "", !i.EmailVerified, m.Email != LowerASCII(i.Email):
			return refused
		default:
			m.identity, m.Provider = i.text(), i.Issuer
		}
		if m.State == MemberInvited && s.now().Before(m.InvitedUntil) {
			m.accept()
		}
		if m.State != MemberActive {
			return refused
		}
		return nil
	})
}

// accept ends the invitation: the link is no longer good.
func (m *Member) accept() {
	m.State, m.invite, m.InvitedUntil = MemberActive, Digest{}, m.RemovedAt
}

// Invitation is who an invitation's link is for.
func (s *Service) Invitation(ctx context.Context, link Secret) (m Member, err error) {
	err = s.store.View(ctx, func(r Reader) error {
		m, err = s.invited(r, link)
		return err
	})
	return m, outward(err)
}

func (s *Service) invited(r Reader, link Secret) (Member, error) {
	over := refuse(CodeNotFound, "this invitation was used, replaced or has ended: ask for a new one")
	if !link.WellFormed() {
		return Member{}, over
	}
	row, err := r.MemberWith(MemberName{Invite: s.seal.digest(link)})
	if isAbsent(err) {
		return Member{}, over
	}
	if err != nil {
		return Member{}, err
	}
	m, err := s.openMember(&row)
	if err == nil && (m.State != MemberInvited || !s.now().Before(m.InvitedUntil)) {
		return Member{}, over
	}
	return m, err
}

// Accept lets an invited person in with a name and a password of their own.
func (s *Service) Accept(ctx context.Context, link Secret, name, password string, r Request) (Signed, error) {
	m, err := s.Invitation(ctx, link)
	if err != nil {
		return Signed{}, err
	}
	hash, err := s.hashed(password, m.Email)
	if err != nil {
		return Signed{}, err
	}
	if err := checkText("name", name, maxName); err != nil {
		return Signed{}, err
	}
	digest := s.seal.digest(link)
	return s.signed(ctx, m.ID, ActionJoin, r, func(m *Member) error {
		if m.State != MemberInvited || !hmac.Equal(m.invite[:], digest[:]) {
			return refuse(CodeNotFound, "this invitation was used, replaced or has ended: ask for a new one")
		}
		m.accept()
		m.Name, m.password, m.HasPassword = name, hash, true
		return nil
	})
}

// ChangePassword replaces a member's own password and ends their other sessions:
// the answer begins a new one.
func (s *Service) ChangePassword(ctx context.Context, by Actor, former, password string) (Signed, error) {
	if by.kind != ActorMember {
		return Signed{}, refuse(CodeForbidden, "only a member has a password")
	}
	m, err := s.GetMember(ctx, by, by.member)
	if err != nil {
		return Signed{}, err
	}
	if m.password != "" {
		settle, err := s.trySignIn(m.Email, by.request.ClientIP)
		if err != nil {
			return Signed{}, err
		}
		ok, err := s.passwords.Matches(former[:min(len(former), maxPassword)], m.password)
		settle(ok || err != nil)
		if err != nil {
			return Signed{}, outward(err)
		}
		if !ok {
			return Signed{}, s.deny(by, ActionUpdateSelf, Invalid("password", "is not your present one"))
		}
	}
	hash, err := s.hashed(password, m.Email)
	if err != nil {
		return Signed{}, err
	}
	was := m.password
	return s.signed(ctx, by.member, ActionUpdateSelf, by.request, func(m *Member) error {
		if m.epoch != by.epoch || !hmac.Equal([]byte(m.password), []byte(was)) {
			return errSignedOut()
		}
		m.password, m.HasPassword = hash, true
		m.epoch++
		return nil
	})
}

// SignOutEverywhere ends every session of the member.
func (s *Service) SignOutEverywhere(ctx context.Context, by Actor) error {
	if by.kind != ActorMember {
		return refuse(CodeForbidden, "only a member has sessions")
	}
	_, err := s.signed(ctx, by.member, ActionSignOut, by.request, func(m *Member) error {
		if m.epoch != by.epoch {
			return errSignedOut()
		}
		m.epoch++
		return nil
	})
	return err
}

func (s *Service) hashed(password, email string) (string, error) {
	switch {
	case s.passwords == nil:
		return "", refuse(CodeForbidden, "signing in by password is switched off")
	case !utf8.ValidString(password) || utf8.RuneCountInString(password) < minPassword:
		return "", Invalid("password", "must be at least %d characters", minPassword)
	case len(password) > maxPassword:
		return "", Invalid("password", "must be at most %d bytes", maxPassword)
	case guessable(password, email):
		return "", Invalid("password", "is too easy to guess")
	}
	hash, err := s.passwords.Hash(password)
	return hash, outward(err)
}

// guessable reports whether a text is the email, or one character again and
// again.
func guessable(text, email string) bool {
	return strings.EqualFold(text, email) || strings.Count(text, text[:1]) == len(text)
}

// signed changes a member by what it has just proved, audits it, and hands out
// what a session keeps.
func (s *Service) signed(ctx context.Context, id MemberID, act Action, r Request, fn func(*Member) error) (Signed, error) {
	var out Signed
	_, err := s.commit(ctx, &r, act, func(tx Tx) error {
		row, err := tx.Member(id)
		if err != nil {
			return err
		}
		m, err := s.openMember(&row)
		if err != nil {
			return err
		}
		org, err := s.organization(tx, m.Organization)
		if err != nil {
			return err
		}
		if !org.Active || m.State == MemberRemoved || m.State == MemberInactive {
			return errSignIn()
		}
		before := m
		if err := fn(&m); err != nil {
			return err
		}
		by := Actor{kind: ActorMember, member: m.ID, organization: m.Organization, request: r}
		if m == before {
			err = s.audit(tx, by, act, m.Organization, ProjectID{}, "member", m.ID.String(), nil)
		} else {
			err = s.putMember(tx, by, act, &before, &m)
		}
		out = Signed{Member: m, Epoch: m.epoch}
		return err
	})
	if isAbsent(err) {
		return Signed{}, errSignIn()
	}
	if err != nil {
		return Signed{}, outward(err)
	}
	return out, nil
}

// FirstMember makes the first member of an instance, an admin and operator, for
// whoever holds an operator's key, and signs them in. Once there is a member, it
// is CONFLICT: only people sign in then.
func (s *Service) FirstMember(ctx context.Context, by Actor, email, name, password string) (Signed, error) {
	var out Signed
	if err := s.Permit(by, ActionInviteMember); err != nil {
		return out, err
	}
	email, err := checkEmail(email)
	if err != nil {
		return out, err
	}
	if err := checkText("name", name, maxName); err != nil {
		return out, err
	}
	hash, err := s.hashed(password, email)
	if err != nil {
		return out, err
	}
	_, err = s.change(ctx, by, ActionInviteMember, func(tx Tx, by Actor) error {
		if some, err := tx.Members(OrganizationID{}, MemberID{}, 1, false); err != nil {
			return err
		} else if len(some) > 0 {
			return refuse(CodeConflict, "there is a member already: sign in, or ask to be invited")
		}
		org, err := onlyOrganization(tx, by.organization)
		if err != nil {
			return err
		}
		m := Member{
			ID: NewMemberID(), Organization: org, Email: email, Name: name, Role: ScopeAdmin, Operator: true,
			State: MemberActive, HasPassword: true, password: hash, CreatedAt: s.stamp(), CreatedBy: by.Ref(), epoch: 1,
		}
		if err := by.employs(&m); err != nil {
			return err
		}
		err = s.putMember(tx, by, ActionInviteMember, &Member{}, &m)
		out = Signed{Member: m, Epoch: m.epoch}
		return err
	})
	if err != nil {
		return Signed{}, err
	}
	return out, nil
}
