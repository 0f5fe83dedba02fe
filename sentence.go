package halberd

import (
	"context"
	"errors"
	"strings"
	"time"
)

// sentences is a Tx that notes which keys it was to revoke, for the case that
// nothing of it can be written.
type sentences struct {
	Tx
	rows []KeyRecord
}

// UpdateKey implements Tx.
func (t *sentences) UpdateKey(r KeyRecord) error {
	if r.State == StateRevoked {
		t.rows = append(t.rows, r)
	}
	return t.Tx.UpdateKey(r)
}

// failClosed is for a change that every rule allowed and the store could not
// keep, because the disk is full or broken. Nothing was changed; but keys that
// it was to revoke are refused all the same, here from now on, and after a
// restart by their tombstones, for which the journal has room of its own. The
// answer stays a refusal: who revoked them and why is not on record. A repetition
// makes it whole.
func (s *Service) failClosed(ctx context.Context, err error, rows []KeyRecord) error {
	if len(rows) == 0 || CodeOf(err) != CodeUnavailable {
		return err
	}
	s.dir.refuse(rows)
	ts := make([]Tombstone, len(rows))
	var buf packer
	for i := range rows {
		ts[i] = Tombstone{Key: rows[i].ID, At: rows[i].RevokedAt}
		ts[i].MAC = s.seal.mac(&ts[i], &buf)
	}
	until := "from now on, also after a restart"
	lost := s.store.Entomb(context.WithoutCancel(ctx), ts)
	if lost != nil {
		until = "until the server is restarted"
	}
	why := "the database cannot be written"
	if e, ok := errors.AsType[*Error](err); ok {
		why, _, _ = strings.Cut(e.Message, ":")
	}
	return &Error{
		Code: CodeUnavailable, RetryAfter: time.Second, Err: errors.Join(err, lost),
		Message: "what was to be revoked is refused " + until + ", but the revocation could not be recorded (" + why + "): revoke it again",
	}
}

// refuse ends keys in memory only, both secrets of each. A later change of a
// key cannot undo it: see putKey.
func (d *directory) refuse(rows []KeyRecord) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := range rows {
		for _, digest := range []Digest{rows[i].Digest, rows[i].PreviousDigest} {
			rec := d.keys.Get((*[32]byte)(&digest))
			if rec == nil {
				continue
			}
			var e entry
			e.identity = *d.counts.Label(rec.ordinal)
			rec.unpack(&e)
			e.flags |= flagRevoked
			d.keys.Put(digest, pack(&e))
		}
	}
}
