package halberd

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/halberdhq/halberd/internal/planted"
)

// sentences is the Tx of a change. It notes what the change is to revoke, for
// the journal and for the case that nothing of it can be written, and what it
// does to those who check keys.
type sentences struct {
	Tx
	rows   []KeyRecord // keys that are revoked once it is committed
	shared bool        // several nodes share the store: the effect matters
	effect effect

	// What was read, so that it need not be read again to be compared.
	keys     map[KeyID]KeyRecord
	projects map[ProjectID]ProjectRecord
	members  map[MemberID]MemberRecord
}

// Key implements Reader.
func (t *sentences) Key(id KeyID) (KeyRecord, error) {
	r, err := t.Tx.Key(id)
	if err == nil && t.shared {
		note(&t.keys, id, r)
	}
	return r, err
}

// Project implements Reader.
func (t *sentences) Project(id ProjectID) (ProjectRecord, error) {
	r, err := t.Tx.Project(id)
	if err == nil && t.shared {
		note(&t.projects, id, r)
	}
	return r, err
}

// Member implements Reader.
func (t *sentences) Member(id MemberID) (MemberRecord, error) {
	r, err := t.Tx.Member(id)
	if err == nil && t.shared {
		note(&t.members, id, r)
	}
	return r, err
}

func note[K comparable, V any](m *map[K]V, k K, v V) {
	if *m == nil {
		*m = map[K]V{}
	}
	(*m)[k] = v
}

// InsertKey implements Tx.
func (t *sentences) InsertKey(r KeyRecord) error {
	if !planted.Is(planted.CreationNotWaited) {
		t.effect = max(t.effect, widens)
	}
	return t.Tx.InsertKey(r)
}

// UpdateKey implements Tx.
func (t *sentences) UpdateKey(r KeyRecord) error {
	if r.State == StateRevoked {
		t.rows = append(t.rows, r)
	}
	if err := compare(t, t.keys, r.ID, t.Tx.Key, r.State == StateRevoked, &r, effectOnKey); err != nil {
		return err
	}
	return t.Tx.UpdateKey(r)
}

// PutProject implements Tx.
func (t *sentences) PutProject(r ProjectRecord) error {
	if r.Version == 1 {
		t.effect = max(t.effect, widens)
	} else if err := compare(t, t.projects, r.ID, t.Tx.Project, r.DeletedAt != 0, &r, effectOnProject); err != nil {
		return err
	}
	return t.Tx.PutProject(r)
}

// PutOrganization implements Tx.
func (t *sentences) PutOrganization(r OrganizationRecord) error {
	if r.Version == 1 {
		t.effect = max(t.effect, widens)
	} else if err := compare(t, nil, r.ID, t.Organization, !r.Active, &r, effectOnOrganization); err != nil {
		return err
	}
	return t.Tx.PutOrganization(r)
}

// PutMember implements Tx.
func (t *sentences) PutMember(r MemberRecord) error {
	if r.Version == 1 {
		t.effect = max(t.effect, widens)
	} else if err := compare(t, t.members, r.ID, t.Tx.Member, r.State != MemberActive, &r, effectOnMember); err != nil {
		return err
	}
	return t.Tx.PutMember(r)
}

// compare adds what the step from the stored record to after does. Once
// something narrows, or where after alone says so, nothing is looked at any more.
func compare[K comparable, R any](t *sentences, known map[K]R, id K, read func(K) (R, error), surely bool, after *R, of func(before, after *R) effect) error {
	if !t.shared || t.effect == narrows {
		return nil
	}
	if surely {
		t.effect = narrows
		return nil
	}
	before, ok := known[id]
	if !ok {
		var err error
		if before, err = read(id); err != nil {
			return err
		}
	}
	t.effect = max(t.effect, of(&before, after))
	return nil
}

// clusterTx is what a transaction of Service.update can do besides, on a Cluster.
func clusterTx(tx Tx) ClusterTx { return tx.(*outbox).Tx.(ClusterTx) }

// commit runs a change in a transaction, writes the tombstones of what it
// revoked, and returns when it has taken effect on every node, or as far as it
// could be waited for. One that finds nothing to do may be the repetition of one
// whose answer was lost: it is waited for like that one.
func (s *Service) commit(ctx context.Context, by *Request, act Action, fn func(tx Tx) error) (Propagation, error) {
	seen := sentences{shared: s.node != nil}
	asked := s.clock()
	var before int64
	err := s.update(ctx, func(tx Tx) (err error) {
		seen.Tx = tx
		if seen.shared {
			if before, err = tx.Revision(); err != nil {
				return err
			}
		}
		if err := fn(&seen); err != nil {
			return err
		}
		if seen.shared && act.repeats() && seen.effect == unseen && !planted.Is(planted.RepeatNotWaited) {
			seen.effect = narrows
			return clusterTx(tx).Advance()
		}
		return nil
	})
	if err != nil {
		return Propagation{}, s.failClosed(ctx, err, seen.rows)
	}
	began := s.clock()
	if planted.Is(planted.WaitFromSending) {
		began = asked
	}
	if act.revokes() || len(seen.rows) > 0 {
		if err := s.entomb(ctx, seen.rows...); err != nil {
			return oneNode(), err
		}
	}
	if s.node == nil {
		return oneNode(), nil
	}
	// The directory was told before Update returned, unless the node was left behind
	// and took up the present meanwhile.
	revision := max(s.dir.revision.Load(), before+1)
	if r := *by; r.Wait > 0 { // it is of the whole call
		r.Wait = max(r.Wait-began.Sub(asked), time.Nanosecond)
		by = &r
	}
	return s.node.propagate(ctx, by, seen.effect, revision, began)
}

// failClosed is for a change that every rule allowed and the store could not
// keep, because the disk is full or broken. Nothing was changed; but keys that
// it was to revoke are refused all the same, here from now on, and after a
// restart by their tombstones, for which the journal has room of its own. The
// answer stays a refusal: who revoked them and why is not on record. A repetition
// makes it whole.
func (s *Service) failClosed(ctx context.Context, err error, rows []KeyRecord) error {
	if len(rows) == 0 || CodeOf(outward(err)) != CodeUnavailable {
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
	if s.node != nil {
		until = "by this node alone " + until
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
