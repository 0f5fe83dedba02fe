package halberd

import (
	"context"
	"fmt"
	"slices"
)

// ListAlertRules reads the rules that the actor reaches, oldest first. org is
// for operators; zero is the actor's own.
func (s *Service) ListAlertRules(ctx context.Context, by Actor, org OrganizationID, page Page) (out AlertRules, err error) {
	err = s.look(ctx, by, ActionReadAlerts, func(r Reader) error {
		if org.IsZero() {
			org = by.organization
		} else if err := s.reached(r, by, org, by.project); err != nil {
			return err
		}
		limit, err := pageLimit(page)
		if err != nil {
			return err
		}
		bound := "alert rules\n" + org.String() + "\n" + by.project.String()
		after, err := s.position(bound, page.Cursor)
		if err != nil {
			return err
		}
		var from AlertRuleID
		if after != nil {
			from = AlertRuleID(after.ID)
		}
		// A project's are picked out of its organization's, which are not many.
		rows, err := r.AlertRules(org, from, maxAlertRules, false)
		if err != nil {
			return err
		}
		if !by.wide() {
			rows = slices.DeleteFunc(rows, func(a AlertRuleRecord) bool { return a.Project != by.project })
		}
		if len(rows) > limit {
			rows = rows[:limit]
			out.Next = s.cursor(bound, KeyPosition{ID: KeyID(rows[limit-1].ID)})
		}
		out.List = openRows(s, rows, func(r *AlertRuleRecord) fmt.Stringer { return r.ID }, s.openAlertRule)
		return nil
	})
	return out, err
}

// GetAlertRule reads one rule.
func (s *Service) GetAlertRule(ctx context.Context, by Actor, id AlertRuleID) (a AlertRule, err error) {
	err = s.look(ctx, by, ActionReadAlerts, func(r Reader) error {
		a, err = s.alertRuleOf(r, by, id)
		return err
	})
	return a, err
}

// alertRuleOf reads a rule that the actor reaches and that was not deleted.
func (s *Service) alertRuleOf(r Reader, by Actor, id AlertRuleID) (AlertRule, error) {
	row, err := r.AlertRule(id)
	if err != nil {
		return AlertRule{}, err
	}
	if !by.reaches(row.Organization, row.Project) || row.DeletedAt != 0 {
		return AlertRule{}, errNotFound()
	}
	return s.openAlertRule(&row)
}

// CreateAlertRule makes a rule.
func (s *Service) CreateAlertRule(ctx context.Context, by Actor, n NewAlertRule) (AlertRule, error) {
	var a AlertRule
	_, err := s.change(ctx, by, ActionCreateAlertRule, func(tx Tx, by Actor) error {
		done, err := s.replayed(tx, by)
		if err != nil {
			return err
		}
		if done != "" {
			id, err := ParseAlertRuleID(done)
			if err == nil {
				a, err = s.alertRuleOf(tx, by, id)
			}
			return err
		}
		if a, err = s.newAlertRule(tx, by, n); err != nil {
			return err
		}
		if err := s.putAlertRule(tx, by, ActionCreateAlertRule, &AlertRule{}, &a); err != nil {
			return err
		}
		return s.remember(tx, by, a.ID.String())
	})
	if err != nil {
		return AlertRule{}, err
	}
	return a, nil
}

// newAlertRule settles the scope of a rule and fills its defaults in.
func (s *Service) newAlertRule(tx Tx, by Actor, n NewAlertRule) (AlertRule, error) {
	a := freshAlertRule(n.Kind)
	a.ID, a.CreatedAt, a.CreatedBy = NewAlertRuleID(), s.stamp(), by.Ref()
	a.Organization, a.Project = by.organization, by.project
	if !n.Organization.IsZero() {
		if !by.reaches(n.Organization, by.project) {
			return a, errNotFound()
		}
		a.Organization = n.Organization
	}
	switch {
	case !n.Key.IsZero():
		_, k, err := s.keyOf(tx, by, n.Key)
		if err != nil {
			return a, err
		}
		if !n.Project.IsZero() && n.Project != k.Project {
			return a, Invalid("scope", "names a key of another project: leave project_id out")
		}
		a.Organization, a.Project, a.Key = k.Organization, k.Project, k.ID
	case !n.Project.IsZero():
		p, err := s.projectOf(tx, by, n.Project)
		if err != nil {
			return a, err
		}
		a.Organization, a.Project = p.Organization, p.ID
	}
	var err error
	if a.Organization, err = onlyOrganization(tx, a.Organization); err != nil {
		return a, err
	}
	if _, err := s.organization(tx, a.Organization); err != nil {
		return a, err
	}
	if n.Kind == "" {
		return a, Invalid("kind", "must be given: %s", kindWords())
	}
	if err := a.patch(AlertRulePatch{
		Window: n.Window, Threshold: n.Threshold, Active: n.Active,
		Reasons: Some(n.Reasons), Channels: Some(n.Channels),
	}); err != nil {
		return a, err
	}
	if a.Kind == AlertBadKeys && !by.operator {
		return a, errBadKeysRule()
	}
	if err := a.reachable(tx, nil); err != nil {
		return a, err
	}
	list, err := tx.AlertRules(a.Organization, AlertRuleID{}, maxAlertRules, false)
	if err != nil {
		return a, err
	}
	if len(list) >= maxAlertRules {
		return a, refuse(CodeConflict, "the organization has %d alert rules, and that is the most: delete some", maxAlertRules)
	}
	return a, nil
}

