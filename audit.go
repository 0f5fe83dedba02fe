package halberd

import "time"

// Outcome says whether an audited attempt happened.
type Outcome string

// The outcomes. Denied attempts are counted per actor, action and minute.
const (
	OutcomeDone   Outcome = "done"
	OutcomeDenied Outcome = "denied"
)

// AuditEvent is one line of the audit log. A change and its event are written
// in one transaction: exactly one event per change.
type AuditEvent struct {
	ID           AuditID
	At           time.Time
	Organization OrganizationID // where it happened; zero: the instance
	Project      ProjectID      // zero: the organization as a whole
	ActorKind    ActorKind
	Actor        string // Actor.Ref
	Action       Action
	TargetKind   string // key, project, organization, or empty
	Target       string // its id
	Outcome      Outcome
	Count        int64             // of denied attempts in one minute; 1 for what was done
	Changes      map[string]Change // field → before and after, never secrets or digests
	RequestID    string
	ClientIP     string
}

// Change is one field's value before and after, in the words of /v1.
type Change struct {
	Before any `json:"before"`
	After  any `json:"after"`
}

// AuditQuery selects audit events. The zero query is everything the caller
// reaches, newest first.
type AuditQuery struct {
	Organization OrganizationID // operators only; zero: the caller's
	Action       Action
	Actor        string
	Target       string
	Outcome      Outcome
	From, To     time.Time // From ≤ at < To; zero: open
	After        AuditID   // only events recorded after this one; for following
	Ascending    bool
	Page         Page
}

// AuditEvents is one page. Next is empty at the end.
type AuditEvents struct {
	List []AuditEvent
	Next string
}
