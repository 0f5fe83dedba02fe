package postgres_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/storage/sqlite"
)

// BenchmarkCheckBesideSQLite asks two Services in turns, one that is a node on
// PostgreSQL and one on SQLite: a check meets neither, so it should cost the same.
func BenchmarkCheckBesideSQLite(b *testing.B) {
	file, err := sqlite.Open(b.Context(), b.TempDir(), sqlite.Options{Log: quiet})
	if err != nil {
		b.Fatal(err)
	}
	type side struct {
		svc  *halberd.Service
		keys []halberd.Secret
		took time.Duration
	}
	sides := make([]side, 0, 2)
	for _, store := range []halberd.Store{file, open(b, fresh(b), b.TempDir())} {
		svc, err := halberd.New(b.Context(), store, halberd.Options{})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = svc.Close() })
		var root halberd.Secret
		if _, err := svc.FirstStart(b.Context(), func(k halberd.Secret) error { root = k; return nil }); err != nil {
			b.Fatal(err)
		}
		by, err := svc.Authenticate(b.Context(), root, halberd.Request{})
		if err != nil {
			b.Fatal(err)
		}
		s := side{svc: svc}
		for i := range 1000 {
			k, err := svc.Create(b.Context(), by, halberd.NewKey{Name: fmt.Sprint("k", i), Wide: true})
			if err != nil {
				b.Fatal(err)
			}
			s.keys = append(s.keys, k.Secret)
		}
		sides = append(sides, s)
	}
	const turn = 20_000
	turns := 0
	for b.Loop() {
		turns++
		for i := range sides {
			s := &sides[(i+turns)%2]
			began := time.Now()
			for j := range turn {
				if v, err := s.svc.Verify(b.Context(), halberd.Check{Secret: s.keys[j%len(s.keys)]}); err != nil || !v.Valid() {
					b.Fatal(v.Code, err)
				}
			}
			s.took += time.Since(began)
		}
	}
	b.ReportMetric(float64(sides[0].took.Nanoseconds())/float64(turns*turn), "ns/check-sqlite")
	b.ReportMetric(float64(sides[1].took.Nanoseconds())/float64(turns*turn), "ns/check-postgres")
	b.ReportMetric(float64(sides[1].took)/float64(sides[0].took), "x-sqlite")
	b.ReportMetric(0, "ns/op")
}
