package halberd

import (
	"context"
	"time"
)

// SharedLimits keeps where rate limits stand in one place that every node asks,
// so that they hold exactly for all nodes together. limits/redis is one.
type SharedLimits interface {
	// Take takes cost from every limit, or from none. It waits a bounded time, and
	// while the place is known to be away it does not wait at all. An error means
	// that it is not known whether anything was taken.
	Take(ctx context.Context, limits []SharedLimit, cost int64) (SharedTake, error)
	// Give returns what a Take took, for a check that was refused further on. at is
	// the Take's.
	Give(ctx context.Context, limits []SharedLimit, cost, at int64) error
	// Away reports whether the place is known to be away.
	Away() bool
	// Close ends it. Everything after it is an error.
	Close()
}

// SharedLimit is one limit of one subject.
type SharedLimit struct {
	Word   [16]byte // names its state, the same on every node
	Limit  int64    // per window
	Window time.Duration
	Burst  int64
}

// SharedTake is what became of a Take.
type SharedTake struct {
	Taken  bool
	Retry  time.Duration   // if not: when the same cost would fit everywhere; 0: never
	States []time.Duration // of each limit: until it is whole again
	At     int64           // when it was taken, by a clock that only the place knows
}
