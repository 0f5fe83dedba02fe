package halberd

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// policy is what many keys share, and what the rules look at: it is kept once
// per distinct value in memory. Its JSON leaves out what is default, so that a
// plain key's policy is {}.
type policy struct {
	scopes     Scopes
	resources  Resources
	ipAllow    []netip.Prefix
	rateLimits RateLimits // nil: the project's
	quota      *Quota     // nil: none
	operator   bool
}

type policyJSON struct {
	Resources  []string       `json:"resources,omitempty"`
	IPAllow    []netip.Prefix `json:"ip_allow,omitempty"`
	RateLimits *RateLimits    `json:"rate_limits,omitempty"`
	Quota      *Quota         `json:"quota,omitempty"`
	Operator   bool           `json:"operator,omitempty"`
}

func (p *policy) encode() string {
	j := policyJSON{IPAllow: p.ipAllow, Quota: p.quota, Operator: p.operator}
	if !p.resources.All() {
		j.Resources = p.resources.list
	}
	if p.rateLimits != nil {
		j.RateLimits = &p.rateLimits
	}
	return encodeJSON(j)
}

func decodePolicy(scopes, text string) (*policy, error) {
	var j policyJSON
	if err := json.Unmarshal([]byte(text), &j); err != nil {
		return nil, fmt.Errorf("policy of a key: %w", err)
	}
	p := &policy{resources: AllResources(), ipAllow: j.IPAllow, quota: j.Quota, operator: j.Operator}
	var err error
	if p.scopes, err = ParseScopes(strings.Fields(scopes)); err != nil {
		return nil, err
	}
	if j.Resources != nil {
		if p.resources, err = ParseResources(j.Resources); err != nil {
			return nil, err
		}
	}
	if j.RateLimits != nil {
		p.rateLimits = append(RateLimits{}, *j.RateLimits...)
	}
	return p, nil
}

// keyDetail is what is only shown.
type keyDetail struct {
	Metadata     map[string]string `json:"metadata,omitempty"`
	CreatedBy    string            `json:"created_by,omitempty"`
	RevokedBy    string            `json:"revoked_by,omitempty"`
	RevokeReason string            `json:"revoke_reason,omitempty"`
	OwnedBy      MemberID          `json:"owned_by,omitzero"`
}

// record is k as engines keep it, but for the digests and the MAC.
func (k *Key) record() KeyRecord {
	p := policy{resources: k.Resources, ipAllow: k.IPAllow, rateLimits: k.RateLimits, quota: k.Quota, operator: k.Operator}
	r := KeyRecord{
		ID: k.ID, Organization: k.Organization, Project: k.Project,
		State: StateActive, Hint: k.Hint, Name: k.Name, ExternalID: k.ExternalID,
		Scopes: k.Scopes.String(), Policy: p.encode(),
		Detail:    encodeJSON(keyDetail{k.Metadata, k.CreatedBy, k.RevokedBy, k.RevokeReason, k.OwnedBy}),
		CreatedAt: seconds(k.CreatedAt), ExpiresAt: seconds(k.ExpiresAt), NotBefore: seconds(k.NotBefore),
		PreviousExpiresAt: seconds(k.PreviousExpiresAt), RevokedAt: seconds(k.RevokedAt),
		Version: k.Version, OwnedBy: k.OwnedBy,
	}
	switch {
	case r.RevokedAt != 0:
		r.State = StateRevoked
	case !k.Active:
		r.State = StateInactive
	}
	return r
}

// key reads a record. The MAC is not looked at here.
func (r *KeyRecord) key() (Key, error) {
	p, err := decodePolicy(r.Scopes, r.Policy)
	if err != nil {
		return Key{}, err
	}
	var d keyDetail
	if err := json.Unmarshal([]byte(r.Detail), &d); err != nil {
		return Key{}, fmt.Errorf("detail of a key: %w", err)
	}
	from, _ := netip.ParseAddr(r.LastUsedFrom) // what cannot be read is not told
	return Key{
		ID: r.ID, Organization: r.Organization, Project: r.Project, Operator: p.operator,
		Name: r.Name, Hint: r.Hint, ExternalID: r.ExternalID, Metadata: d.Metadata,
		Scopes: p.scopes, Resources: p.resources, IPAllow: p.ipAllow, RateLimits: p.rateLimits, Quota: p.quota,
		Active:    r.State == StateActive,
		CreatedAt: instant(r.CreatedAt), CreatedBy: d.CreatedBy, OwnedBy: d.OwnedBy,
		ExpiresAt: instant(r.ExpiresAt), NotBefore: instant(r.NotBefore),
		PreviousExpiresAt: instant(r.PreviousExpiresAt), LastUsedAt: instant(r.LastUsedAt),
		LastUsedFrom: from, LastUsedAgent: r.LastUsedAgent,
		RevokedAt: instant(r.RevokedAt), RevokedBy: d.RevokedBy, RevokeReason: d.RevokeReason,
		Version: r.Version,
	}, nil
}

