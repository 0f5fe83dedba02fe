package simulation

import (
	"math/rand/v2"
	"sync"
	"testing"
	"time"
	"unsafe"
)

// clock is a machine's: it runs at a rate of its own from the start, its wall
// part can be set, and its monotonic part stands still while the machine is
// suspended.
type clock struct {
	began time.Time
	rate  float64

	mu        sync.Mutex
	set       time.Duration // what the wall part was set forward in all
	stood     time.Duration // how long the monotonic part has stood still
	suspended time.Time     // since when it stands still; zero: it runs
	resumed   time.Time     // when it last stood still
	back      time.Time     // when the wall part was last set back
	apart     time.Duration // how long it is, at least, from one of the two to the other
}

// epoch is what the wall shows when a run begins.
var epoch = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// newClock draws a clock.
//
// A machine that sleeps and whose wall clock is set back by as much, both in one
// lease, cannot know that time has passed: the protocol does not allow for it
// (docs/decisions/0077-three-nodes-simulated.md), and no such clock is made.
func newClock(rate float64, apart time.Duration) *clock {
	return &clock{began: time.Now(), rate: 1 + rate, apart: apart}
}

// anyRate is by how much a clock runs faster, or slower.
func anyRate(r *rand.Rand) float64 {
	return []float64{-mostRate, mostRate, 0, mostRate * (2*r.Float64() - 1)}[r.IntN(4)]
}

// read is a reading as time.Now would give it on that machine.
func (c *clock) read() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	passed := time.Since(c.began)
	stood := c.stood
	if !c.suspended.IsZero() {
		stood += time.Since(c.suspended)
	}
	scaled := func(d time.Duration) time.Duration { return time.Duration(float64(d) * c.rate) }
	return reading(epoch.Add(scaled(passed)+c.set), time.Hour+scaled(passed-stood))
}

// step sets the wall part.
func (c *clock) step(by time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if by < 0 {
		if !c.suspended.IsZero() || time.Since(c.resumed) < c.apart {
			return
		}
		c.back = time.Now()
	}
	c.set += by
}

// suspend stops the monotonic part, and resume starts it again.
func (c *clock) suspend() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.suspended.IsZero() && time.Since(c.back) >= c.apart {
		c.suspended = time.Now()
	}
}

func (c *clock) resume() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.suspended.IsZero() {
		c.stood += time.Since(c.suspended)
		c.suspended, c.resumed = time.Time{}, time.Now()
	}
}

// reading makes a time.Time of a wall part and a monotonic part that have
// nothing to do with each other, as they do not on a machine whose clock is set
// or that sleeps. No function of package time does: Add moves both. TestReading
// holds it against the package.
func reading(wall time.Time, monotonic time.Duration) (t time.Time) {
	const (
		hasMonotonic = 1 << 63
		since1885    = (1969*365 + 1969/4 - 1969/100 + 1969/400 - (1884*365 + 1884/4 - 1884/100 + 1884/400)) * 86400
	)
	parts := (*struct {
		wall uint64
		ext  int64
		loc  *time.Location
	})(unsafe.Pointer(&t))
	parts.wall = hasMonotonic | uint64(wall.Unix()+since1885)<<30 | uint64(wall.Nanosecond())
	parts.ext = int64(monotonic)
	return t
}

func TestReading(t *testing.T) {
	wall := time.Date(2026, 3, 1, 12, 30, 15, 123456789, time.UTC)
	a, b := reading(wall, time.Hour), reading(wall.Add(-time.Minute), time.Hour+3*time.Second)
	if !a.Equal(wall) || a.UnixNano() != wall.UnixNano() || !a.Round(0).Equal(wall) {
		t.Errorf("the wall part is %v, want %v", a, wall)
	}
	if d := b.Sub(a); d != 3*time.Second {
		t.Errorf("the monotonic parts differ by %v", d)
	}
	if d := b.Round(0).Sub(a.Round(0)); d != -time.Minute {
		t.Errorf("the wall parts differ by %v", d)
	}
	if d := a.Add(time.Second).Sub(a); d != time.Second {
		t.Errorf("a second later is %v later", d)
	}
}
