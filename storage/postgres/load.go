package postgres

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/jackc/pgx/v5/pgxpool"

	"github.com/halberdhq/halberd"
)

const (
	loadStretch = 512 // pages of the table that are read in one go
	loadBatch   = 512 // records handed over in one call
)

const loadText = "SELECT " + keyColumns + " FROM keys WHERE ctid >= $1::text::tid AND ctid < $2::text::tid AND (gone = 0 OR revoked_at >= $3)"

// Load implements halberd.Store. All goroutines read one state, each a stretch
// of the table's pages after the other, past all indexes.
func (s *Store) Load(ctx context.Context, parts int, revokedSince int64, each func([]halberd.KeyRecord) error) error {
	leave, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	const begin = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"
	first, err := s.beginPresent(ctx, s.pool, begin)
	if err != nil {
		return err
	}
	defer s.undo(first)
	var snapshot string
	var pages int64
	if err := (reader{first.Conn(), ctx}).get(
		"SELECT pg_export_snapshot(), pg_relation_size('keys') / current_setting('block_size')::bigint", nil, func(s *scanner) {
			snapshot, pages = s.text(), s.int()
		}); err != nil {
		return err
	}

	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var next atomic.Int64
	var all sync.WaitGroup
	for n := range max(1, min(parts, int(s.pool.Config().MaxConns)-1)) {
		all.Go(func() {
			c := first
			if n > 0 {
				var err error
				if c, err = s.beginPresent(ctx, s.pool, begin+"; SET TRANSACTION SNAPSHOT '"+snapshot+"'"); err != nil {
					return // there are enough without it
				}
				defer s.undo(c)
			}
			l := loader{batch: make([]halberd.KeyRecord, 0, loadBatch), each: each}
			if err := l.load(ctx, c, &next, pages, revokedSince); err != nil {
				stop(err)
			}
		})
	}
	all.Wait()
	return context.Cause(ctx)
}

// loader is one of the goroutines of Load.
type loader struct {
	batch []halberd.KeyRecord
	each  func([]halberd.KeyRecord) error
	texts texts
}

// load takes stretches of pages, one after the other, until there are no more.
func (l *loader) load(ctx context.Context, c *pgxpool.Conn, next *atomic.Int64, pages, revokedSince int64) error {
	for ctx.Err() == nil {
		from := next.Add(loadStretch) - loadStretch
		if from >= pages {
			return l.hand()
		}
		var failed error
		args := []any{fmt.Sprintf("(%d,0)", from), fmt.Sprintf("(%d,0)", min(from+loadStretch, pages)), revokedSince}
		err := query(ctx, c.Conn(), loadText, args, func(s *scanner) {
			l.batch = l.batch[:len(l.batch)+1]
			k := &l.batch[len(l.batch)-1]
			s.key(k)
			l.texts.share(k)
			if s.err == nil && len(l.batch) == cap(l.batch) {
				if failed = l.hand(); failed != nil {
					s.err = errStopped
				}
			}
		})
		switch {
		case failed != nil:
			return failed // the receiver's, as it is
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return unavailable(err)
		}
	}
	return ctx.Err()
}

var errStopped = errors.New("stopped")

func (l *loader) hand() error {
	if len(l.batch) == 0 {
		return nil
	}
	err := l.each(l.batch)
	l.batch = l.batch[:0]
	return err
}

// texts keeps one copy of what many keys share.
type texts struct{ seen map[string]string }

// textsKept bounds the copies: past it, a text is as rare as its key.
const textsKept = 1 << 12

func (t *texts) share(k *halberd.KeyRecord) {
	k.State = halberd.State(t.one(string(k.State)))
	k.Hint = t.one(k.Hint)
	k.Scopes = t.one(k.Scopes)
	k.Policy = t.one(k.Policy)
}

func (t *texts) one(s string) string {
	if kept, found := t.seen[s]; found {
		return kept
	}
	if t.seen == nil {
		t.seen = map[string]string{}
	}
	if len(t.seen) < textsKept {
		t.seen[s] = s
	}
	return s
}
