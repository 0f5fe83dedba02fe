package sqlite

import (
	"bytes"
	"database/sql/driver"
	"fmt"

	"github.com/halberdhq/halberd"
)

// How values stand in rows: absent ones are NULL.

func blob[T ~[16]byte | ~[32]byte](v T) driver.Value {
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

func number(n int64) driver.Value {
	if n == 0 {
		return nil
	}
	return n
}

func word(s string) driver.Value {
	if s == "" {
		return nil
	}
	return s
}

func flag(b bool) driver.Value {
	if b {
		return int64(1)
	}
	return int64(0)
}

// scanner reads one row, column by column. Anything that is not of the kind it
// should be is damage, and is said once, by err.
type scanner struct {
	row []driver.Value
	at  int
	err error
}

func (s *scanner) next() driver.Value {
	v := s.row[s.at]
	s.at++
	return v
}

func (s *scanner) wrong(v driver.Value, want string) {
	if s.err == nil {
		s.err = fmt.Errorf("damaged row: column %d holds a %T, not %s", s.at, v, want)
	}
}

func (s *scanner) int() int64 {
	switch v := s.next().(type) {
	case int64:
		return v
	case nil:
	default:
		s.wrong(v, "an integer")
	}
	return 0
}

func (s *scanner) text() string {
	switch v := s.next().(type) {
	case string:
		return v
	case nil:
	default:
		s.wrong(v, "a text")
	}
	return ""
}

// bytes is a blob of any size, the reader's own.
func (s *scanner) bytes() []byte {
	switch v := s.next().(type) {
	case []byte:
		return bytes.Clone(v)
	case nil:
	default:
		s.wrong(v, "a blob")
	}
	return nil
}

func (s *scanner) bool() bool { return s.int() != 0 }

// into copies a blob of exactly the wanted size; NULL leaves zeros.
func (s *scanner) into(dst []byte) {
	switch v := s.next().(type) {
	case []byte:
		if len(v) == len(dst) {
			copy(dst, v)
			return
		}
		s.wrong(v, fmt.Sprint(len(dst), " bytes"))
	case nil:
		clear(dst)
	default:
		s.wrong(v, "a blob")
	}
}

// keyColumns are the columns of a key record, in the order of keyValues and of
// scanner.key. search comes after them.
var keyColumns = [...]string{
	"id", "organization", "project", "digest", "previous_digest", "pepper_id", "state", "hint", "name", "external_id",
	"scopes", "policy", "created_at", "expires_at", "not_before", "previous_expires_at", "revoked_at", "version", "mac", "detail",
}

func keyValues(k *halberd.KeyRecord) []driver.Value {
	return []driver.Value{
		k.ID[:], k.Organization[:], blob(k.Project), k.Digest[:], blob(k.PreviousDigest), k.PepperID,
		string(k.State), k.Hint, k.Name, word(k.ExternalID), k.Scopes, k.Policy, k.CreatedAt, number(k.ExpiresAt),
		number(k.NotBefore), number(k.PreviousExpiresAt), number(k.RevokedAt), k.Version, k.MAC[:], k.Detail,
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
