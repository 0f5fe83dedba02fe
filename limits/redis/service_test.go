package redis_test

import (
	"crypto/rand"
	"log/slog"
	"testing"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/internal/redistest"
	"github.com/halberdhq/halberd/limits/redis"
	"github.com/halberdhq/halberd/storage/memory"
)

// two nodes grant a limit together while the Redis is there, each its part
// while it is not, and never more than the limit.
func TestTwoServicesGrantOneLimit(t *testing.T) {
	s := redistest.Start(t)
	db := memory.NewDatabase()
	pepper := make([]byte, halberd.PepperLen)
	_, _ = rand.Read(pepper) // never fails
	var nodes []*halberd.Service
	var root halberd.Secret
	for range 2 {
		l, err := redis.New(s.Address(), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		present(t, l)
		svc, err := halberd.New(t.Context(), db.OpenIn(memory.NewFolder()), halberd.Options{Pepper: pepper, SharedLimits: l, Lease: time.Minute})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = svc.Close() })
		if _, err := svc.FirstStart(t.Context(), func(k halberd.Secret) error { root = k; return nil }); err != nil {
			t.Fatal(err)
		}
		nodes = append(nodes, svc)
	}
	by, err := nodes[0].Authenticate(t.Context(), root, halberd.Request{})
	if err != nil {
		t.Fatal(err)
	}
	limits := func(ls ...halberd.RateLimit) halberd.NewKey {
		return halberd.NewKey{Name: "k", RateLimits: halberd.Some(halberd.RateLimits(ls))}
	}
	brisk, err := nodes[0].Create(t.Context(), by, limits(halberd.RateLimit{Name: "a", Limit: 1000, WindowSeconds: 1, Burst: 40}))
	if err != nil {
		t.Fatal(err)
	}
	passed := func(n int) (valid int) {
		for i := range n {
			v, err := nodes[i%2].Verify(t.Context(), halberd.Check{Secret: brisk.Secret})
			if err == nil && v.Valid() {
				valid++
			}
		}
		return valid
	}
	until(t, "no node grants anything", func() bool { return passed(2) == 2 })
	slow, err := nodes[0].Update(t.Context(), by, brisk.Key.ID, halberd.KeyPatch{
		RateLimits: halberd.Some(halberd.RateLimits{{Name: "a", Limit: 40, WindowSeconds: 3600, Burst: 40}}),
	}, 0)
	if err != nil || slow.Key.RateLimits[0].Limit != 40 {
		t.Fatal(err)
	}
	// Of a rate of 40 an hour nothing comes back meanwhile, so what is granted now
	// was left of the burst: for both nodes once.
	first := passed(100)
	if first == 0 || first > 40 {
		t.Errorf("%d were let through, of a burst of 40", first)
	}
	s.Kill()
	if n := passed(100); n != 0 {
		t.Errorf("%d were let through beside the burst when the Redis had gone", n)
	}
	if _, err := nodes[0].Update(t.Context(), by, brisk.Key.ID, halberd.KeyPatch{
		RateLimits: halberd.Some(halberd.RateLimits{{Name: "b", Limit: 1000, WindowSeconds: 1, Burst: 40}}),
	}, 0); err != nil {
		t.Fatal(err)
	}
	until(t, "a node grants nothing while the Redis is away", func() bool { return passed(2) == 2 })
	s.Restart(t)
	until(t, "nothing is granted after the Redis is back", func() bool { return passed(2) == 2 })
}
