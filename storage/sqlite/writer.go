package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"

	"github.com/halberdhq/halberd"
)

// groupMax bounds how many Updates share one disk write.
const groupMax = 256

// writer is the one goroutine that changes halberd.db. It gathers the Updates
// that wait into one transaction, each but the first inside a savepoint of its
// own, so that one sync of the disk serves all and one that fails harms no
// other. The
// functions themselves run on the goroutines of their callers, one after the
// other: a panic, or a test that ends, unwinds where it belongs.
type writer struct {
	folder *folder
	conn   *conn
	census census
	follow func(halberd.Committed)
	log    *slog.Logger
	usage  *usageLog
	failed error         // a sync failed: nothing is committed any more
	queue  chan *waiting // closed by Close, when no call is under way
	ended  chan struct{} // closed when run returns
}

// errUnsynced is why nothing is written after a failed sync. The system may have
// dropped what it could not write and say of the next sync that all is well, so
// only a new process, which reads what is on the disk, may go on.
var errUnsynced = errors.New("a sync of the disk has failed")

// census is the row of that name.
type census struct{ revision, keys int64 }

// waiting is one Update. Both channels hold one value, so that a caller who
// has gone away holds up nobody.
type waiting struct {
	turn    chan turn
	over    chan bool  // from the caller: fn has run, and its changes are to be kept
	outcome chan error // from the writer, once a kept change is on the disk, or not
	tx      *tx
}

type turn struct {
	tx  *tx
	err error
}

func openWriter(ctx context.Context, f *folder, usage *usageLog, log *slog.Logger) (*writer, error) {
	w := &writer{folder: f, usage: usage, log: log, queue: make(chan *waiting, groupMax), ended: make(chan struct{})}
	if err := w.connect(ctx); err != nil {
		if w.conn != nil {
			err = errors.Join(err, w.conn.close())
		}
		return nil, damage(fmt.Errorf("%s: %w", f.File(keysName), err))
	}
	return w, nil
}

func (w *writer) connect(ctx context.Context) (err error) {
	w.conn, err = connect(ctx, w.folder.File(keysName),
		"PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "PRAGMA wal_autocheckpoint = 4000",
		"PRAGMA cache_size = -65536", "PRAGMA temp_store = MEMORY", // savepoints undone from memory
		attachUsage(w.folder))
	if err != nil {
		return err
	}
	return w.count(ctx)
}

func (w *writer) count(ctx context.Context) error {
	found, err := w.conn.one(ctx, "SELECT revision, keys FROM census", nil, w.census.read)
	if err == nil && !found {
		err = fmt.Errorf("%w: the census is missing", ErrDamaged)
	}
	return err
}

// Update implements halberd.Store.
func (s *Store) Update(ctx context.Context, fn func(halberd.Tx) error) error {
	leave, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	u := &waiting{turn: make(chan turn, 1), over: make(chan bool, 1), outcome: make(chan error, 1)}
	select {
	case s.writer.queue <- u:
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case t := <-u.turn:
		if t.err != nil {
			return t.err
		}
		return u.run(ctx, t.tx, fn)
	case <-ctx.Done():
		u.over <- false
		return ctx.Err()
	}
}

func (u *waiting) run(ctx context.Context, t *tx, fn func(halberd.Tx) error) error {
	kept := false
	defer func() { // also when fn panics, or ends its goroutine
		if !kept {
			u.over <- false
		}
	}()
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := fn(t); err != nil {
		return err
	}
	if t.broken != nil {
		return t.broken
	}
	kept = true
	u.over <- true
	return <-u.outcome
}

func (w *writer) run() {
	defer close(w.ended)
	for u := range w.queue {
		w.group(u)
	}
}

// group serves first and whoever else is waiting, then commits once for all.
func (w *writer) group(first *waiting) {
	before := w.census
	kept, err := w.serve(first)
	if err == nil && len(kept) > 0 {
		err = w.commit(before)
	} else {
		err = errors.Join(err, w.rollback())
	}
	if err != nil {
		w.census = before
		for _, u := range kept {
			u.outcome <- unavailable(err)
		}
		return
	}
	for _, u := range kept {
		if u.tx.revision != 0 && w.follow != nil {
			w.follow(u.tx.changes.Committed(u.tx.revision))
		}
	}
	for _, u := range kept {
		u.outcome <- nil
	}
}

