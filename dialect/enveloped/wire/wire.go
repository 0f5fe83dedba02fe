// Package wire holds the request and answer types of /v1, shared by the server's
// dialect and the Go client. It is types only: no rule lives here, and it needs
// the standard library alone. Times are RFC 3339 in UTC, whole seconds; every
// field of an answer is always present.
package wire

import "time"

// Envelope is every successful answer (S2-05).
type Envelope[T any] struct {
	Data T    `json:"data"`
	Meta Meta `json:"meta"`
}

// Meta accompanies every answer, errors included.
type Meta struct {
	RequestID string `json:"request_id" doc:"Unique identifier for this request (useful for support)" example:"req_01h455vb4pex5vsknk084sn02q"`
}

// ListEnvelope is one page of a list.
type ListEnvelope[T any] struct {
	Data []T      `json:"data" nullable:"false"`
	Meta ListMeta `json:"meta"`
}

// ListMeta carries the way to the next page; null at the end.
type ListMeta struct {
	RequestID  string  `json:"request_id"`
	NextCursor *string `json:"next_cursor" doc:"Pass as cursor for the next page; null at the end"`
}

// ChangeEnvelope is the answer to a change that must reach every node.
type ChangeEnvelope[T any] struct {
	Data T          `json:"data"`
	Meta ChangeMeta `json:"meta"`
}

// ChangeMeta says how far a change had gone when it was answered.
type ChangeMeta struct {
	RequestID   string      `json:"request_id"`
	Propagation Propagation `json:"propagation"`
}

// Propagation is confirmed when no node can answer by the old state any more.
type Propagation struct {
	Confirmed bool  `json:"confirmed"`
	Nodes     int   `json:"nodes" doc:"Nodes that it had to reach, the one that answered included"`
	WaitedMS  int64 `json:"waited_ms" doc:"How long it was waited for the others"`
	// EffectiveBy is there with 202 only.
	EffectiveBy *time.Time `json:"effective_by,omitempty" nullable:"false" doc:"With 202: when no node answers by the old state any more, at the latest"`
}

// ErrorEnvelope is every refusal (S2-12).
type ErrorEnvelope struct {
	Error Error `json:"error"`
	Meta  Meta  `json:"meta"`
}

// Error is what went wrong: Code for programs, Message for people. Field is
// there for INVALID_REQUEST, KeyID for IDEMPOTENT_REPLAY.
type Error struct {
	Code    string `json:"code" doc:"Machine-readable error code" example:"INVALID_REQUEST"`
	Message string `json:"message" doc:"Human-readable error message"`
	Field   string `json:"field,omitempty" doc:"With INVALID_REQUEST: the field at fault"`
	KeyID   string `json:"key_id,omitempty" doc:"With IDEMPOTENT_REPLAY: the key made the first time"`
}

// Key is a key as /v1 shows it. It never holds the secret.
type Key struct {
	KeyID             string            `json:"key_id" doc:"Unique key identifier" example:"key_01h455vb4pex5vsknk084sn02q"`
	Label             string            `json:"label" doc:"Human-readable label"`
	Prefix            string            `json:"prefix" doc:"First characters of the key, for identification" example:"hb_live_abc"`
	ProjectID         *string           `json:"project_id" doc:"null: the key is good for the whole organization"`
	OrganizationID    string            `json:"organization_id"`
	Operator          bool              `json:"operator" doc:"The key may run the instance"`
	ExternalID        *string           `json:"external_id" doc:"The API's own customer"`
	Scopes            []string          `json:"scopes" nullable:"false"`
	Resources         []string          `json:"resources" nullable:"false"`
	State             string            `json:"state" enum:"active,inactive,expired,revoked"`
	Active            bool              `json:"active"`
	CreatedAt         time.Time         `json:"created_at"`
	CreatedBy         string            `json:"created_by"`
	OwnedBy           *string           `json:"owned_by" doc:"The member who made the key or took it over; null: nobody"`
	ExpiresAt         *time.Time        `json:"expires_at"`
	NotBefore         *time.Time        `json:"not_before"`
	LastUsedAt        *time.Time        `json:"last_used_at"`
	LastUsedFrom      *string           `json:"last_used_from" doc:"The address of the last use, or of one at most a second before; null: not told" example:"203.0.113.7"`
	LastUsedAgent     *string           `json:"last_used_agent" doc:"The program of that use, as it called itself, at most 256 bytes; null: not told" example:"curl/8.14.1"`
	RevokedAt         *time.Time        `json:"revoked_at"`
	RevokedBy         *string           `json:"revoked_by"`
	RevokeReason      *string           `json:"revoke_reason"`
	PreviousExpiresAt *time.Time        `json:"previous_expires_at" doc:"While a rotation's overlap runs: when the old secret ends"`
	IPAllow           []string          `json:"ip_allow" nullable:"false"`
	RateLimits        []RateLimit       `json:"rate_limits" doc:"null: the project's"`
	Quota             *KeyQuota         `json:"quota" doc:"null: none"`
	Metadata          map[string]string `json:"metadata"`
	Version           int64             `json:"version"`
}

