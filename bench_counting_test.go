package halberd_test

import (
	"bytes"
	"context"
	"os"
	"runtime"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/storage/sqlite"
)

// BenchmarkCounting measures what storing counts every second, and bringing them
// together and judging them by the alert rules every minute, add to the processor
// time of checks: what the process used beside the thread that asks without a
// pause, as a part of that core. It does not depend on how often each key is asked,
// so that a busy machine, which leaves the thread less, makes it no larger than the
// caches it takes. What a check itself does to be counted is a check's.
func BenchmarkCounting(b *testing.B) {
	dir, _ := population(b)
	text, err := os.ReadFile(dir + ".secrets")
	if err != nil {
		b.Fatal(err)
	}
	lines := bytes.Fields(text)
	for _, set := range []struct {
		name string
		keys int
	}{{"1000-in-use", 1_000}, {"10000-in-use", 10_000}} {
		b.Run(set.name, func(b *testing.B) {
			keys := make([]halberd.Secret, set.keys)
			for i := range keys {
				keys[i] = halberd.NewSecret(string(lines[i]))
			}
			var added float64
			rounds := 0
			for ; b.Loop(); rounds++ {
				added += beside(b, dir, keys)
			}
			b.ReportMetric(100*added/float64(rounds), "%-added")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// beside is the processor time of counting and judging as a part of a core's.
func beside(b *testing.B, dir string, keys []halberd.Secret) float64 {
	b.Helper()
	const turn = 57 * time.Second // of a minute: in the rest the last counts are stored
	var ahead atomic.Int64        // nanoseconds, of the clock
	ctx := context.Background()
	store, err := sqlite.Open(ctx, dir, sqlite.Options{})
	if err != nil {
		b.Fatal(err)
	}
	s, err := halberd.New(ctx, store, halberd.Options{FlushEvery: time.Second, Now: func() time.Time {
		return time.Now().Add(time.Duration(ahead.Load()))
	}})
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}()
	ask := func(during time.Duration) {
		for until := time.Now().Add(during); time.Now().Before(until); {
			for i := range 10_000 {
				v, err := s.Verify(ctx, halberd.Check{Secret: keys[i*7919%len(keys)], Scopes: []halberd.Scope{"read"}})
				if err != nil || v.Code != halberd.Valid && v.Code != halberd.RateLimited {
					b.Fatal(v.Code, err)
				}
			}
		}
	}
	evaluate := func() { // as a minute ends
		now := s.Now()
		ahead.Add(int64(now.Truncate(time.Minute).Add(time.Minute).Sub(now)))
		for more := true; more; {
			var err error
			if more, err = s.TidyUsage(ctx, halberd.UsageRetention{Minutes: 2}); err != nil {
				b.Fatal(err)
			}
		}
		if err := s.EvaluateAlerts(ctx); err != nil {
			b.Fatal(err)
		}
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for range 5 { // what is done once, and by and by, is not measured
		ask(2 * time.Second)
		evaluate()
	}
	runtime.GC()
	all, mine := processor(b, syscall.RUSAGE_SELF), processor(b, rusageThread)
	ask(turn)
	mine = processor(b, rusageThread) - mine
	time.Sleep(2 * time.Second) //nolint:forbidigo // the last flush
	stored := processor(b, syscall.RUSAGE_SELF) - all - mine
	all = processor(b, syscall.RUSAGE_SELF)
	evaluate()
	judged := processor(b, syscall.RUSAGE_SELF) - all
	b.Logf("%v of checks, %v of storing counts, %v of judging them", mine, stored, judged)
	return (stored + judged).Seconds() / turn.Seconds()
}

// rusageThread asks for the calling thread alone (Linux).
const rusageThread = 1

// processor is the time that this process, or this thread, has used.
func processor(b *testing.B, who int) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(who, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
