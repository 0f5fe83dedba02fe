package halberd_test

import (
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"testing"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/storage/sqlite"
)

// population is a data folder with HALBERD_BENCH_KEYS keys (a million if unset),
// without indexes for lists, made once and kept in HALBERD_BENCH_FOLDER if that is set, with the secrets of
// 10,000 of them in the file beside it.
func population(b *testing.B) (dir string, n int) {
	b.Helper()
	n = 1_000_000
	if v, err := strconv.Atoi(os.Getenv("HALBERD_BENCH_KEYS")); err == nil {
		n = v
	}
	root := os.Getenv("HALBERD_BENCH_FOLDER")
	if root == "" {
		root = b.TempDir()
	}
	dir = filepath.Join(root, "keys-"+strconv.Itoa(n))
	if _, err := os.Stat(dir + ".secrets"); err == nil {
		return dir, n
	}
	if err := os.RemoveAll(dir); err != nil {
		b.Fatal(err)
	}
	began := time.Now()
	secrets := fill(b, dir, n, true)
	b.Logf("%d keys filled in %.1f s", n, time.Since(began).Seconds())
	file, err := os.Create(dir + ".secrets.part")
	if err != nil {
		b.Fatal(err)
	}
	for i := range secrets {
		if _, err := file.WriteString(secrets[i].Reveal() + "\n"); err != nil {
			b.Fatal(err)
		}
	}
	if err := file.Close(); err != nil {
		b.Fatal(err)
	}
	if err := os.Rename(file.Name(), dir+".secrets"); err != nil {
		b.Fatal(err)
	}
	return dir, n
}

// BenchmarkPopulation measures what a Service on SQLite takes to load all keys,
// each row's MAC checked, what heap they occupy, and how long a collection of
// the whole heap takes while nothing else runs.
func BenchmarkPopulation(b *testing.B) {
	dir, n := population(b)
	var before, after runtime.MemStats
	for b.Loop() {
		store, err := sqlite.Open(b.Context(), dir, sqlite.Options{})
		if err != nil {
			b.Fatal(err)
		}
		runtime.GC()
		runtime.ReadMemStats(&before)
		began := time.Now()
		s, err := halberd.New(b.Context(), store, halberd.Options{})
		if err != nil {
			b.Fatal(err)
		}
		loaded := time.Since(began)
		collected := time.Hour
		for range 7 {
			began = time.Now()
			runtime.GC()
			collected = min(collected, time.Since(began))
		}
		runtime.ReadMemStats(&after)
		b.ReportMetric(loaded.Seconds(), "s/load")
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/float64(n), "B/key")
		b.ReportMetric(float64(collected.Microseconds())/1000, "ms/GC")
		b.ReportMetric(0, "ns/op")
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
