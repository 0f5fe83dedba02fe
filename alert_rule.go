package halberd

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/halberdhq/halberd/internal/volume"
)

// AlertKind is what a rule looks for.
type AlertKind string

// The kinds. What threshold and window mean is each kind's own.
const (
	// AlertErrors: threshold percent of a key's checks were refused, over the
	// window, or of them those refused for the rule's reasons.
	AlertErrors AlertKind = "error_share"
	// AlertVolume: a key is asked threshold times as often as its own past says.
	AlertVolume AlertKind = "volume"
	// AlertOrigin: a key is used from a network, or by a program, for the first time.
	AlertOrigin AlertKind = "new_origin"
	// AlertEnded: a revoked or expired key is still being used, threshold times in
	// the window.
	AlertEnded AlertKind = "ended_key_used"
	// AlertBadKeys: one address presented threshold bad keys in the window. It is
	// the instance's, and so its rules are operators'.
	AlertBadKeys AlertKind = "bad_keys"
	// AlertLimit: threshold percent of a key's rate limit or quota are spent, and
	// again when all of it is.
	AlertLimit AlertKind = "limit_spent"
	// AlertExpiring: a key expires within threshold days, and again when 7 and when
	// 1 are left.
	AlertExpiring AlertKind = "expiring"
	// AlertUnused: a key was not used for threshold days.
	AlertUnused AlertKind = "unused"
)

// kindOfAlert is what a kind takes: bounds, and what a rule has by default.
type kindOfAlert struct {
	kind                         AlertKind
	unit                         string // of the threshold; empty: it has none
	least, most, usual           float64
	leastWindow, longest, window int64 // seconds; 0: it has none
	whole                        bool  // a rule of less than an organization makes no sense
}

var alertKinds = [...]kindOfAlert{
	{kind: AlertErrors, unit: "percent", least: 1, most: 100, usual: 50, leastWindow: 300, longest: 3600, window: 900},
	{kind: AlertVolume, unit: "times", least: 1.5, most: 1000, usual: volume.Factor},
	{kind: AlertOrigin},
	{kind: AlertEnded, unit: "uses", least: 1, most: 1e6, usual: 1, leastWindow: 60, longest: 3600, window: 60},
	{kind: AlertBadKeys, unit: "bad keys", least: 1, most: 1e6, usual: 100, leastWindow: 60, longest: 60, window: 60, whole: true},
	{kind: AlertLimit, unit: "percent", least: 1, most: 100, usual: 80},
	{kind: AlertExpiring, unit: "days", least: 1, most: 365, usual: 30},
	{kind: AlertUnused, unit: "days", least: 1, most: 3650, usual: 90},
}

func (k AlertKind) known() (kindOfAlert, bool) {
	for _, known := range alertKinds {
		if known.kind == k {
			return known, true
		}
	}
	return kindOfAlert{}, false
}

// AlertLeastChecks is how many checks a window must have before a share of them
// says anything.
const AlertLeastChecks = 20

// AlertKinds lists every kind.
func AlertKinds() []AlertKind {
	out := make([]AlertKind, len(alertKinds))
	for i := range alertKinds {
		out[i] = alertKinds[i].kind
	}
	return out
}

