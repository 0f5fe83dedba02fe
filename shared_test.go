package halberd_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/internal/fixture"
)

// Two keys of one external id with different limits of one name: the use of one
// must not make the other's limit forget what was spent.
func TestAFasterLimitOfTheSameCustomerForgivesNothing(t *testing.T) {
	w := fixture.New(t)
	of := func(limit, seconds int64) halberd.Secret {
		return w.Make(halberd.NewKey{ExternalID: "cust_1", RateLimits: limited(
			halberd.RateLimit{Limit: limit, WindowSeconds: seconds, Per: halberd.PerExternalID})}).Secret
	}
	slow, fast := of(10, 24*3600), of(100, 60)
	passed := 0
	for range 20 {
		for range 20 {
			if ask(w, slow, 1).Code == halberd.Valid {
				passed++
			}
		}
		ask(w, fast, 1)
		w.Clock.Pass(time.Minute)
	}
	if passed > 10 {
		t.Errorf("%d checks in 20 minutes, of 10 a day", passed)
	}
	if v := ask(w, fast, 1); v.Code != halberd.Valid {
		t.Errorf("the faster key waits for the slower: %s, %v", v.Code, v.RetryAfter)
	}
	// An edit of all keys to the same figures counts them together again.
	if v := ask(w, of(10, 24*3600), 1); v.Code != halberd.RateLimited {
		t.Errorf("another slow key: %s", v.Code)
	}
}

// Two keys of one external id with quotas of different periods: the shorter
// period must not refill the longer.
func TestAShorterQuotaOfTheSameCustomerRefillsNothing(t *testing.T) {
	w := fixture.New(t)
	of := func(limit int64, refill halberd.Refill) halberd.Secret {
		return w.Make(halberd.NewKey{ExternalID: "cust_1", Quota: halberd.Some(&halberd.Quota{
			Limit: limit, Refill: refill, Per: halberd.PerExternalID})}).Secret
	}
	day, ever := of(10, halberd.RefillDay), of(15, halberd.RefillNone)
	passed := 0
	for range 5 {
		for range 20 {
			if ask(w, ever, 1).Code == halberd.Valid {
				passed++
			}
		}
		ask(w, day, 1)
		w.Clock.Pass(24 * time.Hour)
	}
	if passed > 15 {
		t.Errorf("%d uses of a quota of 15 that is never refilled", passed)
	}
}

// A quota whose refill was taken away loses nothing when the period ends in
// which that was done.
func TestAQuotaThatLostItsRefillForfeitsNothing(t *testing.T) {
	w := fixture.New(t)
	k := w.Make(halberd.NewKey{Quota: quota(800, halberd.RefillDay)})
	if v := ask(w, k.Secret, 1); v.Code != halberd.Valid {
		t.Fatal(v.Code)
	}
	if _, err := w.Update(w.Ctx(), w.Admin, k.Key.ID, halberd.KeyPatch{Quota: quota(800, halberd.RefillNone)}, 0); err != nil {
		t.Fatal(err)
	}
	other := w.Make(halberd.NewKey{Quota: halberd.Some(&halberd.Quota{Limit: 9, Refill: halberd.RefillDay, Per: halberd.PerExternalID})})
	passed := 1
	for day := range 20 {
		w.Clock.Pass(24 * time.Hour)
		if v := ask(w, k.Secret, 1); v.Code == halberd.Valid {
			passed++
		}
		for i := range 300 { // many other quotas make room for themselves
			if _, err := w.Update(w.Ctx(), w.Admin, other.Key.ID, halberd.KeyPatch{ExternalID: halberd.Some(fmt.Sprint(day, i))}, 0); err != nil {
				t.Fatal(err)
			}
			ask(w, other.Secret, 1)
		}
	}
	for range 1000 {
		if ask(w, k.Secret, 1).Code == halberd.Valid {
			passed++
		}
	}
	if passed != 800 {
		t.Errorf("%d uses, of 800", passed)
	}
}
