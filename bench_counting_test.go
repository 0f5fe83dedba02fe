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

// BenchmarkCounting measures what storing counts every second and judging them by
// the alert rules every minute add to the processor time of a check. Turns with and
// without take each other's place, over the same data; what a check itself does to be
// counted is in both.
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
			var with, without float64
			for b.Loop() {
				for range 2 {
					without += perCheck(b, dir, keys, false)
					with += perCheck(b, dir, keys, true)
				}
			}
			b.ReportMetric(100*(with-without)/without, "%-added")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// perCheck is the processor time of a check, in nanoseconds, of one who asks without
// a pause.
func perCheck(b *testing.B, dir string, keys []halberd.Secret, counting bool) float64 {
	b.Helper()
	const turn = 30 * time.Second
	var ahead atomic.Int64 // of the clock, in minutes
	o := halberd.Options{FlushEvery: time.Hour, Now: func() time.Time {
		return time.Now().Add(time.Duration(ahead.Load()) * time.Minute)
	}}
	if counting {
		o.FlushEvery = time.Second
	}
	ctx := context.Background()
	store, err := sqlite.Open(ctx, dir, sqlite.Options{})
	if err != nil {
		b.Fatal(err)
	}
	s, err := halberd.New(ctx, store, o)
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}()
	ask := func(during time.Duration) (checks int) {
		for until := time.Now().Add(during); time.Now().Before(until); checks += 1000 {
			for i := range 1000 {
				v, err := s.Verify(ctx, halberd.Check{Secret: keys[(checks+i)*7919%len(keys)], Scopes: []halberd.Scope{"read"}})
				if err != nil || v.Code != halberd.Valid && v.Code != halberd.RateLimited {
					b.Fatal(v.Code, err)
				}
			}
		}
		return checks
	}
	evaluate := func() {
		ahead.Add(1)
		if counting {
			if err := s.EvaluateAlerts(ctx); err != nil {
				b.Fatal(err)
			}
		}
	}
	ask(3 * time.Second)
	evaluate() // what is done once is not measured
	runtime.GC()
	used := processor(b)
	checks := ask(turn)
	asked := processor(b) - used
	time.Sleep(2 * time.Second) //nolint:forbidigo // until the last counts are stored
	used = processor(b)
	evaluate()
	evaluated := processor(b) - used // as is done once a minute
	return float64(asked+evaluated*turn/time.Minute) / float64(checks)
}

// processor is the time that this process has used.
func processor(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