// NewSecretKey is the answer of create and rotate: a key and, this once, its
// secret.
type NewSecretKey struct {
	Key
	Secret string `json:"key" doc:"The full API key - shown only once! Store it securely as it cannot be retrieved again."`
}

// RateLimit is a named limit.
type RateLimit struct {
	Name          string `json:"name,omitempty" doc:"Defaults to default"`
	Limit         int64  `json:"limit" minimum:"1"`
	WindowSeconds int64  `json:"window_seconds" minimum:"1"`
	Burst         int64  `json:"burst,omitempty" doc:"Defaults to limit"`
	Per           string `json:"per,omitempty" enum:"key,external_id" doc:"Whose uses are counted together: each key for itself (the default), or all keys of one external_id in one project"`
}

// CreateKey is the body of POST /v1/api-keys. Absent fields take the project's
// defaults.
type CreateKey struct {
	Label          Field[string]      `json:"label,omitzero" doc:"Optional human-readable label for the key" maxLength:"255"`
	Scopes         Field[[]string]    `json:"scopes,omitzero" nullable:"false"`
	Resources      Field[[]string]    `json:"resources,omitzero" nullable:"false"`
	ExpiresAt      Field[string]      `json:"expires_at,omitzero" doc:"An instant, a date (the end of that day, UTC), or null for never"`
	ExpiresInDays  Field[int64]       `json:"expires_in_days,omitzero" nullable:"false" minimum:"1"`
	NotBefore      Field[string]      `json:"not_before,omitzero" doc:"An instant"`
	ProjectID      Field[string]      `json:"project_id,omitzero" doc:"null: an organization-wide key"`
	OrganizationID Field[string]      `json:"organization_id,omitzero" nullable:"false" doc:"For operators"`
	Operator       Field[bool]        `json:"operator,omitzero" nullable:"false" doc:"For operators"`
	ExternalID     Field[string]      `json:"external_id,omitzero" maxLength:"255"`
	Metadata       Field[Metadata]    `json:"metadata,omitzero" nullable:"true"`
	IPAllow        Field[[]string]    `json:"ip_allow,omitzero"`
	RateLimits     Field[[]RateLimit] `json:"rate_limits,omitzero"`
	Quota          Field[QuotaRule]   `json:"quota,omitzero" doc:"null: none"`
}

// UpdateKey is the body of PATCH /v1/api-keys/{key_id}, a merge patch (RFC
// 7396): absent leaves, null takes back to the default.
type UpdateKey struct {
	Label         Field[string]        `json:"label,omitzero" maxLength:"255"`
	Scopes        Field[[]string]      `json:"scopes,omitzero" nullable:"false"`
	Resources     Field[[]string]      `json:"resources,omitzero" nullable:"false"`
	ExpiresAt     Field[string]        `json:"expires_at,omitzero"`
	ExpiresInDays Field[int64]         `json:"expires_in_days,omitzero" nullable:"false" minimum:"1"`
	NotBefore     Field[string]        `json:"not_before,omitzero"`
	ExternalID    Field[string]        `json:"external_id,omitzero" maxLength:"255"`
	Metadata      Field[MetadataPatch] `json:"metadata,omitzero" nullable:"true"`
	IPAllow       Field[[]string]      `json:"ip_allow,omitzero"`
	RateLimits    Field[[]RateLimit]   `json:"rate_limits,omitzero"`
	Quota         Field[QuotaRule]     `json:"quota,omitzero" doc:"null: none"`
	Active        Field[bool]          `json:"active,omitzero" nullable:"false"`
}

