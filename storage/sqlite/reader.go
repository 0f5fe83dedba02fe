package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"

	"github.com/halberdhq/halberd"
)

// reader answers from one transaction of a connection.
type reader struct {
	c     *conn
	ctx   context.Context
	usage *usageLog // nil where no key's last use is read
}

// get reads the one row a question is about.
func (r reader) get(text string, args []driver.Value, read func(*scanner)) error {
	found, err := r.c.one(r.ctx, text, args, scan(read))
	return r.outcome(found, err)
}

// all reads every row.
func (r reader) all(text string, args []driver.Value, read func(*scanner)) error {
	return r.outcome(true, r.c.query(r.ctx, text, args, scan(read)))
}

func (r reader) outcome(found bool, err error) error {
	switch {
	case err != nil && r.ctx.Err() != nil:
		return r.ctx.Err()
	case err != nil && code(err) != 0:
		return unavailable(err)
	case err != nil:
		return fmt.Errorf("sqlite: %w", err)
	case !found:
		return halberd.ErrNotFound
	}
	return nil
}

func scan(read func(*scanner)) func(row []driver.Value) error {
	return func(row []driver.Value) error {
		s := scanner{row: row}
		read(&s)
		return s.err
	}
}

func (r reader) Revision() (n int64, err error) {
	err = r.get("SELECT revision FROM census", nil, func(s *scanner) { n = s.int() })
	return n, err
}

func (r reader) Meta(name string) (value string, err error) {
	err = r.get("SELECT value FROM meta WHERE name = ?", []driver.Value{name}, func(s *scanner) { value = s.text() })
	return value, err
}

func (r reader) Key(id halberd.KeyID) (k halberd.KeyRecord, err error) {
	err = r.get("SELECT "+listed+" FROM keys k LEFT JOIN usage.last_used u ON u.key = k.id WHERE k.id = ?",
		[]driver.Value{id[:]}, func(s *scanner) { s.listedKey(&k) })
	if err == nil {
		r.usage.noteLatest(&k)
	}
	return k, err
}

func (r reader) CountKeys(project halberd.ProjectID, now int64) (n int, err error) {
	err = r.get(`SELECT coalesce((SELECT living FROM populations WHERE project = ?1), 0)
		- (SELECT count(*) FROM keys INDEXED BY keys_of_project_by_expiry WHERE project = ?1 AND gone = 0 AND expires_at <= ?2)`,
		[]driver.Value{project[:], now}, func(s *scanner) { n = int(s.int()) })
	return n, err
}

func (r reader) CountAdmins(org halberd.OrganizationID, except halberd.KeyID, now int64) (n int, err error) {
	err = r.get(`SELECT count(*) FROM keys INDEXED BY keys_admin WHERE organization = ? AND project IS NULL AND id <> ?
		AND state = 'active' AND expires_at IS NULL AND coalesce(not_before, 0) <= ? AND instr(' ' || scopes || ' ', ' admin ') > 0`,
		[]driver.Value{org[:], except[:], now}, func(s *scanner) { n = int(s.int()) })
	return n, err
}

func (r reader) Project(id halberd.ProjectID) (p halberd.ProjectRecord, err error) {
	err = r.get("SELECT "+projectColumns+" FROM projects WHERE id = ?", []driver.Value{id[:]}, func(s *scanner) { s.project(&p) })
	return p, err
}

func (r reader) Projects(org halberd.OrganizationID, after halberd.ProjectID, limit int, deleted bool) (ps []halberd.ProjectRecord, err error) {
	text, args := "SELECT "+projectColumns+" FROM projects WHERE id > ?", []driver.Value{after[:]}
	if !org.IsZero() {
		text, args = text+" AND organization = ?", append(args, org[:])
	}
	if !deleted {
		text += " AND deleted_at IS NULL"
	}
	err = r.all(text+" ORDER BY id LIMIT ?", append(args, bound(limit)), func(s *scanner) {
		var p halberd.ProjectRecord
		s.project(&p)
		ps = append(ps, p)
	})
	return ps, err
}

