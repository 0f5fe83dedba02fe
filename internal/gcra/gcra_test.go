package gcra_test

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/halberdhq/halberd/internal/gcra"
)

// at is a clock that stands still.
func at(now int64) func() int64 { return func() int64 { return now } }

func TestBurstThenRate(t *testing.T) {
	r := gcra.New(60, time.Minute, 5)
	var word atomic.Int64
	now := int64(1e9)
	for i := range int64(5) {
		st, _, ok := r.Take(&word, now, 1, at(now))
		if ok != gcra.Taken || st.Remaining != 4-i {
			t.Fatalf("take %d: %+v %v", i, st, ok)
		}
	}
	st, retry, ok := r.Take(&word, now, 1, at(now))
	if ok == gcra.Taken || retry != time.Second || st.Reset != 5*time.Second {
		t.Fatalf("sixth: %+v %v", st, ok)
	}
	if _, _, ok := r.Take(&word, now+int64(time.Second)-1, 1, at(now+int64(time.Second)-1)); ok == gcra.Taken {
		t.Error("let through a nanosecond early")
	}
	if _, _, ok := r.Take(&word, now+int64(time.Second), 1, at(now+int64(time.Second))); ok != gcra.Taken {
		t.Error("refused when Retry had passed")
	}
}

func TestRefusedTakesSpendNothing(t *testing.T) {
	r := gcra.New(10, time.Second, 10)
	var word atomic.Int64
	if _, _, ok := r.Take(&word, 1, 11, at(1)); ok == gcra.Taken {
		t.Error("a cost beyond the burst was taken")
	}
	if st, _, ok := r.Take(&word, 1, 10, at(1)); ok != gcra.Taken || st.Remaining != 0 {
		t.Errorf("%+v %v", st, ok)
	}
	r.Give(&word, 1, 1, 10)
	if st, _, ok := r.Take(&word, 1, 10, at(1)); ok != gcra.Taken || st.Remaining != 0 {
		t.Errorf("after giving back: %+v %v", st, ok)
	}
}

// In any span the amount let through is at most burst + rate × span, and under
// steady overload at most 1 % less.
func TestNeverOverInAnySpan(t *testing.T) {
	for _, c := range []struct {
		limit  int64
		window time.Duration
		burst  int64
	}{{100, 10 * time.Second, 100}, {7, time.Minute, 3}, {1_000_000, time.Second, 10}, {1, time.Hour, 1}} {
		r := gcra.New(c.limit, c.window, c.burst)
		var word atomic.Int64
		var let []int64
		step := int64(c.window) / c.limit / 5
		end := 1 + int64(c.window)*20/max(1, c.limit/100)
		for now := int64(1); now < end; now += step {
			if _, _, ok := r.Take(&word, now, 1, at(now)); ok == gcra.Taken {
				let = append(let, now)
			}
		}
		for i := 0; i < len(let); i += 1 + len(let)/300 {
			for j := i; j < len(let); j += 1 + len(let)/300 {
				span := let[j] - let[i]
				most := float64(c.burst) + float64(c.limit)*float64(span)/float64(c.window)
				if float64(j-i+1) > most+1e-6 {
					t.Fatalf("%+v: %d in %v, at most %.2f", c, j-i+1, time.Duration(span), most)
				}
			}
		}
		whole := float64(c.burst) + float64(c.limit)*float64(end)/float64(c.window)
		if float64(len(let)) < 0.99*whole-1 {
			t.Errorf("%+v: %d of %.1f let through", c, len(let), whole)
		}
	}
}

