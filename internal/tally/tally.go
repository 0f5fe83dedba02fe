// Package tally counts events in memory, so that they can be handed over in
// batches. Counting takes no lock on its common path and allocates nothing
// once warm. The package knows nothing of what is counted.
package tally

import (
	"math"
	"sync"
	"sync/atomic"

	"github.com/halberdhq/halberd/internal/index"
)

const (
	shards = 64
	// maxOdd bounds the memory of rare events: beyond it they are dropped and
	// counted as such.
	maxOdd = 4096
)

// Tally counts two sorts of event on numbered things: the common one, with the
// time it last happened, and odd ones of a few kinds. Each thing has a label,
// which is the caller's. The zero Tally is ready after Grow.
type Tally[L any] struct {
	cells   index.Array[cell[L]]
	shards  [shards]shard
	dropped atomic.Int64
}

// cell keeps the label beside the count: who counts has read it just before.
type cell[L any] struct {
	label L
	count atomic.Uint32
	last  atomic.Uint32 // Unix seconds, to the year 2106
}

type shard struct {
	mu    sync.Mutex
	dirty []uint32          // cells whose count is not zero
	spare []uint32          // emptied by the last Drain, for reuse
	odd   map[uint64]uint32 // number<<8 | kind
	_     [32]byte          // shards on lines of their own
}

// Grow makes room for the numbers 0 to n-1.
func (t *Tally[L]) Grow(n int) { t.cells.Grow(n) }

// Label is the label of thing number. Who sets it does so before the number is
// used anywhere else.
func (t *Tally[L]) Label(number uint32) *L { return &t.cells.At(number).label }

// Add counts the common event on thing number, at a time in Unix seconds. It
// reports whether that is the first one since the last Drain.
func (t *Tally[L]) Add(number uint32, at int64) (first bool) {
	c := t.cells.At(number)
	if seconds := uint32(min(at, math.MaxUint32)); c.last.Load() < seconds {
		c.last.Store(seconds)
	}
	if c.count.Add(1) != 1 {
		return false
	}
	s := &t.shards[number%shards]
	s.mu.Lock()
	s.dirty = append(s.dirty, number)
	s.mu.Unlock()
	return true
}

// AddOdd counts an odd event of a kind.
func (t *Tally[L]) AddOdd(number uint32, kind uint8) {
	s := &t.shards[number%shards]
	k := uint64(number)<<8 | uint64(kind)
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, there := s.odd[k]; !there && len(s.odd) >= maxOdd {
		t.dropped.Add(1)
		return
	}
	if s.odd == nil {
		s.odd = make(map[uint64]uint32)
	}
	s.odd[k]++
}

// Last returns when the common event was last counted on thing number, drained
// or not; 0 if never.
func (t *Tally[L]) Last(number uint32) int64 { return int64(t.cells.At(number).last.Load()) }

// Dropped is how many odd events found no room since the start.
func (t *Tally[L]) Dropped() int64 { return t.dropped.Load() }

// Drain hands over and forgets everything counted since the last Drain. Counts
// that arrive meanwhile are in this one or the next, never lost or twice. last
// is 0 for odd events. One Drain may run at a time.
func (t *Tally[L]) Drain(each func(number uint32, kind uint8, odd bool, count uint32, last int64)) {
	for i := range t.shards {
		s := &t.shards[i]
		s.mu.Lock()
		dirty, odd := s.dirty, s.odd
		s.dirty, s.odd = s.spare[:0], nil
		s.mu.Unlock()
		for _, n := range dirty {
			c := t.cells.At(n)
			// The order matters: whoever adds after the swap finds zero and
			// lists the cell again.
			if count := c.count.Swap(0); count > 0 {
				each(n, 0, false, count, int64(c.last.Load()))
			}
		}
		for k, count := range odd {
			each(uint32(k>>8), uint8(k), true, count, 0)
		}
		s.mu.Lock()
		s.spare = dirty[:0]
		s.mu.Unlock()
	}
}