func (r reader) DefaultProject(org halberd.OrganizationID) (p halberd.ProjectRecord, err error) {
	err = r.get("SELECT "+projectColumns+" FROM projects WHERE organization = ? AND is_default = 1 AND deleted_at IS NULL",
		[]driver.Value{org[:]}, func(s *scanner) { s.project(&p) })
	return p, err
}

func (r reader) Organization(id halberd.OrganizationID) (o halberd.OrganizationRecord, err error) {
	err = r.get("SELECT "+organizationColumns+" FROM organizations WHERE id = ?", []driver.Value{id[:]}, func(s *scanner) { s.organization(&o) })
	return o, err
}

func (r reader) Organizations(after halberd.OrganizationID, limit int) (os []halberd.OrganizationRecord, err error) {
	err = r.all("SELECT "+organizationColumns+" FROM organizations WHERE id > ? ORDER BY id LIMIT ?",
		[]driver.Value{after[:], bound(limit)}, func(s *scanner) {
			var o halberd.OrganizationRecord
			s.organization(&o)
			os = append(os, o)
		})
	return os, err
}

func (r reader) Idempotent(actor, route string, key [32]byte, now int64) (halberd.IdempotencyRecord, error) {
	got := halberd.IdempotencyRecord{Actor: actor, Route: route, Key: key}
	err := r.get("SELECT fingerprint, result, ends_at FROM idempotency WHERE actor = ? AND route = ? AND key = ? AND ends_at > ?",
		[]driver.Value{actor, route, key[:], now}, func(s *scanner) {
			s.into(got.Fingerprint[:])
			got.Result = s.text()
			got.EndsAt = s.int()
		})
	if err != nil {
		return halberd.IdempotencyRecord{}, err
	}
	return got, nil
}

func (r reader) Audit(f halberd.AuditFilter) (list []halberd.AuditRecord, err error) {
	q := selection{text: "SELECT " + auditColumns + " FROM audit"}
	order, beyond := " ORDER BY seq DESC", "seq < (SELECT seq FROM audit WHERE id = ?)"
	if f.Ascending {
		order, beyond = " ORDER BY seq", "seq > (SELECT seq FROM audit WHERE id = ?)"
	}
	// The rarest comes first; what follows it is only compared.
	switch {
	case f.Target != "":
		q.text += " INDEXED BY audit_of_target"
	case f.Actor != "":
		q.text += " INDEXED BY audit_of_actor"
	case !f.Organization.IsZero():
		q.text += " INDEXED BY audit_of_organization"
	}
	q.where(f.Target != "", "target = ?", f.Target)
	q.where(f.Actor != "", "actor = ?", f.Actor)
	q.where(!f.Organization.IsZero(), "organization = ?", f.Organization[:])
	q.where(!f.Project.IsZero(), "project = ?", f.Project[:])
	q.where(f.Action != "", "action = ?", f.Action)
	q.where(f.Outcome != "", "outcome = ?", f.Outcome)
	q.where(f.From != 0, "at >= ?", f.From)
	q.where(f.To != 0, "at < ?", f.To)
	q.where(!f.After.IsZero(), beyond, f.After[:])
	q.where(!f.Since.IsZero(), "seq > (SELECT seq FROM audit WHERE id = ?)", f.Since[:])
	q.end(order+" LIMIT ?", bound(f.Limit))
	err = r.all(q.text, q.args, func(s *scanner) {
		var a halberd.AuditRecord
		s.audit(&a)
		list = append(list, a)
	})
	return list, err
}

// bound is a LIMIT; SQLite takes a negative one for none.
func bound(limit int) driver.Value {
	if limit <= 0 {
		return int64(-1)
	}
	return int64(limit)
}

// selection is a query being put together.
type selection struct {
	text   string
	args   []driver.Value
	wheres int
}

func (q *selection) where(wanted bool, condition string, args ...driver.Value) {
	if !wanted {
		return
	}
	if q.wheres == 0 {
		q.text += " WHERE "
	} else {
		q.text += " AND "
	}
	q.wheres++
	q.end(condition, args...)
}

func (q *selection) end(text string, args ...driver.Value) {
	q.text += text
	q.args = append(q.args, args...)
}
