package guard_test

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/guard"
	"github.com/halberdhq/halberd/internal/fixture"
)

// discard is a ResponseWriter that costs nothing.
type discard struct{ h http.Header }

func (d discard) Header() http.Header         { return d.h }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}

// BenchmarkGuard measures a small handler alone and behind a guard, in turns of
// one run: what the guard adds is the difference, the ratio is what to compare.
func BenchmarkGuard(b *testing.B) {
	w := fixture.New(b)
	k := w.Make(halberd.NewKey{})
	g, err := guard.New(w.Service, routes, guard.Options{})
	if err != nil {
		b.Fatal(err)
	}
	body := []byte(`{"sources":[]}`)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(body)
	})
	mux := http.NewServeMux()
	mux.Handle("GET /sources", handler)
	protected := g.Protect(mux)
	req := httptest.NewRequest(http.MethodGet, "/sources", nil)
	req.Header.Set("Authorization", "Bearer "+k.Secret.Reveal())
	out := discard{http.Header{}}
	const turn = 10_000
	var alone, guarded time.Duration
	n := 0
	for b.Loop() {
		if n++; n%turn != 1 {
			continue
		}
		began := time.Now()
		for range turn {
			mux.ServeHTTP(out, req)
		}
		middle := time.Now()
		for range turn {
			protected.ServeHTTP(out, req)
		}
		alone += middle.Sub(began)
		guarded += time.Since(middle)
	}
	turns := float64((n+turn-1)/turn) * turn
	b.ReportMetric(float64(alone.Nanoseconds())/turns, "ns/alone")
	b.ReportMetric(float64((guarded-alone).Nanoseconds())/turns, "ns/added")
	b.ReportMetric(float64(guarded)/float64(alone), "x-alone")
	b.ReportMetric(testing.AllocsPerRun(1000, func() { protected.ServeHTTP(out, req) })-
		testing.AllocsPerRun(1000, func() { mux.ServeHTTP(out, req) }), "allocs/added")
	b.ReportMetric(0, "ns/op")
}
