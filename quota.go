package halberd

import (
	"time"
)

// Quota is how many uses a key has in a period; a use takes its check's Cost.
// Unlike a rate limit it survives a restart and is never exceeded by one.
type Quota struct {
	Limit        int64  `json:"limit"` // uses a period
	Refill       Refill `json:"refill"`
	EverySeconds int64  `json:"every_seconds,omitempty"` // with RefillInterval
	Per          Per    `json:"per,omitempty"`
}

// Refill is when a quota is whole again. There is nothing in between: at the
// beginning of a period all uses are there, and what was left is gone.
type Refill string

// The refills. All are reckoned in UTC.
const (
	RefillNone     Refill = "none"     // never
	RefillDay      Refill = "day"      // at midnight
	RefillMonth    Refill = "month"    // at midnight before the first
	RefillInterval Refill = "interval" // every EverySeconds, counted from 1 January 1970
)

const (
	maxQuota      = 1_000_000_000_000
	minQuotaEvery = 60 // seconds: a refill is a write
	maxQuotaEvery = 366 * 24 * 3600
)

// validate gives q as it is kept, and refuses what makes no sense. nil is none.
func (q *Quota) validate() (*Quota, error) {
	if q == nil {
		return nil, nil
	}
	out := *q
	var err error
	if out.Per, err = plainPer("quota", q.Per); err != nil {
		return nil, err
	}
	switch q.Refill {
	case "":
		return nil, Invalid("quota", "needs a refill of none, day, month or interval")
	case RefillNone, RefillDay, RefillMonth:
		if q.EverySeconds != 0 {
			return nil, Invalid("quota", "may have every_seconds with refill interval only")
		}
	case RefillInterval:
		if q.EverySeconds < minQuotaEvery || q.EverySeconds > maxQuotaEvery {
			return nil, Invalid("quota", "needs an every_seconds from %d to %d with refill interval", minQuotaEvery, maxQuotaEvery)
		}
	default:
		return nil, Invalid("quota", "needs a refill of none, day, month or interval")
	}
	if q.Limit < 1 || q.Limit > maxQuota {
		return nil, Invalid("quota", "needs a limit from 1 to %d", int64(maxQuota))
	}
	return &out, nil
}

// period is the beginning and the end of the period at now, in Unix seconds; a
// quota that is never refilled has one, from 0, without an end.
func (q *Quota) period(now time.Time) (begin, end int64) {
	every := q.EverySeconds
	switch q.Refill {
	case RefillDay:
		every = 24 * 3600
	case RefillInterval:
	case RefillMonth:
		y, m, _ := now.UTC().Date()
		return time.Date(y, m, 1, 0, 0, 0, 0, time.UTC).Unix(), time.Date(y, m+1, 1, 0, 0, 0, 0, time.UTC).Unix()
	default:
		return 0, 0
	}
	begin = now.Unix() - now.Unix()%every
	return begin, begin + every
}

// within reports whether q lets no more through than outer: no more in a period,
// and no more often. nil lets everything through.
func (q *Quota) within(outer *Quota) bool {
	switch {
	case outer == nil:
		return true
	case q == nil, q.Limit > outer.Limit, !q.Per.within(outer.Per):
		return false
	case q.Refill == outer.Refill && q.EverySeconds == outer.EverySeconds:
		return true
	}
	shortest, _ := q.lasts()
	_, longest := outer.lasts()
	return shortest >= longest
}

// lasts is how long a period is at least and at most, in seconds.
func (q *Quota) lasts() (shortest, longest int64) {
	const day = 24 * 3600
	switch q.Refill {
	case RefillDay:
		return day, day
	case RefillMonth:
		return 28 * day, 31 * day
	case RefillInterval:
		return q.EverySeconds, q.EverySeconds
	}
	return 1 << 62, 1 << 62
}

// QuotaState is where a quota stands.
type QuotaState struct {
	Limit     int64 // 0 where it is not told
	Remaining int64
	RefillsAt time.Time // zero: never
}