// serve gives everyone who waits a turn, and returns those whose changes are
// to be kept. After an error none are.
func (w *writer) serve(first *waiting) (kept []*waiting, err error) {
	if _, err = w.begin(); err != nil {
		first.turn <- turn{err: unavailable(err)}
		return nil, err
	}
	for u, n := first, 1; u != nil; n++ {
		var keep bool
		if keep, err = w.serveOne(u, len(kept) > 0); keep {
			kept = append(kept, u)
		}
		if err != nil {
			return kept, err
		}
		u = nil
		if n < groupMax {
			select {
			case u = <-w.queue: // nil when closed
			default:
			}
		}
	}
	return kept, nil
}

// begin starts the transaction, on a new connection if the last failure left
// the old one unusable.
func (w *writer) begin() (int64, error) {
	if w.conn == nil {
		if err := w.connect(context.Background()); err != nil {
			if w.conn != nil {
				_ = w.conn.close()
				w.conn = nil
			}
			return 0, err
		}
	}
	return w.conn.exec("BEGIN IMMEDIATE")
}

// serveOne lets one caller run its fn. What is beside changes of others gets a
// savepoint; what is alone is undone by undoing everything, and a change of
// every row in the database need not be kept twice. An error means that the
// transaction as a whole is lost.
func (w *writer) serveOne(u *waiting, beside bool) (keep bool, err error) {
	select {
	case <-u.over: // gone before its turn
		return false, nil
	default:
	}
	if beside {
		if _, err := w.conn.exec("SAVEPOINT one"); err != nil {
			u.turn <- turn{err: unavailable(err)}
			return false, err
		}
	}
	t := &tx{reader: reader{w.conn, context.Background(), w.usage}, census: w.census}
	u.tx = t
	u.turn <- turn{tx: t}
	keep = <-u.over
	if t.broken != nil {
		return keep, t.broken
	}
	if keep && !t.changes.Empty() {
		t.census.revision++
		t.revision = t.census.revision
	}
	if keep {
		w.census = t.census
	}
	return keep, w.settle(keep, beside)
}

// settle ends what serveOne began.
func (w *writer) settle(keep, beside bool) error {
	var texts []string
	switch {
	case keep && beside:
		texts = []string{"RELEASE one"}
	case !keep && beside:
		texts = []string{"ROLLBACK TO one", "RELEASE one"}
	case !keep:
		texts = []string{"ROLLBACK", "BEGIN IMMEDIATE"}
	}
	for _, text := range texts {
		if _, err := w.conn.exec(text); err != nil {
			return err
		}
	}
	return nil
}

func (w *writer) commit(before census) error {
	if w.failed != nil {
		return errors.Join(w.failed, w.rollback())
	}
	if w.census != before {
		if _, err := w.conn.exec("UPDATE census SET revision = ?, keys = ?", w.census.revision, w.census.keys); err != nil {
			return errors.Join(err, w.rollback())
		}
	}
	if _, err := w.conn.exec("COMMIT"); err != nil {
		if unsynced(err) {
			w.failed = errUnsynced
			w.log.Error("a sync of the disk failed: nothing more is changed until the server is restarted; checks go on", "why", err)
		}
		return errors.Join(err, w.rollback())
	}
	if w.census.revision != before.revision {
		_ = w.folder.Mark(w.census.revision) // a mark that is behind is no harm
	}
	return nil
}

// rollback leaves no transaction open. After a failed write SQLite may have
// ended it already; a connection that cannot even begin anew is given up, and
// begin makes another.
func (w *writer) rollback() error {
	if w.conn == nil {
		return nil
	}
	if _, err := w.conn.exec("ROLLBACK"); err == nil {
		return nil
	}
	err := w.conn.close()
	w.conn = nil
	return err
}

func (c *census) read(row []driver.Value) error {
	s := scanner{row: row}
	c.revision, c.keys = s.int(), s.int()
	return s.err
}
