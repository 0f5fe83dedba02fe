package halberd

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/halberdhq/halberd/internal/tally"
)

// Service is the product: it issues, lists, edits, rotates, revokes and checks
// keys. Every method asks the same gate before it does anything. Safe for
// concurrent use.
type Service struct {
	store         Store
	seal          *seal
	dir           *directory
	tally         tally.Tally[identity]
	uses          tally.Samples // by whom keys were used since the last flush
	log           *slog.Logger
	clock         func() time.Time
	node          *node  // nil: the store is this process's alone
	name, version string // for people

	limiter    *limiter
	shared     SharedLimits  // nil: none
	stored     *storedLimits // nil: the store is this process's alone
	alone      atomic.Bool   // the shared place is away: this node grants its own parts
	management []readyLimit  // of each credential's calls; empty: none
	quotas     *quotas

	endpoints Endpoints // nil: there are no webhooks
	passwords Passwords // nil: no one signs in by password
	decoyOnce sync.Once // guards the hash that unknown members are compared with
	decoyHash string
	decoyErr  error

	denials   denials
	guesses   guesses
	strangers strangers // bad keys by where they came from
	watch     watch
	// Tries to sign in by password.
	byEmail, byAddress guesses
	verdicts           [len(verdictNames)]atomic.Int64

	owed     debts
	unburied map[KeyID]Tombstone // while New runs: revoked keys that the journal may lack

	filled   chan struct{} // of one place: see OutboxFilled
	closing  chan struct{}
	stop     context.CancelFunc // of node.life; nil: there is no node
	closed   atomic.Bool
	flushing sync.Mutex // held while the tally is drained and stored
	flushed  usageFlush
	done     sync.WaitGroup
}

// Options tune a Service. The zero Options are right for most.
type Options struct {
	// Pepper replaces the one the store keeps; for secret stores. PepperLen
	// random bytes, or several layers of them. nil: the store's.
	Pepper []byte
	// Passwords keeps members' passwords; nil: no one signs in by password.
	Passwords Passwords
	// Endpoints judges the addresses of webhooks; nil: none can be made.
	Endpoints Endpoints
	// Now is the clock; nil is time.Now. It must carry a monotonic reading, or
	// never go back, for limits to be exact; on several nodes it must run at the rate
	// of theirs, within a few percent, or what was revoked may live on.
	Now func() time.Time
	// Logger is told what an operator should know, never a secret. nil
	// discards.
	Logger *slog.Logger
	// FlushEvery is how long counts stay in memory only; zero is a second.
	FlushEvery time.Duration
	// GuessesPerMinute and GuessBurst bound how many bad credentials an address
	// may present before it is answered RATE_LIMITED instead of UNAUTHORIZED.
	// Zero: no bound.
	GuessesPerMinute, GuessBurst int
	// Lease is how long at least a node of several answers without reaching the store: what
	// an outage of the store is survived by, and what a revocation waits for where a
	// node cannot be reached. MinLease to MaxLease; zero: ten seconds.
	Lease time.Duration
	// NodeName and Version are shown to people in the list of nodes.
	NodeName, Version string
	// SharedLimits keeps where rate limits stand for all nodes, exactly. nil: each
	// node grants its part. It is the Service's from now on: Close closes it.
	SharedLimits SharedLimits
	// ManagementPerMinute and ManagementBurst bound the calls that one credential
	// may make through a surface, checks apart (see Charge). Zero: no bound.
	ManagementPerMinute, ManagementBurst int
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
		store: store, log: o.Logger, clock: o.Now, passwords: o.Passwords, endpoints: o.Endpoints, shared: o.SharedLimits,
		filled: make(chan struct{}, 1), closing: make(chan struct{}),
		name: o.NodeName, version: o.Version,
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.clock == nil {
		s.clock = time.Now
	}
	_, _ = rand.Read(s.flushed.writer[:]) // never fails
	s.limiter = newLimiter(s.clock)
	s.management = managementLimit(o.ManagementPerMinute, o.ManagementBurst)
	s.guesses = newGuesses(s.clock(), o.GuessesPerMinute, o.GuessBurst)
	if s.passwords != nil {
		s.byEmail = newGuesses(s.clock(), emailTries, emailBurst)
		s.byAddress = newGuesses(s.clock(), addressTries, addressBurst)
	}
	s.quotas = newQuotas(store, &s.limiter.seeds, s.now)
	s.dir = newDirectory(&s.tally)
	if c, several := store.(Cluster); several {
		var err error
		if s.node, err = newNode(s, c, &o); err != nil {
			return nil, err
		}
		s.quotas.peers = s.node.peers.Load
		s.stored = newStoredLimits(s)
	}
	store.Follow(s.apply)
	if err := s.openSeal(ctx, o.Pepper); err != nil {
		return nil, err
	}
	if err := s.open(ctx); err != nil {
		if s.stop != nil {
			s.stop()
			s.done.Wait()
		}
		return nil, err
	}
	if lost := s.quotas.forfeited; lost.Uses > 0 {
		s.log.Warn("uses of quotas were forfeited: the server before this one did not end cleanly", "quotas", lost.Quotas, "uses", lost.Uses)
	}
	every := o.FlushEvery
	if every <= 0 {
		every = time.Second
	}
	s.done.Go(func() { s.flushLoop(every) })
	if s.node != nil {
		s.done.Go(func() { s.node.run(s.node.life) })
	}
	return s, nil
}

