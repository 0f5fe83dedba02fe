package sqlite_test

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/storage/sqlite"
)

// keysToMeasure is how many keys the large benchmarks begin with. A tenth of
// them is revoked, half were used.
func keysToMeasure() int {
	if n, err := strconv.Atoi(os.Getenv("HALBERD_BENCH_KEYS")); err == nil {
		return n
	}
	return 1_000_000
}

var (
	benchOrganization = halberd.OrganizationID{15: 1}
	benchProject      = halberd.ProjectID{15: 1}
)

func benchKey(n int) halberd.KeyRecord {
	k := halberd.KeyRecord{
		Organization: benchOrganization, Project: benchProject,
		Digest:   sha256.Sum256(binary.BigEndian.AppendUint64(nil, uint64(n))),
		PepperID: 1, State: halberd.StateActive, Hint: "hb_live_a" + strconv.Itoa(n%10),
		Name: fmt.Sprintf("key %d of the billing service", n*7919%1_000_003), ExternalID: fmt.Sprint("customer-", n/3),
		Scopes: "read write", Policy: `{"resources":["*"],"ip_allow":[],"rate_limits":null}`,
		Detail:    `{"created_by":"key_01h455vb4pex5vsknk084sn02q","metadata":{"team":"billing"}}`,
		CreatedAt: 1_790_000_000 + int64(n/50), Version: 1, MAC: sha256.Sum256([]byte{byte(n)}),
	}
	binary.BigEndian.PutUint64(k.ID[:], uint64(n/50)<<16|0x7000)
	binary.BigEndian.PutUint64(k.ID[8:], uint64(n)*0x9e3779b97f4a7c15)
	if n%2 == 0 {
		k.ExpiresAt = k.CreatedAt + int64(n*31%10_000_000)
	}
	if n%10 == 9 {
		k.State, k.RevokedAt = halberd.StateRevoked, k.CreatedAt+5
	}
	return k
}

// filled opens a store with n keys. With HALBERD_BENCH_DIR it is kept there
// for the next time.
func filled(b *testing.B, n int) *sqlite.Store {
	b.Helper()
	dir := os.Getenv("HALBERD_BENCH_DIR")
	if dir == "" {
		dir = b.TempDir()
	} else {
		dir = fmt.Sprint(dir, "/", n)
	}
	s := open(b, dir)
	b.Cleanup(func() { _ = s.Close() })
	have := 0
	if err := s.View(b.Context(), func(r halberd.Reader) (err error) {
		have, err = r.CountKeys(benchProject, 0)
		return err
	}); err != nil || have > 0 {
		if err != nil {
			b.Fatal(err)
		}
		return s
	}
	const stretch = 10_000
	for from := 0; from < n; from += stretch {
		var uses halberd.UsageBatch
		if err := s.Update(b.Context(), func(tx halberd.Tx) error {
			for i := from; i < min(n, from+stretch); i++ {
				k := benchKey(i)
				if i%4 < 2 {
					uses.Counts = append(uses.Counts, halberd.UsageCount{
						Key: k.ID, Organization: k.Organization, Project: k.Project,
						Minute: 1_790_000_040, Verdict: "VALID", Count: 1,
					})
					uses.Uses = append(uses.Uses, halberd.KeyUse{
						Key: k.ID, Organization: k.Organization, Project: k.Project, At: 1_795_000_000 + int64(i*17%100_000),
					})
				}
				if err := tx.InsertKey(k); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			b.Fatal(err)
		}
		if err := s.AddUsage(b.Context(), uses); err != nil {
			b.Fatal(err)
		}
	}
	return s
}

// BenchmarkUpdate inserts one key an Update: alone, and as one of many.
func BenchmarkUpdate(b *testing.B) {
	for _, callers := range []int{1, 64} {
		b.Run(fmt.Sprint("callers=", callers), func(b *testing.B) {
			s := open(b, b.TempDir())
			defer s.Close()
			var n atomic.Int64
			b.SetParallelism((callers + runtime.GOMAXPROCS(0) - 1) / runtime.GOMAXPROCS(0))
			if callers == 1 {
				for b.Loop() {
					insertOne(b, s, int(n.Add(1)))
				}
				return
			}
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					insertOne(b, s, int(n.Add(1)))
				}
			})
		})
	}
}

