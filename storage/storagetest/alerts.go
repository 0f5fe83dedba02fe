package storagetest

import (
	"encoding/binary"
	"slices"

	"github.com/halberdhq/halberd"
)

func alertID(n int) (id halberd.AlertID) {
	binary.BigEndian.PutUint64(id[8:], uint64(n))
	return id
}

func alertRuleID(n int) (id halberd.AlertRuleID) {
	binary.BigEndian.PutUint64(id[8:], uint64(n))
	return id
}

func alertRule(n int, edits ...func(*halberd.AlertRuleRecord)) halberd.AlertRuleRecord {
	a := halberd.AlertRuleRecord{
		ID: alertRuleID(n), Organization: organizationID(1), Kind: "volume", Active: true,
		CreatedAt: 1_000_000, Version: 1, Detail: `{"threshold":3}`, MAC: digest(n),
	}
	for _, edit := range edits {
		edit(&a)
	}
	return a
}

func alert(n int, edits ...func(*halberd.AlertRecord)) halberd.AlertRecord {
	a := halberd.AlertRecord{
		ID: alertID(n), Organization: organizationID(1), Project: projectID(1), Key: keyID(1), Rule: alertRuleID(1),
		Kind: "volume", Subject: "key_1", State: halberd.AlertOpen, OpenedAt: 1_000_000, Version: 1, Detail: `{"cause":"it"}`,
	}
	for _, edit := range edits {
		edit(&a)
	}
	return a
}

func ended(at int64) func(*halberd.AlertRecord) {
	return func(a *halberd.AlertRecord) { a.State, a.EndedAt = halberd.AlertResolved, at }
}

