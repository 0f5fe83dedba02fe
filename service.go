package halberd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/halberdhq/halberd/internal/tally"
)

// Service is the product: it issues, lists, edits, rotates, revokes and checks
// keys. Every method asks the same gate before it does anything. Safe for
// concurrent use.
type Service struct {
	store Store
	seal  *seal
	dir   *directory
	tally tally.Tally
	log   *slog.Logger
	clock func() time.Time
	born  time.Time // the base of the monotonic clock that limits run on

	denials  denials
	verdicts [len(verdictNames)]atomic.Int64

	unburied map[KeyID]Tombstone // while New runs: revoked keys that the journal may lack

	closing  chan struct{}
	closed   atomic.Bool
	flushing sync.Mutex // held while the tally is drained and stored
	done     sync.WaitGroup
}

// Options tune a Service. The zero Options are right for most.
type Options struct {
	// Pepper replaces the one the store keeps; for secret stores. PepperLen
	// random bytes, or several layers of them. nil: the store's.
	Pepper []byte
	// Now is the clock; nil is time.Now. It must carry a monotonic reading, or
	// never go back, for limits to be exact.
	Now func() time.Time
	// Logger is told what an operator should know, never a secret. nil
	// discards.
	Logger *slog.Logger
	// FlushEvery is how long counts stay in memory only; zero is a second.
	FlushEvery time.Duration
}

const (
	metaPepper = "pepper_fingerprint"

	// A revoked key leaves the index this long after; its row stays.
	forgetAfter = 90 * 24 * time.Hour
)

// New reads every key of the store into memory and returns when the answers
// are complete. It refuses a store whose pepper is missing or another one. The
// store is the Service's from now on: Close closes it.
func New(ctx context.Context, store Store, o Options) (*Service, error) {
	s := &Service{
		store: store, log: o.Logger, clock: o.Now, closing: make(chan struct{}),
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.clock == nil {
		s.clock = time.Now
	}
	s.born = s.clock()
	s.dir = newDirectory(s.tally.Grow)
	if err := s.openSeal(ctx, o.Pepper); err != nil {
		return nil, err
	}
	store.Follow(s.apply)
	if err := s.load(ctx); err != nil {
		return nil, err
	}
	if err := s.replayTombstones(ctx); err != nil {
		return nil, err
	}
	every := o.FlushEvery
	if every <= 0 {
		every = time.Second
	}
	s.done.Go(func() { s.flushLoop(every) })
	return s, nil
}

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
	return s.store.Update(ctx, func(tx Tx) error { return tx.SetMeta(metaPepper, s.seal.fingerprint) })
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
				continue
			}
			d.putProject(p)
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

var errMAC = errors.New("its MAC is wrong") // of a row

// checkKey reports why a key's row must not be believed, or nil.
func (s *Service) checkKey(r *KeyRecord, buf *packer) error {
	if r.PepperID != s.seal.layers {
		return fmt.Errorf("it is under pepper %d, not %d", r.PepperID, s.seal.layers)
	}
	if !s.seal.genuine(r, r.MAC, buf) {
		return errMAC
	}
	return nil
}

// openKey reads a row that a Reader gave.
func (s *Service) openKey(r *KeyRecord) (Key, error) {
	var buf packer
	if err := s.checkKey(r, &buf); err != nil {
		return Key{}, damagedRow(r.ID, err)
	}
	k, err := r.key()
	if !s.now().Before(k.PreviousExpiresAt) {
		k.PreviousExpiresAt = time.Time{} // an overlap that ended is over
	}
	return k, err
}

func (s *Service) openProject(r *ProjectRecord, buf *packer) (Project, error) {
	if !s.seal.genuine(r, r.MAC, buf) {
		return Project{}, damagedRow(r.ID, errMAC)
	}
	return r.project()
}

func damagedRow(id fmt.Stringer, why error) *Error {
	return &Error{
		Code: CodeUnavailable, Message: fmt.Sprintf("the row of %s was changed behind the server's back or is damaged; it is refused until it is restored (hb doctor)", id),
		Err: why,
	}
}

