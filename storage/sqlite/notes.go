package sqlite

import (
	"context"
	"database/sql/driver"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/halberdhq/halberd"
)

// maxNoted bounds the bytes of notes, and with them what is in memory of half a
// million uses.
const maxNoted = 32 << 20

// notes is what the table of that name says, summed up, so that nobody reads it
// but the next process.
type notes struct {
	size    int // bytes in the table; guarded, as counts are, by the log's lock
	counts  map[countOf]*halberd.UsageCount
	settled bool // in the change that runs

	mu   sync.Mutex
	uses map[halberd.KeyID]halberd.KeyUse // also for those who read a key before it is settled
}

// countOf is what is counted by itself.
type countOf struct {
	key     halberd.KeyID
	minute  int64
	verdict string
}

// NoteUsage implements halberd.Usage.
func (s *Store) NoteUsage(ctx context.Context, b halberd.UsageBatch) error {
	leave, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer leave()
	l := s.usage
	l.mu.Lock()
	defer l.mu.Unlock()
	done := false
	if err := l.change(func() (err error) { done, err = l.note(ctx, b); return err }); err != nil {
		return unavailable(err)
	}
	if !done {
		l.notes.add(b)
	}
	return nil
}

// note writes a batch down, unless that was done before.
func (l *usageLog) note(ctx context.Context, b halberd.UsageBatch) (done bool, err error) {
	if done, err := l.repeated(ctx, b); done || err != nil {
		return done, err
	}
	packed := packBatch(b)
	if l.notes.size+len(packed) > maxNoted {
		if err := l.settle(); err != nil {
			return false, err
		}
	}
	l.notes.size += len(packed)
	_, err = l.conn.exec("INSERT INTO notes (batch) VALUES (?)", packed)
	return false, err
}

// add sums a batch up that is in the table.
func (n *notes) add(b halberd.UsageBatch) {
	for i := range b.Counts {
		c := &b.Counts[i]
		at := countOf{c.Key, c.Minute, c.Verdict}
		if sum := n.counts[at]; sum != nil {
			sum.Count += c.Count
			continue
		}
		sum := *c
		n.counts[at] = &sum
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, u := range b.Uses {
		merge(n.uses, u)
	}
}

// forget is called when everything is in the tables: whoever reads from now on
// finds it there. The maps are made anew, so that a crowd's room is not kept.
func (n *notes) forget() {
	n.counts = make(map[countOf]*halberd.UsageCount, len(n.counts))
	n.mu.Lock()
	defer n.mu.Unlock()
	n.uses = make(map[halberd.KeyID]halberd.KeyUse, len(n.uses))
}

// readNotes sums up what the process before has noted.
func (l *usageLog) readNotes(ctx context.Context) error {
	err := l.conn.query(ctx, "SELECT batch FROM notes ORDER BY number", nil, func(row []driver.Value) error {
		packed, _ := row[0].([]byte)
		b, err := unpackBatch(packed)
		if err != nil {
			return err
		}
		l.notes.size += len(packed)
		l.notes.add(b)
		return nil
	})
	if err != nil {
		return fmt.Errorf("reading what was noted of uses: %w", err)
	}
	return nil
}

// settle brings what the notes say into the tables. Called within change.
func (l *usageLog) settle() error {
	if l.notes.size == 0 {
		return nil
	}
	counts := make([]halberd.UsageCount, 0, len(l.notes.counts))
	for _, c := range l.notes.counts {
		counts = append(counts, *c)
	}
	if err := l.count(0, tallied(counts)); err != nil {
		return err
	}
	if err := l.use(slices.Collect(maps.Values(l.notes.uses))); err != nil { // nobody else writes them
		return err
	}
	l.notes.size, l.notes.settled = 0, true
	_, err := l.conn.exec("DELETE FROM notes")
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
	l.notes.mu.Lock()
	defer l.notes.mu.Unlock()
	u, there := l.notes.uses[k.ID]
	if !there || u.At < k.LastUsedAt {
		return
	}
	k.LastUsedAt = u.At
	if u.Sampled {
		k.LastUsedFrom, k.LastUsedAgent = u.From, u.Agent
	}
}
