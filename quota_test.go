package halberd_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/internal/fixture"
	"github.com/halberdhq/halberd/storage/memory"
	"github.com/halberdhq/halberd/storage/sqlite"
)

func quota(limit int64, refill halberd.Refill) halberd.Maybe[*halberd.Quota] {
	return halberd.Some(&halberd.Quota{Limit: limit, Refill: refill})
}

func remaining(t *testing.T, v halberd.Verdict) int64 {
	t.Helper()
	if !v.Quota.Set {
		t.Fatalf("%s, and no word of the quota", v.Code)
	}
	return v.Quota.Value.Remaining
}

// storm asks for one use, many times at once, and counts what was let through. What is not known in time is asked again, as the
// answer says.
func storm(t *testing.T, w *halberd.Service, k halberd.Secret, checks int) (valid, over int64) {
	t.Helper()
	var yes, no atomic.Int64
	var all sync.WaitGroup
	for range checks {
		all.Go(func() {
			for range 1000 {
				v, err := w.Verify(context.Background(), halberd.Check{Secret: k, FiltersResources: true})
				switch {
				case halberd.CodeOf(err) == halberd.CodeUnavailable:
					continue
				case err != nil:
					t.Errorf("%v", err)
				case v.Code == halberd.Valid:
					yes.Add(1)
				case v.Code == halberd.QuotaExceeded:
					no.Add(1)
				default:
					t.Errorf("%s", v.Code)
				}
				return
			}
			t.Error("the quota could not be read a thousand times")
		})
	}
	all.Wait()
	return yes.Load(), no.Load()
}

// a thousand credits and ten thousand checks at once, again and again (a
// hundred times in the campaign):
// exactly a thousand each.
func TestA50_QuotasAreExact(t *testing.T) {
	for name, c := range map[string]struct {
		store  func() halberd.Store
		rounds int
	}{
		"memory": {func() halberd.Store { return memory.New() }, 20},
		"sqlite": {func() halberd.Store { return folder(t) }, 5},
	} {
		t.Run(name, func(t *testing.T) {
			w := fixture.On(t, c.store(), fixture.NewClock())
			rounds := c.rounds
			if racing || testing.Short() {
				rounds = 3
			}
			if os.Getenv("HALBERD_CAMPAIGN") != "" {
				rounds = 100
			}
			for range rounds {
				k := w.Make(halberd.NewKey{Wide: true, Quota: quota(1000, halberd.RefillNone)})
				valid, over := storm(t, w.Service, k.Secret, 10_000)
				if valid != 1000 || over != 9000 {
					t.Fatalf("%d VALID and %d QUOTA_EXCEEDED", valid, over)
				}
				if got, err := w.Get(w.Ctx(), w.Admin, k.Key.ID); err != nil || got.QuotaState.Value.Remaining != 0 {
					t.Fatalf("%v: %+v", err, got.QuotaState)
				}
			}
		})
	}
}

// Nor is one lost or doubled where many take from a chunk at hand.
func TestA50_AChunkIsSpentExactly(t *testing.T) {
	w := fixture.New(t)
	const limit = 300_000
	k := w.Make(halberd.NewKey{Quota: quota(limit, halberd.RefillNone)})
	var let atomic.Int64
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for {
				v, err := w.Verify(context.Background(), halberd.Check{Secret: k.Secret, FiltersResources: true})
				switch {
				case err == nil && v.Code == halberd.Valid:
					let.Add(1)
				case err == nil && v.Code == halberd.QuotaExceeded:
					return
				case halberd.CodeOf(err) != halberd.CodeUnavailable:
					t.Errorf("%s, %v", v.Code, err)
					return
				}
			}
		})
	}
	all.Wait()
	if let.Load() != limit {
		t.Errorf("%d let through", let.Load())
	}
}

