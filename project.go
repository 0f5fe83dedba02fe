package halberd

import "time"

// DefaultKeyCeiling is the ceiling of keys a project begins with (S2-15).
const DefaultKeyCeiling = 20

// The longest life that may be asked for, in days, where a project sets none.
const maxExpiryDays = 36_500

// DefaultKeyPrefix is the prefix of a project that names none (S2-07).
const DefaultKeyPrefix = "hb_live"

// Organization is a tenant. It owns projects and keys; nothing is shared
// between two of them.
type Organization struct {
	ID        OrganizationID
	Name      string
	Active    bool // false: suspended, none of its keys is good
	CreatedAt time.Time
	Version   int64
}

// ChangedOrganization is an organization after a change, and how far the change
// had gone.
type ChangedOrganization struct {
	Organization
	Propagation Propagation
}

// ChangedProject is a project after a change, and how far the change had gone.
type ChangedProject struct {
	Project
	Propagation Propagation
}

// Project is where keys live.
type Project struct {
	ID           ProjectID
	Organization OrganizationID
	Name         string
	KeyPrefix    string // of keys made from now on; keys made before keep theirs
	KeyCeiling   int    // active, inactive and rotating-out keys together

	DefaultScopes        Scopes
	DefaultExpiresInDays int // 0: never
	MaxExpiresInDays     int // 0: no bound of the project's own
	RateLimits           RateLimits

	Active    bool // false: suspended, none of its keys is good
	Default   bool // where an organization-wide caller's keys go
	CreatedAt time.Time
	DeletedAt time.Time // set: hidden, its keys revoked
	Version   int64
}

// NewProject is what a project may begin with.
type NewProject struct {
	Name                 string
	Organization         OrganizationID // operators only; zero: the caller's
	KeyPrefix            string         // "": DefaultKeyPrefix
	KeyCeiling           Maybe[int]     // operators only
	DefaultScopes        Maybe[Scopes]
	DefaultExpiresInDays Maybe[int]
	MaxExpiresInDays     Maybe[int]
	RateLimits           Maybe[RateLimits]
}

// ProjectPatch changes a project; what is not Set stays.
type ProjectPatch struct {
	Name                 Maybe[string]
	KeyPrefix            Maybe[string]
	KeyCeiling           Maybe[int] // operators only
	DefaultScopes        Maybe[Scopes]
	DefaultExpiresInDays Maybe[int] // 0: never
	MaxExpiresInDays     Maybe[int] // 0: no bound
	RateLimits           Maybe[RateLimits]
	Active               Maybe[bool]
	Default              Maybe[bool] // only true: another project stops being the default
}

// OrganizationPatch changes an organization; what is not Set stays.
type OrganizationPatch struct {
	Name   Maybe[string]
	Active Maybe[bool]
}
