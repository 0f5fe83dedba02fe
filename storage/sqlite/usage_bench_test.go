package sqlite_test

import (
	"context"
	"encoding/binary"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/storage/sqlite"
)

// usedOnce opens a store in which as many keys as are measured were used.
func usedOnce(b *testing.B) *sqlite.Store {
	b.Helper()
	s := open(b, b.TempDir())
	b.Cleanup(func() { _ = s.Close() })
	for from := 0; from < keysToMeasure(); from += 10_000 {
		if err := s.AddUsage(b.Context(), usesOf(from, 1, 10_000, 1_795_000_000)); err != nil {
			b.Fatal(err)
		}
	}
	return s
}

// usesOf is one use of n keys, each stride after the one before.
func usesOf(from, stride, n int, at int64) halberd.UsageBatch {
	var u halberd.UsageBatch
	for i := range n {
		var id halberd.KeyID
		binary.BigEndian.PutUint64(id[8:], uint64((from+i*stride)%keysToMeasure())*0x9e3779b97f4a7c15)
		u.Counts = append(u.Counts, halberd.UsageCount{
			Key: id, Organization: benchOrganization, Project: benchProject, Minute: at - at%60, Verdict: "VALID", Count: 7,
		})
		u.Uses = append(u.Uses, halberd.KeyUse{
			Key: id, Organization: benchOrganization, Project: benchProject, At: at, Sampled: true,
			From: "203.0.113.7", Agent: "python-requests/2.32.3 (nightly export; +https://example.com/bot)",
		})
	}
	return u
}

// flush brings what 10,000 keys were used in one second into the tables, in the
// batches of the Service, and returns how long the longest one took.
func flush(tb testing.TB, s *sqlite.Store, second int) (longest time.Duration) {
	for part := range 5 {
		u := usesOf(part*2_000*97, 97, 2_000, 1_795_000_060+int64(second))
		begin := time.Now()
		if err := s.AddUsage(context.Background(), u); err != nil {
			tb.Error(err)
		}
		longest = max(longest, time.Since(begin))
	}
	return longest
}

// BenchmarkFlush stores a second of 10,000 keys in use, of a million that were
// used before; every minute of them is carried on to its hour.
func BenchmarkFlush(b *testing.B) {
	s := usedOnce(b)
	second, longest, part := 0, time.Duration(0), time.Duration(0)
	for b.Loop() {
		longest = max(longest, flush(b, s, second))
		second++
		if second%60 != 0 {
			continue
		}
		b.StopTimer()
		for more := true; more; {
			begin := time.Now()
			var err error
			more, err = s.TidyUsage(b.Context(), halberd.UsageTidying{
				Until: 1_795_000_020 + int64(second), KeepMinutes: 1_794_999_960 + int64(second), Limit: 2_000,
			})
			if err != nil {
				b.Fatal(err)
			}
			part = max(part, time.Since(begin))
		}
		b.StartTimer()
	}
	b.ReportMetric(float64(longest.Milliseconds()), "ms/longest-batch")
	b.ReportMetric(float64(part.Milliseconds()), "ms/longest-tidying")
}

// BenchmarkCreateBesideFlushes inserts keys one by one, alone and while a
// second's counts of 10,000 keys are stored every second.
func BenchmarkCreateBesideFlushes(b *testing.B) {
	for _, busy := range []bool{false, true} {
		name := "alone"
		if busy {
			name = "beside"
		}
		b.Run(name, func(b *testing.B) {
			s := usedOnce(b)
			ctx, stop := context.WithCancel(context.Background())
			var beside sync.WaitGroup
			if busy {
				beside.Go(func() {
					tick := time.NewTicker(time.Second)
					defer tick.Stop()
					for second := 0; ; second++ {
						flush(b, s, second)
						select {
						case <-tick.C:
						case <-ctx.Done():
							return
						}
					}
				})
			}
			var took []time.Duration
			n := 0
			for b.Loop() {
				begin := time.Now()
				n++
				insertOne(b, s, n)
				took = append(took, time.Since(begin))
			}
			stop()
			beside.Wait()
			slices.Sort(took)
			b.ReportMetric(float64(took[len(took)*99/100].Microseconds()), "µs/p99")
		})
	}
}
