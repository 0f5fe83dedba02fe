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
	next := &division{nodes: nodes, rank: rank, since: at, closed: closed, tag: 0x9E3779B97F4A7C15}
	if old != nil {
		next.tag = old.tag + 0x9E3779B97F4A7C15
	}
	x.now.Store(next)
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
