package halberd_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/storage/memory"
)

func hourly(n int64) halberd.RateLimit {
	return halberd.RateLimit{Name: "hourly", Limit: n, WindowSeconds: 3600}
}

// A limit too small for each node to have a part of it is whole wherever it is
// asked: five of five, and not one more, also where a node comes meanwhile.
func TestASmallLimitIsWholeOnSeveralNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newSeveral(t, 3)
		k := x.nodes[0].Make(halberd.NewKey{RateLimits: limited(hourly(5))})
		passed := 0
		for i := range 12 {
			v := ask(x.nodes[i%3].World, k.Secret, 1)
			if v.Code == halberd.Valid {
				passed++
				if got := v.RateLimits.At(0); got.Name != "hourly" || got.Limit != 5 || got.Remaining != int64(5-passed) {
					t.Errorf("after %d: %+v", passed, got)
				}
			} else if v.Code != halberd.RateLimited || v.RetryAfter <= 0 || v.RetryAfter > 12*time.Minute {
				t.Errorf("%s, retry after %v", v.Code, v.RetryAfter)
			}
		}
		if passed != 5 {
			t.Errorf("%d passed, of 5", passed)
		}
		x.join(memory.NewFolder())
		elapse(12*time.Minute + time.Second)
		passed = 0
		for _, p := range x.nodes {
			if ask(p.World, k.Secret, 1).Code == halberd.Valid {
				passed++
			}
		}
		if passed != 1 {
			t.Errorf("%d passed after a fifth of the hour, of 1", passed)
		}
	})
}

// Where a check has several limits it spends of all or of none, wherever they are
// kept, and of no quota.
func TestSmallAndLargeLimitsAreSpentTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newSeveral(t, 2)
		elapse(2 * time.Minute) // each begins its part with nothing
		k := x.nodes[0].Make(halberd.NewKey{
			RateLimits: limited(hourly(3), halberd.RateLimit{Name: "minutely", Limit: 120, WindowSeconds: 60}),
			Quota:      quota(2, halberd.RefillNone),
		})
		codes := map[halberd.VerdictCode]int{}
		for range 4 {
			codes[ask(x.nodes[0].World, k.Secret, 1).Code]++
		}
		if codes[halberd.Valid] != 2 || codes[halberd.QuotaExceeded] != 2 {
			t.Errorf("%v", codes)
		}
		v := ask(x.nodes[0].World, k.Secret, 1)
		if v.RateLimits.Len() != 2 || v.RateLimits.At(0).Remaining != 1 || v.RateLimits.At(1).Name != "minutely" {
			t.Errorf("what was refused for the quota spent limits: %+v", v.RateLimits.All())
		}
	})
}

// A store that is away leaves a small limit unknown, and the check unanswered.
func TestASmallLimitIsNotKnownWithoutTheStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newSeveral(t, 2)
		k := x.nodes[1].Make(halberd.NewKey{RateLimits: limited(hourly(5))})
		x.nodes[1].way.cut.Store(true)
		if got := x.nodes[1].code(k.Secret); got != string(halberd.CodeUnavailable) {
			t.Errorf("%s", got)
		}
		if got := x.nodes[0].code(k.Secret); got != string(halberd.Valid) {
			t.Errorf("%s", got)
		}
	})
}
