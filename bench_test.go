package halberd_test

import (
	"context"
	"crypto/sha256"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/internal/fixture"
	"github.com/halberdhq/halberd/storage/memory"
)

// crowd is a Service with many keys, made once for all benchmarks of a run.
// HALBERD_BENCH_KEYS sets how many.
var crowd = sync.OnceValues(func() (*halberd.Service, []halberd.Secret) {
	n := 1_000_000
	if v, err := strconv.Atoi(os.Getenv("HALBERD_BENCH_KEYS")); err == nil {
		n = v
	}
	ctx := context.Background()
	store := memory.New()
	clock := fixture.NewClock()
	first, err := halberd.New(ctx, store, halberd.Options{Now: clock.Now})
	if err != nil {
		panic(err)
	}
	var root halberd.Secret
	if _, err := first.FirstStart(ctx, func(k halberd.Secret) error { root = k; return nil }); err != nil {
		panic(err)
	}
	by, err := first.Authenticate(ctx, root, halberd.Request{})
	if err != nil {
		panic(err)
	}
	ps, err := first.ListProjects(ctx, by, halberd.OrganizationID{}, halberd.Page{})
	if err != nil {
		panic(err)
	}
	secrets := make([]halberd.Secret, n)
	for at := 0; at < n; {
		err := store.Update(ctx, func(tx halberd.Tx) error {
			for end := min(at+10_000, n); at < end; at++ {
				secrets[at] = halberd.MintForTest("hb_live")
				r := halberd.KeyRecord{
					ID: halberd.NewKeyID(), Organization: by.Organization(), Project: ps.List[0].ID,
					State: halberd.StateActive, Scopes: "read write", Policy: "{}", Detail: "{}", CreatedAt: 1, Version: 1,
				}
				first.SealForTest(&r, secrets[at])
				if err := tx.InsertKey(r); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			panic(err)
		}
	}
	// As after a restart: loaded, and on the system's clock.
	s, err := halberd.New(ctx, store, halberd.Options{FlushEvery: time.Hour})
	if err != nil {
		panic(err)
	}
	return s, secrets
})

// BenchmarkCheck measures a check beside one SHA-256 of the same key, in the
// same run: the ratio is what counts, not the nanoseconds.
func BenchmarkCheck(b *testing.B) {
	s, secrets := crowd()
	ctx := context.Background()
	scopes := []halberd.Scope{"write"}
	for _, set := range []struct {
		name string
		keys int
	}{{"hot-1000", 1_000}, {"random-100000", 100_000}} {
		keys := secrets[:min(set.keys, len(secrets))]
		texts := make([][]byte, len(keys))
		for i := range keys {
			texts[i] = []byte(keys[i].Reveal())
		}
		b.Run(set.name, func(b *testing.B) {
			b.ReportAllocs()
			var hashing, checking time.Duration
			state := uint64(1)
			pick := func() uint64 {
				state = state*6364136223846793005 + 1442695040888963407
				return state >> 33 % uint64(len(keys))
			}
			// Turns of each, so that both see the same machine.
			const turn = 20_000
			n := 0
			for b.Loop() {
				n++
				if n%turn != 1 {
					continue
				}
				began := time.Now()
				for range turn {
					sum := sha256.Sum256(texts[pick()])
					sink ^= sum[0]
				}
				hashed := time.Now()
				for range turn {
					v, err := s.Verify(ctx, halberd.Check{Secret: keys[pick()], Scopes: scopes})
					if err != nil || !v.Valid() {
						b.Fatal(v.Code, err)
					}
				}
				hashing += hashed.Sub(began)
				checking += time.Since(hashed)
			}
			turns := float64((n + turn - 1) / turn)
			b.ReportMetric(float64(checking.Nanoseconds())/turns/turn, "ns/check")
			b.ReportMetric(float64(hashing.Nanoseconds())/turns/turn, "ns/sha256")
			b.ReportMetric(float64(checking)/float64(hashing), "x-sha256")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// BenchmarkRefused measures what a flood of refusals costs.
func BenchmarkRefused(b *testing.B) {
	s, _ := crowd()
	ctx := context.Background()
	for name, secret := range map[string]halberd.Secret{
		"malformed": halberd.NewSecret("hb_live_0000000000000000000000000000000"),
		"unknown":   halberd.MintForTest("hb_live"),
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if v, err := s.Verify(ctx, halberd.Check{Secret: secret}); err != nil || v.Valid() {
					b.Fatal(v.Code, err)
				}
			}
		})
	}
}

var sink byte
