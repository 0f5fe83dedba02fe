package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"
	"runtime"
	"strings"
	"sync"

	"github.com/halberdhq/halberd"
)

// usageLog writes usage.db, beside the writer of halberd.db and never in its
// way. It is not synced at every commit.
type usageLog struct {
	mu    sync.Mutex // guards what follows
	conn  *conn
	marks marks
	notes notes
}

func openUsage(ctx context.Context, f *folder) (*usageLog, error) {
	l := new(usageLog)
	l.notes.forget()
	var err error
	l.conn, err = connect(ctx, f.File(usageName), "PRAGMA journal_mode = WAL", "PRAGMA synchronous = NORMAL",
		"PRAGMA wal_autocheckpoint = 4000", "PRAGMA cache_size = -32768",
		"PRAGMA temp_store = MEMORY") // what undoes one statement of many rows: in a file it took half the time
	if err == nil {
		l.marks, err = readMarks(ctx, l.conn)
	}
	if err == nil {
		err = l.readNotes(ctx)
	}
	if err == nil && l.notes.size > 0 {
		err = l.change(l.settle)
	}
	if err != nil {
		if l.conn != nil {
			_ = l.conn.close()
		}
		return nil, damage(fmt.Errorf("%s: %w", f.File(usageName), err))
	}
	return l, nil
}

// change runs fn in a transaction. Called with mu held.
func (l *usageLog) change(fn func() error) (err error) {
	if _, err := l.conn.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	marks, size, end := l.marks, l.notes.size, "ROLLBACK"
	defer func() {
		if _, e := l.conn.exec(end); e != nil && err == nil {
			err = e
			_, _ = l.conn.exec("ROLLBACK") // of a COMMIT that failed
		}
		switch {
		case err != nil:
			l.marks, l.notes.size = marks, size
		case l.notes.settled:
			l.notes.forget()
		}
		l.notes.settled = false
	}()
	if err := fn(); err != nil {
		return err
	}
	end = "COMMIT"
	return nil
}

// AddUsage implements halberd.Usage.
func (s *Store) AddUsage(ctx context.Context, b halberd.UsageBatch) error {
	leave, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	l := s.usage
	l.mu.Lock()
	defer l.mu.Unlock()
	return unavailable(l.change(func() error { return l.add(ctx, b) }))
}

func (l *usageLog) add(ctx context.Context, b halberd.UsageBatch) error {
	if err := l.settle(); err != nil {
		return err
	}
	if done, err := l.repeated(ctx, b); done || err != nil {
		return err
	}
	if err := l.count(0, tallied(b.Counts)); err != nil {
		return err
	}
	return l.use(b.Uses)
}

// repeated reports whether the batch was added before, and remembers it.
func (l *usageLog) repeated(ctx context.Context, b halberd.UsageBatch) (bool, error) {
	if b.Writer == [16]byte{} {
		return false, nil
	}
	was := int64(0)
	if _, err := l.conn.one(ctx, "SELECT number FROM writers WHERE id = ?", []driver.Value{b.Writer[:]},
		scan(func(s *scanner) { was = s.int() })); err != nil {
		return false, err
	}
	if b.Number <= was {
		return true, nil
	}
	if was == 0 { // the writer before it, in another process, has ended
		if _, err := l.conn.exec("DELETE FROM writers"); err != nil {
			return false, err
		}
	}
	_, err := l.conn.exec("INSERT INTO writers VALUES (?1, ?2) ON CONFLICT (id) DO UPDATE SET number = ?2", b.Writer[:], b.Number)
	return false, err
}

// use moves last-used times. An address that was not sampled stays.
func (l *usageLog) use(uses []halberd.KeyUse) error {
	return inGroups(uses, func(group []halberd.KeyUse) error {
		args := make([]driver.Value, 0, 7*len(group))
		for i := range group {
			u := &group[i]
			args = append(args, u.Key[:], u.Organization[:], blob(u.Project), u.At, word(u.From), word(u.Agent), flag(u.Sampled))
		}
		_, err := l.conn.exec(`WITH u (key, organization, project, at, address, agent, sampled) AS (VALUES `+places(len(group), 7)+`)
			INSERT INTO last_used (key, organization, project, at, address, agent)
			SELECT u.key, u.organization, u.project, u.at, iif(u.sampled, u.address, l.address), iif(u.sampled, u.agent, l.agent)
			FROM u LEFT JOIN last_used l ON l.key = u.key WHERE u.at >= coalesce(l.at, 0)
			ON CONFLICT (key) DO UPDATE SET at = excluded.at, address = excluded.address, agent = excluded.agent
			WHERE excluded.at >= at`, args...)
		return err
	})
}

// rowsAtOnce is how many rows one statement takes: what a statement costs by
// itself is then small beside its rows.
const rowsAtOnce = 64

// inGroups calls fn with groups of rowsAtOnce, then with single ones, so that
// there are two statements only.
func inGroups[T any](list []T, fn func([]T) error) error {
	for len(list) > 0 {
		n := rowsAtOnce
		if len(list) < n {
			n = 1
		}
		if err := fn(list[:n]); err != nil {
			return err
		}
		runtime.Gosched() // on one core, checks wait for a statement and not for the batch
		list = list[n:]
	}
	return nil
}

// places is the text of rows of parameters: (?, ?), (?, ?).
func places(rows, columns int) string {
	row := "(?" + strings.Repeat(", ?", columns-1) + ")"
	return row + strings.Repeat(", "+row, rows-1)
}
