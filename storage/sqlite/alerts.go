package sqlite

import (
	"database/sql/driver"
	"strings"

	"github.com/halberdhq/halberd"
)

const (
	alertRuleColumns = "id, organization, project, key, kind, active, created_at, deleted_at, version, detail, mac"
	alertColumns     = "id, organization, project, key, rule, kind, subject, state, opened_at, ended_at, version, detail"
)

// UsageOfMinute reads the table of minutes alone: what is carried on stays in it
// until it is dropped.
func (r reader) UsageOfMinute(start int64, after halberd.MinutePlace, limit int) (list []halberd.MinuteCount, err error) {
	err = r.all(`SELECT m.subject, m.verdict, m.count, k.version, u.address, u.agent FROM usage.minutes m
		LEFT JOIN keys k ON k.id = m.subject LEFT JOIN usage.last_used u ON u.key = m.subject
		WHERE m.start = ?1 AND m.kind = ?2 AND (m.subject, m.verdict) > (?3, ?4)
		ORDER BY m.start, m.kind, m.subject, m.verdict LIMIT ?5`,
		[]driver.Value{start, ofKey, after.Key[:], after.Verdict, bound(limit)}, func(s *scanner) {
			var c halberd.MinuteCount
			s.into(c.Key[:])
			c.Verdict, c.Count, c.Version = s.text(), s.int(), s.int()
			c.LastUsedFrom, c.LastUsedAgent = s.text(), s.text()
			list = append(list, c)
		})
	return list, err
}

func (s *scanner) alertRule(a *halberd.AlertRuleRecord) {
	s.into(a.ID[:])
	s.into(a.Organization[:])
	s.into(a.Project[:])
	s.into(a.Key[:])
	a.Kind = s.text()
	a.Active = s.bool()
	a.CreatedAt = s.int()
	a.DeletedAt = s.int()
	a.Version = s.int()
	a.Detail = s.text()
	s.into(a.MAC[:])
}

func (r reader) AlertRule(id halberd.AlertRuleID) (a halberd.AlertRuleRecord, err error) {
	err = r.get("SELECT "+alertRuleColumns+" FROM alert_rules WHERE id = ?", []driver.Value{id[:]}, func(s *scanner) { s.alertRule(&a) })
	return a, err
}

func (r reader) AlertRules(org halberd.OrganizationID, after halberd.AlertRuleID, limit int, deleted bool) (list []halberd.AlertRuleRecord, err error) {
	q := selection{text: "SELECT " + alertRuleColumns + " FROM alert_rules"}
	q.where(!org.IsZero(), "organization = ?", org[:])
	q.where(true, "id > ?", after[:])
	q.where(!deleted, "deleted_at IS NULL")
	q.end(" ORDER BY id LIMIT ?", bound(limit))
	err = r.all(q.text, q.args, func(s *scanner) {
		list = append(list, halberd.AlertRuleRecord{})
		s.alertRule(&list[len(list)-1])
	})
	return list, err
}

func (t *tx) PutAlertRule(a halberd.AlertRuleRecord) error {
	text := "INSERT INTO alert_rules (" + alertRuleColumns + ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
	if a.Version != 1 {
		text = `UPDATE alert_rules SET organization = ?2, project = ?3, key = ?4, kind = ?5, active = ?6, created_at = ?7,
			deleted_at = ?8, version = ?9, detail = ?10, mac = ?11 WHERE id = ?1 AND version = ?9 - 1`
	}
	return t.placed(text, a.ID[:], a.Organization[:], blob(a.Project), blob(a.Key), a.Kind, flag(a.Active), a.CreatedAt,
		number(a.DeletedAt), a.Version, a.Detail, a.MAC[:])
}

func (s *scanner) alert(a *halberd.AlertRecord) {
	s.into(a.ID[:])
	s.into(a.Organization[:])
	s.into(a.Project[:])
	s.into(a.Key[:])
	s.into(a.Rule[:])
	a.Kind = s.text()
	a.Subject = s.text()
	a.State = halberd.AlertState(s.text())
	a.OpenedAt = s.int()
	a.EndedAt = s.int()
	a.Version = s.int()
	a.Detail = s.text()
}

