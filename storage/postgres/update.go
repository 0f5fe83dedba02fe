package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/halberdhq/halberd"
)

// Update implements halberd.Store. Of one process one Update runs at a time; the
// lock of the head's row keeps the other nodes' away.
func (s *Store) Update(ctx context.Context, fn func(halberd.Tx) error) error {
	leave, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	asked := time.Now()
	if err := s.takeTurn(ctx); err != nil {
		return err
	}
	defer func() { <-s.turn }()
	t, err := s.beginUpdate(ctx)
	if err != nil {
		return err
	}
	defer t.cancel()
	within := max(s.patience-time.Since(asked), min(s.patience, commitLeast))
	conn := t.conn
	defer func() {
		if conn != nil { // also when fn panics, or ends its goroutine
			s.undo(conn)
		}
	}()
	if err := fn(t); err != nil {
		return err
	}
	if err := t.close(); err != nil {
		return err
	}
	conn = nil // the commit's
	if err := s.commit(t, within); err != nil {
		return err
	}
	if t.now.revision == t.before.revision {
		return nil
	}
	if err := s.follow.tell(s, t); err != nil {
		return &halberd.Error{
			Code: halberd.CodeUnavailable, RetryAfter: time.Second, Err: err,
			Message: "this was changed, but not every change before it is known here yet: repeat it",
		}
	}
	if t.now.revision%pruneEvery == 0 {
		s.late.Go(func() { s.prune(t.now.revision) })
	}
	return nil
}

// takeTurn waits until no other Update of this process runs.
func (s *Store) takeTurn(ctx context.Context) error {
	began := time.Now()
	late := time.NewTimer(turnTime)
	defer late.Stop()
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	case <-late.C:
		return unavailable(fmt.Errorf("other changes of this node were not done after %s", turnTime))
	}
	if err := s.absent.since(began); err != nil {
		<-s.turn
		return err
	}
	return nil
}

// beginUpdate begins a transaction and locks the head. A ctx that ends in the
// meantime is its error.
func (s *Store) beginUpdate(ctx context.Context) (*tx, error) {
	conn, err := s.begin(ctx, s.pool, "BEGIN ISOLATION LEVEL READ COMMITTED")
	if err != nil {
		return nil, err
	}
	bounded, stop := context.WithTimeout(ctx, lockTime+beginTime)
	defer stop()
	var head position
	err = query(bounded, conn.Conn(), "SELECT revision, mark FROM head FOR UPDATE", nil, func(s *scanner) { head = s.position() })
	if err == nil {
		err = s.follow.continues(head)
	}
	if err == nil {
		err = ctx.Err()
	}
	if err != nil {
		s.undo(conn)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, unavailable(err)
	}
	own, cancel := context.WithTimeout(context.WithoutCancel(ctx), updateTime) // what has begun is not interrupted
	return &tx{reader: reader{conn.Conn(), own}, conn: conn, cancel: cancel, before: head, now: head}, nil
}

// commit commits, and gives the connection back. Its wait is bounded; the commit
// itself is not canceled, because one whose wait for a standby is canceled
// reports success.
func (s *Store) commit(t *tx, within time.Duration) error {
	done := make(chan error, 1)
	s.late.Go(func() {
		done <- s.settle(t.conn)
	})
	late := time.NewTimer(within)
	defer late.Stop()
	select {
	case err := <-done:
		return err
	case <-late.C:
		s.log.Error("a commit was not confirmed in time: it is still waited for, and whether it was made is not known. Does a synchronous standby not answer?", "after", within)
		return unavailable(fmt.Errorf("%w after %s", errUnconfirmed, within))
	}
}

func (s *Store) settle(conn *pgxpool.Conn) error {
	defer conn.Release()
	_ = warning(conn.Conn())
	tag, err := conn.Exec(s.life, "COMMIT")
	text := warning(conn.Conn())
	switch {
	case err != nil && lost(err):
		return unavailable(fmt.Errorf("%w: %w", errUnconfirmed, said(err)))
	case err != nil:
		return unavailable(err)
	case tag.String() != "COMMIT":
		return unavailable(fmt.Errorf("the transaction ended with %s", tag.String()))
	case text != "":
		s.log.Error("A COMMIT WAS NOT REPLICATED: its wait for the standby was canceled. It may be lost when the primary is", "warning", text)
		return unavailable(fmt.Errorf("%w: %s", errUnconfirmed, text))
	}
	return nil
}

// tx is one Update's transaction.
type tx struct {
	reader
	conn    *pgxpool.Conn
	cancel  context.CancelFunc
	changes changed
	forced  bool     // it takes a revision even if nothing was changed
	before  position // the head, as it was
	now     position // and as it will be
	broken  error    // set: the transaction is lost
}

// close does what belongs before the commit.
func (t *tx) close() error {
	if t.broken != nil {
		return t.broken
	}
	if status := t.c.PgConn().TxStatus(); status != 'T' {
		return unavailable(errors.New("the transaction has failed"))
	}
	if t.changes.Empty() && !t.forced {
		return nil
	}
	// Whoever is told of the notification asks for what is new.
	found, err := t.one(`WITH h AS (UPDATE head SET revision = revision + 1, mark = gen_random_uuid() RETURNING revision, mark),
		c AS (INSERT INTO changes (revision, mark, keys, projects, organizations, members) SELECT revision, mark, $1, $2, $3, $4 FROM h),
		n AS (SELECT pg_notify('halberd', revision::text) FROM h)
		SELECT revision, mark FROM h, n`, t.changes.ids(), func(s *scanner) { t.now = s.position() })
	if err == nil && !found {
		err = errors.New("the head is missing")
	}
	return unavailable(err)
}