// replayTombstones revokes what the journal says was revoked: a restored
// backup revives nothing. Revocations the journal does not have yet are added.
func (s *Service) replayTombstones(ctx context.Context) error {
	told := map[KeyID]bool{}
	var revive []Tombstone
	forged := 0
	damaged, err := s.store.Tombstones(ctx, func(t Tombstone) error {
		var buf packer
		if !s.seal.genuine(&t, t.MAC, &buf) {
			forged++
			return nil
		}
		delete(s.unburied, t.Key)
		if !told[t.Key] {
			told[t.Key] = true
			revive = append(revive, t)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the journal of revocations: %w", err)
	}
	if damaged+forged > 0 {
		s.log.Error("the journal of revocations has lines that cannot be believed: they were passed over", "unreadable", damaged, "forged", forged)
	}
	for len(revive) > 0 {
		n := min(len(revive), 1000)
		if err := s.revokeEntombed(ctx, revive[:n]); err != nil {
			return fmt.Errorf("replay the journal of revocations: %w", err)
		}
		revive = revive[n:]
	}
	missing := make([]Tombstone, 0, len(s.unburied))
	var buf packer
	for _, t := range s.unburied {
		t.MAC = s.seal.mac(&t, &buf)
		missing = append(missing, t)
	}
	s.unburied = nil
	if len(missing) == 0 {
		return nil
	}
	if err := s.store.Entomb(ctx, missing); err != nil {
		return fmt.Errorf("complete the journal of revocations: %w", err)
	}
	return nil
}

// revokeEntombed revokes those of ts whose rows are not revoked.
func (s *Service) revokeEntombed(ctx context.Context, ts []Tombstone) error {
	return s.store.Update(ctx, func(tx Tx) error {
		for _, t := range ts {
			r, err := tx.Key(t.Key)
			if errors.Is(err, ErrNotFound) || (err == nil && r.State == StateRevoked) {
				continue
			}
			if err != nil {
				return err
			}
			k, err := s.openKey(&r)
			if err != nil {
				continue // a damaged row is refused anyway
			}
			by := Root("revoked.log")
			if err := s.revokeIn(tx, by, &r, k, instant(t.At), "revoked before this copy of the database was restored"); err != nil {
				return err
			}
			s.log.Warn("a key that had been revoked was active in the database: revoked again", "key", k.ID)
		}
		return nil
	})
}

// Now is the present on the Service's clock, in UTC: what Key.StateAt is asked
// with.
func (s *Service) Now() time.Time { return s.now() }

// now is the time in UTC.
func (s *Service) now() time.Time { return s.clock().UTC() }

// stamp is now as it is stored.
func (s *Service) stamp() time.Time { return s.now().Truncate(time.Second) }

func (s *Service) flushLoop(every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.flush(context.Background())
		case <-s.closing:
			return
		}
	}
}

// flush hands the counts to the store. What cannot be stored is dropped and
// said: counting must never stand in the way of a check.
func (s *Service) flush(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := s.flushDenials(ctx); err != nil && !errors.Is(err, ErrClosed) {
		s.log.Error("denied attempts could not be written to the audit log", "why", err)
	}
	if err := s.flushUsage(ctx); err != nil && !errors.Is(err, ErrClosed) {
		s.log.Error("usage counts could not be stored and were dropped", "why", err)
	}
}

// Close flushes the counts and closes the store. Checks answer UNAVAILABLE
// afterwards.
func (s *Service) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	close(s.closing)
	s.done.Wait()
	s.flush(context.Background())
	return s.store.Close()
}

// Stats is what the instance can say of itself without names or ids.
type Stats struct {
	Keys     int                   // digests in the index
	Revision int64                 // of the last change applied
	Damaged  int                   // rows refused
	Verdicts map[VerdictCode]int64 // since the start; VALID up to the last flush
}

// Stats counts for dashboards.
func (s *Service) Stats() Stats {
	s.dir.mu.Lock()
	damaged := len(s.dir.damaged)
	s.dir.mu.Unlock()
	st := Stats{Keys: s.dir.keys.Len(), Revision: s.dir.revision.Load(), Damaged: damaged, Verdicts: map[VerdictCode]int64{}}
	for i, name := range verdictNames {
		st.Verdicts[name] = s.verdicts[i].Load()
	}
	return st
}

// outward turns what an engine returned into the error a caller may see.
func outward(err error) error {
	if err == nil {
		return nil
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	switch {
	case errors.Is(err, ErrNotFound):
		return errNotFound()
	case errors.Is(err, ErrConflict):
		return &Error{Code: CodeConflict, Message: "it was changed meanwhile; read it again and retry", Err: err}
	case errors.Is(err, ErrClosed), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return &Error{Code: CodeUnavailable, Message: "not available now; try again", RetryAfter: time.Second, Err: err}
	}
	return &Error{Code: CodeInternal, Message: "internal error", Err: err}
}