// Metadata is the owner's own notes on a key: at most 2 KiB.
type Metadata map[string]string

// MetadataPatch merges by name; null removes one.
type MetadataPatch map[string]*string

// RotateKey is the body of POST /v1/api-keys/{key_id}/rotate.
type RotateKey struct {
	OverlapSeconds int64 `json:"overlap_seconds,omitempty" minimum:"0" maximum:"2592000" doc:"How long the old secret lives on"`
}

// BulkKeys is the body of POST /v1/api-keys/bulk: keys by their ids, or all of
// an external id.
type BulkKeys struct {
	Action         string          `json:"action" enum:"revoke,deactivate,activate"`
	KeyIDs         Field[[]string] `json:"key_ids,omitzero" nullable:"false" minItems:"1" maxItems:"1000" doc:"Not together with external_id"`
	ExternalID     Field[string]   `json:"external_id,omitzero" nullable:"false" maxLength:"255" doc:"Every key of it that the caller reaches and that is not revoked, up to 10,000"`
	ProjectID      Field[string]   `json:"project_id,omitzero" nullable:"false" doc:"With external_id: only keys of this project"`
	OrganizationID Field[string]   `json:"organization_id,omitzero" nullable:"false" doc:"With external_id, for operators"`
	Reason         string          `json:"reason,omitempty" maxLength:"255" doc:"With revoke: kept with each key"`
}

// BulkEnvelope is the answer of POST /v1/api-keys/bulk: a result for each key,
// in the order asked for, and one propagation for all.
type BulkEnvelope struct {
	Data []BulkResult `json:"data" nullable:"false"`
	Meta ChangeMeta   `json:"meta"`
}

// BulkResult is what became of one key.
type BulkResult struct {
	KeyID string `json:"key_id"`
	Done  bool   `json:"done"`
	Error *Error `json:"error" doc:"null where done; else what a call for this key alone would have been told"`
}

// Verify is the body of POST /v1/api-keys/verify.
type Verify struct {
	Key              string   `json:"key"`
	Scopes           []string `json:"scopes,omitempty" nullable:"false"`
	Resource         string   `json:"resource,omitempty" example:"engagement/42"`
	ClientIP         string   `json:"client_ip,omitempty"`
	UserAgent        string   `json:"user_agent,omitempty" doc:"What the key's holder calls its program; 256 bytes of it are kept with the last use"`
	Cost             int64    `json:"cost,omitempty" minimum:"1" maximum:"1000000"`
	FiltersResources bool     `json:"filters_resources,omitempty"`
	Include          []string `json:"include,omitempty" nullable:"false" enum:"label,metadata"`
	AtLeastRevision  int64    `json:"at_least_revision,omitempty" minimum:"0" doc:"The revision of the state to be judged by: a node that is behind catches up, and is UNAVAILABLE if it cannot in a tenth of a second"`
}

// VerifyBatch is the body of POST /v1/api-keys/verify-batch.
type VerifyBatch struct {
	Checks []Verify `json:"checks" nullable:"false" minItems:"1" maxItems:"100"`
}

// Verdicts is the answer to VerifyBatch, in its order.
type Verdicts struct {
	Data []Verdict `json:"data" nullable:"false"`
	Meta Meta      `json:"meta"`
}

