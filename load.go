package halberd

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"time"

	"github.com/halberdhq/halberd/internal/planted"
)

// What New does before anything is answered, and how what is committed later
// reaches the directory.

// openSeal finds the pepper and proves that it belongs to the store. A new one
// is made only where there is neither a pepper nor anything that needs one.
func (s *Service) openSeal(ctx context.Context, pepper []byte) error {
	blank, err := s.findSeal(ctx, pepper)
	switch {
	case err != nil || !blank:
		return err
	case s.seal == nil:
		return s.newSeal(ctx)
	}
	return s.update(ctx, s.claim)
}

// findSeal is openSeal as far as it only reads. It reports whether the store is
// blank: it knows no pepper yet, and nothing in it needs one.
func (s *Service) findSeal(ctx context.Context, pepper []byte) (blank bool, err error) {
	var kept string
	var revision int64
	err = s.store.View(ctx, func(r Reader) (err error) {
		if revision, err = r.Revision(); err != nil {
			return err
		}
		kept, err = r.Meta(metaPepper)
		if errors.Is(err, ErrNotFound) {
			err = nil
		}
		return err
	})
	if err != nil {
		return false, fmt.Errorf("read the store: %w", err)
	}
	if pepper == nil {
		pepper, err = s.store.Pepper(ctx, nil)
		switch {
		case errors.Is(err, ErrNotFound) && kept == "" && revision == 0:
			return true, nil
		case errors.Is(err, ErrNotFound):
			return false, noPepper(kept)
		case err != nil:
			return false, fmt.Errorf("read the pepper: %w", err)
		}
	}
	if s.seal, err = newSeal(pepper); err != nil {
		return false, err
	}
	switch {
	case kept == s.seal.fingerprint:
		return false, nil
	case kept != "":
		return false, refuse(CodeUnavailable, "this pepper (fingerprint %s) does not belong to this store (fingerprint %s): copy the right one back, or here from another node", s.seal.fingerprint, kept)
	case revision != 0:
		return false, refuse(CodeUnavailable, "the store has keys but no pepper fingerprint: it was damaged or edited; restore a backup")
	}
	return true, nil
}

// newSeal makes the pepper of an empty store. Of two processes that start on it
// at once one makes it, and the other none.
func (s *Service) newSeal(ctx context.Context) error {
	return s.update(ctx, func(tx Tx) error {
		kept, err := tx.Meta(metaPepper)
		if err == nil {
			return noPepper(kept)
		}
		if !errors.Is(err, ErrNotFound) {
			return err
		}
		pepper, err := s.store.Pepper(ctx, newPepper())
		if err != nil {
			return fmt.Errorf("keep a new pepper: %w", err)
		}
		if s.seal, err = newSeal(pepper); err != nil {
			return err
		}
		return s.claim(tx)
	})
}

// claim writes into an empty store which pepper it belongs to.
func (s *Service) claim(tx Tx) error {
	switch kept, err := tx.Meta(metaPepper); {
	case err == nil && kept != s.seal.fingerprint:
		return refuse(CodeUnavailable, "another node set this store up at the same moment, with its own pepper (fingerprint %s): "+
			"remove the pepper that was just made here, and copy that node's", kept)
	case err != nil && !errors.Is(err, ErrNotFound):
		return err
	}
	return tx.SetMeta(metaPepper, s.seal.fingerprint)
}

func noPepper(kept string) error {
	return refuse(CodeUnavailable, "the pepper is missing, and without it no key can be checked: copy it back from where it was saved, or here from another node (its fingerprint is %s)", kept)
}