type projectDetail struct {
	KeyPrefix            string     `json:"key_prefix"`
	KeyCeiling           int        `json:"key_ceiling"`
	DefaultScopes        []string   `json:"default_scopes"`
	DefaultExpiresInDays int        `json:"default_expires_in_days,omitempty"`
	MaxExpiresInDays     int        `json:"max_expires_in_days,omitempty"`
	RateLimits           RateLimits `json:"rate_limits,omitempty"`
	Active               bool       `json:"active"`
}

func (p *Project) record() ProjectRecord {
	return ProjectRecord{
		ID: p.ID, Organization: p.Organization, Name: p.Name, Default: p.Default,
		CreatedAt: seconds(p.CreatedAt), DeletedAt: seconds(p.DeletedAt), Version: p.Version,
		Detail: encodeJSON(projectDetail{
			p.KeyPrefix, p.KeyCeiling, p.DefaultScopes.Strings(),
			p.DefaultExpiresInDays, p.MaxExpiresInDays, p.RateLimits, p.Active,
		}),
	}
}

func (r *ProjectRecord) project() (Project, error) {
	var d projectDetail
	if err := json.Unmarshal([]byte(r.Detail), &d); err != nil {
		return Project{}, fmt.Errorf("detail of a project: %w", err)
	}
	scopes, err := ParseScopes(d.DefaultScopes)
	if err != nil {
		return Project{}, err
	}
	return Project{
		ID: r.ID, Organization: r.Organization, Name: r.Name,
		KeyPrefix: d.KeyPrefix, KeyCeiling: d.KeyCeiling,
		DefaultScopes: scopes, DefaultExpiresInDays: d.DefaultExpiresInDays, MaxExpiresInDays: d.MaxExpiresInDays,
		RateLimits: d.RateLimits, Active: d.Active, Default: r.Default,
		CreatedAt: instant(r.CreatedAt), DeletedAt: instant(r.DeletedAt), Version: r.Version,
	}, nil
}

func (o *Organization) record() OrganizationRecord {
	return OrganizationRecord{ID: o.ID, Name: o.Name, Active: o.Active, CreatedAt: seconds(o.CreatedAt), Version: o.Version}
}

func (r *OrganizationRecord) organization() Organization {
	return Organization{ID: r.ID, Name: r.Name, Active: r.Active, CreatedAt: instant(r.CreatedAt), Version: r.Version}
}

func (e *AuditEvent) record() AuditRecord {
	changes := ""
	if len(e.Changes) > 0 {
		changes = encodeJSON(e.Changes)
	}
	return AuditRecord{
		ID: e.ID, At: seconds(e.At), Organization: e.Organization, Project: e.Project,
		ActorKind: string(e.ActorKind), Actor: e.Actor, Action: string(e.Action),
		TargetKind: e.TargetKind, Target: e.Target, Outcome: string(e.Outcome), Count: e.Count,
		Changes: changes, RequestID: e.RequestID, ClientIP: e.ClientIP,
	}
}

func (r *AuditRecord) event() (AuditEvent, error) {
	e := AuditEvent{
		ID: r.ID, At: instant(r.At), Organization: r.Organization, Project: r.Project,
		ActorKind: ActorKind(r.ActorKind), Actor: r.Actor, Action: Action(r.Action),
		TargetKind: r.TargetKind, Target: r.Target, Outcome: Outcome(r.Outcome), Count: r.Count,
		RequestID: r.RequestID, ClientIP: r.ClientIP,
	}
	if r.Changes != "" {
		if err := json.Unmarshal([]byte(r.Changes), &e.Changes); err != nil {
			return e, fmt.Errorf("changes of an audit event: %w", err)
		}
	}
	return e, nil
}

// encodeJSON writes one of our own types, which cannot fail.
func encodeJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("halberd: %T has no JSON: %v", v, err))
	}
	return string(b)
}

// seconds and instant translate between the zero time and 0.
func seconds(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Unix()
}

func instant(s int64) time.Time {
	if s == 0 {
		return time.Time{}
	}
	return time.Unix(s, 0).UTC()
}
