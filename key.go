package halberd

import (
	"net/netip"
	"time"
)

// State is where a key stands. Stored are active, inactive and revoked;
// expired is derived from the time.
type State string

// The states. Revoked is terminal: nothing brings a key back from it.
const (
	StateActive   State = "active"
	StateInactive State = "inactive"
	StateExpired  State = "expired"
	StateRevoked  State = "revoked"
)

// Key is a credential as its owner sees it: everything but the secret. Times
// are UTC in whole seconds; the zero time means never, or not yet.
type Key struct {
	ID           KeyID
	Organization OrganizationID
	Project      ProjectID // zero: good for the whole organization
	Operator     bool      // may run the instance; only organization-wide keys
	Name         string    // "" or 1–255 code points, kept byte for byte
	Hint         string    // what may be displayed: `hb_live_abc`
	ExternalID   string    // the API's own customer, opaque to us
	Metadata     map[string]string

	Scopes     Scopes
	Resources  Resources
	IPAllow    []netip.Prefix    // empty: every address
	RateLimits RateLimits        // nil: the project's
	Quota      *Quota            // nil: none; shared, never changed
	QuotaState Maybe[QuotaState] // where Quota stands; told of one key at a time, by Get and WhoAmI

	Active            bool // false: deactivated, may return
	CreatedAt         time.Time
	CreatedBy         string   // the actor, as ActorRef writes it
	OwnedBy           MemberID // who answers for it: the member who made it, or took it over; zero: none
	ExpiresAt         time.Time
	NotBefore         time.Time
	PreviousExpiresAt time.Time  // while a rotation's overlap runs: when the old secret ends
	LastUsedAt        time.Time  // moves within a second or so of a use
	LastUsedFrom      netip.Addr // where that use came from; zero: not told
	LastUsedAgent     string     // and by which program, at most 256 bytes; empty: not told
	RevokedAt         time.Time
	RevokedBy         string
	RevokeReason      string

	// Version rises by one per change; edits may be made conditional on it.
	Version int64
}

// StateAt derives the state of k at now. A key that is deactivated and expired
// is inactive: the order is that of a verdict.
func (k *Key) StateAt(now time.Time) State {
	switch {
	case !k.RevokedAt.IsZero():
		return StateRevoked
	case !k.Active:
		return StateInactive
	case !k.ExpiresAt.IsZero() && !now.Before(k.ExpiresAt):
		return StateExpired
	}
	return StateActive
}

// Maybe is a value that may be absent: the zero Maybe leaves things as they
// are, or asks for the default.
type Maybe[T any] struct {
	Set   bool
	Value T
}

// Some is a present value.
func Some[T any](v T) Maybe[T] { return Maybe[T]{Set: true, Value: v} }

// Expiry is when something ends: at an instant, or never (the zero At).
type Expiry struct{ At time.Time }

// Never is an explicit wish for no end.
func Never() Maybe[Expiry] { return Some(Expiry{}) }

// ExpiresIn asks for exactly days × 24 hours from now (S3-24). It is resolved
// by the Service, on its clock.
type ExpiresIn int

// NewKey is what create may be asked. Absent values take the project's
// defaults, shortened to what the creator holds; a value that is asked for and
// goes beyond is refused.
type NewKey struct {
	Name          string
	Scopes        Maybe[Scopes]
	Resources     Maybe[Resources]
	ExpiresAt     Maybe[Expiry]
	ExpiresInDays Maybe[ExpiresIn] // not together with ExpiresAt
	NotBefore     time.Time
	Project       ProjectID      // zero: the creator's, or the default project of its organization
	Wide          bool           // an organization-wide key; not together with Project
	Organization  OrganizationID // operators only; zero: the creator's
	Operator      bool           // may run the instance; only operators grant it, only to wide keys
	ExternalID    string
	Metadata      map[string]string
	IPAllow       Maybe[[]netip.Prefix]
	RateLimits    Maybe[RateLimits]
	Quota         Maybe[*Quota]
}

// KeyPatch changes a key; what is not Set stays.
type KeyPatch struct {
	Name          Maybe[string]
	Scopes        Maybe[Scopes]
	Resources     Maybe[Resources]
	ExpiresAt     Maybe[Expiry]
	ExpiresInDays Maybe[ExpiresIn] // not together with ExpiresAt
	NotBefore     Maybe[time.Time]
	ExternalID    Maybe[string]
	Metadata      Maybe[map[string]*string] // merged by name; a nil value removes one, a nil map all
	IPAllow       Maybe[[]netip.Prefix]
	RateLimits    Maybe[RateLimits] // nil inside: back to the project's
	Quota         Maybe[*Quota]     // nil inside: none
	Active        Maybe[bool]
}

// KeyQuery selects keys for a list. The zero query is everything the caller
// reaches, newest first, without revoked keys.
type KeyQuery struct {
	Organization  OrganizationID // operators only; zero: the caller's
	Project       ProjectID      // zero: all that the caller reaches
	States        []State        // empty: all but revoked
	Scope         Scope
	Text          string // literal, ASCII case-blind, in name, hint, id, external id
	ExternalID    string
	OwnedBy       MemberID
	ExpiresBefore time.Time // an expiry before this; keys without one never match
	UnusedSince   time.Time // not used at or after this; never used counts
	Sort          KeySort
	Page          Page
}

// KeySort orders a list.
type KeySort struct {
	By         SortField // empty: created_at
	Descending bool
}

// SortField is a column a key list can be ordered by.
type SortField string

// The orders. Keys without an expiry, or never used, come last in both
// directions.
const (
	SortCreated  SortField = "created_at"
	SortName     SortField = "label"
	SortExpires  SortField = "expires_at"
	SortLastUsed SortField = "last_used_at"
)

// Page asks for a part of a list.
type Page struct {
	Limit  int    // 1–100 on /v1; the Service takes up to 1,000
	Cursor string // from the page before; empty: the first
}

// Keys is one page. Next is empty at the end.
type Keys struct {
	List []Key
	Next string
}
