// Package postgres is the engine that many nodes share: a PostgreSQL, and a
// folder of each node's own for what must stay out of every database.
//
//	the database  keys, projects, organizations, audit, usage, and what nodes
//	              know of each other
//	pepper        what digests are made with: the same file on every node
//	revoked.log   one line for each revoked key that this node was told of
//	lock          held while a Store is open
//
// Start at Open. Updates are in update.go: each locks one row first, so they
// come one after the other whichever node makes them. What one node changes the
// others are told of in follow.go; nodes.go keeps the list of them. Every wait
// for the database has a bound; a commit is waited for, never canceled.
package postgres

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/storage/internal/keeper"
)

// Options tune a Store. The zero value is right for nearly everyone.
type Options struct {
	// Connections bounds how many Views and Updates are under way at once; a few
	// more connections are kept for counts and for the other nodes. 0: 8.
	Connections int
	// Password outweighs the address's, PGPASSWORD and the password file.
	Password halberd.Secret
	// Existing refuses a database whose schema is not this version's, instead of
	// changing it.
	Existing bool
	// StartTimeout is how long Open waits for a database that does not answer
	// yet, or that another node brings to a new schema. 0: 30 s.
	StartTimeout time.Duration
	// Log is told what an operator must know and no caller can be: nil is
	// slog.Default.
	Log *slog.Logger
}

// Store is a halberd.Store and a halberd.Cluster in a PostgreSQL.
type Store struct {
	folder *keeper.Folder
	keeper *keeper.Keeper
	log    *slog.Logger

	pool    *pgxpool.Pool // Views and Updates
	control *pgxpool.Pool // what nodes tell each other: it waits behind no list
	loose   *pgxpool.Pool // what a crash of the database may lose the last of

	turn     chan struct{} // holds a value while an Update of this process is under way
	patience time.Duration // commitTime
	absent   absence
	follow   follower
	ears     listener

	gate struct {
		sync.RWMutex // held for reading while a call comes in
		closed       bool
		inside       sync.WaitGroup // calls under way
	}
	life context.Context // ends with Close, once the calls under way have ended
	end  context.CancelFunc
	late sync.WaitGroup // goroutines that end with life
}

var (
	_ halberd.Store     = (*Store)(nil)
	_ halberd.Cluster   = (*Store)(nil)
	_ halberd.ClusterTx = (*tx)(nil)
)

// What Open may refuse, besides what the system and the database say.
var (
	// ErrInUse says that another process, or another Store, holds the folder.
	ErrInUse = keeper.ErrInUse
	// ErrNewer says that a newer version of Halberd has used the database.
	ErrNewer = errors.New("the database was used by a newer version of Halberd")
	// ErrUnsuitable says that the database is not such as Halberd needs.
	ErrUnsuitable = errors.New("the database cannot be used")
)

// Open connects to the database that address names, in PostgreSQL's own words
// (postgres://user@host/name, or name=value pairs; what it leaves out comes from
// PGPASSWORD and its like), brings its schema to this version's, and opens the
// folder dir. It waits for a database that does not answer yet.
func Open(ctx context.Context, address, dir string, options Options) (_ *Store, err error) {
	if options.Log == nil {
		options.Log = slog.Default()
	}
	if options.Connections <= 0 {
		options.Connections = 8
	}
	if options.StartTimeout <= 0 {
		options.StartTimeout = 30 * time.Second
	}
	config, err := parse(address)
	if err != nil {
		return nil, err
	}
	if p := options.Password.Reveal(); p != "" {
		config.ConnConfig.Password = p
	}
	s := &Store{log: options.Log, turn: make(chan struct{}, 1), patience: commitTime}
	s.life, s.end = context.WithCancel(context.WithoutCancel(ctx))
	s.ears.woken = make(chan struct{}, 1)
	defer func() {
		if err != nil {
			err = errors.Join(err, s.release())
		}
	}()
	if s.folder, err = keeper.Open(dir); err != nil {
		return nil, fmt.Errorf("opening the data folder: %w", err)
	}
	if s.keeper, err = s.folder.Keep(options.Log); err != nil {
		return nil, fmt.Errorf("opening the data folder: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, options.StartTimeout)
	defer cancel()
	if err := s.start(ctx, config, options); err != nil {
		return nil, fmt.Errorf("opening the database: %w", err)
	}
	return s, nil
}

// start makes the database ready and connects to it. One that goes away meanwhile
// is waited for like one that was never there; ctx bounds that.
func (s *Store) start(ctx context.Context, config *pgxpool.Config, o Options) error {
	for wait := startAgain; ; wait = min(2*wait, startAtMost) {
		err := s.begun(ctx, config, o)
		if !Away(err) || ctx.Err() != nil {
			return err
		}
		s.closePools()
		o.Log.Warn("the database went away during the start: waiting for it", "why", err)
		again := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			again.Stop()
			return err
		case <-again.C:
		}
	}
}

// begun is one try of start.
func (s *Store) begun(ctx context.Context, config *pgxpool.Config, o Options) error {
	if err := prepare(ctx, config, o); err != nil {
		return err
	}
	if err := s.connect(ctx, config, o.Connections); err != nil {
		return err
	}
	if _, err := s.rewind(ctx); err != nil {
		return err
	}
	findings, err := s.Durability(ctx)
	if err != nil {
		return err
	}
	for _, f := range findings {
		o.Log.Warn("A REVOCATION MAY BE LOST with this database", "why", f)
	}
	return nil
}

// enter begins a call; the function it returns ends it.
func (s *Store) enter(ctx context.Context) (leave func(), err error) {
	s.gate.RLock()
	defer s.gate.RUnlock()
	if s.gate.closed {
		return nil, halberd.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.gate.inside.Add(1)
	return s.gate.inside.Done, nil
}

// View implements halberd.Store. It waits while as many run as there are
// connections, so a View inside a View may wait for itself.
func (s *Store) View(ctx context.Context, fn func(halberd.Reader) error) error {
	leave, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	c, err := s.beginPresent(ctx, s.pool, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
	if err != nil {
		return err
	}
	defer s.undo(c)
	return fn(reader{c.Conn(), ctx})
}

// Close implements halberd.Store.
func (s *Store) Close() error {
	s.gate.Lock()
	closed := s.gate.closed
	s.gate.closed = true
	s.gate.Unlock()
	if closed {
		return halberd.ErrClosed
	}
	s.gate.inside.Wait()
	return s.release()
}

// release closes whatever has been opened; the folder's lock goes last.
func (s *Store) release() (err error) {
	s.end()
	s.late.Wait()
	s.closePools()
	if s.keeper != nil {
		err = s.keeper.Close()
	}
	if s.folder != nil {
		err = errors.Join(err, s.folder.Close())
	}
	return err
}

func (s *Store) closePools() {
	for _, p := range []**pgxpool.Pool{&s.pool, &s.control, &s.loose} {
		if *p != nil {
			(*p).Close()
			*p = nil
		}
	}
}