// Verdict is the answer to a check. For an unknown key everything after Reason
// is null.
type Verdict struct {
	Valid          bool              `json:"valid"`
	Code           string            `json:"code"`
	Reason         string            `json:"reason"`
	KeyID          *string           `json:"key_id"`
	ExternalID     *string           `json:"external_id"`
	OrganizationID *string           `json:"organization_id"`
	ProjectID      *string           `json:"project_id"`
	Scopes         []string          `json:"scopes"`
	Resources      []string          `json:"resources"`
	ExpiresAt      *time.Time        `json:"expires_at"`
	RateLimits     []LimitState      `json:"rate_limits"`
	Quota          *Quota            `json:"quota" doc:"null: the key has none, or the check was refused before it was asked"`
	RetryAfter     *int64            `json:"retry_after_seconds" doc:"With RATE_LIMITED and QUOTA_EXCEEDED: when the same check would pass; null: never"`
	Revision       *int64            `json:"revision" doc:"Of the state that was judged"`
	Label          *string           `json:"label,omitempty" doc:"With include label"`
	Metadata       map[string]string `json:"metadata,omitzero" doc:"With include metadata"`
}

// LimitState is where a limit stands after the check.
type LimitState struct {
	Name          string `json:"name"`
	Limit         int64  `json:"limit"`
	WindowSeconds int64  `json:"window_seconds"`
	Remaining     int64  `json:"remaining"`
	ResetSeconds  int64  `json:"reset_seconds"`
}

// QuotaRule is how many uses a key has, and when they come back.
type QuotaRule struct {
	Limit        int64  `json:"limit" minimum:"1" doc:"Uses a period"`
	Refill       string `json:"refill" enum:"none,day,month,interval" doc:"When all uses are back: never, at midnight UTC, on the first of the month, or every every_seconds since 1970"`
	EverySeconds int64  `json:"every_seconds,omitempty" minimum:"60" maximum:"31622400" doc:"With refill interval"`
	Per          string `json:"per,omitempty" enum:"key,external_id" doc:"Whose uses are counted together: each key for itself (the default), or all keys of one external_id in one project"`
}

// KeyQuota is a key's quota as it is shown.
type KeyQuota struct {
	Limit        int64      `json:"limit"`
	Refill       string     `json:"refill" enum:"none,day,month,interval"`
	EverySeconds *int64     `json:"every_seconds" doc:"null unless refill is interval"`
	Per          string     `json:"per" enum:"key,external_id"`
	Remaining    *int64     `json:"remaining" doc:"Told where one key is read; null in lists and after changes"`
	RefillsAt    *time.Time `json:"refills_at" doc:"null: never, or where remaining is null"`
}

// Quota is where a key's quota stands.
type Quota struct {
	Remaining int64      `json:"remaining"`
	RefillsAt *time.Time `json:"refills_at" doc:"null: never"`
}

// Project is a project as /v1 shows it.
type Project struct {
	ProjectID            string      `json:"project_id"`
	OrganizationID       string      `json:"organization_id"`
	Name                 string      `json:"name"`
	KeyPrefix            string      `json:"key_prefix" example:"hb_live"`
	KeyCeiling           int         `json:"key_ceiling"`
	DefaultScopes        []string    `json:"default_scopes" nullable:"false"`
	DefaultExpiresInDays *int        `json:"default_expires_in_days" doc:"null: never"`
	MaxExpiresInDays     *int        `json:"max_expires_in_days" doc:"null: no bound of the project's own"`
	RateLimits           []RateLimit `json:"rate_limits" doc:"null: none"`
	Active               bool        `json:"active"`
	Default              bool        `json:"default"`
	CreatedAt            time.Time   `json:"created_at"`
	Version              int64       `json:"version"`
}

// CreateProject is the body of POST /v1/projects.
type CreateProject struct {
	Name                 string             `json:"name" minLength:"1" maxLength:"255"`
	OrganizationID       Field[string]      `json:"organization_id,omitzero" nullable:"false" doc:"For operators"`
	KeyPrefix            Field[string]      `json:"key_prefix,omitzero"`
	KeyCeiling           Field[int64]       `json:"key_ceiling,omitzero" doc:"For operators" minimum:"1"`
	DefaultScopes        Field[[]string]    `json:"default_scopes,omitzero"`
	DefaultExpiresInDays Field[int64]       `json:"default_expires_in_days,omitzero" minimum:"1"`
	MaxExpiresInDays     Field[int64]       `json:"max_expires_in_days,omitzero" minimum:"1"`
	RateLimits           Field[[]RateLimit] `json:"rate_limits,omitzero"`
}

