package enveloped

import (
	"net/netip"
	"strings"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/dialect/enveloped/wire"
	"github.com/halberdhq/halberd/internal/request"
)

// renderer renders keys as of now.
func renderer(c *request.Call) func(*halberd.Key) wire.Key {
	now := c.Service.Now()
	return func(k *halberd.Key) wire.Key { return key(k, now) }
}

func key(k *halberd.Key, now time.Time) wire.Key {
	metadata := k.Metadata
	if metadata == nil {
		metadata = map[string]string{}
	}
	return wire.Key{
		KeyID: k.ID.String(), Label: k.Name, Prefix: k.Hint,
		ProjectID: textOrNull(k.Project.String()), OrganizationID: k.Organization.String(), Operator: k.Operator,
		ExternalID: textOrNull(k.ExternalID),
		Scopes:     k.Scopes.Strings(), Resources: k.Resources.Strings(),
		State: string(k.StateAt(now)), Active: k.Active,
		CreatedAt: k.CreatedAt, CreatedBy: k.CreatedBy, OwnedBy: textOrNull(k.OwnedBy.String()),
		ExpiresAt: timeOrNull(k.ExpiresAt), NotBefore: timeOrNull(k.NotBefore), LastUsedAt: timeOrNull(k.LastUsedAt),
		LastUsedFrom: addrOrNull(k.LastUsedFrom), LastUsedAgent: textOrNull(k.LastUsedAgent),
		RevokedAt: timeOrNull(k.RevokedAt), RevokedBy: textOrNull(k.RevokedBy), RevokeReason: textOrNull(k.RevokeReason),
		PreviousExpiresAt: timeOrNull(k.PreviousExpiresAt),
		IPAllow:           ipAllow(k.IPAllow), RateLimits: limits(k.RateLimits), Quota: quota(k),
		Metadata: metadata, Version: k.Version,
	}
}

// newSecretKey is where a secret leaves, once.
func newSecretKey(c *request.Call, made *halberd.Changed) wire.NewSecretKey {
	return wire.NewSecretKey{Key: renderer(c)(&made.Key), Secret: made.Secret.Reveal()}
}

// ipAllow writes a network of one as its address, which is how it is mostly
// given.
func ipAllow(list []netip.Prefix) []string {
	out := make([]string, len(list))
	for i, p := range list {
		if p.IsSingleIP() {
			out[i] = p.Addr().String()
		} else {
			out[i] = p.String()
		}
	}
	return out
}

// limits keeps nil, which is null, apart from none.
func limits(ls halberd.RateLimits) []wire.RateLimit {
	if ls == nil {
		return nil
	}
	out := make([]wire.RateLimit, len(ls))
	for i, l := range ls {
		out[i] = wire.RateLimit{Name: l.Name, Limit: l.Limit, WindowSeconds: l.WindowSeconds, Burst: l.Burst, Per: l.Per.String()}
	}
	return out
}

func quota(k *halberd.Key) *wire.KeyQuota {
	q := k.Quota
	if q == nil {
		return nil
	}
	out := &wire.KeyQuota{Limit: q.Limit, Refill: string(q.Refill), Per: q.Per.String()}
	if q.EverySeconds != 0 {
		out.EverySeconds = new(q.EverySeconds)
	}
	if st := k.QuotaState; st.Set {
		out.Remaining, out.RefillsAt = new(st.Value.Remaining), timeOrNull(st.Value.RefillsAt)
	}
	return out
}

func project(p *halberd.Project) wire.Project {
	return wire.Project{
		ProjectID: p.ID.String(), OrganizationID: p.Organization.String(), Name: p.Name,
		KeyPrefix: p.KeyPrefix, KeyCeiling: p.KeyCeiling, DefaultScopes: p.DefaultScopes.Strings(),
		DefaultExpiresInDays: daysOrNull(p.DefaultExpiresInDays), MaxExpiresInDays: daysOrNull(p.MaxExpiresInDays),
		RateLimits: limits(p.RateLimits), Active: p.Active, Default: p.Default, CreatedAt: p.CreatedAt, Version: p.Version,
	}
}

func member(m *halberd.Member) wire.Member {
	return wire.Member{
		MemberID: m.ID.String(), OrganizationID: m.Organization.String(), Email: m.Email, Name: m.Name,
		Role: string(m.Role), Operator: m.Operator, State: string(m.State), Active: m.State == halberd.MemberActive,
		Password: m.HasPassword, Provider: textOrNull(m.Provider), InvitedUntil: timeOrNull(m.InvitedUntil),
		CreatedAt: m.CreatedAt, CreatedBy: m.CreatedBy, RemovedAt: timeOrNull(m.RemovedAt), Version: m.Version,
	}
}

func organization(o *halberd.Organization) wire.Organization {
	return wire.Organization{
		OrganizationID: o.ID.String(), Name: o.Name, Active: o.Active, CreatedAt: o.CreatedAt, Version: o.Version,
	}
}

func auditEvent(e *halberd.AuditEvent) wire.AuditEvent {
	out := wire.AuditEvent{
		AuditID: e.ID.String(), At: e.At,
		OrganizationID: textOrNull(e.Organization.String()), ProjectID: textOrNull(e.Project.String()),
		Actor:  wire.Party{Type: string(e.ActorKind), ID: strings.TrimPrefix(e.Actor, "system:")},
		Action: string(e.Action), Outcome: string(e.Outcome), Count: e.Count,
		Changes:   make(map[string]wire.Change, len(e.Changes)),
		RequestID: textOrNull(e.RequestID), ClientIP: textOrNull(e.ClientIP),
	}
	if e.Target != "" {
		out.Target = &wire.Party{Type: e.TargetKind, ID: e.Target}
	}
	for field, ch := range e.Changes {
		out.Changes[field] = wire.Change(ch)
	}
	return out
}

func textOrNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func addrOrNull(a netip.Addr) *string {
	if !a.IsValid() {
		return nil
	}
	return textOrNull(a.String())
}

func timeOrNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

func daysOrNull(n int) *int {
	if n == 0 {
		return nil
	}
	return &n
}
