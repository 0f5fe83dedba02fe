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

// Full is how far ahead of the clock a word lies when all is spent.
func (r Rate) Full() int64 { return r.burst * r.unit }

// State is where a limit stands after a take.
type State struct {
	Remaining int64         // whole units that could be taken now
	Reset     time.Duration // until the burst is whole again
}

// Outcome is what became of a Take.
type Outcome uint8

// The outcomes. After Retired the caller finds the word that took the place of
// this one and takes again.
const (
	Refused Outcome = iota
	Taken
	Retired
)

// retired is in no other word: it lies before every clock.
const retired = math.MinInt64

// Retire marks a word that says nothing any more, so that it may be forgotten:
// its burst is whole at now. It reports whether it did; nothing is ever taken
// from a retired word.
func Retire(word *atomic.Int64, now int64) bool {
	old := word.Load()
	return old == retired || old <= now && word.CompareAndSwap(old, retired)
}

// Take takes cost units at now, in nanoseconds of a clock that never goes back.
// The word belongs to one limit; zero is a full burst. A refused take spends
// nothing, and retry says how long until it would fit; 0 if it never will.
//
// now may be a reading that others have overtaken. Where the word lies further
// ahead of it than a burst, clock is asked for a later one.
func (r Rate) Take(word *atomic.Int64, now, cost int64, clock func() int64) (st State, retry time.Duration, o Outcome) {
	for {
		old := word.Load()
		if old == retired {
			return st, 0, Retired
		}
		full := r.burst * r.unit
		ahead := max(old-now, 0) // of the clock, in nanoseconds
		if ahead > full {
			// Nothing that was taken up to this reading reaches so far: what does
			// was left by a slower limit, or by a clock that went back. It counts
			// as spent, from now on: nobody waits longer than this limit says.
			if now = clock(); old-now > full {
				word.CompareAndSwap(old, now+full)
			}
			continue
		}
		if cost > r.burst {
			return State{r.remaining(ahead), time.Duration(ahead)}, 0, Refused
		}
		after := ahead + cost*r.unit
		if over := after - full; over > 0 {
			return State{r.remaining(ahead), time.Duration(ahead)}, time.Duration(over), Refused
		}
		if word.CompareAndSwap(old, now+after) {
			return State{r.remaining(after), time.Duration(after)}, 0, Taken
		}
	}
}

// Look is where the limit stands at now, and whether cost would fit, as Take
// says it. Nothing is taken.
func (r Rate) Look(word *atomic.Int64, now, cost int64) (st State, retry time.Duration, fits bool) {
	full := r.burst * r.unit
	ahead := max(word.Load(), now) - now // also of a retired word
	ahead = min(ahead, full)
	st = State{r.remaining(ahead), time.Duration(ahead)}
	if cost > r.burst {
		return st, 0, false
	}
	over := ahead + cost*r.unit - full
	return st, time.Duration(max(over, 0)), over <= 0
}

// Give returns at now what a Take took at the time taken, for a check that was
// refused further on. What would have come back by itself meanwhile is not given
// twice: that much of it may be forgotten already.
func (r Rate) Give(word *atomic.Int64, taken, now, cost int64) {
	for {
		old := word.Load()
		back := cost*r.unit - max(now-taken, 0)
		if old == retired || back <= 0 || word.CompareAndSwap(old, old-back) {
			return
		}
	}
}

func (r Rate) remaining(ahead int64) int64 {
	return max(r.burst*r.unit-ahead, 0) / r.unit
}
