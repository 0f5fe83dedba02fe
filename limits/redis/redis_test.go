package redis_test

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/internal/redistest"
	"github.com/halberdhq/halberd/limits/redis"
)

// open returns Limits that have met their Redis.
func open(t *testing.T, s *redistest.Server) *redis.Limits {
	t.Helper()
	l, err := redis.New(s.Address(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	present(t, l)
	return l
}

func present(t *testing.T, l *redis.Limits) {
	t.Helper()
	until(t, "the Redis is not found", func() bool { return !l.Away() })
}

func until(t *testing.T, why string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !ok(); <-time.After(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(why)
		}
	}
}

// rested is a limit whose burst is whole: a Redis begins with all spent.
func rested(t *testing.T, l *redis.Limits, m halberd.SharedLimit) halberd.SharedLimit {
	t.Helper()
	until(t, "the burst is not whole", func() bool {
		return m.Burst > 0 && take(t, l, 0, m).States[0] == 0
	})
	return m
}

func limit(name string, n int64, window time.Duration, burst int64) halberd.SharedLimit {
	var word [16]byte
	copy(word[:], name)
	return halberd.SharedLimit{Word: word, Limit: n, Window: window, Burst: burst}
}

func take(t *testing.T, l *redis.Limits, cost int64, of ...halberd.SharedLimit) halberd.SharedTake {
	t.Helper()
	got, err := l.Take(t.Context(), of, cost)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestABurstIsForAllNodesTogether(t *testing.T) {
	s := redistest.Start(t)
	a, b := open(t, s), open(t, s)
	x := rested(t, a, limit("x", 1000, time.Second, 5))
	x.Limit, x.Window = 5, time.Hour // nothing comes back meanwhile
	var let int
	for i := range 10 {
		if take(t, []*redis.Limits{a, b}[i%2], 1, x).Taken {
			let++
		}
	}
	if let != 5 {
		t.Errorf("%d of a burst of 5 were let through", let)
	}
	if got := take(t, a, 6, x); got.Taken || got.Retry != 0 {
		t.Errorf("a cost beyond the burst: %+v", got)
	}
}

func TestAllOrNone(t *testing.T) {
	s := redistest.Start(t)
	l := open(t, s)
	wide := rested(t, l, limit("wide", 1000, time.Second, 10))
	wide.Limit, wide.Window = 10, time.Hour
	narrow := limit("narrow", 1, time.Hour, 1) // all spent since the Redis began
	before := take(t, l, 0, wide, narrow).States
	got := take(t, l, 1, wide, narrow)
	if got.Taken || got.Retry < 59*time.Minute || got.Retry > time.Hour {
		t.Fatalf("%+v", got)
	}
	if after := take(t, l, 0, wide).States[0]; after > before[0] {
		t.Errorf("a refused take spent: %v, then %v", before, after)
	}
	took := take(t, l, 3, wide)
	if !took.Taken {
		t.Fatal("refused what there is")
	}
	if err := l.Give(t.Context(), []halberd.SharedLimit{wide}, 3, took.At); err != nil {
		t.Fatal(err)
	}
	if !take(t, l, 10, wide).Taken || take(t, l, 1, wide).Taken {
		t.Error("what was given back is not there, or more is")
	}
}

// Two nodes take as fast as they can, and the Redis is emptied meanwhile: in no
// span more than burst + rate × t.
func TestNeverOverAlsoWhereItIsEmptied(t *testing.T) {
	for _, c := range []struct {
		name    string
		emptied bool
	}{{"A-66, emptied", true}, {"left alone", false}} {
		t.Run(c.name, func(t *testing.T) {
			s := redistest.Start(t)
			m := limit("m", 100, time.Second, 50) // few enough for a slow machine to want more
			var (
				mu  sync.Mutex
				let []time.Duration
				wg  sync.WaitGroup
			)
			nodes := []*redis.Limits{open(t, s), open(t, s)}
			rested(t, nodes[0], m)
			ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
			defer cancel()
			begin := time.Now()
			for _, l := range nodes {
				for range 4 {
					wg.Go(func() {
						for ctx.Err() == nil {
							asked := time.Since(begin)
							if got, err := l.Take(ctx, []halberd.SharedLimit{m}, 1); err == nil && got.Taken {
								mu.Lock()
								let = append(let, asked, time.Since(begin))
								mu.Unlock()
							}
						}
					})
				}
			}
			if c.emptied {
				<-time.After(time.Second)
				s.Do(t, "FLUSHALL")
			}
			wg.Wait()
			// let holds the beginning and the end of each: it was taken in between.
			var begun, ended []time.Duration
			for i := 0; i < len(let); i += 2 {
				begun, ended = append(begun, let[i]), append(ended, let[i+1])
			}
			slices.Sort(begun)
			slices.Sort(ended)
			for i := range begun {
				for _, n := range []int{60, 100, 200} {
					j := i + n - 1
					if j >= len(ended) {
						continue
					}
					// At least n takes were wholly within [begun[i], …]: at most one for
					// each caller began before.
					if span := ended[j] - begun[i]; float64(n-8) > 50+span.Seconds()*100+1 {
						t.Fatalf("%d within %v", n, span)
					}
				}
			}
			whole := 50 + 100*3.0
			if n := float64(len(begun)); n > whole+1 || n < 60 {
				t.Errorf("%v of %v were let through", n, whole)
			}
			t.Logf("%d of %v were let through", len(begun), whole)
		})
	}
}

// while it is away nothing waits, and once it is back every burst counts
// as spent.
func TestKilledAndBack(t *testing.T) {
	s := redistest.Start(t)
	l := open(t, s)
	m := rested(t, l, limit("m", 1000, time.Second, 20))
	s.Kill()
	if _, err := l.Take(t.Context(), []halberd.SharedLimit{m}, 1); err == nil {
		t.Fatal("taken from a Redis that is gone")
	}
	until(t, "it is not missed", l.Away)
	s.Restart(t)
	present(t, l)
	slow := limit("slow", 10, time.Hour, 10)
	if got := take(t, l, 1, slow); got.Taken {
		t.Error("a Redis that began anew has a burst to give")
	}
	rested(t, l, m)
}

// one that comes back with what it had saved a while ago grants no second
// burst, whoever asks: also a node that was not there before.
func TestBackWithAnOldSnapshot(t *testing.T) {
	s := redistest.Start(t)
	l := open(t, s)
	m := rested(t, l, limit("m", 1000, time.Second, 5))
	m.Limit, m.Window = 5, time.Hour
	if !take(t, l, 1, m).Taken {
		t.Fatal("refused what there is")
	}
	s.Do(t, "SAVE")
	if !take(t, l, 4, m).Taken {
		t.Fatal("refused what there is")
	}
	s.Kill()
	s.Restart(t)
	if got := take(t, open(t, s), 1, m); got.Taken {
		t.Errorf("taken twice: %+v", got)
	}
}

// One that does not answer is given up in a bounded time, and taken back when
// it does; what it kept meanwhile counts as spent for who was away.
func TestOneThatHangs(t *testing.T) {
	s := redistest.Start(t)
	l := open(t, s)
	m := rested(t, l, limit("m", 1000, time.Second, 20))
	m.Limit, m.Window = 10, time.Hour
	s.Signal(syscall.SIGSTOP)
	_, err := l.Take(t.Context(), []halberd.SharedLimit{m}, 1)
	s.Signal(syscall.SIGCONT)
	if err == nil {
		t.Fatal("taken from a Redis that stands still")
	}
	present(t, l)
	if got := take(t, l, 1, m); got.Taken {
		t.Error("a burst from before is granted beside what was granted alone")
	}
}

func TestAnAddressIsNotRepeated(t *testing.T) {
	_, err := redis.New("redis://user:hunter2@[::1:6379/0", nil)
	if err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%v", err)
	}
}
