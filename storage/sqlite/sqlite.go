// Package sqlite is the default engine: one folder, one process, nothing else
// to start.
//
//	halberd.db   keys, projects, organizations, audit, idempotency; every
//	             change is on the disk before its Update returns
//	usage.db     counts and last-used times; a crash may lose the last second
//	pepper       what digests are made with, never in a database
//	revoked.log  one line for each revoked key, outliving restored backups
//	lock         held while a Store is open
//
// Start at Open. All changes go through one goroutine (writer.go), which
// gathers waiting Updates into one disk write; lists are in list.go, the fast
// reading of all keys at start is in load.go, the files that are no database in
// keeper.go, copies and checks in backup.go and integrity.go.
package sqlite

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/storage/internal/keeper"
)

// Options tune a Store. The zero value is right for nearly everyone.
type Options struct {
	// Readers is how many Views may run at once. 0: 4, or the number of
	// processors if that is more.
	Readers int
	// Log is told what an operator must know and no caller can be: nil is
	// slog.Default.
	Log *slog.Logger
}

// Store is a halberd.Store in a folder.
type Store struct {
	folder  *folder
	writer  *writer
	readers chan *conn // those at rest
	usage   *usageLog
	keeper  *keeper.Keeper

	gate struct {
		sync.RWMutex // held for reading while a call comes in
		closed       bool
		inside       sync.WaitGroup // calls under way
	}
}

var _ halberd.Store = (*Store)(nil)

// Open opens the folder dir, and makes it when it is not there. It refuses a
// folder that another Store holds (ErrInUse), that was used by a newer version
// (ErrNewer), or in which something is missing or cut short (ErrDamaged): a
// new database is only made where there are no traces of an old one.
func Open(ctx context.Context, dir string, options Options) (_ *Store, err error) {
	held, err := keeper.Open(dir)
	if err != nil {
		return nil, fmt.Errorf("opening the data folder: %w", err)
	}
	f := &folder{held}
	if options.Log == nil {
		options.Log = slog.Default()
	}
	s := &Store{folder: f}
	defer func() {
		if err != nil {
			err = fmt.Errorf("opening the data folder: %w", errors.Join(err, s.release()))
		}
	}()
	if err := errors.Join(f.removeBackups(), f.prepare(ctx)); err != nil {
		return nil, err
	}
	if s.usage, err = openUsage(ctx, f); err != nil {
		return nil, err
	}
	if s.writer, err = openWriter(ctx, f, s.usage, options.Log); err != nil {
		return nil, err
	}
	if err := s.compareMark(options.Log); err != nil {
		return nil, err
	}
	n := options.Readers
	if n <= 0 {
		n = max(4, runtime.GOMAXPROCS(0))
	}
	s.readers = make(chan *conn, n)
	for range n {
		c, err := connectReader(ctx, f)
		if err != nil {
			return nil, err
		}
		s.readers <- c
	}
	if s.keeper, err = f.Keep(options.Log); err != nil {
		return nil, err
	}
	go s.writer.run()
	return s, nil
}

// compareMark notices a database that went back in time. An empty one where
// there were changes is refused; one that is merely older may be a restored
// backup, which is allowed, and said aloud.
func (s *Store) compareMark(log *slog.Logger) error {
	seen, found := s.folder.Marked(), s.writer.census.revision
	if seen <= found {
		return nil
	}
	if found == 0 {
		return fmt.Errorf("%s is empty, and it held %d changes: %w; was %s-wal deleted? Put it back, or restore a backup",
			s.folder.File(keysName), seen, ErrDamaged, keysName)
	}
	log.Warn("the database is older than what this folder has held: a backup was restored, or "+keysName+"-wal was deleted or damaged",
		"folder", s.folder.Path, "revision", found, "revision_seen", seen)
	return nil
}

// connectReader opens a connection that cannot write, with the usage beside.
func connectReader(ctx context.Context, f *folder) (*conn, error) {
	return connect(ctx, f.File(keysName), attachUsage(f), "PRAGMA query_only = 1")
}

func attachUsage(f *folder) string {
	return "ATTACH '" + fileURI(f.File(usageName), "ro") + "' AS usage" // a URI holds no quotes
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

// Follow implements halberd.Store.
func (s *Store) Follow(fn func(halberd.Committed)) { s.writer.follow = fn }

// View implements halberd.Store. It waits while as many Views run as there are
// readers, so a View inside a View may wait for itself.
func (s *Store) View(ctx context.Context, fn func(halberd.Reader) error) (err error) {
	leave, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	var c *conn
	select {
	case c = <-s.readers:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { s.readers <- c }()
	if _, err := c.exec("BEGIN"); err != nil {
		return unavailable(err)
	}
	defer func() {
		if _, e := c.exec("ROLLBACK"); e != nil && err == nil {
			err = unavailable(e)
		}
	}()
	return fn(reader{c, ctx, s.usage})
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
	close(s.writer.queue)
	<-s.writer.ended
	return s.release()
}

// release closes whatever has been opened; the lock goes last.
func (s *Store) release() (err error) {
	if s.keeper != nil {
		err = errors.Join(err, s.keeper.Close())
	}
	for len(s.readers) > 0 {
		err = errors.Join(err, (<-s.readers).close())
	}
	if s.writer != nil && s.writer.conn != nil {
		err = errors.Join(err, s.writer.conn.close())
	}
	if s.usage != nil {
		err = errors.Join(err, s.usage.conn.close())
	}
	return errors.Join(err, s.folder.Close())
}
