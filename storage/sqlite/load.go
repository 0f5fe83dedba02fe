package sqlite

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/halberdhq/halberd"
)

const (
	loadStretch = 1 << 14 // rows of the table that are read in one go
	loadBatch   = 512     // records handed over in one call
)

var loadText = "SELECT " + strings.Join(keyColumns[:], ", ") +
	" FROM keys NOT INDEXED WHERE row BETWEEN ? AND ? AND (gone = 0 OR revoked_at >= ?)"

// Load implements halberd.Store. It reads the table itself, past all indexes,
// and counts: rows that damage has made unreachable are an error, never a
// shorter list.
func (s *Store) Load(ctx context.Context, parts int, revokedSince int64, each func([]halberd.KeyRecord) error) error {
	leave, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	var last, expected int64
	if err := s.View(ctx, func(r halberd.Reader) error {
		return r.(reader).get(`SELECT (SELECT coalesce(max(row), 0) FROM keys),
			(SELECT keys FROM census) - (SELECT count(*) FROM keys WHERE revoked_at < ?)`,
			[]driver.Value{revokedSince}, func(s *scanner) { last, expected = s.int(), s.int() })
	}); err != nil {
		return err
	}

	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	var next, loaded atomic.Int64
	var all sync.WaitGroup
	for range max(1, parts) {
		all.Go(func() {
			l := loader{batch: make([]halberd.KeyRecord, 0, loadBatch), each: each}
			err := l.load(ctx, s.folder, &next, last, revokedSince)
			loaded.Add(l.loaded)
			if err != nil {
				stop(err)
			}
		})
	}
	all.Wait()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	if n := loaded.Load(); n < expected {
		return fmt.Errorf("%s: %d keys of %d can be read: %w; restore a backup", s.folder.File(keysName), n, expected, ErrDamaged)
	}
	return nil
}

// loader is one of the goroutines of Load.
type loader struct {
	batch  []halberd.KeyRecord
	each   func([]halberd.KeyRecord) error
	loaded int64
	texts  texts
}

// load takes stretches of rows, one after the other, until there are no more.
func (l *loader) load(ctx context.Context, f *folder, next *atomic.Int64, last, revokedSince int64) (err error) {
	c, err := connect(ctx, f.File(keysName), "PRAGMA query_only = 1", "PRAGMA cache_size = -8192")
	if err != nil {
		return unavailable(err)
	}
	defer func() { err = errors.Join(err, c.close()) }()
	r := reader{c: c, ctx: context.Background()}
	for ctx.Err() == nil {
		from := next.Add(loadStretch) - loadStretch + 1
		if from > last {
			return l.hand()
		}
		var failed error
		err := r.outcome(true, c.query(r.ctx, loadText, []driver.Value{from, min(from+loadStretch-1, last), revokedSince}, func(row []driver.Value) error {
			l.batch = l.batch[:len(l.batch)+1]
			s := scanner{row: row}
			k := &l.batch[len(l.batch)-1]
			s.key(k)
			l.texts.share(k)
			if s.err != nil {
				return s.err
			}
			if len(l.batch) == cap(l.batch) {
				failed = l.hand()
			}
			return failed
		}))
		if failed != nil {
			return failed // the receiver's, as it is
		}
		if err != nil {
			return err
		}
	}
	return ctx.Err()
}

func (l *loader) hand() error {
	if len(l.batch) == 0 {
		return nil
	}
	l.loaded += int64(len(l.batch))
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
