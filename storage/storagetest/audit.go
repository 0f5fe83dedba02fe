package storagetest

import (
	"slices"

	"github.com/halberdhq/halberd"
)

// event is the nth audit record. Its id says nothing about its place.
func event(n int, edits ...func(*halberd.AuditRecord)) halberd.AuditRecord {
	a := halberd.AuditRecord{
		ID: auditID(1000 - n), At: int64(100 + n), Organization: organizationID(1), Project: projectID(1),
		ActorKind: "key", Actor: "key_a", Action: "key.create", TargetKind: "key", Target: keyID(n).String(),
		Outcome: "done", Count: 1, Changes: `{"name":{"before":null,"after":"ö"}}`, RequestID: "req_1", ClientIP: "::1",
	}
	for _, edit := range edits {
		edit(&a)
	}
	return a
}

var auditCases = []contract{
	{"events come back whole, in the order they were recorded, or the reverse", func(s *subject) {
		for n := 1; n <= 5; n++ {
			s.record(event(n))
		}
		s.wantAudit(halberd.AuditFilter{Ascending: true}, 1, 2, 3, 4, 5)
		s.wantAudit(halberd.AuditFilter{}, 5, 4, 3, 2, 1)
		s.wantAudit(halberd.AuditFilter{Limit: 2}, 5, 4)
		s.view(func(r halberd.Reader) error {
			list, err := r.Audit(halberd.AuditFilter{Ascending: true, Limit: 1})
			if len(list) == 1 {
				equal(s, "event", list[0], event(1))
			}
			return err
		})
	}},
	{"bare events come back bare", func(s *subject) {
		bare := halberd.AuditRecord{ID: auditID(1), Action: "key.verify", Outcome: "denied", Count: 3}
		s.record(bare)
		s.view(func(r halberd.Reader) error {
			list, err := r.Audit(halberd.AuditFilter{Limit: 1})
			if len(list) == 1 {
				equal(s, "event", list[0], bare)
			}
			return err
		})
	}},
	{"an event is recorded once", func(s *subject) {
		s.record(event(1))
		s.refused(halberd.ErrConflict, func(tx halberd.Tx) error { return tx.AppendAudit(event(1)) })
	}},
	{"pages go on after an event, in either direction", func(s *subject) {
		for n := 1; n <= 6; n++ {
			s.record(event(n))
		}
		s.wantAudit(halberd.AuditFilter{Ascending: true, After: event(2).ID, Limit: 3}, 3, 4, 5)
		s.wantAudit(halberd.AuditFilter{After: event(5).ID, Limit: 3}, 4, 3, 2)
		s.wantAudit(halberd.AuditFilter{After: event(1).ID})
		s.wantAudit(halberd.AuditFilter{After: auditID(1), Ascending: true}) // never recorded
	}},
	{"since leaves out what came before, whatever the order", func(s *subject) {
		for n := 1; n <= 6; n++ {
			s.record(event(n))
		}
		s.wantAudit(halberd.AuditFilter{Ascending: true, Since: event(4).ID}, 5, 6)
		s.wantAudit(halberd.AuditFilter{Since: event(4).ID}, 6, 5)
		s.wantAudit(halberd.AuditFilter{Since: event(2).ID, After: event(5).ID}, 4, 3)
		s.wantAudit(halberd.AuditFilter{Since: event(6).ID})
	}},
	{"every filter of the audit log selects", func(s *subject) {
		s.record(
			event(1),
			event(2, func(a *halberd.AuditRecord) { a.Organization = organizationID(2) }),
			event(3, func(a *halberd.AuditRecord) { a.Project = halberd.ProjectID{} }),
			event(4, func(a *halberd.AuditRecord) { a.Action = "key.revoke" }),
			event(5, func(a *halberd.AuditRecord) { a.Actor = "key_A" }),
			event(6, func(a *halberd.AuditRecord) { a.Outcome = "denied" }),
		)
		f := func(edit func(*halberd.AuditFilter)) halberd.AuditFilter {
			f := halberd.AuditFilter{Ascending: true}
			edit(&f)
			return f
		}
		s.wantAudit(f(func(f *halberd.AuditFilter) { f.Organization = organizationID(2) }), 2)
		s.wantAudit(f(func(f *halberd.AuditFilter) { f.Project = projectID(1) }), 1, 2, 4, 5, 6)
		s.wantAudit(f(func(f *halberd.AuditFilter) { f.Action = "key.revoke" }), 4)
		s.wantAudit(f(func(f *halberd.AuditFilter) { f.Actor = "key_A" }), 5)
		s.wantAudit(f(func(f *halberd.AuditFilter) { f.Target = keyID(3).String() }), 3)
		s.wantAudit(f(func(f *halberd.AuditFilter) { f.Outcome = "denied" }), 6)
		s.wantAudit(f(func(f *halberd.AuditFilter) { f.From = 103 }), 3, 4, 5, 6)
		s.wantAudit(f(func(f *halberd.AuditFilter) { f.To = 103 }), 1, 2)
		s.wantAudit(f(func(f *halberd.AuditFilter) { f.From, f.To, f.Organization = 102, 105, organizationID(1) }), 3, 4)
	}},
	{"denied attempts are counted in their record, and nothing else is", func(s *subject) {
		denied := event(6, func(a *halberd.AuditRecord) { a.Outcome = "denied" })
		s.record(event(1), denied)
		s.update(func(tx halberd.Tx) error { return tx.CountDenied(denied.ID, 4) })
		s.refused(halberd.ErrNotFound, func(tx halberd.Tx) error { return tx.CountDenied(event(1).ID, 4) })
		s.refused(halberd.ErrNotFound, func(tx halberd.Tx) error { return tx.CountDenied(event(2).ID, 4) })
		s.view(func(r halberd.Reader) error {
			list, err := r.Audit(halberd.AuditFilter{Ascending: true, Limit: 10})
			if err == nil && (list[0].Count != event(1).Count || list[1].Count != denied.Count+4) {
				s.Errorf("counts %d and %d", list[0].Count, list[1].Count)
			}
			return err
		})
	}},
	{"events of one transaction keep their order", func(s *subject) {
		s.record(event(3), event(1), event(2))
		s.wantAudit(halberd.AuditFilter{Ascending: true}, 3, 1, 2)
	}},
}

func (s *subject) record(events ...halberd.AuditRecord) {
	s.Helper()
	s.update(func(tx halberd.Tx) error {
		for _, a := range events {
			if err := tx.AppendAudit(a); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *subject) wantAudit(f halberd.AuditFilter, want ...int) {
	s.Helper()
	s.view(func(r halberd.Reader) error {
		list, err := r.Audit(f)
		var got []int
		for _, a := range list {
			got = append(got, int(a.At-100))
		}
		if !slices.Equal(got, want) {
			s.Errorf("Audit(%+v): %v, want %v", f, got, want)
		}
		return err
	})
}
