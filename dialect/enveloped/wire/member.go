package wire

import "time"

// Member is a person of an organization as /v1 shows them. It never holds a
// password or a link.
type Member struct {
	MemberID       string     `json:"member_id" example:"mem_01h455vb4pex5vsknk084sn02q"`
	OrganizationID string     `json:"organization_id"`
	Email          string     `json:"email" doc:"In lower case"`
	Name           string     `json:"name" doc:"Empty until the member gives one"`
	Role           string     `json:"role" enum:"read,write,admin"`
	Operator       bool       `json:"operator"`
	State          string     `json:"state" enum:"invited,active,inactive,removed"`
	Active         bool       `json:"active" doc:"The member may sign in"`
	Password       bool       `json:"password" doc:"The member signs in with a password"`
	Provider       *string    `json:"provider" doc:"The issuer whose sign-in is linked; null: none"`
	InvitedUntil   *time.Time `json:"invited_until" doc:"While invited: when the link ends"`
	CreatedAt      time.Time  `json:"created_at"`
	CreatedBy      string     `json:"created_by"`
	RemovedAt      *time.Time `json:"removed_at"`
	Version        int64      `json:"version"`
}

// InvitedMember is the answer of an invitation: a member and, this once, the
// link that lets the person in.
type InvitedMember struct {
	Member
	InviteURL string `json:"invite_url" doc:"Shown only once. Whoever opens it becomes this member: hand it to nobody else"`
}

// InviteMember is the body of POST /v1/members.
type InviteMember struct {
	Email          string        `json:"email" maxLength:"254"`
	Role           string        `json:"role" enum:"read,write,admin"`
	Operator       Field[bool]   `json:"operator,omitzero" nullable:"false" doc:"For operators"`
	OrganizationID Field[string] `json:"organization_id,omitzero" nullable:"false" doc:"For operators"`
}

// InviteAgain is the body of POST /v1/members/{member_id}/invite: there is
// nothing to say.
type InviteAgain struct{}

// UpdateMember is the body of PATCH /v1/members/{member_id}, a merge patch.
type UpdateMember struct {
	Name     Field[string] `json:"name,omitzero" maxLength:"255"`
	Role     Field[string] `json:"role,omitzero" nullable:"false" enum:"read,write,admin"`
	Operator Field[bool]   `json:"operator,omitzero" nullable:"false" doc:"For operators"`
	Active   Field[bool]   `json:"active,omitzero" nullable:"false"`
}

// RemovedMember is the answer of DELETE /v1/members/{member_id}: the member as
// they left, and the keys they owned, as they are now.
type RemovedMember struct {
	Member
	Keys     []Key `json:"keys" nullable:"false" doc:"Those that are not revoked, the oldest 1,000"`
	KeyCount int   `json:"key_count" doc:"How many there are"`
}
