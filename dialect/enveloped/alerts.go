package enveloped

import (
	"strings"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/dialect/enveloped/wire"
	"github.com/halberdhq/halberd/internal/request"
)

func listAlertRules(c *request.Call) (out many[wire.AlertRule], err error) {
	org, err := organizationNamed(c.Query["organization_id"])
	if err != nil {
		return out, err
	}
	page, err := c.Service.ListAlertRules(c.Context(), c.Actor, org, pageOf(c))
	if err != nil {
		return out, err
	}
	return manyOf(c, page.List, page.Next, alertRule), nil
}

func createAlertRule(c *request.Call, body *wire.CreateAlertRule) (out one[wire.AlertRule], err error) {
	p, err := alertRulePatch(body.WindowSeconds, body.Threshold, body.Reasons, body.Channels, body.Active)
	if err != nil {
		return out, err
	}
	n := halberd.NewAlertRule{
		Kind: halberd.AlertKind(body.Kind), Window: p.Window, Threshold: p.Threshold,
		Reasons: p.Reasons.Value, Channels: p.Channels.Value, Active: p.Active,
	}
	if n.Organization, err = organizationIn(body.OrganizationID); err != nil {
		return out, err
	}
	if s := body.Scope.ProjectID; s.Set && !s.Null {
		if n.Project, err = projectIn(s.Value); err != nil {
			return out, err
		}
	}
	if s := body.Scope.KeyID; s.Set && !s.Null {
		if n.Key, err = halberd.ParseKeyID(s.Value); err != nil {
			return out, halberd.Invalid("key_id", "must be a key's id: key_ and 26 characters")
		}
	}
	a, err := c.Service.CreateAlertRule(c.Context(), c.Actor, n)
	if err != nil {
		return out, err
	}
	return oneOf(c, alertRule(&a)), nil
}

// alertRulePatch reads what may be said of a rule at any time. A null list is an
// empty one.
func alertRulePatch(window wire.Field[int64], threshold wire.Field[float64], reasons, channels wire.Field[[]string], active wire.Field[bool]) (p halberd.AlertRulePatch, err error) {
	switch {
	case window.Null:
		return p, mustNotBeNull("window_seconds")
	case threshold.Null:
		return p, mustNotBeNull("threshold")
	case window.Value > 1e9 || window.Value < 0: // more than the ground can tell apart
		return p, halberd.Invalid("window_seconds", "must be whole minutes, at most an hour")
	}
	if p.Active, err = flagIn("active", active); err != nil {
		return p, err
	}
	p.Window = halberd.Maybe[time.Duration]{Set: window.Set, Value: time.Duration(window.Value) * time.Second}
	p.Threshold, p.Channels = maybe(threshold), maybe(channels)
	p.Reasons.Set = reasons.Set
	for _, r := range reasons.Value {
		p.Reasons.Value = append(p.Reasons.Value, halberd.VerdictCode(r))
	}
	return p, nil
}

func getAlertRule(c *request.Call) (out one[wire.AlertRule], err error) {
	id, err := alertRuleID(c)
	if err != nil {
		return out, err
	}
	a, err := c.Service.GetAlertRule(c.Context(), c.Actor, id)
	if err != nil {
		return out, err
	}
	return oneOf(c, alertRule(&a)), nil
}

func updateAlertRule(c *request.Call, body *wire.UpdateAlertRule) (out one[wire.AlertRule], err error) {
	id, err := alertRuleID(c)
	if err != nil {
		return out, err
	}
	p, err := alertRulePatch(body.WindowSeconds, body.Threshold, body.Reasons, body.Channels, body.Active)
	if err != nil {
		return out, err
	}
	a, err := c.Service.UpdateAlertRule(c.Context(), c.Actor, id, p, c.Version)
	if err != nil {
		return out, err
	}
	return oneOf(c, alertRule(&a)), nil
}

func deleteAlertRule(c *request.Call) (out one[wire.AlertRule], err error) {
	id, err := alertRuleID(c)
	if err != nil {
		return out, err
	}
	a, err := c.Service.DeleteAlertRule(c.Context(), c.Actor, id, c.Version)
	if err != nil {
		return out, err
	}
	return oneOf(c, alertRule(&a)), nil
}