func (r reader) Alert(id halberd.AlertID) (a halberd.AlertRecord, err error) {
	err = r.get("SELECT "+alertColumns+" FROM alerts WHERE id = ?", []driver.Value{id[:]}, func(s *scanner) { s.alert(&a) })
	return a, err
}

func (r reader) Alerts(f halberd.AlertFilter) (list []halberd.AlertRecord, err error) {
	q := selection{text: "SELECT " + alertColumns + " FROM alerts"}
	lasting := len(f.States) > 0
	var states []driver.Value
	for _, s := range f.States {
		states = append(states, string(s))
		lasting = lasting && s != halberd.AlertResolved
	}
	// The rarest comes first; what follows it is only compared.
	switch {
	case !f.Rule.IsZero():
		q.text += " INDEXED BY alerts_of_subject"
	case !f.Key.IsZero():
		q.text += " INDEXED BY alerts_of_key"
	case lasting:
		q.text += " INDEXED BY alerts_that_last"
	case !f.Organization.IsZero():
		q.text += " INDEXED BY alerts_of_organization"
	}
	q.where(!f.Rule.IsZero(), "rule = ?", f.Rule[:])
	q.where(f.Subject != "", "subject = ?", f.Subject)
	q.where(!f.Key.IsZero(), "key = ?", f.Key[:])
	q.where(lasting, "ended_at IS NULL")
	q.where(!f.Organization.IsZero(), "organization = ?", f.Organization[:])
	q.where(!f.Project.IsZero(), "project = ?", f.Project[:])
	q.where(f.Kind != "", "kind = ?", f.Kind)
	q.where(len(states) > 0, "state IN (?"+strings.Repeat(", ?", max(0, len(states)-1))+")", states...)
	q.where(!f.After.IsZero(), "id < ?", f.After[:])
	q.end(" ORDER BY id DESC LIMIT ?", bound(f.Limit))
	err = r.all(q.text, q.args, func(s *scanner) {
		list = append(list, halberd.AlertRecord{})
		s.alert(&list[len(list)-1])
	})
	return list, err
}

func (t *tx) PutAlert(a halberd.AlertRecord) error {
	text := "INSERT INTO alerts (" + alertColumns + ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
	if a.Version != 1 {
		text = `UPDATE alerts SET organization = ?2, project = ?3, key = ?4, rule = ?5, kind = ?6, subject = ?7, state = ?8,
			opened_at = ?9, ended_at = ?10, version = ?11, detail = ?12 WHERE id = ?1 AND version = ?11 - 1`
	}
	return t.placed(text, a.ID[:], a.Organization[:], blob(a.Project), blob(a.Key), a.Rule[:], a.Kind, a.Subject, string(a.State),
		a.OpenedAt, number(a.EndedAt), a.Version, a.Detail)
}

func (t *tx) DropAlerts(endedBefore int64, limit int) (int, error) {
	n, err := t.exec("DELETE FROM alerts WHERE id IN (SELECT id FROM alerts WHERE ended_at < ? ORDER BY ended_at LIMIT ?)",
		endedBefore, int64(limit))
	return int(n), err
}

func (r reader) Origins(f halberd.OriginFilter) (list []halberd.OriginRecord, err error) {
	q := selection{text: "SELECT key, kind, value, first_at FROM origins"}
	if f.Key.IsZero() {
		q.text += " INDEXED BY origins_by_time"
	}
	q.where(!f.Key.IsZero(), "key = ?", f.Key[:])
	q.where(true, "first_at >= ?", f.Since)
	q.end(" ORDER BY first_at, key, kind, value LIMIT ?", bound(f.Limit))
	err = r.all(q.text, q.args, func(s *scanner) {
		var o halberd.OriginRecord
		s.into(o.Key[:])
		o.Kind, o.Value, o.FirstAt = s.text(), s.text(), s.int()
		list = append(list, o)
	})
	return list, err
}

func (t *tx) PutOrigin(o halberd.OriginRecord) error {
	_, err := t.exec("INSERT INTO origins (key, kind, value, first_at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
		o.Key[:], o.Kind, o.Value, o.FirstAt)
	return err
}
