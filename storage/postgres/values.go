package postgres

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	"github.com/halberdhq/halberd"
)

// blob is an id or a digest; one that is absent is NULL.
func blob[T ~[16]byte | ~[32]byte](v T) any {
	b := make([]byte, len(v))
	some := false
	for i := range b {
		b[i] = v[i]
		some = some || v[i] != 0
	}
	if !some {
		return nil
	}
	return b
}

// raw is a text whose every byte a stranger may choose.
func raw(s string) []byte { return []byte(s) }

// sayable reports whether a text can stand in the database at all. What cannot
// is not there, so looking for it finds nothing.
func sayable(texts ...string) bool {
	for _, s := range texts {
		if !utf8.ValidString(s) || strings.IndexByte(s, 0) >= 0 {
			return false
		}
	}
	return true
}

// query hands each row to read.
func query(ctx context.Context, c *pgx.Conn, text string, args []any, read func(*scanner)) error {
	rows, err := c.Query(ctx, text, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		s := scanner{row: rows.RawValues()}
		read(&s)
		if s.err != nil {
			return s.err
		}
	}
	return rows.Err()
}

// scanner reads one row, column by column, in PostgreSQL's binary form. What is
// not of the size it should be is said once, by err. Texts and blobs are copied.
type scanner struct {
	row [][]byte
	at  int
	err error
}

func (s *scanner) next() []byte {
	v := s.row[s.at]
	s.at++
	return v
}

func (s *scanner) wrong(v []byte, want string) {
	if s.err == nil {
		s.err = fmt.Errorf("damaged row: column %d holds %d bytes, not %s", s.at, len(v), want)
	}
}

// int is an integer of any width; NULL is 0.
func (s *scanner) int() int64 {
	switch v := s.next(); len(v) {
	case 8:
		return int64(binary.BigEndian.Uint64(v))
	case 4:
		return int64(int32(binary.BigEndian.Uint32(v)))
	case 2:
		return int64(int16(binary.BigEndian.Uint16(v)))
	case 0:
	default:
		s.wrong(v, "an integer")
	}
	return 0
}

func (s *scanner) text() string { return string(s.next()) }

// bytes is a blob of any size, the reader's own.
func (s *scanner) bytes() []byte { return bytes.Clone(s.next()) }

func (s *scanner) bool() bool {
	v := s.next()
	if len(v) != 1 {
		s.wrong(v, "a truth value")
		return false
	}
	return v[0] != 0
}

// into copies a blob of exactly the wanted size; NULL leaves zeros.
func (s *scanner) into(dst []byte) {
	switch v := s.next(); {
	case v == nil:
		clear(dst)
	case len(v) == len(dst):
		copy(dst, v)
	default:
		s.wrong(v, fmt.Sprint(len(dst), " bytes"))
	}
}

// ids reads an array of ids, none of them NULL.
func (s *scanner) ids() (list [][16]byte) {
	v := s.next()
	const head, each = 20, 4 + 16 // dimensions, flags, type, length, first; length and bytes of each
	if len(v) == 12 {
		return nil // no dimensions: empty
	}
	if len(v) < head || (len(v)-head)%each != 0 {
		s.wrong(v, "a list of ids")
		return nil
	}
	for v = v[head:]; len(v) > 0; v = v[each:] {
		list = append(list, [16]byte(v[4:each]))
	}
	return list
}

// keyColumns are the columns of a key record, in the order of keyValues and of
// scanner.key. search comes after them.
const keyColumns = "id, organization, project, digest, previous_digest, pepper_id, state, hint, name, external_id, " +
	"scopes, policy, created_at, expires_at, not_before, previous_expires_at, revoked_at, version, mac, detail, owned_by"

func keyValues(k *halberd.KeyRecord) []any {
	return []any{
		k.ID[:], k.Organization[:], blob(k.Project), k.Digest[:], blob(k.PreviousDigest), k.PepperID,
		string(k.State), k.Hint, k.Name, k.ExternalID, k.Scopes, k.Policy, k.CreatedAt, k.ExpiresAt,
		k.NotBefore, k.PreviousExpiresAt, k.RevokedAt, k.Version, k.MAC[:], k.Detail, blob(k.OwnedBy), k.Search(),
	}
}

func (s *scanner) key(k *halberd.KeyRecord) {
	s.into(k.ID[:])
	s.into(k.Organization[:])
	s.into(k.Project[:])
	s.into(k.Digest[:])
	s.into(k.PreviousDigest[:])
	k.PepperID = s.int()
	k.State = halberd.State(s.text())
	k.Hint = s.text()
	k.Name = s.text()
	k.ExternalID = s.text()
	k.Scopes = s.text()
	k.Policy = s.text()
	k.CreatedAt = s.int()
	k.ExpiresAt = s.int()
	k.NotBefore = s.int()
	k.PreviousExpiresAt = s.int()
	k.RevokedAt = s.int()
	k.Version = s.int()
	s.into(k.MAC[:])
	k.Detail = s.text()
	s.into(k.OwnedBy[:])
}

const projectColumns = "id, organization, name, is_default, deleted_at, created_at, version, detail, mac"

func (s *scanner) project(p *halberd.ProjectRecord) {
	s.into(p.ID[:])
	s.into(p.Organization[:])
	p.Name = s.text()
	p.Default = s.bool()
	p.DeletedAt = s.int()
	p.CreatedAt = s.int()
	p.Version = s.int()
	p.Detail = s.text()
	s.into(p.MAC[:])
}

const organizationColumns = "id, name, active, created_at, version, mac"

func (s *scanner) organization(o *halberd.OrganizationRecord) {
	s.into(o.ID[:])
	o.Name = s.text()
	o.Active = s.bool()
	o.CreatedAt = s.int()
	o.Version = s.int()
	s.into(o.MAC[:])
}

const auditColumns = "id, at, organization, project, actor_kind, actor, action, target_kind, target, outcome, count, changes, request_id, client_ip"

func (s *scanner) audit(a *halberd.AuditRecord) {
	s.into(a.ID[:])
	a.At = s.int()
	s.into(a.Organization[:])
	s.into(a.Project[:])
	a.ActorKind = s.text()
	a.Actor = s.text()
	a.Action = s.text()
	a.TargetKind = s.text()
	a.Target = s.text()
	a.Outcome = s.text()
	a.Count = s.int()
	a.Changes = s.text()
	a.RequestID = s.text()
	a.ClientIP = s.text()
}
