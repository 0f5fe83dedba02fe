// Package gcra is the arithmetic of a rate limit, the generic cell rate
// algorithm, over one atomic word of state: never more than burst + rate × t is
// let through in any span t. It keeps no clock and no storage.
package gcra

import (
	"math"
	"sync/atomic"
	"time"
)

// Rate is a limit made ready: the time one unit costs, and how far ahead of the
// clock the costs may run. A zero Rate lets nothing through.
type Rate struct {
	unit  int64 // nanoseconds per unit, rounded up: never over, at most 1 % under up to ten million units a second
	burst int64 // units
}

// New makes the rate of limit units per window with a burst. All must be
// positive. A burst too long to express (about 146 years of credit) is cut.
func New(limit int64, window time.Duration, burst int64) Rate {
	unit := (int64(window) + limit - 1) / limit
	return Rate{unit: unit, burst: min(burst, math.MaxInt64/2/unit)}
}

// State is where a limit stands after a take.
type State struct {
	Remaining int64         // whole units that could be taken now
	Reset     time.Duration // until the burst is whole again
}

// Take takes cost units at now, in nanoseconds of a clock that never goes back.
// The word belongs to one limit; zero is a full burst. A refused take leaves it
// as it was, and retry says how long until it would fit; 0 if it never will.
func (r Rate) Take(word *atomic.Int64, now, cost int64) (st State, retry time.Duration, ok bool) {
	for {
		old := word.Load()
		// How far ahead of the clock, in nanoseconds. A word that is further
		// ahead than a burst was left by a slower limit: it counts as a full one.
		ahead := min(max(old-now, 0), r.burst*r.unit)
		if cost > r.burst {
			return State{r.remaining(ahead), time.Duration(ahead)}, 0, false
		}
		after := ahead + cost*r.unit
		if over := after - r.burst*r.unit; over > 0 {
			return State{r.remaining(ahead), time.Duration(ahead)}, time.Duration(over), false
		}
		if word.CompareAndSwap(old, now+after) {
			return State{r.remaining(after), time.Duration(after)}, 0, true
		}
	}
}

// Look is where the limit stands at now; nothing is taken.
func (r Rate) Look(word *atomic.Int64, now int64) State {
	ahead := min(max(word.Load()-now, 0), r.burst*r.unit)
	return State{r.remaining(ahead), time.Duration(ahead)}
}

// Give returns what a Take took, for a check that was refused further on.
func (r Rate) Give(word *atomic.Int64, cost int64) { word.Add(-cost * r.unit) }

func (r Rate) remaining(ahead int64) int64 {
	return max(r.burst*r.unit-ahead, 0) / r.unit
}
