package sqlite

import (
	"database/sql/driver"
	"strings"

	"github.com/halberdhq/halberd"
)

const eventColumns = "id, at, type, organization, project, target_kind, target, version, data, sent_to"

func (s *scanner) event(e *halberd.EventRecord) {
	e.Seq = s.int()
	s.into(e.ID[:])
	e.At = s.int()
	e.Type = s.text()
	s.into(e.Organization[:])
	s.into(e.Project[:])
	e.TargetKind = s.text()
	e.Target = s.text()
	e.Version = s.int()
	e.Data = s.text()
	e.To = s.text()
}

func (r reader) Event(id halberd.EventID) (e halberd.EventRecord, err error) {
	err = r.get("SELECT seq, "+eventColumns+" FROM events WHERE id = ?", []driver.Value{id[:]}, func(s *scanner) { s.event(&e) })
	return e, err
}

func (r reader) Events(f halberd.EventFilter) (list []halberd.EventRecord, err error) {
	q := selection{text: "SELECT seq, " + eventColumns + " FROM events"}
	order, beyond := " ORDER BY seq", "seq > ?"
	if f.Descending {
		order, beyond = " ORDER BY seq DESC", "seq < ?"
	}
	switch {
	case f.Target != "":
		q.text += " INDEXED BY events_of_target"
	case !f.Organization.IsZero():
		q.text += " INDEXED BY events_of_organization"
	}
	q.where(f.Target != "", "target = ?", f.Target)
	q.where(!f.Organization.IsZero(), "organization = ?", f.Organization[:])
	q.where(!f.Project.IsZero(), "project = ?", f.Project[:])
	if len(f.Types) > 0 {
		types := make([]driver.Value, len(f.Types))
		for i, t := range f.Types {
			types[i] = t
		}
		q.where(true, "type IN (?"+strings.Repeat(", ?", len(types)-1)+")", types...)
	}
	q.where(f.From != 0, "at >= ?", f.From)
	q.where(f.To != 0, "at < ?", f.To)
	q.where(f.Since != 0, "seq > ?", f.Since)
	q.where(f.After != 0, beyond, f.After)
	q.end(order+" LIMIT ?", bound(f.Limit))
	err = r.all(q.text, q.args, func(s *scanner) {
		list = append(list, halberd.EventRecord{})
		s.event(&list[len(list)-1])
	})
	return list, err
}

func (t *tx) AppendEvent(e halberd.EventRecord) error {
	return t.placed("INSERT INTO events ("+eventColumns+") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		e.ID[:], e.At, e.Type, blob(e.Organization), blob(e.Project), e.TargetKind, e.Target, e.Version, e.Data, e.To)
}

// DropEvents looks at no more rows than it may drop: the first that must stay
// ends it.
func (t *tx) DropEvents(before, through int64, limit int) (int, error) {
	n, err := t.exec(`WITH oldest AS (SELECT seq, at FROM events WHERE seq <= ?2 ORDER BY seq LIMIT ?3)
		DELETE FROM events WHERE seq IN (SELECT seq FROM oldest WHERE at < ?1)
		AND seq < coalesce((SELECT min(seq) FROM oldest WHERE at >= ?1), ?2 + 1)`, before, through, int64(limit))
	return int(n), err
}
