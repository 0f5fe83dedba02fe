package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"
	"sync"

	"github.com/halberdhq/halberd"
)

// usageLog writes usage.db, beside the writer of halberd.db and never in its
// way. It is not synced at every commit.
type usageLog struct {
	mu   sync.Mutex // guards conn
	conn *conn
}

func openUsage(ctx context.Context, f *folder) (*usageLog, error) {
	c, err := connect(ctx, f.file(usageName), "PRAGMA journal_mode = WAL", "PRAGMA synchronous = NORMAL")
	if err != nil {
		return nil, damage(fmt.Errorf("%s: %w", f.file(usageName), err))
	}
	return &usageLog{conn: c}, nil
}

// AddUsage implements halberd.Usage.
func (s *Store) AddUsage(ctx context.Context, counts []halberd.UsageCount) error {
	leave, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	return unavailable(s.usage.add(counts))
}

func (l *usageLog) add(counts []halberd.UsageCount) (err error) {
	if len(counts) == 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, err := l.conn.exec("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	end := "ROLLBACK"
	defer func() {
		if _, e := l.conn.exec(end); e != nil && err == nil {
			err = e
			_, _ = l.conn.exec("ROLLBACK") // of a COMMIT that failed
		}
	}()
	for _, c := range counts {
		if _, err := l.conn.exec(`INSERT INTO counts (key, minute, verdict, organization, project, count) VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT (key, minute, verdict) DO UPDATE SET count = count + excluded.count`,
			c.Key[:], c.Minute, c.Verdict, c.Organization[:], blob(c.Project), c.Count); err != nil {
			return err
		}
		if c.LastUsedAt == 0 {
			continue
		}
		if _, err := l.conn.exec(`INSERT INTO last_used (key, organization, project, at) VALUES (?, ?, ?, ?)
			ON CONFLICT (key) DO UPDATE SET at = excluded.at WHERE excluded.at > at`,
			c.Key[:], c.Organization[:], blob(c.Project), c.LastUsedAt); err != nil {
			return err
		}
	}
	end = "COMMIT"
	return nil
}

// Used returns how often a verdict fell on a key in one minute.
func (s *Store) Used(ctx context.Context, key halberd.KeyID, minute int64, verdict string) (n int64, err error) {
	err = s.View(ctx, func(r halberd.Reader) error {
		_, err := r.(reader).c.one(ctx, "SELECT count FROM usage.counts WHERE key = ? AND minute = ? AND verdict = ?",
			[]driver.Value{key[:], minute, verdict}, scan(func(s *scanner) { n = s.int() }))
		return err
	})
	return n, err
}
