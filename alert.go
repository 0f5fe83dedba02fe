package halberd

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// AlertState is where an alert stands.
type AlertState string

// The states. Resolved is terminal: what comes again is another alert.
const (
	AlertOpen         AlertState = "open"
	AlertAcknowledged AlertState = "acknowledged" // somebody has seen it; it goes on
	AlertResolved     AlertState = "resolved"     // its cause is over
)

// lastingAlerts are the states of an alert whose cause is not over.
func lastingAlerts() []AlertState { return []AlertState{AlertOpen, AlertAcknowledged} }

// Alert is one incident, told once: it opens when its rule finds something, and
// resolves by itself when that is over.
type Alert struct {
	ID           AlertID
	Organization OrganizationID
	Project      ProjectID // zero: it is of no project
	Key          KeyID     // zero: it is of no key
	KeyName      string    // as the key was called then
	KeyHint      string
	Rule         AlertRuleID
	Kind         AlertKind
	State        AlertState
	Cause        string // a sentence
	Value        float64
	Threshold    float64 // what Value had to reach
	OpenedAt     time.Time

	AcknowledgedAt time.Time
	AcknowledgedBy string    // the actor, as Actor.Ref writes it
	SilencedUntil  time.Time // nobody is told of it, nor of its return, before this
	ResolvedAt     time.Time
	Channels       []string // of its rule, when it opened
	Version        int64

	subject string
}

// Lasts reports whether the cause is not over.
func (a *Alert) Lasts() bool { return a.State != AlertResolved }

// OfQuota reports whether a limit that is nearly spent is the key's quota, and
// not one of its rate limits.
func (a *Alert) OfQuota() bool { return a.Kind == AlertLimit && strings.Contains(a.subject, " quota ") }

// Alerts is one page. Next is empty at the end.
type Alerts struct {
	List []Alert
	Next string
}

// AlertQuery selects alerts, latest first. The zero query is all that the actor
// reaches.
type AlertQuery struct {
	Organization OrganizationID // operators only; zero: the actor's
	Project      ProjectID
	Key          KeyID
	Kind         AlertKind
	States       []AlertState
	Page         Page
}

type alertDetail struct {
	KeyName        string   `json:"key_name,omitempty"`
	KeyHint        string   `json:"key_hint,omitempty"`
	Cause          string   `json:"cause"`
	Value          float64  `json:"value,omitempty"`
	Threshold      float64  `json:"threshold,omitempty"`
	AcknowledgedAt int64    `json:"acknowledged_at,omitempty"`
	AcknowledgedBy string   `json:"acknowledged_by,omitempty"`
	SilencedUntil  int64    `json:"silenced_until,omitempty"`
	Channels       []string `json:"channels,omitempty"`
}

func (a *Alert) record() AlertRecord {
	return AlertRecord{
		ID: a.ID, Organization: a.Organization, Project: a.Project, Key: a.Key, Rule: a.Rule,
		Kind: string(a.Kind), Subject: a.subject, State: a.State,
		OpenedAt: seconds(a.OpenedAt), EndedAt: seconds(a.ResolvedAt), Version: a.Version,
		Detail: encodeJSON(alertDetail{
			a.KeyName, a.KeyHint, a.Cause, a.Value, a.Threshold,
			seconds(a.AcknowledgedAt), a.AcknowledgedBy, seconds(a.SilencedUntil), a.Channels,
		}),
	}
}

func (r *AlertRecord) alert() (Alert, error) {
	var d alertDetail
	if err := json.Unmarshal([]byte(r.Detail), &d); err != nil {
		return Alert{}, fmt.Errorf("detail of an alert: %w", err)
	}
	return Alert{
		ID: r.ID, Organization: r.Organization, Project: r.Project, Key: r.Key, KeyName: d.KeyName, KeyHint: d.KeyHint,
		Rule: r.Rule, Kind: AlertKind(r.Kind), State: r.State, Cause: d.Cause, Value: d.Value, Threshold: d.Threshold,
		OpenedAt: instant(r.OpenedAt), AcknowledgedAt: instant(d.AcknowledgedAt), AcknowledgedBy: d.AcknowledgedBy,
		SilencedUntil: instant(d.SilencedUntil), ResolvedAt: instant(r.EndedAt), Channels: d.Channels, Version: r.Version,
		subject: r.Subject,
	}, nil
}
