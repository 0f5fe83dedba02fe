package sqlite

import (
	"bytes"
	"context"
	"database/sql/driver"
	"fmt"
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
	size    int  // bytes in the table; guarded by the log's lock, as settled is
	settled bool // in the change that runs

	mu   sync.Mutex // held besides by who changes keys, and by who only reads them
	keys map[halberd.KeyID]*noted
}

// noted is what notes say of a key.
type noted struct {
	counts []halberd.UsageCount // each minute and verdict once
	use    halberd.KeyUse       // the latest; At is 0 where there was none
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
	n.mu.Lock()
	defer n.mu.Unlock()
	of := func(id halberd.KeyID) *noted {
		k := n.keys[id]
		if k == nil {
			k = new(noted)
			n.keys[id] = k
		}
		return k
	}
	for i := range b.Counts {
		of(b.Counts[i].Key).count(&b.Counts[i])
	}
	for i := range b.Uses {
		of(b.Uses[i].Key).merge(&b.Uses[i])
	}
}

func (k *noted) count(c *halberd.UsageCount) {
	for i := range slices.Backward(k.counts) { // the minute that runs is at the end
		if sum := &k.counts[i]; sum.Minute == c.Minute && sum.Verdict == c.Verdict {
			sum.Count += c.Count
			return
		}
	}
	k.counts = append(k.counts, *c)
}

// merge keeps the later use. An address that was not sampled stays.
func (k *noted) merge(u *halberd.KeyUse) {
	old := k.use
	if u.At < old.At {
		return
	}
	k.use = *u
	if !u.Sampled && old.Sampled {
		k.use.Sampled, k.use.From, k.use.Agent = true, old.From, old.Agent
	}
}

// forget is called when everything is in the tables: whoever reads from now on
// finds it there. The map is made anew, so that a crowd's room is not kept.
func (n *notes) forget() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.keys = make(map[halberd.KeyID]*noted, len(n.keys))
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
	var counts []halberd.UsageCount
	var uses []halberd.KeyUse
	for _, k := range l.notes.keys {
		counts = append(counts, k.counts...)
		if k.use.At > 0 {
			uses = append(uses, k.use)
		}
	}
	if err := l.count(0, tallied(counts)); err != nil {
		return err
	}
	// In the order of the table: what undoes a statement is every page it touches.
	slices.SortFunc(uses, func(a, b halberd.KeyUse) int { return bytes.Compare(a.Key[:], b.Key[:]) })
	if err := l.use(uses); err != nil {
		return err
	}
	l.notes.size, l.notes.settled = 0, true
	_, err := l.conn.exec("DELETE FROM notes")
	return err
}

// noteLatest completes a key that was read.
func (l *usageLog) noteLatest(k *halberd.KeyRecord) {
	l.notes.mu.Lock()
	defer l.notes.mu.Unlock()
	n := l.notes.keys[k.ID]
	if n == nil || n.use.At < max(1, k.LastUsedAt) {
		return
	}
	k.LastUsedAt = n.use.At
	if n.use.Sampled {
		k.LastUsedFrom, k.LastUsedAgent = n.use.From, n.use.Agent
	}
}