func (a *AlertRule) patch(p AlertRulePatch) error {
	if p.Window.Set {
		a.Window = p.Window.Value
	}
	if p.Threshold.Set {
		a.Threshold = p.Threshold.Value
	}
	if p.Reasons.Set {
		a.Reasons = p.Reasons.Value
	}
	if p.Channels.Set {
		a.Channels = p.Channels.Value
	}
	if p.Active.Set {
		a.Active = p.Active.Value
	}
	if len(a.Reasons) == 0 {
		a.Reasons = nil
	}
	if len(a.Channels) == 0 {
		a.Channels = nil
	}
	return a.validate()
}

// reachable refuses a channel that is no webhook of the rule's organization:
// nobody would ever be told. Those it had before stay, whatever became of them.
func (a *AlertRule) reachable(r Reader, before []string) error {
	for _, name := range a.Channels {
		if slices.Contains(before, name) {
			continue
		}
		id, err := ParseWebhookID(name)
		if err != nil {
			return err
		}
		row, err := r.Webhook(id)
		if isAbsent(err) || err == nil && row.Organization != a.Organization {
			return Invalid("channels", "must name webhooks of the organization, and %s is none of them", name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// UpdateAlertRule edits a rule, or switches it off and on. Alerts that are open
// end by themselves when their rule no longer asks for them.
func (s *Service) UpdateAlertRule(ctx context.Context, by Actor, id AlertRuleID, p AlertRulePatch, version int64) (AlertRule, error) {
	var a AlertRule
	_, err := s.change(ctx, by, ActionUpdateAlertRule, func(tx Tx, by Actor) (err error) {
		if a, err = s.editedAlertRule(tx, by, id, version); err != nil {
			return err
		}
		before := a
		if err := a.patch(p); err != nil {
			return err
		}
		if err := a.reachable(tx, before.Channels); err != nil {
			return err
		}
		if len(differences(alertRuleFields(&before), alertRuleFields(&a))) == 0 {
			return nil
		}
		return s.putAlertRule(tx, by, ActionUpdateAlertRule, &before, &a)
	})
	if err != nil {
		return AlertRule{}, err
	}
	return a, nil
}

// editedAlertRule reads a rule to be changed.
func (s *Service) editedAlertRule(tx Tx, by Actor, id AlertRuleID, version int64) (AlertRule, error) {
	a, err := s.alertRuleOf(tx, by, id)
	if err != nil {
		return a, err
	}
	if a.Kind == AlertBadKeys && !by.operator {
		return a, errBadKeysRule()
	}
	return a, sameVersion(version, a.Version)
}

func errBadKeysRule() error {
	return refuse(CodeForbidden, "rules about bad keys are an operator's: those keys are nobody's")
}

// DeleteAlertRule ends a rule for good. What it told stays told.
func (s *Service) DeleteAlertRule(ctx context.Context, by Actor, id AlertRuleID, version int64) (AlertRule, error) {
	var a AlertRule
	_, err := s.change(ctx, by, ActionDeleteAlertRule, func(tx Tx, by Actor) (err error) {
		if a, err = s.editedAlertRule(tx, by, id, version); err != nil {
			return err
		}
		before := a
		a.Active, a.DeletedAt = false, s.stamp()
		return s.putAlertRule(tx, by, ActionDeleteAlertRule, &before, &a)
	})
	if err != nil {
		return AlertRule{}, err
	}
	return a, nil
}

func (s *Service) putAlertRule(tx Tx, by Actor, act Action, before, a *AlertRule) error {
	if err := s.writeAlertRule(tx, a); err != nil {
		return err
	}
	return s.audit(tx, by, act, a.Organization, a.Project, "alert_rule", a.ID.String(),
		differences(alertRuleFields(before), alertRuleFields(a)))
}

func (s *Service) writeAlertRule(tx Tx, a *AlertRule) error {
	a.Version++
	r := a.record()
	r.MAC = s.seal.mac(&r, new(packer))
	if err := tx.PutAlertRule(r); err != nil {
		return err
	}
	return tx.SetMeta(metaAlertRules, fmt.Sprint(a.ID, " ", a.Version))
}

// metaAlertRules changes whenever a rule does, so that whoever keeps the rules in
// memory learns of it.
const metaAlertRules = "alert_rules"

// usualAlertRules gives an organization the rules that it begins with: every kind
// once, as it is by default. They come with the organization and are not audited
// by themselves.
func (s *Service) usualAlertRules(tx Tx, org OrganizationID, first bool) error {
	for _, kind := range AlertKinds() {
		if kind == AlertBadKeys && !first {
			continue // the instance's: told to those who run it
		}
		a := freshAlertRule(kind)
		a.ID, a.Organization, a.CreatedAt, a.CreatedBy = NewAlertRuleID(), org, s.stamp(), Root("default").Ref()
		if err := s.writeAlertRule(tx, &a); err != nil {
			return err
		}
	}
	return nil
}

// adoptAlertRules gives the usual rules to organizations that never had any:
// those of a version before there were rules.
func (s *Service) adoptAlertRules(tx Tx) error {
	const page = 1000
	first := true
	for after := (OrganizationID{}); ; {
		list, err := tx.Organizations(after, page)
		if err != nil {
			return err
		}
		for i := range list {
			after = list[i].ID
			rules, err := tx.AlertRules(after, AlertRuleID{}, 1, true)
			if err != nil {
				return err
			}
			if len(rules) == 0 {
				if err := s.usualAlertRules(tx, after, first); err != nil {
					return err
				}
			}
			first = false
		}
		if len(list) < page {
			return tx.SetMeta(metaAlertsAdopted, "1")
		}
	}
}

// metaAlertsAdopted is set once every organization has had its first rules.
const metaAlertsAdopted = "alert_rules_adopted"
