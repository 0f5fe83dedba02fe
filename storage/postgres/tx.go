package postgres

import (
	"strconv"
	"strings"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/storage/internal/changes"
)

// Nothing here runs into a constraint: in PostgreSQL that would end the whole
// transaction, and the caller may want to go on. Updates come one at a time, so
// what a statement looks for before it writes is still so when it does.

// changed is what one transaction changed.
type changed struct{ changes.Set }

// ids are the parameters of a row of changes.
func (c *changed) ids() []any {
	told := c.Committed(0)
	var keys, projects, organizations, members [][16]byte
	for i := range told.Keys {
		keys = append(keys, told.Keys[i].ID)
	}
	for i := range told.Projects {
		projects = append(projects, told.Projects[i].ID)
	}
	for i := range told.Organizations {
		organizations = append(organizations, told.Organizations[i].ID)
	}
	for i := range told.Members {
		members = append(members, told.Members[i].ID)
	}
	return []any{some(keys), some(projects), some(organizations), some(members)}
}

// some is a list that is not NULL.
func some[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// exec writes, and returns how many rows it wrote. A failure has ended the
// transaction.
func (t *tx) exec(text string, args ...any) (int64, error) {
	if t.broken != nil {
		return 0, t.broken
	}
	tag, err := t.c.Exec(t.ctx, text, args...)
	if err != nil {
		t.broken = refusal(err)
		return 0, t.broken
	}
	return tag.RowsAffected(), nil
}

// placed writes a row that takes the place of exactly one, or none.
func (t *tx) placed(text string, args ...any) error {
	n, err := t.exec(text, args...)
	if err == nil && n != 1 {
		err = halberd.ErrConflict
	}
	return err
}

// Revision sees the changes of the Updates before this one.
func (t *tx) Revision() (int64, error) { return t.before.revision, nil }

// Advance implements halberd.ClusterTx.
func (t *tx) Advance() error {
	t.forced = true
	return t.broken
}

// Activate implements halberd.ClusterTx.
func (t *tx) Activate(incarnation halberd.Incarnation) error {
	n, err := t.exec("UPDATE nodes SET state = 'active' WHERE incarnation = $1 AND state = 'joining'", incarnation[:])
	if err != nil {
		return err
	}
	if n != 1 {
		return halberd.ErrFenced
	}
	return t.Advance()
}

func (t *tx) SetMeta(name, value string) error {
	_, err := t.exec("INSERT INTO meta VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value", name, value)
	return err
}

func (t *tx) InsertKey(k halberd.KeyRecord) error {
	if k.Digest == k.PreviousDigest {
		return halberd.ErrConflict
	}
	if err := t.placed(insertKeyText(), keyValues(&k)...); err != nil {
		return err
	}
	t.changes.Key(k)
	return nil
}

func (t *tx) UpdateKey(k halberd.KeyRecord) error {
	if k.Digest == k.PreviousDigest {
		return halberd.ErrConflict
	}
	if err := t.placed(updateKeyText(), keyValues(&k)...); err != nil {
		return err
	}
	t.changes.Key(k)
	return nil
}

// keyTypes are the types of keyValues.
const keyTypes = "uuid, uuid, uuid, bytea, bytea, bigint, text, text, text, text, text, text, " +
	"bigint, bigint, bigint, bigint, bigint, bigint, bytea, text, uuid, text"

// parameters are $1::uuid, $2::uuid and so on.
func parameters() []string {
	list := strings.Split(keyTypes, ", ")
	for i, kind := range list {
		list[i] = "$" + strconv.Itoa(i+1) + "::" + kind
	}
	return list
}

func insertKeyText() string {
	return "INSERT INTO keys (" + keyColumns + ", search) SELECT " + strings.Join(parameters(), ", ") +
		" WHERE NOT EXISTS (SELECT 1 FROM keys WHERE previous_digest = $4 OR digest = $5) ON CONFLICT DO NOTHING"
}

func updateKeyText() string {
	values := parameters()
	for i, column := range strings.Split(keyColumns+", search", ", ") {
		values[i] = column + " = " + values[i]
	}
	return "UPDATE keys SET " + strings.Join(values[1:], ", ") + // the first is the id
		` WHERE id = $1 AND version = $18 - 1 AND (state <> 'revoked' OR $7 = 'revoked')
		AND NOT EXISTS (SELECT 1 FROM keys o WHERE o.id <> $1 AND (o.digest IN ($4, $5) OR o.previous_digest IN ($4, $5)))`
}

func (t *tx) PutProject(p halberd.ProjectRecord) error {
	text := "INSERT INTO projects (" + projectColumns + ") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING"
	if p.Version != 1 {
		text = `UPDATE projects SET organization = $2, name = $3, is_default = $4, deleted_at = $5, created_at = $6,
			version = $7, detail = $8, mac = $9 WHERE id = $1 AND version = $7 - 1
			AND NOT ($4 AND $5 = 0 AND EXISTS (SELECT 1 FROM projects o WHERE o.organization = $2 AND o.is_default AND o.deleted_at = 0 AND o.id <> $1))`
	}
	if err := t.placed(text, p.ID[:], p.Organization[:], p.Name, p.Default, p.DeletedAt, p.CreatedAt, p.Version, p.Detail, p.MAC[:]); err != nil {
		return err
	}
	t.changes.Project(p)
	return nil
}

func (t *tx) PutOrganization(o halberd.OrganizationRecord) error {
	text := "INSERT INTO organizations (" + organizationColumns + ") VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING"
	if o.Version != 1 {
		text = "UPDATE organizations SET name = $2, active = $3, created_at = $4, version = $5, mac = $6 WHERE id = $1 AND version = $5 - 1"
	}
	if err := t.placed(text, o.ID[:], o.Name, o.Active, o.CreatedAt, o.Version, o.MAC[:]); err != nil {
		return err
	}
	t.changes.Organization(o)
	return nil
}

func (t *tx) RecordIdempotency(r halberd.IdempotencyRecord, now int64) error {
	if _, err := t.exec(`DELETE FROM idempotency WHERE ctid = ANY (ARRAY(
		SELECT ctid FROM idempotency WHERE ends_at <= $1 ORDER BY ends_at LIMIT 100))`, now); err != nil {
		return err
	}
	return t.placed(`INSERT INTO idempotency (actor, route, key, fingerprint, result, ends_at) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (actor, route, key) DO UPDATE SET fingerprint = excluded.fingerprint, result = excluded.result, ends_at = excluded.ends_at
		WHERE idempotency.ends_at <= $7`,
		r.Actor, raw(r.Route), r.Key[:], r.Fingerprint[:], r.Result, r.EndsAt, now)
}

func (t *tx) AppendAudit(a halberd.AuditRecord) error {
	return t.placed("INSERT INTO audit ("+auditColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
		ON CONFLICT DO NOTHING`,
		a.ID[:], a.At, blob(a.Organization), blob(a.Project), a.ActorKind, a.Actor, a.Action,
		a.TargetKind, a.Target, a.Outcome, a.Count, a.Changes, raw(a.RequestID), raw(a.ClientIP))
}

func (t *tx) CountDenied(id halberd.AuditID, more int64) error {
	n, err := t.exec("UPDATE audit SET count = count + $1 WHERE id = $2 AND outcome = 'denied'", more, id[:])
	if err == nil && n != 1 {
		err = halberd.ErrNotFound
	}
	return err
}
