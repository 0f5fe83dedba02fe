package memory

import (
	"bytes"
	"cmp"
	"slices"

	"github.com/halberdhq/halberd"
)

// originKey is what a place is known by.
type originKey struct {
	key         halberd.KeyID
	kind, value string
}

func (r reader) UsageOfMinute(start int64, after halberd.MinutePlace, limit int) ([]halberd.MinuteCount, error) {
	var out []halberd.MinuteCount
	order := func(a, b halberd.MinutePlace) int {
		return cmp.Or(bytes.Compare(a.Key[:], b.Key[:]), cmp.Compare(a.Verdict, b.Verdict))
	}
	for at, n := range r.usage[0].count {
		key, ok := at.subject.(halberd.KeyID)
		if place := (halberd.MinutePlace{Key: key, Verdict: at.verdict}); ok && at.start == start && order(place, after) > 0 {
			c := halberd.MinuteCount{MinutePlace: place, Count: n}
			if k := r.keys[key]; k != nil {
				c.Version = k.Version
			}
			c.LastUsedFrom, c.LastUsedAgent = r.lastUsed[key].From, r.lastUsed[key].Agent
			out = append(out, c)
		}
	}
	slices.SortFunc(out, func(a, b halberd.MinuteCount) int { return order(a.MinutePlace, b.MinutePlace) })
	return first(out, limit), nil
}

func (r reader) AlertRule(id halberd.AlertRuleID) (halberd.AlertRuleRecord, error) {
	a, found := r.alertRules[id]
	if !found {
		return a, halberd.ErrNotFound
	}
	return a, nil
}

func (r reader) AlertRules(org halberd.OrganizationID, after halberd.AlertRuleID, limit int, deleted bool) ([]halberd.AlertRuleRecord, error) {
	var out []halberd.AlertRuleRecord
	for _, a := range r.alertRules {
		if (org.IsZero() || a.Organization == org) && (deleted || a.DeletedAt == 0) && bytes.Compare(a.ID[:], after[:]) > 0 {
			out = append(out, a)
		}
	}
	slices.SortFunc(out, func(a, b halberd.AlertRuleRecord) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	return first(out, limit), nil
}

func (r reader) Alert(id halberd.AlertID) (halberd.AlertRecord, error) {
	a, found := r.alerts[id]
	if !found {
		return a, halberd.ErrNotFound
	}
	return a, nil
}

func (r reader) Alerts(f halberd.AlertFilter) ([]halberd.AlertRecord, error) {
	var out []halberd.AlertRecord
	for _, a := range r.alerts {
		if (f.Organization.IsZero() || a.Organization == f.Organization) &&
			(f.Project.IsZero() || a.Project == f.Project) &&
			(f.Key.IsZero() || a.Key == f.Key) &&
			(f.Rule.IsZero() || a.Rule == f.Rule) &&
			(f.Subject == "" || a.Subject == f.Subject) &&
			(f.Kind == "" || a.Kind == f.Kind) &&
			(len(f.States) == 0 || slices.Contains(f.States, a.State)) &&
			(f.After.IsZero() || bytes.Compare(a.ID[:], f.After[:]) < 0) {
			out = append(out, a)
		}
	}
	slices.SortFunc(out, func(a, b halberd.AlertRecord) int { return bytes.Compare(b.ID[:], a.ID[:]) })
	return first(out, f.Limit), nil
}

func (r reader) Origins(f halberd.OriginFilter) ([]halberd.OriginRecord, error) {
	var out []halberd.OriginRecord
	for _, o := range r.origins {
		if (f.Key.IsZero() || o.Key == f.Key) && o.FirstAt >= f.Since {
			out = append(out, o)
		}
	}
	slices.SortFunc(out, func(a, b halberd.OriginRecord) int {
		return cmp.Or(cmp.Compare(a.FirstAt, b.FirstAt), bytes.Compare(a.Key[:], b.Key[:]),
			cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Value, b.Value))
	})
	return first(out, f.Limit), nil
}

func (t *tx) PutAlertRule(a halberd.AlertRuleRecord) error {
	if old, found := t.alertRules[a.ID]; found && old.Version != a.Version-1 || !found && a.Version != 1 {
		return halberd.ErrConflict
	}
	set(t, t.alertRules, a.ID, a)
	return nil
}

func (t *tx) PutAlert(a halberd.AlertRecord) error {
	if old, found := t.alerts[a.ID]; found && old.Version != a.Version-1 || !found && a.Version != 1 {
		return halberd.ErrConflict
	}
	set(t, t.alerts, a.ID, a)
	return nil
}

func (t *tx) DropAlerts(endedBefore int64, limit int) (n int, err error) {
	for id, a := range t.alerts {
		if a.EndedAt != 0 && a.EndedAt < endedBefore && n < limit {
			drop(t, t.alerts, id)
			n++
		}
	}
	return n, nil
}

func (t *tx) PutOrigin(o halberd.OriginRecord) error {
	at := originKey{o.Key, o.Kind, o.Value}
	if _, known := t.origins[at]; !known {
		set(t, t.origins, at, o)
	}
	return nil
}
