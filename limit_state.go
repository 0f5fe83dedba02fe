package halberd

import (
	"encoding/binary"
	"hash/maphash"
	"sync/atomic"
	"time"

	"github.com/halberdhq/halberd/internal/gcra"
	"github.com/halberdhq/halberd/internal/index"
)

// LimitState is where one limit of a key stands after a check.
type LimitState struct {
	Name      string
	Limit     int64         // checks per window
	Window    time.Duration // zero where it is not told
	Remaining int64
	Reset     time.Duration // until the limit is whole again
}

// LimitStates holds the states of one check, without allocating.
type LimitStates struct {
	limits []readyLimit // shared, never changed
	states [maxRateLimits]gcra.State
	told   []LimitState // instead of both, where another process made the check
}

// ToldLimits is what a client hands on of a check that a server made.
func ToldLimits(list []LimitState) LimitStates { return LimitStates{told: list} }

// All lists the states, in the order of the key's limits.
func (s *LimitStates) All() []LimitState {
	if s.told != nil {
		return s.told
	}
	out := make([]LimitState, len(s.limits))
	for i := range out {
		out[i] = s.At(i)
	}
	return out
}

// Len is how many there are.
func (s *LimitStates) Len() int {
	if s.told != nil {
		return len(s.told)
	}
	return len(s.limits)
}

// At is one of them, from 0 to Len-1, without allocating.
func (s *LimitStates) At(i int) LimitState {
	if s.told != nil {
		return s.told[i]
	}
	l, st := &s.limits[i], &s.states[i]
	return LimitState{
		Name: l.Name, Limit: l.Limit, Window: l.window(),
		Remaining: st.Remaining, Reset: st.Reset,
	}
}

func (l *RateLimit) window() time.Duration { return time.Duration(l.WindowSeconds) * time.Second }

// readyLimit is a limit worked out. Its state is found by whose it is and by
// its name, wherever it stands in a list: an edit of a list forgets nothing.
type readyLimit struct {
	RateLimit
	rate  gcra.Rate
	tag   uint64 // of the name, and of depth where other keys may have other figures
	whole bool   // each node grants all of it
}

func ready(ls RateLimits) []readyLimit {
	out := make([]readyLimit, len(ls))
	for i, l := range ls {
		out[i] = readyLimit{RateLimit: l, rate: gcra.New(l.Limit, l.window(), l.Burst), tag: nameTag(l.Name)}
		if l.Per == PerExternalID {
			out[i].tag ^= l.depth()
		}
	}
	return out
}

// depth tells limits apart that are whole again after different times. Keys of
// one external id may have both: in one word the quicker would cut off what the
// slower remembers.
func (l *RateLimit) depth() uint64 {
	over, under := uint64(l.Burst)*uint64(l.WindowSeconds), uint64(l.Limit)
	a, b := over, under
	for b != 0 {
		a, b = b, a%b
	}
	return (over/a)*0x9E3779B97F4A7C15 ^ (under/a)*0xC2B2AE3D27D4EB4F
}

// nameTag is FNV-1a. A key has few names, given by its owner.
func nameTag(name string) uint64 {
	h := uint64(14695981039346656037)
	for i := range len(name) {
		h = (h ^ uint64(name[i])) * 1099511628211
	}
	return h
}

// limiter keeps where limits stand, each in one word that is made when it is
// first used and forgotten when it is whole again.
type limiter struct {
	words index.Lazy[atomic.Int64]
	seeds [2]maphash.Seed // of external ids, which strangers may choose
	clock func() time.Time
	born  time.Time // the base of the monotonic clock that limits run on
	share sharing

	reading func() int64 // at, of the present
}

func newLimiter(clock func() time.Time) *limiter {
	l := &limiter{seeds: [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}, clock: clock, born: clock()}
	l.reading = func() int64 { return l.at(l.clock()) }
	// A while after it was whole: a check may come with a reading from before.
	l.words.Idle = func(w *atomic.Int64) bool { return gcra.Retire(w, l.reading()-int64(time.Second)) }
	return l
}

