package halberd

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/halberdhq/halberd/internal/gcra"
)

// Several nodes that do not ask each other grant a part each of every limit: its
// rate divided by their number, and its burst. The parts never add up to more
// than the limit, also while nodes come and go: a node that joins grants nothing
// of limits until every other has taken its smaller part, or can answer no more,
// and whoever takes another part begins it with nothing to spend.

// sharing is the part of this node. The zero value is all of it, and open.
type sharing struct {
	mu  sync.Mutex // held to change now
	now atomic.Pointer[division]
}

// division is replaced, never changed.
type division struct {
	nodes, rank int64
	since       int64  // on the limiter's clock: what is granted begins here
	tag         uint64 // parts the states of one division from those of another
	closed      bool   // nothing is granted yet
	before      int64  // how many nodes there were until counted; 0: this one was none of them
	counted     int64  // on the limiter's clock: since when there are so many
}

// divide makes the node the rank-th of so many. An only node that never shared
// anything keeps all.
func (x *sharing) divide(nodes, rank, at int64, closed bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	old := x.now.Load()
	switch {
	case old == nil && nodes == 1 && !closed:
		return
	case old != nil && old.nodes == nodes && old.rank == rank && old.closed == closed:
		return
	}
	x.replace(division{nodes: nodes, rank: rank, since: at, closed: closed, counted: at})
}

// spent makes every burst count as spent at an instant.
func (x *sharing) spent(at int64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	next := division{nodes: 1, counted: at}
	if old := x.now.Load(); old != nil {
		next = *old
	}
	next.since = at
	x.replace(next)
}

// replace is called with mu held.
func (x *sharing) replace(next division) {
	next.tag = 0x9E3779B97F4A7C15
	if old := x.now.Load(); old == nil {
		if !next.closed {
			next.before = 1
		}
	} else {
		next.tag += old.tag
		next.before = old.nodes
		if old.nodes == next.nodes {
			next.before, next.counted = old.before, old.counted
		}
	}
	x.now.Store(&next)
}

// count is how many nodes share limits.
func (x *sharing) count() int64 {
	if sh := x.now.Load(); sh != nil {
		return sh.nodes
	}
	return 1
}

// closed reports whether nothing may be granted yet.
func (x *sharing) closed() bool {
	sh := x.now.Load()
	return sh != nil && sh.closed
}

// of is the part of a limit, and the state of one that was all spent when the
// part began.
func (sh *division) of(l *readyLimit) (rate gcra.Rate, from int64) {
	burst := l.Burst / sh.nodes
	if sh.rank < l.Burst%sh.nodes {
		burst++
	}
	rate = gcra.New(l.Limit, l.window()*time.Duration(sh.nodes), burst)
	return rate, sh.since + rate.Full()
}

// errNotShared is for a check whose limits are not this node's to grant yet.
func errNotShared() *Error {
	return &Error{
		Code: CodeUnavailable, RetryAfter: time.Second,
		Message: "this node has just joined, and the others have not made room for it in the key's limits yet; try again",
	}
}
