package halberd

import (
	"reflect"
	"time"
)

// changesOf lists what differs between two states of a key, for the audit
// record: the fields of /v1, never a secret or a digest. before is nil for a
// new key.
func changesOf(before, after *Key) map[string]Change {
	if before == nil {
		before = &Key{}
	}
	return differences(keyFields(before), keyFields(after))
}

func keyFields(k *Key) map[string]any {
	var limits any
	if k.RateLimits != nil {
		limits = k.RateLimits
	}
	var quota any
	if k.Quota != nil {
		quota = *k.Quota
	}
	return map[string]any{
		"label": k.Name, "prefix": k.Hint, "project_id": k.Project.String(), "external_id": k.ExternalID,
		"owned_by": k.OwnedBy.String(),
		"metadata": orNil(len(k.Metadata) == 0, k.Metadata),
		"scopes":   orNil(k.Scopes.IsZero(), k.Scopes.Strings()), "resources": orNil(k.Resources.IsZero(), k.Resources.Strings()),
		"ip_allow": orNil(len(k.IPAllow) == 0, k.IPAllow), "rate_limits": limits, "quota": quota,
		"active": k.Active, "operator": k.Operator,
		"expires_at": timeOrNil(k.ExpiresAt), "not_before": timeOrNil(k.NotBefore),
		"previous_expires_at": timeOrNil(k.PreviousExpiresAt),
		"revoked_at":          timeOrNil(k.RevokedAt), "revoke_reason": k.RevokeReason,
	}
}

func projectFields(p *Project) map[string]any {
	return map[string]any{
		"name": p.Name, "key_prefix": p.KeyPrefix, "key_ceiling": p.KeyCeiling,
		"default_scopes":          orNil(p.DefaultScopes.IsZero(), p.DefaultScopes.Strings()),
		"default_expires_in_days": p.DefaultExpiresInDays, "max_expires_in_days": p.MaxExpiresInDays,
		"rate_limits": orNil(len(p.RateLimits) == 0, p.RateLimits),
		"active":      p.Active, "default": p.Default, "deleted_at": timeOrNil(p.DeletedAt),
	}
}

func organizationFields(o *Organization) map[string]any {
	return map[string]any{"name": o.Name, "active": o.Active}
}

func differences(before, after map[string]any) map[string]Change {
	out := map[string]Change{}
	for name, a := range after {
		if b := before[name]; !reflect.DeepEqual(a, b) {
			out[name] = Change{Before: b, After: a}
		}
	}
	return out
}

func orNil(empty bool, v any) any {
	if empty {
		return nil
	}
	return v
}

func timeOrNil(t time.Time) any {
	if t.IsZero() {
		return nil
	}
	return t.Format(time.RFC3339)
}
