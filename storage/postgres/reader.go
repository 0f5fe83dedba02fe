package postgres

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/halberdhq/halberd"
)

// reader answers from one transaction of a connection.
type reader struct {
	c   *pgx.Conn
	ctx context.Context
}

// one reads the first row; found is false when there is none.
func (r reader) one(text string, args []any, read func(*scanner)) (found bool, err error) {
	err = query(r.ctx, r.c, text, args, func(s *scanner) {
		if !found {
			found = true
			read(s)
		}
	})
	return found, err
}

// get reads the one row a question is about.
func (r reader) get(text string, args []any, read func(*scanner)) error {
	found, err := r.one(text, args, read)
	return r.outcome(found, err)
}

// all reads every row.
func (r reader) all(text string, args []any, read func(*scanner)) error {
	return r.outcome(true, query(r.ctx, r.c, text, args, read))
}

func (r reader) outcome(found bool, err error) error {
	switch {
	case err != nil && r.ctx.Err() != nil:
		return r.ctx.Err()
	case err != nil:
		return unavailable(err)
	case !found:
		return halberd.ErrNotFound
	}
	return nil
}

func (r reader) Revision() (n int64, err error) {
	err = r.get("SELECT revision FROM head", nil, func(s *scanner) { n = s.int() })
	return n, err
}

func (r reader) Meta(name string) (value string, err error) {
	err = r.get("SELECT value FROM meta WHERE name = $1", []any{name}, func(s *scanner) { value = s.text() })
	return value, err
}

func (r reader) Key(id halberd.KeyID) (k halberd.KeyRecord, err error) {
	err = r.get("SELECT "+listed()+" FROM keys k LEFT JOIN last_used u ON u.key = k.id WHERE k.id = $1",
		[]any{id[:]}, func(s *scanner) { s.listedKey(&k) })
	return k, err
}

func (r reader) CountKeys(project halberd.ProjectID, now int64) (n int, err error) {
	err = r.get(`SELECT coalesce((SELECT living FROM populations WHERE project = $1), 0)
		- (SELECT count(*) FROM keys WHERE project = $1 AND gone = 0 AND expires_at > 0 AND expires_at <= $2)`,
		[]any{project[:], now}, func(s *scanner) { n = int(s.int()) })
	return n, err
}

func (r reader) CountAdmins(org halberd.OrganizationID, except halberd.KeyID, now int64) (n int, err error) {
	err = r.get(`SELECT count(*) FROM keys WHERE organization = $1 AND project IS NULL AND id <> $2
		AND state = 'active' AND expires_at = 0 AND not_before <= $3 AND strpos(' ' || scopes || ' ', ' admin ') > 0`,
		[]any{org[:], except[:], now}, func(s *scanner) { n = int(s.int()) })
	return n, err
}

func (r reader) Project(id halberd.ProjectID) (p halberd.ProjectRecord, err error) {
	err = r.get("SELECT "+projectColumns+" FROM projects WHERE id = $1", []any{id[:]}, func(s *scanner) { s.project(&p) })
	return p, err
}

func (r reader) Projects(org halberd.OrganizationID, after halberd.ProjectID, limit int, deleted bool) (ps []halberd.ProjectRecord, err error) {
	q := selection{text: "SELECT " + projectColumns + " FROM projects"}
	q.where(true, "id > ?", after[:])
	q.where(!org.IsZero(), "organization = ?", org[:])
	q.where(!deleted, "deleted_at = 0")
	q.end(" ORDER BY id" + bound(limit))
	err = r.all(q.text, q.args, func(s *scanner) {
		var p halberd.ProjectRecord
		s.project(&p)
		ps = append(ps, p)
	})
	return ps, err
}

func (r reader) DefaultProject(org halberd.OrganizationID) (p halberd.ProjectRecord, err error) {
	err = r.get("SELECT "+projectColumns+" FROM projects WHERE organization = $1 AND is_default AND deleted_at = 0",
		[]any{org[:]}, func(s *scanner) { s.project(&p) })
	return p, err
}

func (r reader) Organization(id halberd.OrganizationID) (o halberd.OrganizationRecord, err error) {
	err = r.get("SELECT "+organizationColumns+" FROM organizations WHERE id = $1", []any{id[:]}, func(s *scanner) { s.organization(&o) })
	return o, err
}

func (r reader) Organizations(after halberd.OrganizationID, limit int) (os []halberd.OrganizationRecord, err error) {
	err = r.all("SELECT "+organizationColumns+" FROM organizations WHERE id > $1 ORDER BY id"+bound(limit),
		[]any{after[:]}, func(s *scanner) {
			var o halberd.OrganizationRecord
			s.organization(&o)
			os = append(os, o)
		})
	return os, err
}

func (r reader) Idempotent(actor, route string, key [32]byte, now int64) (halberd.IdempotencyRecord, error) {
	got := halberd.IdempotencyRecord{Actor: actor, Route: route, Key: key}
	err := r.get("SELECT fingerprint, result, ends_at FROM idempotency WHERE actor = $1 AND route = $2 AND key = $3 AND ends_at > $4",
		[]any{actor, raw(route), key[:], now}, func(s *scanner) {
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
	if !sayable(f.Target, f.Actor, f.Action, f.Outcome) {
		return nil, nil
	}
	q := selection{text: "SELECT " + auditColumns + " FROM audit"}
	order, beyond := " ORDER BY seq DESC", "seq < (SELECT seq FROM audit WHERE id = ?)"
	if f.Ascending {
		order, beyond = " ORDER BY seq", "seq > (SELECT seq FROM audit WHERE id = ?)"
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
	q.end(order + bound(f.Limit))
	err = r.all(q.text, q.args, func(s *scanner) {
		var a halberd.AuditRecord
		s.audit(&a)
		list = append(list, a)
	})
	return list, err
}

// bound is a LIMIT, in the text: the planner must know of it.
func bound(limit int) string {
	if limit <= 0 {
		return ""
	}
	return fmt.Sprint(" LIMIT ", limit)
}

// selection is a query being put together. Conditions have a ? for each of
// their arguments, and no other.
type selection struct {
	text   string
	args   []any
	wheres int
}

func (q *selection) where(wanted bool, condition string, args ...any) {
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

func (q *selection) end(text string, args ...any) {
	for _, a := range args {
		before, after, _ := strings.Cut(text, "?")
		q.args = append(q.args, a)
		q.text += before + "$" + strconv.Itoa(len(q.args))
		text = after
	}
	q.text += text
}