// kindWords are the kinds for a sentence: a, b or c.
func kindWords() string {
	words := make([]string, len(alertKinds))
	for i := range alertKinds {
		words[i] = string(alertKinds[i].kind)
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}

// AlertRule says what shall be told of, and of which keys. Of the rules of one
// kind those of the narrowest scope that fits a key hold for it, and no others: a
// rule of a key, active or not, takes the place of its project's, and that of its
// organization's.
type AlertRule struct {
	ID           AlertRuleID
	Organization OrganizationID
	Project      ProjectID // zero: every project
	Key          KeyID     // zero: every key of it
	Kind         AlertKind
	Window       time.Duration // 0 where the kind has none
	Threshold    float64       // 0 where the kind has none
	Reasons      []VerdictCode // of AlertErrors: which refusals count; empty: all
	Channels     []string      // webhooks that are told besides those that ask for alert.*
	Active       bool
	CreatedAt    time.Time
	CreatedBy    string // the actor, as Actor.Ref writes it
	DeletedAt    time.Time
	Version      int64
}

// NewAlertRule is a rule to be made. What is not Set is the kind's default.
type NewAlertRule struct {
	Organization OrganizationID // operators only; zero: the maker's
	Project      ProjectID
	Key          KeyID
	Kind         AlertKind
	Window       Maybe[time.Duration]
	Threshold    Maybe[float64]
	Reasons      []VerdictCode
	Channels     []string
	Active       Maybe[bool]
}

// AlertRulePatch changes a rule; what is not Set stays. Kind and scope stay for
// good: alerts tell of them.
type AlertRulePatch struct {
	Window    Maybe[time.Duration]
	Threshold Maybe[float64]
	Reasons   Maybe[[]VerdictCode]
	Channels  Maybe[[]string]
	Active    Maybe[bool]
}

// AlertRules is one page. Next is empty at the end.
type AlertRules struct {
	List []AlertRule
	Next string
}

const (
	maxAlertRules    = 1_000 // of an organization
	maxAlertChannels = 10
)

// validate fills nothing in; it refuses what makes no sense.
func (a *AlertRule) validate() error {
	k, ok := a.Kind.known()
	if !ok {
		return Invalid("kind", "must be %s", kindWords())
	}
	window := int64(a.Window / time.Second)
	switch {
	case k.unit == "" && a.Threshold != 0:
		return Invalid("threshold", "has no meaning for %s: leave it out", a.Kind)
	case k.unit != "" && !(a.Threshold >= k.least && a.Threshold <= k.most): // NaN is neither
		return Invalid("threshold", "must be from %v to %v %s", k.least, k.most, k.unit)
	case k.window == 0 && window != 0:
		return Invalid("window_seconds", "has no meaning for %s: leave it out", a.Kind)
	case k.window != 0 && (window < k.leastWindow || window > k.longest || window%60 != 0):
		return Invalid("window_seconds", "must be whole minutes, from %d to %d seconds", k.leastWindow, k.longest)
	case len(a.Reasons) > 0 && a.Kind != AlertErrors:
		return Invalid("reasons", "belong to %s only", AlertErrors)
	case k.whole && (!a.Key.IsZero() || !a.Project.IsZero()):
		return Invalid("scope", "must be empty: %s is about keys that are nobody's", a.Kind)
	case len(a.Channels) > maxAlertChannels:
		return Invalid("channels", "must name at most %d", maxAlertChannels)
	}
	for _, r := range a.Reasons {
		if r == Valid || !slices.Contains(verdictNames[:], r) {
			return Invalid("reasons", "must be refusals, such as EXPIRED or RATE_LIMITED")
		}
	}
	for _, c := range a.Channels {
		if _, err := ParseWebhookID(c); err != nil {
			return Invalid("channels", "must be the ids of webhooks: whk_ and 26 characters")
		}
	}
	return nil
}

// freshAlertRule is a rule with the defaults of its kind, if there is such a kind.
func freshAlertRule(kind AlertKind) AlertRule {
	a := AlertRule{Kind: kind, Active: true}
	if k, ok := kind.known(); ok {
		a.Threshold, a.Window = k.usual, time.Duration(k.window)*time.Second
	}
	return a
}

// scope says how narrow a rule is.
func (a *AlertRule) scope() int {
	switch {
	case !a.Key.IsZero():
		return 2
	case !a.Project.IsZero():
		return 1
	}
	return 0
}

// fits reports whether a key is in the rule's scope.
func (a *AlertRule) fits(project ProjectID, key KeyID) bool {
	return (a.Project.IsZero() || a.Project == project) && (a.Key.IsZero() || a.Key == key)
}

type alertRuleDetail struct {
	Window    int64         `json:"window_seconds,omitempty"`
	Threshold float64       `json:"threshold,omitempty"`
	Reasons   []VerdictCode `json:"reasons,omitempty"`
	Channels  []string      `json:"channels,omitempty"`
	CreatedBy string        `json:"created_by,omitempty"`
}

func (a *AlertRule) record() AlertRuleRecord {
	return AlertRuleRecord{
		ID: a.ID, Organization: a.Organization, Project: a.Project, Key: a.Key, Kind: string(a.Kind), Active: a.Active,
		CreatedAt: seconds(a.CreatedAt), DeletedAt: seconds(a.DeletedAt), Version: a.Version,
		Detail: encodeJSON(alertRuleDetail{int64(a.Window / time.Second), a.Threshold, a.Reasons, a.Channels, a.CreatedBy}),
	}
}

func (r *AlertRuleRecord) alertRule() (AlertRule, error) {
	var d alertRuleDetail
	if err := json.Unmarshal([]byte(r.Detail), &d); err != nil {
		return AlertRule{}, fmt.Errorf("detail of an alert rule: %w", err)
	}
	return AlertRule{
		ID: r.ID, Organization: r.Organization, Project: r.Project, Key: r.Key, Kind: AlertKind(r.Kind), Active: r.Active,
		Window: time.Duration(d.Window) * time.Second, Threshold: d.Threshold, Reasons: d.Reasons, Channels: d.Channels,
		CreatedAt: instant(r.CreatedAt), CreatedBy: d.CreatedBy, DeletedAt: instant(r.DeletedAt), Version: r.Version,
	}, nil
}

func (r *AlertRuleRecord) pack(p *packer) {
	p.text("alert rule 1")
	p.bytes(r.ID[:])
	p.bytes(r.Organization[:])
	p.bytes(r.Project[:])
	p.bytes(r.Key[:])
	p.text(r.Kind)
	p.bool(r.Active)
	p.int(r.CreatedAt)
	p.int(r.DeletedAt)
	p.int(r.Version)
	p.text(r.Detail)
}

func alertRuleFields(a *AlertRule) map[string]any {
	return map[string]any{
		"kind": string(a.Kind), "window_seconds": int64(a.Window / time.Second), "threshold": a.Threshold,
		"reasons": a.Reasons, "channels": a.Channels, "active": a.Active, "deleted": !a.DeletedAt.IsZero(),
	}
}

func (s *Service) openAlertRule(r *AlertRuleRecord) (AlertRule, error) {
	if !s.seal.genuine(r, r.MAC, new(packer)) {
		return AlertRule{}, damagedRow(r.ID, errMAC)
	}
	return r.alertRule()
}
