package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"
	"sync"

	"github.com/halberdhq/halberd"
)

// maxNoted bounds the bytes of notes, and with them what is in memory of half a
// million uses.
const maxNoted = 32 << 20

// latest is the last use of each key that notes tell of, for those who read a
// key before the notes are settled.
type latest struct {
	mu   sync.Mutex
	uses map[halberd.KeyID]halberd.KeyUse
}

// NoteUsage implements halberd.Usage.
func (s *Store) NoteUsage(ctx context.Context, b halberd.UsageBatch) error {
	leave, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	l := s.usage
	if err := l.change(func() error { return l.note(ctx, b) }); err != nil {
		return unavailable(err)
	}
	l.latest.mu.Lock()
	defer l.latest.mu.Unlock()
	for _, u := range b.Uses {
		merge(l.latest.uses, u)
	}
	return nil
}

func (l *usageLog) note(ctx context.Context, b halberd.UsageBatch) error {
	if done, err := l.repeated(ctx, b); done || err != nil {
		return err
	}
	packed := packBatch(b)
	if l.noted+len(packed) > maxNoted {
		if err := l.settle(ctx); err != nil {
			return err
		}
	}
	l.noted += len(packed)
	_, err := l.conn.exec("INSERT INTO notes (batch) VALUES (?)", packed)
	return err
}

// settle brings what the notes say into the tables. Called within change.
func (l *usageLog) settle(ctx context.Context) error {
	if l.noted == 0 {
		return nil
	}
	var counts []halberd.UsageCount
	uses := map[halberd.KeyID]halberd.KeyUse{}
	err := l.conn.query(ctx, "SELECT batch FROM notes ORDER BY number", nil, func(row []driver.Value) error {
		packed, _ := row[0].([]byte)
		b, err := unpackBatch(packed)
		if err != nil {
			return err
		}
		counts = append(counts, b.Counts...)
		for _, u := range b.Uses {
			merge(uses, u)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("reading what was noted of uses: %w", err)
	}
	if err := l.count(0, tallied(counts)); err != nil {
		return err
	}
	list := make([]halberd.KeyUse, 0, len(uses))
	for _, u := range uses {
		list = append(list, u)
	}
	if err := l.use(list); err != nil {
		return err
	}
	l.noted = 0
	_, err = l.conn.exec("DELETE FROM notes")
	return err
}

// merge keeps the later use of a key. An address that was not sampled stays.
func merge(uses map[halberd.KeyID]halberd.KeyUse, u halberd.KeyUse) {
	old, there := uses[u.Key]
	if there && u.At < old.At {
		return
	}
	if !u.Sampled && old.Sampled {
		u.Sampled, u.From, u.Agent = true, old.From, old.Agent
	}
	uses[u.Key] = u
}

// noteLatest completes a key that was read.
func (l *usageLog) noteLatest(k *halberd.KeyRecord) {
	l.latest.mu.Lock()
	defer l.latest.mu.Unlock()
	u, there := l.latest.uses[k.ID]
	if !there || u.At < k.LastUsedAt {
		return
	}
	k.LastUsedAt = u.At
	if u.Sampled {
		k.LastUsedFrom, k.LastUsedAgent = u.From, u.Agent
	}
}
