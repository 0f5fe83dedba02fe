package postgres

import "github.com/halberdhq/halberd"

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
	err = r.get("SELECT seq, "+eventColumns+" FROM events WHERE id = $1", []any{id[:]}, func(s *scanner) { s.event(&e) })
	return e, err
}

func (r reader) Events(f halberd.EventFilter) (list []halberd.EventRecord, err error) {
	if !sayable(f.Target) || !sayable(f.Types...) {
		return nil, nil
	}
	q := selection{text: "SELECT seq, " + eventColumns + " FROM events"}
	order, beyond := " ORDER BY seq", "seq > ?"
	if f.Descending {
		order, beyond = " ORDER BY seq DESC", "seq < ?"
	}
	q.where(f.Target != "", "target = ?", f.Target)
	q.where(!f.Organization.IsZero(), "organization = ?", f.Organization[:])
	q.where(!f.Project.IsZero(), "project = ?", f.Project[:])
	q.where(len(f.Types) > 0, "type = ANY (?)", f.Types)
	q.where(f.From != 0, "at >= ?", f.From)
	q.where(f.To != 0, "at < ?", f.To)
	q.where(f.Since != 0, "seq > ?", f.Since)
	q.where(f.After != 0, beyond, f.After)
	q.end(order + bound(f.Limit))
	err = r.all(q.text, q.args, func(s *scanner) {
		list = append(list, halberd.EventRecord{})
		s.event(&list[len(list)-1])
	})
	return list, err
}

func (t *tx) AppendEvent(e halberd.EventRecord) error {
	return t.placed("INSERT INTO events ("+eventColumns+") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) ON CONFLICT DO NOTHING",
		e.ID[:], e.At, e.Type, blob(e.Organization), blob(e.Project), e.TargetKind, e.Target, e.Version, e.Data, e.To)
}

// DropEvents looks at no more rows than it may drop: the first that must stay
// ends it.
func (t *tx) DropEvents(before, through int64, limit int) (int, error) {
	n, err := t.exec(`WITH oldest AS (SELECT seq, at FROM events WHERE seq <= $2 ORDER BY seq LIMIT $3)
		DELETE FROM events WHERE seq IN (SELECT seq FROM oldest WHERE at < $1)
		AND seq < coalesce((SELECT min(seq) FROM oldest WHERE at >= $1), $2 + 1)`, before, through, int64(limit))
	return int(n), err
}