func insertOne(b *testing.B, s *sqlite.Store, n int) {
	k := benchKey(n * 10)
	if err := s.Update(context.Background(), func(tx halberd.Tx) error { return tx.InsertKey(k) }); err != nil {
		b.Error(err)
	}
}

// BenchmarkLoad reads a million keys.
func BenchmarkLoad(b *testing.B) {
	n := keysToMeasure()
	s := filled(b, n)
	for b.Loop() {
		var got atomic.Int64
		if err := s.Load(b.Context(), runtime.GOMAXPROCS(0), 0, func(batch []halberd.KeyRecord) error {
			got.Add(int64(len(batch)))
			return nil
		}); err != nil {
			b.Fatal(err)
		}
		if got.Load() != int64(n) {
			b.Fatalf("%d keys", got.Load())
		}
	}
}

// BenchmarkPage reads a page of 50 of a million keys: the first, one from the
// middle, and the last.
func BenchmarkPage(b *testing.B) {
	s := filled(b, keysToMeasure())
	for _, sort := range []halberd.SortField{halberd.SortCreated, halberd.SortName, halberd.SortExpires, halberd.SortLastUsed} {
		for _, descending := range []bool{false, true} {
			for _, depth := range []string{"first", "middle", "last"} {
				f := halberd.KeyFilter{
					Organization: benchOrganization, Project: benchProject, Sort: sort, Descending: descending, Limit: 50, Now: 1_790_010_000,
					States: []halberd.State{halberd.StateActive, halberd.StateInactive, halberd.StateExpired},
				}
				f.After = benchPosition(f, depth)
				b.Run(fmt.Sprintf("%s/descending=%v/%s", sort, descending, depth), func(b *testing.B) {
					for b.Loop() {
						if err := s.View(b.Context(), func(r halberd.Reader) error {
							page, err := r.Keys(f)
							if len(page) != 50 && depth != "last" {
								b.Fatalf("%d keys", len(page))
							}
							return err
						}); err != nil {
							b.Fatal(err)
						}
					}
				})
			}
		}
	}
}

// benchPosition is a place in the list: among the keys with a value, or near
// the end, which for some orders is among those without.
func benchPosition(f halberd.KeyFilter, depth string) *halberd.KeyPosition {
	n := keysToMeasure()
	mid := benchKey(n / 2)
	switch {
	case depth == "first":
		return nil
	case depth == "middle":
		switch f.Sort {
		case halberd.SortName:
			return &halberd.KeyPosition{Text: "key 500", ID: mid.ID}
		case halberd.SortExpires:
			return &halberd.KeyPosition{Int: 1_795_000_000, ID: mid.ID}
		case halberd.SortLastUsed:
			return &halberd.KeyPosition{Int: 1_795_050_000, ID: mid.ID}
		}
		return &halberd.KeyPosition{Int: mid.CreatedAt, ID: mid.ID}
	case f.Sort == halberd.SortExpires, f.Sort == halberd.SortLastUsed:
		return &halberd.KeyPosition{ID: mid.ID} // half way through those without
	case f.Sort == halberd.SortName:
		if f.Descending {
			return &halberd.KeyPosition{Text: "key 10", ID: mid.ID}
		}
		return &halberd.KeyPosition{Text: "key 99", ID: mid.ID}
	case f.Descending:
		return &halberd.KeyPosition{Int: benchKey(1000).CreatedAt, ID: mid.ID}
	}
	return &halberd.KeyPosition{Int: benchKey(n - 1000).CreatedAt, ID: mid.ID}
}
