package sqlite

import (
	"bytes"
	"context"
	"database/sql/driver"
	"slices"
	"strings"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/storage/internal/changes"
)

var (
	// What lists are made from stands after the record.
	storedColumns = append(keyColumns[:len(keyColumns):len(keyColumns)], "search", "owned_by")
	insertKeyText = "INSERT INTO keys (" + strings.Join(storedColumns, ", ") + ") VALUES (?" + strings.Repeat(", ?", len(storedColumns)-1) + ")"
	oldKeyText    = "SELECT " + strings.Join(storedColumns, ", ") + " FROM keys WHERE id = ?"
	versionColumn = slices.Index(keyColumns[:], "version")
)

// tx is one Update inside the writer's transaction.
type tx struct {
	reader
	changes  changes.Set
	census   census
	revision int64 // given by the writer when it is kept
	broken   error // set: the transaction is lost, and nothing more is written
}

// exec writes. A refused row leaves the transaction as it was; any other
// failure may have ended it, and what came after would then be committed by
// itself, so nothing does.
func (t *tx) exec(text string, args ...driver.Value) (int64, error) {
	if t.broken != nil {
		return 0, t.broken
	}
	n, err := t.c.exec(text, args...)
	if err != nil {
		answer, fatal := refusal(err)
		if fatal {
			t.broken = answer
		}
		return 0, answer
	}
	return n, nil
}

// placed writes a row that takes the place of exactly one, or none.
func (t *tx) placed(text string, args ...driver.Value) error {
	n, err := t.exec(text, args...)
	if err == nil && n != 1 {
		err = halberd.ErrConflict
	}
	return err
}

// Revision sees the changes of the Updates before this one.
func (t *tx) Revision() (int64, error) { return t.census.revision, nil }

func (t *tx) SetMeta(name, value string) error {
	_, err := t.exec("INSERT INTO meta VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", name, value)
	return err
}

func (t *tx) InsertKey(k halberd.KeyRecord) error {
	if err := t.placed(insertKeyText, storedValues(&k)...); err != nil {
		return err
	}
	t.census.keys++
	t.changes.Key(k)
	return nil
}

// UpdateKey writes the columns that differ: an index is only touched when its
// column changes.
func (t *tx) UpdateKey(k halberd.KeyRecord) error {
	if t.broken != nil {
		return t.broken
	}
	var old []driver.Value
	found, err := t.c.one(context.Background(), oldKeyText, []driver.Value{k.ID[:]}, func(row []driver.Value) error {
		old = row
		return nil
	})
	if err != nil {
		return unavailable(err)
	}
	if !found || old[versionColumn] != k.Version-1 {
		return halberd.ErrConflict
	}
	var set []string
	var args []driver.Value
	for i, v := range storedValues(&k) {
		if !same(old[i], v) {
			set = append(set, storedColumns[i]+" = ?")
			args = append(args, v)
		}
	}
	if err := t.placed("UPDATE keys SET "+strings.Join(set, ", ")+" WHERE id = ?", append(args, k.ID[:])...); err != nil {
		return err
	}
	t.changes.Key(k)
	return nil
}

func storedValues(k *halberd.KeyRecord) []driver.Value {
	return append(keyValues(k), k.Search(), blob(k.OwnedBy))
}

func same(a, b driver.Value) bool {
	if a, ok := a.([]byte); ok {
		b, ok := b.([]byte)
		return ok && bytes.Equal(a, b)
	}
	if _, ok := b.([]byte); ok {
		return false
	}
	return a == b
}

func (t *tx) PutProject(p halberd.ProjectRecord) error {
	args := []driver.Value{p.ID[:], p.Organization[:], p.Name, flag(p.Default), number(p.DeletedAt), p.CreatedAt, p.Version, p.Detail, p.MAC[:]}
	text := "INSERT INTO projects (" + projectColumns + ") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
	if p.Version != 1 {
		text = `UPDATE projects SET organization = ?2, name = ?3, is_default = ?4, deleted_at = ?5, created_at = ?6,
			version = ?7, detail = ?8, mac = ?9 WHERE id = ?1 AND version = ?7 - 1`
	}
	if err := t.placed(text, args...); err != nil {
		return err
	}
	t.changes.Project(p)
	return nil
}

func (t *tx) PutOrganization(o halberd.OrganizationRecord) error {
	args := []driver.Value{o.ID[:], o.Name, flag(o.Active), o.CreatedAt, o.Version, o.MAC[:]}
	text := "INSERT INTO organizations (" + organizationColumns + ") VALUES (?, ?, ?, ?, ?, ?)"
	if o.Version != 1 {
		text = "UPDATE organizations SET name = ?2, active = ?3, created_at = ?4, version = ?5, mac = ?6 WHERE id = ?1 AND version = ?5 - 1"
	}
	if err := t.placed(text, args...); err != nil {
		return err
	}
	t.changes.Organization(o)
	return nil
}

func (t *tx) RecordIdempotency(r halberd.IdempotencyRecord, now int64) error {
	if _, err := t.exec("DELETE FROM idempotency WHERE row IN (SELECT row FROM idempotency WHERE ends_at <= ? ORDER BY ends_at LIMIT 100)", now); err != nil {
		return err
	}
	return t.placed(`INSERT INTO idempotency (actor, route, key, fingerprint, result, ends_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
		ON CONFLICT (actor, route, key) DO UPDATE SET fingerprint = ?4, result = ?5, ends_at = ?6 WHERE ends_at <= ?7`,
		r.Actor, r.Route, r.Key[:], r.Fingerprint[:], r.Result, r.EndsAt, now)
}

func (t *tx) AppendAudit(a halberd.AuditRecord) error {
	return t.placed("INSERT INTO audit ("+auditColumns+") VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		a.ID[:], a.At, blob(a.Organization), blob(a.Project), a.ActorKind, a.Actor, a.Action,
		a.TargetKind, a.Target, a.Outcome, a.Count, a.Changes, a.RequestID, a.ClientIP)
}

func (t *tx) CountDenied(id halberd.AuditID, more int64) error {
	n, err := t.exec("UPDATE audit SET count = count + ? WHERE id = ? AND outcome = 'denied'", more, id[:])
	if err == nil && n != 1 {
		err = halberd.ErrNotFound
	}
	return err
}
