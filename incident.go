package halberd

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// incident is what one alert is about.
type incident struct {
	rule    AlertRuleID
	subject string
}

// alertsKept is how long an alert that is over is kept.
const alertsKept = 90 * 24 * time.Hour

// calm is for how long nothing may be found until an alert of the kind is over.
func (k AlertKind) calm() time.Duration {
	switch k {
	case AlertVolume:
		return time.Minute
	case AlertErrors:
		return 15 * time.Minute
	case AlertOrigin:
		return 24 * time.Hour
	}
	return time.Hour
}

// write brings what was found into the store.
func (x *evaluation) write(tx Tx) error {
	for _, o := range x.places {
		if err := tx.PutOrigin(o); err != nil {
			return err
		}
	}
	ofRule := map[AlertRuleID]int{}
	for i := range x.lasting {
		a := &x.lasting[i]
		if over := x.over(a); !over {
			ofRule[a.Rule]++
			continue
		}
		fresh, err := tx.Alert(a.ID) // it may have been acknowledged meanwhile
		if err != nil {
			return err
		}
		if *a, err = fresh.alert(); err != nil {
			return err
		}
		if !a.Lasts() {
			continue
		}
		a.State, a.ResolvedAt = AlertResolved, x.s.stamp()
		if err := x.s.tellAlert(tx, EventAlertResolved, a); err != nil {
			return err
		}
	}
	opened := 0
	for _, at := range slices.SortedFunc(maps.Keys(x.found), func(a, b incident) int {
		return slices.Compare([]byte(a.rule.String()+a.subject), []byte(b.rule.String()+b.subject))
	}) {
		if opened >= maxOpened || ofRule[at.rule] >= maxOfRule {
			continue
		}
		made, err := x.open(tx, x.found[at])
		if err != nil {
			return err
		}
		if made {
			opened++
			ofRule[at.rule]++
		}
	}
	if _, err := tx.DropAlerts(x.now.Add(-alertsKept).Unix(), maxOpened); err != nil {
		return err
	}
	return tx.SetMeta(metaAlertsThrough, strconv.FormatInt(x.w.minute, 10))
}

// over reports whether an alert's cause is over, and remembers when it was not.
func (x *evaluation) over(a *Alert) bool {
	at := incident{a.Rule, a.subject}
	now := x.now.Unix()
	if _, found := x.found[at]; found {
		x.w.last[at] = now
		return false
	}
	list := x.w.rules[a.Organization]
	held := slices.ContainsFunc(list, func(r AlertRule) bool { return r.ID == a.Rule && r.Active })
	last, known := x.w.last[at]
	switch {
	case !held:
	case !known: // of another process, or just opened
		x.w.last[at] = now
		return false
	case (a.Kind == AlertExpiring || a.Kind == AlertUnused) && !x.swept:
		return false // nobody has looked
	case now-last < int64(a.Kind.calm()/time.Second):
		return false
	}
	delete(x.w.last, at)
	return true
}

// open makes an alert of a finding, unless there is one.
func (x *evaluation) open(tx Tx, f finding) (bool, error) {
	rows, err := tx.Alerts(AlertFilter{Rule: f.incident.rule, Subject: f.subject, Limit: 1})
	if err != nil {
		return false, err
	}
	a := Alert{
		ID: NewAlertID(), Organization: f.rule.Organization, Rule: f.rule.ID, Kind: f.rule.Kind, State: AlertOpen,
		Cause: f.cause, Value: f.value, Threshold: f.bar, OpenedAt: x.s.stamp(), Channels: f.rule.Channels, subject: f.subject,
	}
	if len(rows) > 0 {
		before, err := rows[0].alert()
		if err != nil || before.Lasts() || f.forever {
			return false, err
		}
		if before.SilencedUntil.After(x.now) {
			a.SilencedUntil = before.SilencedUntil
		}
	}
	if k := f.key; k != nil {
		a.Project, a.Key, a.KeyName, a.KeyHint = k.Project, k.ID, k.Name, k.Hint
	}
	x.w.last[f.incident] = x.now.Unix()
	return true, x.s.tellAlert(tx, EventAlertOpened, &a)
}

// tellAlert keeps an alert and tells of it, unless it is silenced.
func (s *Service) tellAlert(tx Tx, t EventType, a *Alert) error {
	if err := putAlert(tx, a); err != nil {
		return err
	}
	if a.SilencedUntil.After(s.now()) {
		return nil
	}
	data := map[string]any{
		"alert_id": a.ID, "organization_id": a.Organization, "alert_rule_id": a.Rule, "kind": a.Kind, "state": a.State,
		"cause": a.Cause, "opened_at": a.OpenedAt.Format(time.RFC3339), "version": a.Version,
	}
	if !a.Project.IsZero() {
		data["project_id"] = a.Project
	}
	if !a.Key.IsZero() {
		data["key_id"], data["label"], data["prefix"] = a.Key, a.KeyName, a.KeyHint
	}
	return tx.AppendEvent(EventRecord{
		ID: NewEventID(), At: s.stamp().Unix(), Type: string(t), Organization: a.Organization, Project: a.Project,
		TargetKind: "alert", Target: a.ID.String(), Version: a.Version, Data: encodeJSON(data), To: strings.Join(a.Channels, " "),
	})
}