func listAlerts(c *request.Call) (out many[wire.Alert], err error) {
	q := halberd.AlertQuery{Kind: halberd.AlertKind(c.Query["kind"]), Page: pageOf(c)}
	if q.Organization, err = organizationNamed(c.Query["organization_id"]); err != nil {
		return out, err
	}
	if text := c.Query["project_id"]; text != "" {
		if q.Project, err = projectIn(text); err != nil {
			return out, err
		}
	}
	if text := c.Query["key_id"]; text != "" {
		if q.Key, err = halberd.ParseKeyID(text); err != nil {
			return out, halberd.Invalid("key_id", "must be a key's id: key_ and 26 characters")
		}
	}
	if states := c.Query["state"]; states != "" {
		for s := range strings.SplitSeq(states, ",") {
			q.States = append(q.States, halberd.AlertState(s))
		}
	}
	page, err := c.Service.ListAlerts(c.Context(), c.Actor, q)
	if err != nil {
		return out, err
	}
	return manyOf(c, page.List, page.Next, alerter(c)), nil
}

func getAlert(c *request.Call) (out one[wire.Alert], err error) {
	return ofAlert(c, func(id halberd.AlertID) (halberd.Alert, error) {
		return c.Service.GetAlert(c.Context(), c.Actor, id)
	})
}

func acknowledgeAlert(c *request.Call, _ *wire.AcknowledgeAlert) (out one[wire.Alert], err error) {
	return ofAlert(c, func(id halberd.AlertID) (halberd.Alert, error) {
		return c.Service.AcknowledgeAlert(c.Context(), c.Actor, id)
	})
}

func silenceAlert(c *request.Call, body *wire.SilenceAlert) (out one[wire.Alert], err error) {
	var until time.Time
	switch {
	case !body.Until.Set:
		return out, halberd.Invalid("until", "must be an instant; null ends a silence")
	case !body.Until.Null:
		if until, err = request.InstantOrDate("until", body.Until.Value); err != nil {
			return out, err
		}
	}
	return ofAlert(c, func(id halberd.AlertID) (halberd.Alert, error) {
		return c.Service.SilenceAlert(c.Context(), c.Actor, id, until)
	})
}

func ofAlert(c *request.Call, do func(halberd.AlertID) (halberd.Alert, error)) (out one[wire.Alert], err error) {
	id, err := halberd.ParseAlertID(c.Path("alert_id"))
	if err != nil {
		return out, request.NotFound()
	}
	a, err := do(id)
	if err != nil {
		return out, err
	}
	return oneOf(c, alerter(c)(&a)), nil
}

func alertRuleID(c *request.Call) (halberd.AlertRuleID, error) {
	id, err := halberd.ParseAlertRuleID(c.Path("alert_rule_id"))
	if err != nil {
		return id, request.NotFound()
	}
	return id, nil
}

func alertRule(a *halberd.AlertRule) wire.AlertRule {
	out := wire.AlertRule{
		AlertRuleID: a.ID.String(), OrganizationID: a.Organization.String(), Kind: string(a.Kind),
		Scope:   wire.AlertScope{ProjectID: textOrNull(a.Project.String()), KeyID: textOrNull(a.Key.String())},
		Reasons: []string{}, Channels: append([]string{}, a.Channels...),
		Active: a.Active, CreatedAt: a.CreatedAt, CreatedBy: a.CreatedBy, Version: a.Version,
	}
	for _, r := range a.Reasons {
		out.Reasons = append(out.Reasons, string(r))
	}
	if s := int64(a.Window / time.Second); s != 0 {
		out.WindowSeconds = &s
	}
	if a.Threshold != 0 {
		out.Threshold = &a.Threshold
	}
	return out
}

// alerter renders alerts with links to their keys.
func alerter(c *request.Call) func(*halberd.Alert) wire.Alert {
	return func(a *halberd.Alert) wire.Alert {
		out := wire.Alert{
			AlertID: a.ID.String(), AlertRuleID: a.Rule.String(), OrganizationID: a.Organization.String(),
			ProjectID: textOrNull(a.Project.String()), KeyID: textOrNull(a.Key.String()),
			Label: textOrNull(a.KeyName), Prefix: textOrNull(a.KeyHint), Kind: string(a.Kind), State: string(a.State),
			Cause: a.Cause, Value: a.Value, Threshold: a.Threshold, OpenedAt: a.OpenedAt,
			AcknowledgedAt: timeOrNull(a.AcknowledgedAt), AcknowledgedBy: textOrNull(a.AcknowledgedBy),
			SilencedUntil: timeOrNull(a.SilencedUntil), ResolvedAt: timeOrNull(a.ResolvedAt), Version: a.Version,
		}
		if !a.Key.IsZero() {
			out.KeyURL = textOrNull(c.PublicURL + keyPage + a.Key.String())
		}
		return out
	}
}
