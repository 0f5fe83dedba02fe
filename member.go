package halberd

import (
	"encoding/json"
	"fmt"
	"time"
)

// MemberState is where a member stands.
type MemberState string

// The states. Removed is terminal; the row stays, so that a name in the audit
// log keeps its meaning.
const (
	MemberInvited  MemberState = "invited"  // has a link, and no way to sign in yet
	MemberActive   MemberState = "active"   // may sign in
	MemberInactive MemberState = "inactive" // deactivated, may return
	MemberRemoved  MemberState = "removed"
)

// Member is a person of an organization (S0 "user management", S1 "Users").
// Times are UTC in whole seconds.
type Member struct {
	ID           MemberID
	Organization OrganizationID
	Email        string // in lower case, one member in the whole instance
	Name         string // "" until the member gives one
	Role         Scope  // read, write or admin
	Operator     bool   // may run the instance
	State        MemberState
	HasPassword  bool
	Provider     string    // the issuer whose sign-in is linked; "" for none
	InvitedUntil time.Time // while invited: when the link ends
	CreatedAt    time.Time
	CreatedBy    string // the actor, as ActorRef writes it
	RemovedAt    time.Time
	Version      int64

	// Epoch rises when every session of the member must die: a new role, a new
	// password, deactivation, removal.
	epoch    int64
	password string // PHC text, by Options.Passwords
	identity string // issuer and subject of the linked sign-in
	invite   Digest // of the link's secret
}

// admin reports whether the member can sign in and do everything.
func (m *Member) admin() bool { return m.State == MemberActive && m.Role == ScopeAdmin }

// NewMember is an invitation.
type NewMember struct {
	Email        string
	Role         Scope
	Operator     bool           // operators only
	Organization OrganizationID // operators only; zero: the inviter's
}

// MemberPatch changes a member; what is not Set stays.
type MemberPatch struct {
	Name     Maybe[string]
	Role     Maybe[Scope]
	Operator Maybe[bool] // operators only
	Active   Maybe[bool]
}

// Invited is a member and the secret of the link that lets the person in. It is
// shown once.
type Invited struct {
	Member      Member
	Secret      Secret
	Propagation Propagation
}

// ChangedMember is a member after a change, and how far the change had gone.
type ChangedMember struct {
	Member
	Propagation Propagation
}

// Members is one page. Next is empty at the end.
type Members struct {
	List []Member
	Next string
}

type memberDetail struct {
	Name      string `json:"name,omitempty"`
	Operator  bool   `json:"operator,omitempty"`
	Password  string `json:"password,omitempty"`
	CreatedBy string `json:"created_by,omitempty"`
	Epoch     int64  `json:"epoch,omitempty"`
	InvitedTo int64  `json:"invited_until,omitempty"`
	RemovedAt int64  `json:"removed_at,omitempty"`
}

func (m *Member) record() MemberRecord {
	return MemberRecord{
		ID: m.ID, Organization: m.Organization, Email: m.Email, Role: string(m.Role), State: m.State,
		Identity: m.identity, Invite: m.invite, CreatedAt: seconds(m.CreatedAt), Version: m.Version,
		Detail: encodeJSON(memberDetail{m.Name, m.Operator, m.password, m.CreatedBy, m.epoch, seconds(m.InvitedUntil), seconds(m.RemovedAt)}),
	}
}

func (r *MemberRecord) member() (Member, error) {
	var d memberDetail
	if err := json.Unmarshal([]byte(r.Detail), &d); err != nil {
		return Member{}, fmt.Errorf("detail of a member: %w", err)
	}
	return Member{
		ID: r.ID, Organization: r.Organization, Email: r.Email, Name: d.Name, Role: Scope(r.Role), Operator: d.Operator,
		State: r.State, HasPassword: d.Password != "", Provider: issuerOf(r.Identity), InvitedUntil: instant(d.InvitedTo),
		CreatedAt: instant(r.CreatedAt), CreatedBy: d.CreatedBy, RemovedAt: instant(d.RemovedAt), Version: r.Version,
		epoch: d.Epoch, password: d.Password, identity: r.Identity, invite: r.Invite,
	}, nil
}

func (r *MemberRecord) pack(p *packer) {
	p.text("member 1")
	p.bytes(r.ID[:])
	p.bytes(r.Organization[:])
	p.text(r.Email)
	p.text(r.Role)
	p.text(string(r.State))
	p.text(r.Identity)
	p.bytes(r.Invite[:])
	p.int(r.CreatedAt)
	p.int(r.Version)
	p.text(r.Detail)
}

func memberFields(m *Member) map[string]any {
	return map[string]any{
		"email": m.Email, "name": m.Name, "role": string(m.Role), "operator": m.Operator, "state": string(m.State),
		"password": m.HasPassword, "provider": m.Provider, "invited_until": timeOrNil(m.InvitedUntil),
	}
}

func (s *Service) openMember(r *MemberRecord) (Member, error) {
	if !s.seal.genuine(r, r.MAC, new(packer)) {
		return Member{}, damagedRow(r.ID, errMAC)
	}
	return r.member()
}
