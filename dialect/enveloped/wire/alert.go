package wire

import "time"

// AlertScope is which keys a rule is about.
type AlertScope struct {
	ProjectID *string `json:"project_id" doc:"null: every project"`
	KeyID     *string `json:"key_id" doc:"null: every key"`
}

// AlertRule is a rule of alerts as /v1 shows it.
type AlertRule struct {
	AlertRuleID    string     `json:"alert_rule_id" example:"rul_01h455vb4pex5vsknk084sn02q"`
	OrganizationID string     `json:"organization_id"`
	Kind           string     `json:"kind" enum:"error_share,volume,new_origin,ended_key_used,bad_keys,limit_spent,expiring,unused"`
	Scope          AlertScope `json:"scope"`
	WindowSeconds  *int64     `json:"window_seconds" doc:"null: the kind has none"`
	Threshold      *float64   `json:"threshold" doc:"In the kind's own unit: percent, times, uses, keys or days. null: the kind has none"`
	Reasons        []string   `json:"reasons" nullable:"false" doc:"Of error_share: the verdicts that count. Empty: every refusal but REVOKED and EXPIRED"`
	Channels       []string   `json:"channels" nullable:"false" doc:"Webhooks that are told, besides those that subscribe to alert.*"`
	Active         bool       `json:"active"`
	CreatedAt      time.Time  `json:"created_at"`
	CreatedBy      string     `json:"created_by"`
	Version        int64      `json:"version"`
}

// NewAlertScope says which keys a rule is about.
type NewAlertScope struct {
	ProjectID Field[string] `json:"project_id,omitzero"`
	KeyID     Field[string] `json:"key_id,omitzero"`
}

// CreateAlertRule is the body of POST /v1/alert-rules.
type CreateAlertRule struct {
	Kind           string          `json:"kind" enum:"error_share,volume,new_origin,ended_key_used,bad_keys,limit_spent,expiring,unused"`
	Scope          NewAlertScope   `json:"scope,omitzero" doc:"Default: every key that the caller reaches"`
	WindowSeconds  Field[int64]    `json:"window_seconds,omitzero" nullable:"false" doc:"Whole minutes"`
	Threshold      Field[float64]  `json:"threshold,omitzero" nullable:"false"`
	Reasons        Field[[]string] `json:"reasons,omitzero" maxItems:"12"`
	Channels       Field[[]string] `json:"channels,omitzero" maxItems:"10"`
	Active         Field[bool]     `json:"active,omitzero" nullable:"false"`
	OrganizationID Field[string]   `json:"organization_id,omitzero" nullable:"false" doc:"For operators"`
}

// UpdateAlertRule is the body of PATCH /v1/alert-rules/{alert_rule_id}, a merge
// patch.
type UpdateAlertRule struct {
	WindowSeconds Field[int64]    `json:"window_seconds,omitzero" nullable:"false"`
	Threshold     Field[float64]  `json:"threshold,omitzero" nullable:"false"`
	Reasons       Field[[]string] `json:"reasons,omitzero" maxItems:"12"`
	Channels      Field[[]string] `json:"channels,omitzero" maxItems:"10"`
	Active        Field[bool]     `json:"active,omitzero" nullable:"false"`
}

// Alert is one incident as /v1 shows it.
type Alert struct {
	AlertID        string     `json:"alert_id" example:"alr_01h455vb4pex5vsknk084sn02q"`
	AlertRuleID    string     `json:"alert_rule_id"`
	OrganizationID string     `json:"organization_id"`
	ProjectID      *string    `json:"project_id"`
	KeyID          *string    `json:"key_id" doc:"null: it is of no key"`
	KeyURL         *string    `json:"key_url" doc:"The key's page in the console"`
	Label          *string    `json:"label" doc:"Of the key, as it was"`
	Prefix         *string    `json:"prefix"`
	Kind           string     `json:"kind"`
	State          string     `json:"state" enum:"open,acknowledged,resolved"`
	Cause          string     `json:"cause" doc:"A sentence for people"`
	Value          float64    `json:"value"`
	Threshold      float64    `json:"threshold" doc:"What value had to reach; of volume what was expected"`
	OpenedAt       time.Time  `json:"opened_at"`
	AcknowledgedAt *time.Time `json:"acknowledged_at"`
	AcknowledgedBy *string    `json:"acknowledged_by"`
	SilencedUntil  *time.Time `json:"silenced_until"`
	ResolvedAt     *time.Time `json:"resolved_at"`
	Version        int64      `json:"version"`
}

// AcknowledgeAlert is the body of POST /v1/alerts/{alert_id}/acknowledge: there
// is nothing to say.
type AcknowledgeAlert struct{}

// SilenceAlert is the body of POST /v1/alerts/{alert_id}/silence.
type SilenceAlert struct {
	Until Field[string] `json:"until" doc:"An instant, or a date, which is its end. null: from now on people are told again"`
}