// load fills the directory with what is at least as new as revision. It may be
// filled already, and what is told meanwhile is newer. Damaged rows are left out
// and reported: their keys are refused.
func (s *Service) load(ctx context.Context, revision int64) error {
	d := s.dir
	d.mu.Lock()
	again := d.filled
	d.fresh, d.revived = map[any]bool{}, KeyID{}
	if again {
		d.again = &reload{found: map[KeyID]bool{}, newest: map[KeyID]newest{}}
	}
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		d.fresh, d.again = nil, nil
		d.mu.Unlock()
	}()
	if err := s.store.View(ctx, s.loadOwners); err != nil {
		return fmt.Errorf("load organizations and projects: %w", err)
	}
	if !again {
		s.unburied = map[KeyID]Tombstone{}
	}
	err := s.store.Load(ctx, runtime.GOMAXPROCS(0), s.knownSince().Add(-forgetAfter).Unix(), func(batch []KeyRecord) error {
		bad := make([]error, len(batch))
		var buf packer
		for i := range batch {
			bad[i] = s.checkKey(&batch[i], &buf)
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		for i := range batch {
			r := &batch[i]
			if again {
				d.again.found[r.ID] = true
			}
			switch {
			case d.fresh[r.ID]:
				continue
			case again && bad[i] == nil && r.State == StateRevoked:
				s.bury(r, &buf)
			}
			if bad[i] == nil {
				bad[i] = d.putKey(r)
			}
			switch {
			case bad[i] != nil && again:
				d.dropKey(r)
				d.damaged[r.ID] = bad[i]
			case bad[i] != nil:
				d.damaged[r.ID] = bad[i]
			case again:
				delete(d.damaged, r.ID)
			case r.State == StateRevoked:
				s.unburied[r.ID] = Tombstone{Key: r.ID, At: r.RevokedAt}
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("load keys: %w", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if again {
		d.settle()
	}
	d.filled = true
	d.revision.Store(max(d.revision.Load(), revision))
	for id, why := range d.damaged {
		s.log.Error("a row was changed behind the server's back or is damaged: it is refused", "id", id, "why", why)
	}
	return nil
}

// knownSince is a time of which this process has known everything.
func (s *Service) knownSince() time.Time {
	if s.node != nil {
		if l := s.node.lease.Load(); !l.now.IsZero() {
			return l.now
		}
	}
	return s.now()
}

// bury owes the journal the tombstone of a key that another node revoked. Called
// with the directory's lock held, before the row is put.
func (s *Service) bury(r *KeyRecord, buf *packer) {
	if old, known := s.dir.former(r); known && old.flags&flagRevoked != 0 {
		return
	}
	t := Tombstone{Key: r.ID, At: r.RevokedAt}
	t.MAC = s.seal.mac(&t, buf)
	s.owed.owe(t)
}

func (s *Service) loadOwners(r Reader) error {
	d := s.dir
	d.mu.Lock()
	defer d.mu.Unlock()
	const page = 1000
	var buf packer
	for after := (OrganizationID{}); ; {
		list, err := r.Organizations(after, page)
		if err != nil {
			return err
		}
		for i := range list {
			after = list[i].ID
			if d.fresh[after] {
				continue
			}
			o, err := s.openOrganization(&list[i])
			if err != nil {
				d.damaged[after] = errMAC
				o = Organization{ID: after}
			}
			d.putOrganization(o)
		}
		if len(list) < page {
			break
		}
	}
	for after := (ProjectID{}); ; {
		list, err := r.Projects(OrganizationID{}, after, page, true)
		if err != nil {
			return err
		}
		for i := range list {
			after = list[i].ID
			if d.fresh[after] {
				continue
			}
			p, err := s.openProject(&list[i], &buf)
			if err != nil {
				d.damaged[list[i].ID] = err
				p = Project{ID: list[i].ID, Organization: list[i].Organization} // it is there, and closed
			}
			d.putProject(p)
		}
		if len(list) < page {
			break
		}
	}
	for after := (MemberID{}); ; {
		list, err := r.Members(OrganizationID{}, after, page, d.filled)
		if err != nil {
			return err
		}
		for i := range list {
			after = list[i].ID
			if d.fresh[after] {
				continue
			}
			m, err := s.openMember(&list[i])
			if err != nil {
				d.damaged[after] = err
				d.people.distrust(after)
				continue
			}
			d.people.put(&m)
		}
		if len(list) < page {
			return nil
		}
	}
}

// apply publishes what was committed, in commit order. After it returns every
// check that begins sees it.
func (s *Service) apply(c Committed) {
	d := s.dir
	d.mu.Lock()
	defer d.mu.Unlock()
	if planted.Is(planted.ChangeSkipped) && c.Revision%7 == 0 {
		d.revision.Store(c.Revision)
		return
	}
	var buf packer
	if s.node != nil && len(c.Organizations)+len(c.Projects)+len(c.Members)+len(c.Keys) == 0 {
		s.node.changed.Store(true) // a node became active, or nothing changed at all
	}
	for i := range c.Organizations {
		r := &c.Organizations[i]
		d.told(r.ID)
		o, err := s.openOrganization(r)
		if err != nil {
			s.log.Error("a committed organization cannot be believed: its keys are refused", "id", r.ID, "why", err)
			d.damaged[r.ID] = err
			o = Organization{ID: r.ID}
		}
		d.putOrganization(o)
	}
	for i := range c.Projects {
		r := &c.Projects[i]
		d.told(r.ID)
		p, err := s.openProject(r, &buf)
		if err != nil {
			s.log.Error("a committed project cannot be believed: its keys are refused", "id", r.ID, "why", err)
			d.damaged[r.ID] = err
			p = Project{ID: r.ID, Organization: r.Organization}
		}
		d.putProject(p)
	}
	for i := range c.Members {
		r := &c.Members[i]
		d.told(r.ID)
		m, err := s.openMember(r)
		if err != nil {
			s.log.Error("a committed member cannot be believed: they are refused", "id", r.ID, "why", err)
			d.damaged[r.ID] = err
			d.people.distrust(r.ID)
			continue
		}
		d.people.put(&m)
	}
	if s.node != nil {
		s.follow(c.Keys)
	}
	for i := range c.Keys {
		r := &c.Keys[i]
		d.told(r.ID)
		err := s.checkKey(r, &buf)
		if err == nil {
			err = d.putKey(r)
		}
		if err != nil {
			s.log.Error("a committed key cannot be believed: it is refused", "id", r.ID, "why", err)
			d.damaged[r.ID] = err
			d.dropKey(r)
			continue
		}
		delete(d.damaged, r.ID)
	}
	d.revision.Store(max(d.revision.Load(), c.Revision))
}

// follow sees to what a node owes before it puts keys that others changed. Called
// with the directory's lock held.
func (s *Service) follow(rows []KeyRecord) {
	var buf packer
	var lost []KeyRecord
	for i := range rows {
		r := &rows[i]
		if s.checkKey(r, &buf) != nil {
			continue
		}
		if r.State == StateRevoked {
			s.bury(r, &buf)
		}
		if s.dir.lost(r) {
			lost = append(lost, *r)
		}
	}
	if planted.Is(planted.MissedSecretKept) {
		return
	}
	s.dir.uproot(lost)
}

// told notes that a row was told of, which a load that runs may find as it was.
func (d *directory) told(id any) {
	if d.fresh != nil {
		d.fresh[id] = true
	}
}
