package memory

import (
	"slices"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/storage/internal/changes"
)

// tx writes straight into the state and remembers how to take it back.
type tx struct {
	reader
	undo    []func()
	changes changes.Set
}

// run runs a transaction and undoes it unless it returns nil: when it panics, or
// its goroutine ends, as well.
func (t *tx) run(fn func() error) error {
	kept := false
	defer func() {
		if !kept {
			t.rollback()
		}
	}()
	if err := fn(); err != nil {
		return err
	}
	kept = true
	return nil
}

func (t *tx) rollback() {
	for _, undo := range slices.Backward(t.undo) {
		undo()
	}
}

// set puts a value into a map and notes how to take it back.
func set[K comparable, V any](t *tx, m map[K]V, k K, v V) {
	old, had := m[k]
	t.undo = append(t.undo, func() {
		if had {
			m[k] = old
		} else {
			delete(m, k)
		}
	})
	m[k] = v
}

func drop[K comparable, V any](t *tx, m map[K]V, k K) {
	old, had := m[k]
	if !had {
		return
	}
	t.undo = append(t.undo, func() { m[k] = old })
	delete(m, k)
}

func (t *tx) SetMeta(name, value string) error {
	set(t, t.meta, name, value)
	return nil
}

func (t *tx) InsertKey(k halberd.KeyRecord) error {
	if t.keys[k.ID] != nil || !t.digestsFree(k) {
		return halberd.ErrConflict
	}
	t.put(k)
	return nil
}

func (t *tx) UpdateKey(k halberd.KeyRecord) error {
	old := t.keys[k.ID]
	switch {
	case old == nil || old.Version != k.Version-1:
		return halberd.ErrConflict
	case old.State == halberd.StateRevoked && k.State != halberd.StateRevoked:
		return halberd.ErrConflict
	case !t.digestsFree(k):
		return halberd.ErrConflict
	}
	drop(t, t.digests, old.Digest)
	drop(t, t.digests, old.PreviousDigest)
	drop(t, t.homes[home{old.Organization, old.Project}], old.ID)
	t.put(k)
	return nil
}

// digestsFree reports whether no other key has either digest of k, as its own
// or as its previous one.
func (t *tx) digestsFree(k halberd.KeyRecord) bool {
	if k.Digest == k.PreviousDigest {
		return false
	}
	owner, taken := t.digests[k.Digest]
	previousOwner, previousTaken := t.digests[k.PreviousDigest]
	return (!taken || owner == k.ID) && (!previousTaken || previousOwner == k.ID)
}

func (t *tx) put(k halberd.KeyRecord) {
	k.LastUsedAt, k.LastUsedFrom, k.LastUsedAgent = 0, "", ""
	set(t, t.keys, k.ID, &k)
	set(t, t.digests, k.Digest, k.ID)
	if !k.PreviousDigest.IsZero() {
		set(t, t.digests, k.PreviousDigest, k.ID)
	}
	at := home{k.Organization, k.Project}
	if t.homes[at] == nil {
		t.homes[at] = map[halberd.KeyID]bool{}
	}
	set(t, t.homes[at], k.ID, true)
	t.changes.Key(k)
}

func (t *tx) PutProject(p halberd.ProjectRecord) error {
	if old, found := t.projects[p.ID]; found && old.Version != p.Version-1 || !found && p.Version != 1 {
		return halberd.ErrConflict
	}
	if p.Default && p.DeletedAt == 0 {
		if d, err := t.DefaultProject(p.Organization); err == nil && d.ID != p.ID {
			return halberd.ErrConflict
		}
	}
	set(t, t.projects, p.ID, p)
	t.changes.Project(p)
	return nil
}

func (t *tx) PutOrganization(o halberd.OrganizationRecord) error {
	if old, found := t.organizations[o.ID]; found && old.Version != o.Version-1 || !found && o.Version != 1 {
		return halberd.ErrConflict
	}
	set(t, t.organizations, o.ID, o)
	t.changes.Organization(o)
	return nil
}

func (t *tx) RecordIdempotency(r halberd.IdempotencyRecord, now int64) error {
	at := idempotencyKey{r.Actor, r.Route, r.Key}
	if old, found := t.idempotent[at]; found && old.EndsAt > now {
		return halberd.ErrConflict
	}
	dropped := 0
	for k, old := range t.idempotent {
		if old.EndsAt <= now && dropped < 100 {
			drop(t, t.idempotent, k)
			dropped++
		}
	}
	set(t, t.idempotent, at, r)
	return nil
}

func (t *tx) AppendAudit(a halberd.AuditRecord) error {
	if _, found := t.audited[a.ID]; found {
		return halberd.ErrConflict
	}
	set(t, t.audited, a.ID, len(t.audit))
	n := len(t.audit)
	t.undo = append(t.undo, func() { t.audit = t.audit[:n] })
	t.audit = append(t.audit, a)
	return nil
}

func (t *tx) CountDenied(id halberd.AuditID, more int64) error {
	at, found := t.audited[id]
	if !found || t.audit[at].Outcome != string(halberd.OutcomeDenied) {
		return halberd.ErrNotFound
	}
	t.undo = append(t.undo, func() { t.audit[at].Count -= more })
	t.audit[at].Count += more
	return nil
}