func TestConcurrentTakesAreExact(t *testing.T) {
	r := gcra.New(1, time.Hour, 1000)
	var word atomic.Int64
	var let atomic.Int64
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 1000 {
				if _, _, ok := r.Take(&word, 5, 1, at(5)); ok == gcra.Taken {
					let.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if let.Load() != 1000 {
		t.Errorf("%d let through", let.Load())
	}
}

func TestHugeLimitsDoNotOverflow(t *testing.T) {
	r := gcra.New(1, 31*24*time.Hour, 1_000_000_000)
	var word atomic.Int64
	for range 5 {
		if _, _, ok := r.Take(&word, 1, 100, at(1)); ok != gcra.Taken {
			t.Fatal("refused below the burst")
		}
	}
	if _, _, ok := r.Take(&word, 1, 1<<40, at(1)); ok == gcra.Taken {
		t.Error("an absurd cost was taken")
	}
}

// A limit that was changed does not inherit a wait longer than its own burst.
func TestALimitMadeFasterForgetsTheSlowOne(t *testing.T) {
	slow, fast := gcra.New(1, time.Hour, 100), gcra.New(10, time.Second, 10)
	var word atomic.Int64
	slow.Take(&word, 1, 100, at(1))
	if _, _, ok := fast.Take(&word, 1+int64(100*time.Millisecond), 1, at(1+int64(100*time.Millisecond))); ok == gcra.Taken {
		t.Error("a spent word is a fresh burst")
	}
	if _, retry, _ := fast.Take(&word, 1, 1, at(1)); retry > time.Second {
		t.Errorf("must wait %v", retry)
	}
}

// Nor does it wait longer than its own burst when the clock has gone back: the
// wait that is told passes.
func TestAWordFarAheadOfTheClockIsNotStuck(t *testing.T) {
	r := gcra.New(10, time.Second, 10)
	var word atomic.Int64
	word.Store(int64(time.Hour))
	_, retry, o := r.Take(&word, 1, 1, at(1))
	if o != gcra.Refused || retry != 100*time.Millisecond {
		t.Fatalf("%v, retry %v", o, retry)
	}
	if _, _, o := r.Take(&word, 1+int64(retry), 1, at(1+int64(retry))); o != gcra.Taken {
		t.Error("stuck")
	}
}

// What is given back is never more than what is still taken: the bound holds
// also where others took and time passed in between.
func TestGivingBackLetsNoMoreThrough(t *testing.T) {
	r := gcra.New(10, 10*time.Second, 10) // a unit a second
	const s = int64(time.Second)
	var word atomic.Int64
	r.Take(&word, s, 3, at(s))
	r.Take(&word, 10*s, 10, at(10*s)) // by now the three have come back: this is the burst
	r.Give(&word, s, 10*s, 3)
	if _, _, o := r.Take(&word, 10*s, 1, at(10*s)); o == gcra.Taken {
		t.Error("eleven within an instant")
	}
	word.Store(0)
	r.Take(&word, s, 3, at(s))
	r.Give(&word, s, s, 3)
	if st, _, o := r.Take(&word, s, 10, at(s)); o != gcra.Taken || st.Remaining != 0 {
		t.Error("what was given back at once is not there")
	}
	r.Give(&word, s, 3*s, 10)
	if st, _, fits := r.Look(&word, 3*s, 10); !fits || st.Remaining != 10 {
		t.Errorf("%+v", st)
	}
}

// A word that says nothing is retired, and only such a one.
func TestOnlyAWholeWordIsRetired(t *testing.T) {
	r := gcra.New(1, time.Second, 2)
	var word atomic.Int64
	r.Take(&word, 5, 1, at(5))
	if gcra.Retire(&word, 5+int64(time.Second)-1) {
		t.Fatal("retired before its burst was whole")
	}
	if !gcra.Retire(&word, 5+int64(time.Second)) || !gcra.Retire(&word, 5) {
		t.Fatal("not retired")
	}
	if _, _, o := r.Take(&word, 1<<40, 1, at(1<<40)); o != gcra.Retired {
		t.Error("taken from a retired word")
	}
	r.Give(&word, 1, 1, 1)
	if !gcra.Retire(&word, 0) {
		t.Error("a gift brought it back")
	}
	if st, _, fits := r.Look(&word, 1<<40, 2); !fits || st.Remaining != 2 {
		t.Errorf("a retired word is a whole burst: %+v", st)
	}
}

// Many take at once on a clock that runs: in any span no more than the burst and
// what came back, and overall at most 1 % less than that.
func TestNeverOverWhileManyTake(t *testing.T) {
	const limit, burst = 20_000, 50
	r := gcra.New(limit, time.Second, burst)
	var word, clock atomic.Int64
	clock.Store(1)
	let := make([][]int64, 4)
	var wg sync.WaitGroup
	for g := range let {
		wg.Go(func() {
			for range 100_000 {
				// Each sees the clock a little later than the one before, as a
				// monotonic clock is read; who is overtaken takes with an old reading.
				now := clock.Add(int64(time.Microsecond))
				if _, _, o := r.Take(&word, now, 1, func() int64 { now = clock.Load(); return now }); o == gcra.Taken {
					let[g] = append(let[g], now)
				}
			}
		})
	}
	wg.Wait()
	all := slices.Sorted(slices.Values(slices.Concat(let...)))
	const unit = int64(time.Second) / limit
	for i := range all {
		for _, j := range []int{i + burst, i + 3*burst, i + 20*burst} {
			// A reading that was overtaken is the time of its check all the same.
			if j < len(all) && int64(j-i+1-burst)*unit > all[j]-all[i] {
				t.Fatalf("%d were let through in %v", j-i+1, time.Duration(all[j]-all[i]))
			}
		}
	}
	whole := burst + float64(clock.Load())/float64(unit)
	if n := float64(len(all)); n > whole+1 || n < 0.99*whole {
		t.Errorf("%v of %.1f were let through", n, whole)
	}
}