// open fills the directory and, on several nodes, makes this process one of them.
func (s *Service) open(ctx context.Context) error {
	if s.node != nil {
		return s.node.begin(ctx)
	}
	var revision int64
	if err := s.store.View(ctx, func(r Reader) (err error) {
		revision, err = r.Revision()
		return err
	}); err != nil {
		return fmt.Errorf("read the store: %w", err)
	}
	return s.fill(ctx, revision)
}

// fill is the first load, with what it needs to be right.
func (s *Service) fill(ctx context.Context, revision int64) error {
	if err := s.load(ctx, revision); err != nil {
		return err
	}
	if err := s.replayTombstones(ctx); err != nil {
		return err
	}
	if err := s.quotas.open(ctx); err != nil {
		return fmt.Errorf("read the quotas: %w", err)
	}
	return nil
}

// Now is the present on the Service's clock, in UTC: what Key.StateAt is asked
// with.
func (s *Service) Now() time.Time { return s.now() }

// now is the time in UTC: on several nodes the database's, the same for all.
func (s *Service) now() time.Time { return s.dated(s.clock()).UTC() }

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

// flush hands the counts to the store. What cannot be stored waits, within
// bounds, and is said: counting must never stand in the way of a check.
func (s *Service) flush(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if err := s.flushDenials(ctx); err != nil && !errors.Is(err, ErrClosed) {
		s.log.Error("denied attempts could not be written to the audit log", "why", err)
	}
	if err := s.flushUsage(ctx); err != nil && !errors.Is(err, ErrClosed) {
		s.log.Error("usage counts could not be stored yet", "why", err)
	}
}

// Close flushes the counts and closes the store. Checks answer UNAVAILABLE
// afterwards.
func (s *Service) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	close(s.closing)
	if s.stop != nil {
		s.stop()
	}
	s.done.Wait()
	s.flush(context.Background())
	ctx, cancel := context.WithTimeout(context.Background(), giveBackLimit)
	defer cancel()
	if err := s.quotas.close(ctx); err != nil {
		s.log.Error("what was left of quotas could not be given back and is forfeited", "why", err)
	}
	if s.stored != nil {
		s.stored.Close()
	}
	if s.shared != nil {
		s.shared.Close()
	}
	if s.node != nil {
		s.node.end()
	}
	return s.store.Close()
}

// Stats is what the instance can say of itself without names or ids.
type Stats struct {
	Keys     int                   // digests in the index
	Revision int64                 // of the last change applied
	Damaged  int                   // rows refused
	Verdicts map[VerdictCode]int64 // since the start; VALID up to the last flush
	Guesses  int64                 // bad credentials beyond the bound of their address, since the start
	Usage    UsageStats
	Node     *NodeStats // nil: the store is this process's alone

	Forfeited Forfeits // when this Service began
}

// UsageStats is how the counts of checks get into the store, since the start.
type UsageStats struct {
	Flushes int64         // tries to store what was counted
	Took    time.Duration // all of them together
	Failed  int64         // tries after which counts waited on
	Waiting int64         // counts that wait for the store now
	Dropped int64         // checks that are in no count any more: too much waited
}

// Stats counts for dashboards.
func (s *Service) Stats() Stats {
	s.dir.mu.Lock()
	damaged := len(s.dir.damaged)
	s.dir.mu.Unlock()
	st := Stats{
		Keys: s.dir.keys.Len(), Revision: s.dir.revision.Load(), Damaged: damaged, Verdicts: map[VerdictCode]int64{},
		Guesses: s.guesses.beyond.Load(), Usage: s.flushed.stats(s.tally.Dropped()),
		Forfeited: s.quotas.forfeited,
	}
	if s.node != nil {
		st.Node = s.node.stats()
	}
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
	case errors.Is(err, ErrHistory), errors.Is(err, ErrFenced):
		return &Error{Code: CodeUnavailable, Message: "this node lost its place among the others; ask another node", RetryAfter: time.Second, Err: err}
	case errors.Is(err, ErrClosed), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return &Error{Code: CodeUnavailable, Message: "not available now; try again", RetryAfter: time.Second, Err: err}
	}
	return &Error{Code: CodeInternal, Message: "internal error", Err: err}
}