// at is an instant on the monotonic clock. It is never 0.
func (l *limiter) at(clock time.Time) int64 { return int64(clock.Sub(l.born)) + 1 }

// subject is whose limits are asked, by the two ways of counting.
type subject struct {
	key      KeyID
	owner    *owner
	external string
}

// words is where the state of a subject is found. The last word is free for what
// of it is meant.
func (s *subject) words(per Per, seeds *[2]maphash.Seed) index.LazyKey {
	if per == PerKey || s.external == "" {
		return index.LazyKey{binary.LittleEndian.Uint64(s.key[:8]), binary.LittleEndian.Uint64(s.key[8:])}
	}
	home := [16]byte(s.owner.project)
	if s.owner.project.IsZero() {
		home = s.owner.organization
	}
	return index.LazyKey{
		maphash.String(seeds[0], s.external) + binary.LittleEndian.Uint64(home[:8]),
		maphash.String(seeds[1], s.external) + binary.LittleEndian.Uint64(home[8:]),
	}
}

// take takes cost from every limit, or from none, and says in v where they
// stand.
func (l *limiter) take(v *Verdict, who *subject, limits []readyLimit, clock time.Time, cost int64) bool {
	v.RateLimits.limits = limits
	at := l.at(clock)
	if len(limits) > 1 && !l.look(v, who, limits, at, cost) {
		return false
	}
	for i := range limits {
		st, retry, took := l.takeOne(who, &limits[i], at, cost)
		v.RateLimits.states[i] = st
		if took {
			continue
		}
		now := l.reading()
		for j := range i {
			k, rate, _ := l.part(who, &limits[j])
			if w := l.words.Get(&k); w != nil {
				rate.Give(w, at, now, cost)
			}
		}
		l.look(v, who, limits, at, cost)
		v.RetryAfter = retry
		return false
	}
	return true
}

// look says in v where the limits stand and, when cost does not fit, when it
// would.
func (l *limiter) look(v *Verdict, who *subject, limits []readyLimit, at, cost int64) bool {
	v.RateLimits.limits = limits
	all, never := true, false
	for i := range limits {
		var whole atomic.Int64
		k, rate, from := l.part(who, &limits[i])
		w := l.words.Get(&k)
		if w == nil {
			w = &whole
		}
		begin(w, from)
		st, retry, fits := rate.Look(w, at, cost)
		v.RateLimits.states[i] = st
		if !fits {
			all = false
			never = never || retry == 0
			v.RetryAfter = max(v.RetryAfter, retry)
		}
	}
	if never {
		v.RetryAfter = 0
	}
	return all
}

func (l *limiter) takeOne(who *subject, limit *readyLimit, at, cost int64) (gcra.State, time.Duration, bool) {
	k, rate, from := l.part(who, limit)
	for w := l.words.Get(&k); ; w = nil {
		if w == nil {
			w = l.words.Make(&k)
		}
		begin(w, from)
		if st, retry, o := rate.Take(w, at, cost, l.reading); o != gcra.Retired {
			return st, retry, o == gcra.Taken
		}
	}
}

// part is where a limit's state is found, what of it this node grants, and what
// a state begins with: 0 is a full burst.
func (l *limiter) part(who *subject, limit *readyLimit) (k index.LazyKey, rate gcra.Rate, from int64) {
	k = who.words(limit.Per, &l.seeds)
	k[2] = limit.tag
	sh := l.share.now.Load()
	if sh == nil || limit.whole {
		return k, limit.rate, 0
	}
	k[2] ^= sh.tag
	rate, from = sh.of(limit)
	return k, rate, from
}

func begin(w *atomic.Int64, from int64) {
	if from != 0 && w.Load() == 0 {
		w.CompareAndSwap(0, from)
	}
}