// What a limit refuses after the quota was taken goes back to the quota: many
// find the limit whole, wait for one chunk, and few get through.
func TestALimitThatRefusesAtTheLastMomentSpendsNoQuota(t *testing.T) {
	store := &slowStore{Store: memory.New()}
	w := fixture.On(t, store, fixture.NewClock())
	k := w.Make(halberd.NewKey{Quota: quota(1000, halberd.RefillNone), RateLimits: limited(halberd.RateLimit{Limit: 5, WindowSeconds: 86400})})
	gate := make(chan struct{})
	store.open.Store(&gate)
	time.AfterFunc(50*time.Millisecond, func() { close(gate) })
	var let atomic.Int64
	var all sync.WaitGroup
	for range 100 {
		all.Go(func() {
			v, err := w.Verify(context.Background(), halberd.Check{Secret: k.Secret, FiltersResources: true})
			switch {
			case err == nil && v.Code == halberd.Valid:
				let.Add(1)
			case err == nil && v.Code != halberd.RateLimited, err != nil && halberd.CodeOf(err) != halberd.CodeUnavailable:
				t.Errorf("%s, %v", v.Code, err)
			}
		})
	}
	all.Wait()
	got, err := w.Get(w.Ctx(), w.Admin, k.Key.ID)
	if err != nil || let.Load() > 5 || got.QuotaState.Value.Remaining != 1000-let.Load() {
		t.Errorf("%v: %d let through, %+v", err, let.Load(), got.QuotaState)
	}
}

// crash begins a Service on the store of another, which is not closed.
func crash(w *fixture.World) *fixture.World {
	next := fixture.On(w.T, w.Store, w.Clock)
	next.Admin = w.Admin
	return next
}

// A crash forfeits what was left of one chunk, until the refill, and says so. It
// gives nothing twice, also where the clock is behind afterwards.
func TestACrashForfeitsAChunkAtMost(t *testing.T) {
	w := fixture.New(t)
	k := w.Make(halberd.NewKey{Quota: quota(800, halberd.RefillDay)})
	if v := ask(w, k.Secret, 1); !v.Valid() {
		t.Fatal(v.Code)
	}
	w = crash(w)
	if lost := w.Stats().Forfeited; lost != (halberd.Forfeits{Quotas: 1, Uses: 100}) {
		t.Errorf("forfeited: %+v", lost)
	}
	if v := ask(w, k.Secret, 701); v.Code != halberd.QuotaExceeded || remaining(t, v) != 700 {
		t.Errorf("after the crash: %s %+v", v.Code, v.Quota)
	}
	w = crash(w)
	if got, err := w.Get(w.Ctx(), w.Admin, k.Key.ID); err != nil || got.QuotaState.Value.Remaining != 700 {
		t.Errorf("a refused check took a chunk: %v %+v", err, got.QuotaState)
	}
	w.Clock.Pass(-24 * time.Hour)
	w = crash(w)
	if v := ask(w, k.Secret, 700); !v.Valid() || remaining(t, v) != 0 {
		t.Errorf("a day behind: %s %+v", v.Code, v.Quota)
	}
	if v := ask(w, k.Secret, 1); v.Code != halberd.QuotaExceeded {
		t.Errorf("a day behind: %s %+v", v.Code, v.Quota)
	}
	w.Clock.Pass(48 * time.Hour)
	w = crash(w)
	if lost := w.Stats().Forfeited; lost != (halberd.Forfeits{}) {
		t.Errorf("after the refill: %+v", lost)
	}
	if v := ask(w, k.Secret, 800); !v.Valid() {
		t.Errorf("after the refill: %s %+v", v.Code, v.Quota)
	}
}