func (s *subject) putAlerts(as ...halberd.AlertRecord) {
	s.Helper()
	s.update(func(tx halberd.Tx) error {
		for _, a := range as {
			if err := tx.PutAlert(a); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *subject) wantAlerts(f halberd.AlertFilter, want ...int) {
	s.Helper()
	s.view(func(r halberd.Reader) error {
		list, err := r.Alerts(f)
		var got []int
		for _, a := range list {
			got = append(got, int(binary.BigEndian.Uint64(a.ID[8:])))
		}
		if !slices.Equal(got, want) {
			s.Errorf("Alerts of %+v: %v, want %v", f, got, want)
		}
		return err
	})
}

var alertCases = []contract{
	{"an alert rule comes back as it was put, at the version after its last", func(s *subject) {
		first := alertRule(1)
		second := alertRule(1, func(a *halberd.AlertRuleRecord) {
			a.Version, a.Active, a.Project, a.Key, a.DeletedAt, a.Detail = 2, false, projectID(2), keyID(3), 7, "{}"
		})
		for _, want := range []halberd.AlertRuleRecord{first, second} {
			s.update(func(tx halberd.Tx) error { return tx.PutAlertRule(want) })
			s.view(func(r halberd.Reader) error {
				got, err := r.AlertRule(want.ID)
				equal(s, "rule", got, want)
				return err
			})
		}
		for _, refused := range []halberd.AlertRuleRecord{first, second, alertRule(2, func(a *halberd.AlertRuleRecord) { a.Version = 2 })} {
			s.refused(halberd.ErrConflict, func(tx halberd.Tx) error { return tx.PutAlertRule(refused) })
		}
		s.refused(halberd.ErrNotFound, func(tx halberd.Tx) error {
			_, err := tx.AlertRule(alertRuleID(2))
			return err
		})
	}},
	{"alert rules are listed by id, page by page, deleted ones when asked for", func(s *subject) {
		for n := 5; n >= 1; n-- {
			s.update(func(tx halberd.Tx) error {
				return tx.PutAlertRule(alertRule(n, func(a *halberd.AlertRuleRecord) {
					if n == 2 {
						a.Organization = organizationID(2)
					}
					if n == 4 {
						a.DeletedAt = 5
					}
				}))
			})
		}
		want := func(org halberd.OrganizationID, after, limit int, deleted bool, want ...int) {
			s.Helper()
			s.view(func(r halberd.Reader) error {
				list, err := r.AlertRules(org, alertRuleID(after), limit, deleted)
				var got []int
				for _, a := range list {
					got = append(got, int(binary.BigEndian.Uint64(a.ID[8:])))
				}
				if !slices.Equal(got, want) {
					s.Errorf("AlertRules: %v, want %v", got, want)
				}
				return err
			})
		}
		want(organizationID(1), 0, 10, false, 1, 3, 5)
		want(organizationID(1), 0, 10, true, 1, 3, 4, 5)
		want(organizationID(1), 1, 1, false, 3)
		want(halberd.OrganizationID{}, 0, 0, false, 1, 2, 3, 5)
	}},
	{"an alert comes back as it was put, at the version after its last", func(s *subject) {
		first := alert(1)
		second := alert(1, ended(9), func(a *halberd.AlertRecord) {
			a.Version, a.Project, a.Key, a.Detail = 2, halberd.ProjectID{}, halberd.KeyID{}, "{}"
		})
		for _, want := range []halberd.AlertRecord{first, second} {
			s.putAlerts(want)
			s.view(func(r halberd.Reader) error {
				got, err := r.Alert(want.ID)
				equal(s, "alert", got, want)
				return err
			})
		}
		s.refused(halberd.ErrConflict, func(tx halberd.Tx) error { return tx.PutAlert(second) })
		s.refused(halberd.ErrConflict, func(tx halberd.Tx) error {
			return tx.PutAlert(alert(2, ended(1), func(a *halberd.AlertRecord) { a.Version = 3 }))
		})
		s.refused(halberd.ErrNotFound, func(tx halberd.Tx) error {
			_, err := tx.Alert(alertID(2))
			return err
		})
	}},
	{"alerts are listed latest first, by all that selects them", func(s *subject) {
		s.putAlerts(
			alert(1),
			alert(2, ended(50)),
			alert(3, func(a *halberd.AlertRecord) { a.State, a.Key = halberd.AlertAcknowledged, keyID(2) }),
			alert(4, func(a *halberd.AlertRecord) { a.Organization, a.Kind = organizationID(2), "unused" }),
			alert(5, func(a *halberd.AlertRecord) { a.Project, a.Subject = projectID(2), "key_2" }),
			alert(6, func(a *halberd.AlertRecord) {
				a.Rule, a.Key, a.Project = alertRuleID(2), halberd.KeyID{}, halberd.ProjectID{}
			}),
		)
		open := []halberd.AlertState{halberd.AlertOpen, halberd.AlertAcknowledged}
		s.wantAlerts(halberd.AlertFilter{}, 6, 5, 4, 3, 2, 1)
		s.wantAlerts(halberd.AlertFilter{Organization: organizationID(1)}, 6, 5, 3, 2, 1)
		s.wantAlerts(halberd.AlertFilter{Organization: organizationID(1), Project: projectID(1)}, 3, 2, 1)
		s.wantAlerts(halberd.AlertFilter{Key: keyID(2)}, 3)
		s.wantAlerts(halberd.AlertFilter{Rule: alertRuleID(1), Subject: "key_1"}, 4, 3, 2, 1)
		s.wantAlerts(halberd.AlertFilter{Rule: alertRuleID(1), Subject: "key_1", States: open, Limit: 1}, 4)
		s.wantAlerts(halberd.AlertFilter{Kind: "unused"}, 4)
		s.wantAlerts(halberd.AlertFilter{States: open}, 6, 5, 4, 3, 1)
		s.wantAlerts(halberd.AlertFilter{States: []halberd.AlertState{halberd.AlertResolved}}, 2)
		s.wantAlerts(halberd.AlertFilter{States: []halberd.AlertState{halberd.AlertResolved, halberd.AlertAcknowledged}}, 3, 2)
		s.wantAlerts(halberd.AlertFilter{Organization: organizationID(1), After: alertID(5), Limit: 2}, 3, 2)
	}},
	{"alerts that ended are dropped, some at a time; those that last are not", func(s *subject) {
		s.putAlerts(alert(1), alert(2, ended(10)), alert(3, ended(20)), alert(4, ended(30)))
		drop := func(before int64, limit, want int) {
			s.Helper()
			s.update(func(tx halberd.Tx) error {
				n, err := tx.DropAlerts(before, limit)
				equal(s, "dropped", n, want)
				return err
			})
		}
		drop(10, 10, 0)
		drop(30, 1, 1)
		drop(30, 10, 1)
		s.wantAlerts(halberd.AlertFilter{}, 4, 1)
	}},
	{"a place that a key was used from is kept once, as of its first use", func(s *subject) {
		put := func(key int, kind, value string, at int64) {
			s.Helper()
			s.update(func(tx halberd.Tx) error {
				return tx.PutOrigin(halberd.OriginRecord{Key: keyID(key), Kind: kind, Value: value, FirstAt: at})
			})
		}
		want := func(f halberd.OriginFilter, want ...halberd.OriginRecord) {
			s.Helper()
			s.view(func(r halberd.Reader) error {
				got, err := r.Origins(f)
				if !slices.Equal(got, want) {
					s.Errorf("Origins of %+v: %+v, want %+v", f, got, want)
				}
				return err
			})
		}
		a := halberd.OriginRecord{Key: keyID(1), Kind: "network", Value: "203.0.113.0/24", FirstAt: 30}
		b := halberd.OriginRecord{Key: keyID(1), Kind: "program", Value: "203.0.113.0/24", FirstAt: 20}
		c := halberd.OriginRecord{Key: keyID(2), Kind: "network", Value: "203.0.113.0/24", FirstAt: 30}
		put(2, c.Kind, c.Value, 30)
		put(1, a.Kind, a.Value, 30)
		put(1, a.Kind, a.Value, 10)
		put(1, b.Kind, b.Value, 20)
		want(halberd.OriginFilter{}, b, a, c)
		want(halberd.OriginFilter{Key: keyID(1)}, b, a)
		want(halberd.OriginFilter{Since: 30}, a, c)
		want(halberd.OriginFilter{Limit: 2}, b, a)
		want(halberd.OriginFilter{Key: keyID(1), Since: 31})
	}},
	{"alerts, their rules and places are no changes that are told of, nor revisions, and failures undo them", func(s *subject) {
		told := 0
		s.Follow(func(halberd.Committed) { told++ })
		all := func(tx halberd.Tx) error {
			if err := tx.PutAlertRule(alertRule(1)); err != nil {
				return err
			}
			if err := tx.PutOrigin(halberd.OriginRecord{Key: keyID(1), Kind: "network", Value: "v", FirstAt: 1}); err != nil {
				return err
			}
			return tx.PutAlert(alert(1))
		}
		s.refused(errWanted, func(tx halberd.Tx) error {
			if err := all(tx); err != nil {
				return err
			}
			return errWanted
		})
		s.wantAlerts(halberd.AlertFilter{})
		s.update(all)
		s.wantAlerts(halberd.AlertFilter{}, 1)
		s.view(func(r halberd.Reader) error {
			rev, err := r.Revision()
			equal(s, "revision", rev, 0)
			equal(s, "times told", told, 0)
			return err
		})
	}},
	{"what was counted in a minute is listed by key and verdict, page by page", func(s *subject) {
		at := func(key int, minute int64, verdict string, n int64) halberd.UsageBatch {
			return halberd.UsageBatch{Counts: []halberd.UsageCount{{
				Key: keyID(key), Organization: organizationID(1), Project: projectID(1), Minute: minute, Verdict: verdict, Count: n,
			}}}
		}
		s.use(at(2, 600, "VALID", 5), at(1, 600, "VALID", 2), at(1, 600, "EXPIRED", 3), at(1, 600, "VALID", 1), at(1, 660, "VALID", 9))
		if _, err := s.TidyUsage(s.Context(), halberd.UsageTidying{Until: 660, Limit: 100}); err != nil {
			s.Fatalf("TidyUsage: %v", err)
		}
		want := func(minute int64, after halberd.MinutePlace, limit int, want ...halberd.MinuteCount) {
			s.Helper()
			s.view(func(r halberd.Reader) error {
				got, err := r.UsageOfMinute(minute, after, limit)
				if !slices.Equal(got, want) {
					s.Errorf("UsageOfMinute: %+v, want %+v", got, want)
				}
				return err
			})
		}
		one := halberd.MinuteCount{MinutePlace: halberd.MinutePlace{Key: keyID(1), Verdict: "EXPIRED"}, Count: 3}
		two := halberd.MinuteCount{MinutePlace: halberd.MinutePlace{Key: keyID(1), Verdict: "VALID"}, Count: 3}
		three := halberd.MinuteCount{MinutePlace: halberd.MinutePlace{Key: keyID(2), Verdict: "VALID"}, Count: 5}
		want(600, halberd.MinutePlace{}, 10, one, two, three)
		want(600, halberd.MinutePlace{}, 1, one)
		want(600, one.MinutePlace, 1, two)
		want(600, two.MinutePlace, 10, three)
		want(600, three.MinutePlace, 10)
		want(720, halberd.MinutePlace{}, 10)
	}},
	{"with what was counted in a minute come the key's version and where it was used last", func(s *subject) {
		s.insert(key(1), key(2))
		s.update(func(tx halberd.Tx) error { return tx.UpdateKey(next(key(1))) })
		counts := halberd.UsageBatch{Counts: []halberd.UsageCount{
			counted(1, begin, "VALID", 1), counted(1, begin, "EXPIRED", 1), counted(2, begin, "VALID", 1), counted(3, begin, "NOT_FOUND", 1),
		}}
		known, unknown := used(1, begin), used(1, begin+1)
		known.Uses[0].Sampled, known.Uses[0].From, known.Uses[0].Agent = true, "192.0.2.1", "curl"
		s.note(counts, known, unknown)
		s.use(halberd.UsageBatch{})
		s.view(func(r halberd.Reader) error {
			got, err := r.UsageOfMinute(begin, halberd.MinutePlace{}, 10)
			want := []halberd.MinuteCount{
				{MinutePlace: halberd.MinutePlace{Key: keyID(1), Verdict: "EXPIRED"}, Count: 1, Version: 2, LastUsedFrom: "192.0.2.1", LastUsedAgent: "curl"},
				{MinutePlace: halberd.MinutePlace{Key: keyID(1), Verdict: "VALID"}, Count: 3, Version: 2, LastUsedFrom: "192.0.2.1", LastUsedAgent: "curl"},
				{MinutePlace: halberd.MinutePlace{Key: keyID(2), Verdict: "VALID"}, Count: 1, Version: 1},
				{MinutePlace: halberd.MinutePlace{Key: keyID(3), Verdict: "NOT_FOUND"}, Count: 1},
			}
			if !slices.Equal(got, want) {
				s.Errorf("%+v, want %+v", got, want)
			}
			return err
		})
	}},
}