// UpdateProject is the body of PATCH /v1/projects/{project_id}, a merge patch.
type UpdateProject struct {
	Name                 Field[string]      `json:"name,omitzero" nullable:"false"`
	KeyPrefix            Field[string]      `json:"key_prefix,omitzero"`
	KeyCeiling           Field[int64]       `json:"key_ceiling,omitzero" minimum:"1"`
	DefaultScopes        Field[[]string]    `json:"default_scopes,omitzero"`
	DefaultExpiresInDays Field[int64]       `json:"default_expires_in_days,omitzero" minimum:"1"`
	MaxExpiresInDays     Field[int64]       `json:"max_expires_in_days,omitzero" minimum:"1"`
	RateLimits           Field[[]RateLimit] `json:"rate_limits,omitzero"`
	Active               Field[bool]        `json:"active,omitzero" nullable:"false"`
	Default              Field[bool]        `json:"default,omitzero" nullable:"false"`
}

// Organization is an organization as /v1 shows it.
type Organization struct {
	OrganizationID string    `json:"organization_id"`
	Name           string    `json:"name"`
	Active         bool      `json:"active"`
	CreatedAt      time.Time `json:"created_at"`
	Version        int64     `json:"version"`
}

// CreateOrganization is the body of POST /v1/organizations.
type CreateOrganization struct {
	Name string `json:"name" minLength:"1" maxLength:"255"`
}

// UpdateOrganization is the body of PATCH /v1/organizations/{organization_id}.
type UpdateOrganization struct {
	Name   Field[string] `json:"name,omitzero" nullable:"false"`
	Active Field[bool]   `json:"active,omitzero" nullable:"false"`
}

// AuditEvent is one line of the audit log.
type AuditEvent struct {
	AuditID        string            `json:"audit_id"`
	At             time.Time         `json:"at"`
	OrganizationID *string           `json:"organization_id"`
	ProjectID      *string           `json:"project_id"`
	Actor          Party             `json:"actor"`
	Action         string            `json:"action" example:"key.create"`
	Target         *Party            `json:"target"`
	Outcome        string            `json:"outcome" enum:"done,denied"`
	Count          int64             `json:"count" doc:"Denied attempts are counted per actor, action and minute"`
	Changes        map[string]Change `json:"changes"`
	RequestID      *string           `json:"request_id"`
	ClientIP       *string           `json:"client_ip"`
}

// Party is who did something, or what it was done to.
type Party struct {
	Type string `json:"type"`
	ID   string `json:"id"`
}

// Change is one field before and after.
type Change struct {
	Before any `json:"before"`
	After  any `json:"after"`
}

// WhoAmI is the presented key looking at itself.
type WhoAmI struct {
	Key
	Limits []LimitState `json:"limits" nullable:"false" doc:"Where the limits stand that the key has, or else its project"`
}

// DeletedProject is the answer of DELETE /v1/projects/{project_id}: the project
// is not there any more.
type DeletedProject struct {
	ProjectID string `json:"project_id"`
}

// Node is one of the servers that share a database.
type Node struct {
	NodeID       string    `json:"node_id" doc:"Of this life of the node: it is another after a restart"`
	Name         string    `json:"name"`
	This         bool      `json:"this" doc:"The node that answers"`
	State        string    `json:"state" enum:"joining,active,fenced"`
	Revision     int64     `json:"revision" doc:"Up to which it has applied every change, as far as it has said"`
	Behind       int64     `json:"behind" doc:"Revisions of the answering node that it has not said it applied"`
	LeaseSeconds float64   `json:"lease_seconds" doc:"How long it answers without the database; 0: it is the only one, and asks nobody"`
	SeenAt       time.Time `json:"seen_at" doc:"Of its last renewal, by the database's clock"`
	Version      string    `json:"version"`
}