// A store that is older is brought up to what another had given away.
func TestAnOlderStoreGivesNothingTwice(t *testing.T) {
	from, to := fixture.New(t), fixture.New(t)
	put := func(w *fixture.World, rs ...halberd.QuotaRecord) {
		t.Helper()
		if err := w.Store.Update(w.Ctx(), func(tx halberd.Tx) error {
			for _, r := range rs {
				if err := tx.PutQuota(r); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	row := func(n byte, period, taken int64) halberd.QuotaRecord {
		return halberd.QuotaRecord{ID: halberd.QuotaID{0: n}, Period: period, Taken: taken}
	}
	put(from, row(1, 0, 10), row(2, 60, 5), row(3, 0, 9), row(4, 60, 7))
	put(to, row(2, 0, 50), row(3, 0, 11), row(4, 120, 1), row(5, 0, 1))
	if n, err := halberd.CarryQuotas(t.Context(), from.Store, to.Store); err != nil || n != 2 {
		t.Errorf("%d moved, %v", n, err)
	}
	if err := to.Store.View(t.Context(), func(r halberd.Reader) error {
		got, err := r.Quotas(halberd.QuotaID{}, 10)
		if want := []halberd.QuotaRecord{row(1, 0, 10), row(2, 60, 5), row(3, 0, 11), row(4, 120, 1), row(5, 0, 1)}; !slices.Equal(got, want) {
			t.Errorf("%+v", got)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

func folder(t *testing.T) halberd.Store {
	t.Helper()
	s, err := sqlite.Open(t.Context(), t.TempDir(), sqlite.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// A refused check spends nothing: neither of the limits when the quota refuses,
// nor of the quota when a limit does, nor of either for a scope.
func TestRefusedChecksSpendNoQuota(t *testing.T) {
	w := fixture.New(t)
	k := w.Make(halberd.NewKey{
		Scopes: halberd.Some(halberd.MustScopes("read")), Quota: quota(20, halberd.RefillDay),
		RateLimits: limited(halberd.RateLimit{Limit: 15, WindowSeconds: 60}, halberd.RateLimit{Name: "hour", Limit: 1000, WindowSeconds: 3600}),
	})
	for range 30 {
		if v, err := w.Verify(w.Ctx(), halberd.Check{Secret: k.Secret, Scopes: []halberd.Scope{"write"}}); err != nil || v.Code != halberd.InsufficientScope || v.Quota.Set {
			t.Fatal(v.Code, err)
		}
	}
	if v := ask(w, k.Secret, 10); !v.Valid() || remaining(t, v) != 10 || left(v)["default"] != 5 {
		t.Errorf("%s: %+v, %v", v.Code, v.Quota, left(v))
	}
	for range 3 {
		if v := ask(w, k.Secret, 6); v.Code != halberd.RateLimited || v.RetryAfter != 4*time.Second {
			t.Errorf("%s, retry after %v", v.Code, v.RetryAfter)
		}
	}
	w.Clock.Pass(time.Minute)
	for range 3 {
		v := ask(w, k.Secret, 11)
		if v.Code != halberd.QuotaExceeded || remaining(t, v) != 10 || left(v)["default"] != 15 || left(v)["hour"] != 1000 {
			t.Errorf("%s: %+v, %v", v.Code, v.Quota, left(v))
		}
		if want := time.Date(2024, 1, 16, 0, 0, 0, 0, time.UTC).Sub(w.Clock.Now()); v.RetryAfter != want || v.Reason == "" {
			t.Errorf("retry after %v, not %v", v.RetryAfter, want)
		}
	}
	if v := ask(w, k.Secret, 10); !v.Valid() || remaining(t, v) != 0 {
		t.Errorf("%s: %+v", v.Code, v.Quota)
	}
	if v := ask(w, k.Secret, 1); v.Code != halberd.QuotaExceeded {
		t.Errorf("%s", v.Code)
	}
	if v := ask(w, k.Secret, 21); v.Code != halberd.RateLimited {
		t.Errorf("the limits come first: %s", v.Code)
	}
}

// The periods begin as they are said to, in UTC; what was left is gone, and a
// clock that goes back refills nothing.
func TestQuotasAreRefilledWhenTheirPeriodBegins(t *testing.T) {
	for _, c := range []struct {
		quota halberd.Quota
		at    time.Time // the first refill after 15 January 2024, 10:30
		next  time.Time
	}{
		{halberd.Quota{Refill: halberd.RefillDay}, time.Date(2024, 1, 16, 0, 0, 0, 0, time.UTC), time.Date(2024, 1, 17, 0, 0, 0, 0, time.UTC)},
		{halberd.Quota{Refill: halberd.RefillMonth}, time.Date(2024, 2, 1, 0, 0, 0, 0, time.UTC), time.Date(2024, 3, 1, 0, 0, 0, 0, time.UTC)},
		{halberd.Quota{Refill: halberd.RefillInterval, EverySeconds: 7 * 3600}, time.Date(2024, 1, 15, 16, 0, 0, 0, time.UTC), time.Date(2024, 1, 15, 23, 0, 0, 0, time.UTC)},
		{halberd.Quota{Refill: halberd.RefillNone}, time.Time{}, time.Time{}},
	} {
		t.Run(string(c.quota.Refill), func(t *testing.T) {
			w := fixture.New(t)
			q := c.quota
			q.Limit = 100
			k := w.Make(halberd.NewKey{Quota: halberd.Some(&q)})
			v := ask(w, k.Secret, 90)
			if !v.Valid() || remaining(t, v) != 10 || !v.Quota.Value.RefillsAt.Equal(c.at) || v.Quota.Value.Limit != 100 {
				t.Fatalf("%s: %+v, want a refill at %v", v.Code, v.Quota, c.at)
			}
			if c.at.IsZero() {
				w.Clock.Pass(10 * 365 * 24 * time.Hour)
				if v := ask(w, k.Secret, 11); v.Code != halberd.QuotaExceeded || v.RetryAfter != 0 {
					t.Errorf("ten years later: %s, retry after %v", v.Code, v.RetryAfter)
				}
				return
			}
			w.Clock.Pass(c.at.Sub(w.Clock.Now()) - time.Millisecond)
			if v := ask(w, k.Secret, 11); v.Code != halberd.QuotaExceeded || v.RetryAfter != time.Millisecond {
				t.Errorf("before the refill: %s, retry after %v", v.Code, v.RetryAfter)
			}
			w.Clock.Pass(time.Millisecond)
			if v := ask(w, k.Secret, 95); !v.Valid() || remaining(t, v) != 5 || !v.Quota.Value.RefillsAt.Equal(c.next) {
				t.Errorf("at the refill: %s, %+v", v.Code, v.Quota)
			}
			w.Clock.Pass(-time.Hour)
			if v := ask(w, k.Secret, 6); v.Code != halberd.QuotaExceeded || remaining(t, v) != 5 {
				t.Errorf("an hour back: %s, %+v", v.Code, v.Quota)
			}
		})
	}
}

// Raising the limit adds the difference; lowering it holds at once, also for
// what was at hand; without a quota there is none.
func TestAnEditedQuotaKeepsWhatWasUsed(t *testing.T) {
	w := fixture.New(t)
	k := w.Make(halberd.NewKey{Quota: quota(100, halberd.RefillMonth)})
	ask(w, k.Secret, 40)
	set := func(q halberd.Maybe[*halberd.Quota]) {
		t.Helper()
		if _, err := w.Update(w.Ctx(), w.Admin, k.Key.ID, halberd.KeyPatch{Quota: q}, 0); err != nil {
			t.Fatal(err)
		}
	}
	set(quota(150, halberd.RefillMonth))
	if v := ask(w, k.Secret, 1); remaining(t, v) != 109 {
		t.Errorf("raised: %+v", v.Quota)
	}
	set(quota(42, halberd.RefillMonth))
	if v := ask(w, k.Secret, 2); v.Code != halberd.QuotaExceeded || remaining(t, v) != 1 {
		t.Errorf("lowered: %s, %+v", v.Code, v.Quota)
	}
	if v := ask(w, k.Secret, 1); !v.Valid() || remaining(t, v) != 0 {
		t.Errorf("lowered: %s, %+v", v.Code, v.Quota)
	}
	set(quota(10, halberd.RefillMonth))
	if v := ask(w, k.Secret, 1); v.Code != halberd.QuotaExceeded || remaining(t, v) != 0 {
		t.Errorf("below what was used: %s, %+v", v.Code, v.Quota)
	}
	set(halberd.Some[*halberd.Quota](nil))
	if v := ask(w, k.Secret, 1000); !v.Valid() || v.Quota.Set {
		t.Errorf("none: %s, %+v", v.Code, v.Quota)
	}
	set(quota(42, halberd.RefillMonth))
	if v := ask(w, k.Secret, 1); v.Code != halberd.QuotaExceeded {
		t.Errorf("taken away and given again: %s, %+v", v.Code, v.Quota)
	}
	set(quota(42, halberd.RefillDay))
	if v := ask(w, k.Secret, 2); remaining(t, v) != 40 {
		t.Errorf("from a month to a day: %+v", v.Quota)
	}
	set(quota(50, halberd.RefillMonth))
	if v := ask(w, k.Secret, 1); remaining(t, v) != 47 {
		t.Errorf("from a day to its month: %+v", v.Quota)
	}
}

// All keys of one external id in one project share a quota per external_id.
func TestQuotasPerExternalIDAreShared(t *testing.T) {
	w := fixture.New(t)
	shared := halberd.Some(&halberd.Quota{Limit: 10, Refill: halberd.RefillDay, Per: halberd.PerExternalID})
	other := w.Project("other")
	of := func(id string, p halberd.ProjectID) halberd.Secret {
		return w.Make(halberd.NewKey{ExternalID: id, Project: p, Quota: shared}).Secret
	}
	one, two := of("cust_1", halberd.ProjectID{}), of("cust_1", halberd.ProjectID{})
	ask(w, one, 6)
	if v := ask(w, two, 3); !v.Valid() || remaining(t, v) != 1 {
		t.Errorf("%s, %+v", v.Code, v.Quota)
	}
	if v := ask(w, one, 2); v.Code != halberd.QuotaExceeded {
		t.Errorf("%s, %+v", v.Code, v.Quota)
	}
	for what, k := range map[string]halberd.Secret{
		"another customer": of("cust_2", halberd.ProjectID{}), "another project": of("cust_1", other.ID),
		"no customer": of("", halberd.ProjectID{}), "none either": of("", halberd.ProjectID{}),
	} {
		if v := ask(w, k, 1); !v.Valid() || remaining(t, v) != 9 {
			t.Errorf("%s: %s, %+v", what, v.Code, v.Quota)
		}
	}
}

// A clean end gives back what was at hand; one that was not clean forfeits a
// chunk at most, says so, and gives nothing twice.
func TestARestartGivesNothingTwice(t *testing.T) {
	dir := t.TempDir()
	open := func() *halberd.Service {
		t.Helper()
		store, err := sqlite.Open(t.Context(), dir, sqlite.Options{})
		if err != nil {
			t.Fatal(err)
		}
		s, err := halberd.New(t.Context(), store, halberd.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	s := open()
	var root halberd.Secret
	if _, err := s.FirstStart(t.Context(), func(k halberd.Secret) error { root = k; return nil }); err != nil {
		t.Fatal(err)
	}
	admin, err := s.Authenticate(t.Context(), root, halberd.Request{})
	if err != nil {
		t.Fatal(err)
	}
	k, err := s.Create(t.Context(), admin, halberd.NewKey{Quota: quota(800, halberd.RefillNone)})
	if err != nil {
		t.Fatal(err)
	}
	spent := int64(0)
	for round := range int64(5) {
		for range 7 * (round + 1) {
			v, err := s.Verify(t.Context(), halberd.Check{Secret: k.Secret, FiltersResources: true})
			if err != nil || !v.Valid() {
				t.Fatal(v.Code, err)
			}
			if spent++; remaining(t, v) != 800-spent {
				t.Fatalf("%d spent, %d remain", spent, remaining(t, v))
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = open()
		if lost := s.Stats().Forfeited; lost != (halberd.Forfeits{}) {
			t.Errorf("a clean end forfeited %+v", lost)
		}
	}
	if got, err := s.Get(t.Context(), admin, k.Key.ID); err != nil || got.QuotaState.Value.Remaining != 800-spent {
		t.Errorf("%v: %+v", err, got.QuotaState)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// slowStore answers Updates when it is let.
type slowStore struct {
	halberd.Store
	open atomic.Pointer[chan struct{}] // nil: at once
}

func (s *slowStore) Update(ctx context.Context, fn func(halberd.Tx) error) error {
	if gate := s.open.Load(); gate != nil {
		<-*gate // as a disk that hangs: no ctx is heard
		ctx = context.WithoutCancel(ctx)
	}
	return s.Store.Update(ctx, fn)
}

// A chunk that does not come in time is UNAVAILABLE, never a yes and never a
// no; what is at hand is spent meanwhile, and what is refused needs no store.
func TestAQuotaThatIsNotReadInTimeIsUnavailable(t *testing.T) {
	store := &slowStore{Store: memory.New()}
	w := fixture.On(t, store, fixture.NewClock())
	k := w.Make(halberd.NewKey{Quota: quota(80, halberd.RefillNone), RateLimits: limited(halberd.RateLimit{Limit: 100, WindowSeconds: 3600})})
	if v := ask(w, k.Secret, 1); !v.Valid() {
		t.Fatal(v.Code)
	}
	gate := make(chan struct{})
	store.open.Store(&gate)
	for i := range 9 {
		if v := ask(w, k.Secret, 1); !v.Valid() {
			t.Fatalf("use %d of the chunk at hand: %s", i, v.Code)
		}
	}
	v, err := w.Verify(w.Ctx(), halberd.Check{Secret: k.Secret, FiltersResources: true})
	w.Refused(err, halberd.CodeUnavailable)
	if v.Valid() {
		t.Error("VALID beside an error")
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = w.Verify(gone, halberd.Check{Secret: k.Secret, FiltersResources: true})
	w.Refused(err, halberd.CodeUnavailable)
	if v := ask(w, k.Secret, 71); v.Code != halberd.QuotaExceeded || left(v)["default"] != 90 {
		t.Errorf("more than is left: %s, %v", v.Code, left(v))
	}
	close(gate)
	if v := ask(w, k.Secret, 70); !v.Valid() || remaining(t, v) != 0 || left(v)["default"] != 20 {
		t.Errorf("once the store answers: %s %+v %v", v.Code, v.Quota, left(v))
	}
}

// invalid fails the test unless err says what is wrong with field.
func invalid(t *testing.T, err error, field, says string) {
	t.Helper()
	e, ok := errors.AsType[*halberd.Error](err)
	if !ok || e.Code != halberd.CodeInvalid || e.Field != field || !strings.Contains(e.Message, says) {
		t.Errorf("got %v, which should say of %s: %s", err, field, says)
	}
}

func TestQuotasThatMakeNoSenseAreRefused(t *testing.T) {
	w := fixture.New(t)
	k := w.Make(halberd.NewKey{})
	for says, q := range map[string]halberd.Quota{
		"limit from 1":            {Refill: halberd.RefillDay},
		"limit from 1 to 1000000": {Refill: halberd.RefillDay, Limit: 1 << 60},
		"refill of none":          {Limit: 1},
		"refill of none, day":     {Limit: 1, Refill: "week"},
		"with refill interval only": {
			Limit: 1, Refill: halberd.RefillDay, EverySeconds: 60,
		},
		"every_seconds from 60": {Limit: 1, Refill: halberd.RefillInterval, EverySeconds: 59},
		"per of key":            {Limit: 1, Refill: halberd.RefillDay, Per: "project"},
	} {
		_, err := w.Create(w.Ctx(), w.Admin, halberd.NewKey{Quota: halberd.Some(&q)})
		invalid(t, err, "quota", says)
		_, err = w.Update(w.Ctx(), w.Admin, k.Key.ID, halberd.KeyPatch{Quota: halberd.Some(&q)}, 0)
		invalid(t, err, "quota", says)
	}
	if got, err := w.Get(w.Ctx(), w.Admin, k.Key.ID); err != nil || got.Version != 1 || got.Quota != nil {
		t.Errorf("%v: something was changed: %+v", err, got)
	}
}

// No one grants more than they hold: a quota that is asked for and goes beyond
// the grantor's is refused, one that is not asked for is theirs.
func TestAQuotaIsWithinTheGrantors(t *testing.T) {
	w := fixture.New(t)
	held := &halberd.Quota{Limit: 100, Refill: halberd.RefillDay}
	admin := w.Actor(w.Make(halberd.NewKey{Scopes: halberd.Some(halberd.MustScopes("admin")), Quota: halberd.Some(held)}).Secret)
	plain, err := w.Create(w.Ctx(), admin, halberd.NewKey{})
	if err != nil || plain.Key.Quota == nil || *plain.Key.Quota != *held {
		t.Fatalf("%v: by default %+v", err, plain.Key.Quota)
	}
	free := w.Make(halberd.NewKey{})
	for name, c := range map[string]struct {
		quota  *halberd.Quota
		within bool
	}{
		"the same":              {held, true},
		"fewer":                 {&halberd.Quota{Limit: 99, Refill: halberd.RefillDay}, true},
		"shared":                {&halberd.Quota{Limit: 100, Refill: halberd.RefillDay, Per: halberd.PerExternalID}, true},
		"less often":            {&halberd.Quota{Limit: 100, Refill: halberd.RefillMonth}, true},
		"never":                 {&halberd.Quota{Limit: 100, Refill: halberd.RefillNone}, true},
		"every two days":        {&halberd.Quota{Limit: 100, Refill: halberd.RefillInterval, EverySeconds: 2 * 86400}, true},
		"more":                  {&halberd.Quota{Limit: 101, Refill: halberd.RefillDay}, false},
		"more, never refilled":  {&halberd.Quota{Limit: 101, Refill: halberd.RefillNone}, false},
		"every hour":            {&halberd.Quota{Limit: 100, Refill: halberd.RefillInterval, EverySeconds: 3600}, false},
		"none, which is no end": {nil, false},
	} {
		check := func(err error) {
			t.Helper()
			if c.within && err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if !c.within {
				w.Refused(err, halberd.CodeScopeEscalation)
			}
		}
		_, err := w.Create(w.Ctx(), admin, halberd.NewKey{Quota: halberd.Some(c.quota)})
		check(err)
		_, err = w.Update(w.Ctx(), admin, plain.Key.ID, halberd.KeyPatch{Quota: halberd.Some(c.quota)}, 0)
		check(err)
		if _, err := w.Update(w.Ctx(), w.Admin, plain.Key.ID, halberd.KeyPatch{Quota: halberd.Some(held)}, 0); err != nil {
			t.Fatal(err)
		}
	}
	_, err = w.Rotate(w.Ctx(), admin, free.Key.ID, 0, 0)
	w.Refused(err, halberd.CodeScopeEscalation)
	if _, err := w.Update(w.Ctx(), admin, free.Key.ID, halberd.KeyPatch{Quota: halberd.Some(held)}, 0); err != nil {
		t.Errorf("narrowing: %v", err)
	}
}

func TestAQuotaAllocatesNothing(t *testing.T) {
	for _, per := range []halberd.Per{halberd.PerKey, halberd.PerExternalID} {
		w := fixture.New(t)
		k := w.Make(halberd.NewKey{
			ExternalID: "cust_1", Quota: halberd.Some(&halberd.Quota{Limit: 1_000_000_000, Refill: halberd.RefillMonth, Per: per}),
			RateLimits: limited(halberd.RateLimit{Limit: 1 << 20, WindowSeconds: 1}),
		})
		check := halberd.Check{Secret: k.Secret}
		if n := testing.AllocsPerRun(1000, func() {
			if v, err := w.Verify(t.Context(), check); err != nil || !v.Valid() {
				t.Fatal(v.Code, err)
			}
		}); n != 0 && !racing {
			t.Errorf("%s: %v allocations", fmt.Sprint(per), n)
		}
	}
}

// What becomes shared, or is so no longer, is counted for somebody else.
func TestSharingBeginsACountOfItsOwn(t *testing.T) {
	w := fixture.New(t)
	shared := quota(10, halberd.RefillMonth)
	shared.Value.Per = halberd.PerExternalID
	limits := halberd.RateLimit{Limit: 10, WindowSeconds: 3600}
	k := w.Make(halberd.NewKey{ExternalID: "cust_1", Quota: quota(10, halberd.RefillMonth), RateLimits: limited(limits)})
	ask(w, k.Secret, 4)
	limits.Per = halberd.PerExternalID
	if _, err := w.Update(w.Ctx(), w.Admin, k.Key.ID, halberd.KeyPatch{Quota: shared, RateLimits: limited(limits)}, 0); err != nil {
		t.Fatal(err)
	}
	if v := ask(w, k.Secret, 3); remaining(t, v) != 7 || left(v)["default"] != 7 {
		t.Errorf("shared: %+v %v", v.Quota, left(v))
	}
	limits.Per = halberd.PerKey
	if _, err := w.Update(w.Ctx(), w.Admin, k.Key.ID, halberd.KeyPatch{Quota: quota(10, halberd.RefillMonth), RateLimits: limited(limits)}, 0); err != nil {
		t.Fatal(err)
	}
	if v := ask(w, k.Secret, 1); remaining(t, v) != 5 || left(v)["default"] != 5 {
		t.Errorf("its own again: %+v %v", v.Quota, left(v))
	}
}
