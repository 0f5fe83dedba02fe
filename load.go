package halberd

import (
	"context"
	"errors"
	"fmt"
	"runtime"
)

// What New does before anything is answered, and how what is committed later
// reaches the directory.

// openSeal finds the pepper and proves that it belongs to the store. A new one
// is made only where there is neither a pepper nor anything that needs one.
func (s *Service) openSeal(ctx context.Context, pepper []byte) error {
	var kept string
	var revision int64
	err := s.store.View(ctx, func(r Reader) (err error) {
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
		return fmt.Errorf("read the store: %w", err)
	}
	if pepper == nil {
		pepper, err = s.store.Pepper(ctx, nil)
		switch {
		case errors.Is(err, ErrNotFound) && kept == "" && revision == 0:
			if pepper, err = s.store.Pepper(ctx, newPepper()); err != nil {
				return fmt.Errorf("keep a new pepper: %w", err)
			}
		case errors.Is(err, ErrNotFound):
			return refuse(CodeUnavailable, "the pepper is missing, and without it no key can be checked: copy it back from where it was saved (its fingerprint is %s)", kept)
		case err != nil:
			return fmt.Errorf("read the pepper: %w", err)
		}
	}
	if s.seal, err = newSeal(pepper); err != nil {
		return err
	}
	switch {
	case kept == s.seal.fingerprint:
		return nil
	case kept != "":
		return refuse(CodeUnavailable, "this pepper (fingerprint %s) does not belong to this store (fingerprint %s): copy the right one back", s.seal.fingerprint, kept)
	case revision != 0:
		return refuse(CodeUnavailable, "the store has keys but no pepper fingerprint: it was damaged or edited; restore a backup")
	}
	return s.update(ctx, func(tx Tx) error { return tx.SetMeta(metaPepper, s.seal.fingerprint) })
}

// load fills the directory. Damaged rows are left out and reported: their keys
// are refused.
func (s *Service) load(ctx context.Context) error {
	d := s.dir
	err := s.store.View(ctx, func(r Reader) error {
		rev, err := r.Revision()
		if err != nil {
			return err
		}
		d.revision.Store(rev)
		return s.loadOwners(r)
	})
	if err != nil {
		return fmt.Errorf("load organizations and projects: %w", err)
	}
	since := s.now().Add(-forgetAfter).Unix()
	s.unburied = map[KeyID]Tombstone{}
	err = s.store.Load(ctx, runtime.GOMAXPROCS(0), since, func(batch []KeyRecord) error {
		bad := make([]error, len(batch))
		var buf packer
		for i := range batch {
			bad[i] = s.checkKey(&batch[i], &buf)
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		for i := range batch {
			if bad[i] == nil {
				bad[i] = d.putKey(&batch[i])
			}
			if bad[i] != nil {
				d.damaged[batch[i].ID] = bad[i]
			} else if batch[i].State == StateRevoked {
				s.unburied[batch[i].ID] = Tombstone{Key: batch[i].ID, At: batch[i].RevokedAt}
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("load keys: %w", err)
	}
	for id, why := range d.damaged {
		s.log.Error("a row was changed behind the server's back or is damaged: it is refused", "id", id, "why", why)
	}
	return nil
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
			if o := &list[i]; s.seal.genuine(o, o.MAC, &buf) {
				d.putOrganization(o.organization())
			} else {
				d.damaged[o.ID] = errMAC
			}
			after = list[i].ID
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
		list, err := r.Members(OrganizationID{}, after, page, false)
		if err != nil {
			return err
		}
		for i := range list {
			after = list[i].ID
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
	var buf packer
	for i := range c.Organizations {
		r := &c.Organizations[i]
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
		m, err := s.openMember(r)
		if err != nil {
			s.log.Error("a committed member cannot be believed: they are refused", "id", r.ID, "why", err)
			d.damaged[r.ID] = err
			d.people.distrust(r.ID)
			continue
		}
		d.people.put(&m)
	}
	for i := range c.Keys {
		r := &c.Keys[i]
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
	d.revision.Store(c.Revision)
}
