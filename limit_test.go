package halberd_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/internal/fixture"
)

func limited(ls ...halberd.RateLimit) halberd.Maybe[halberd.RateLimits] {
	return halberd.Some(halberd.RateLimits(ls))
}

// ask asks again where the answer is that a quota could not be read in time,
// which spends nothing: a busy machine may stand still for a quarter of a second.
func ask(w *fixture.World, secret halberd.Secret, cost int64) halberd.Verdict {
	w.T.Helper()
	c := halberd.Check{Secret: secret, Cost: cost, FiltersResources: true}
	v, err := w.Verify(w.Ctx(), c)
	for tries := 0; halberd.CodeOf(err) == halberd.CodeUnavailable && tries < 20; tries++ {
		v, err = w.Verify(w.Ctx(), c)
	}
	if err != nil {
		w.T.Fatal(err)
	}
	return v
}

// left is what remains of each limit, by its name.
func left(v halberd.Verdict) map[string]int64 {
	m := map[string]int64{}
	for _, l := range v.RateLimits.All() {
		m[l.Name] = l.Remaining
	}
	return m
}

// An edit of the list gives no fresh burst to a limit whose name stays; a new
// name begins whole.
func TestEditedLimitsKeepWhatTheirNamesSpent(t *testing.T) {
	w := fixture.New(t)
	a := halberd.RateLimit{Name: "a", Limit: 10, WindowSeconds: 3600}
	b := halberd.RateLimit{Name: "b", Limit: 20, WindowSeconds: 3600}
	c := halberd.RateLimit{Name: "c", Limit: 30, WindowSeconds: 3600}
	k := w.Make(halberd.NewKey{RateLimits: limited(a, b)})
	if v := ask(w, k.Secret, 8); !v.Valid() || left(v)["a"] != 2 || left(v)["b"] != 12 {
		t.Fatal(v.Code, left(v))
	}
	renamed := b
	renamed.Name = "d"
	for _, step := range []struct {
		what   string
		limits []halberd.RateLimit
		want   map[string]int64
	}{
		{"turned round", []halberd.RateLimit{b, a}, map[string]int64{"a": 1, "b": 11}},
		{"one added before", []halberd.RateLimit{c, b, a}, map[string]int64{"a": 0, "b": 10, "c": 29}},
		{"one renamed", []halberd.RateLimit{c, renamed}, map[string]int64{"c": 28, "d": 19}},
		{"the first alone again", []halberd.RateLimit{a}, nil},
		{"the second alone again", []halberd.RateLimit{b}, map[string]int64{"b": 9}},
	} {
		if _, err := w.Update(w.Ctx(), w.Admin, k.Key.ID, halberd.KeyPatch{RateLimits: limited(step.limits...)}, 0); err != nil {
			t.Fatal(step.what, err)
		}
		v := ask(w, k.Secret, 1)
		if step.want == nil {
			if v.Code != halberd.RateLimited {
				t.Errorf("%s: %s, a fresh burst: %v", step.what, v.Code, left(v))
			}
			continue
		}
		for name, want := range step.want {
			if !v.Valid() || left(v)[name] != want {
				t.Errorf("%s: %s, left %v, want %v", step.what, v.Code, left(v), step.want)
			}
		}
	}
	// Neither does a new secret.
	if _, err := w.Update(w.Ctx(), w.Admin, k.Key.ID, halberd.KeyPatch{RateLimits: limited(a)}, 0); err != nil {
		t.Fatal(err)
	}
	r, err := w.Rotate(w.Ctx(), w.Admin, k.Key.ID, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	if v := ask(w, r.Secret, 1); v.Code != halberd.RateLimited {
		t.Errorf("after a rotation: %s", v.Code)
	}
}

// All keys of one external id in one project share a limit per external_id, and
// nobody else does.
func TestLimitsPerExternalIDAreShared(t *testing.T) {
	w := fixture.New(t)
	shared := limited(halberd.RateLimit{Limit: 10, WindowSeconds: 3600, Per: halberd.PerExternalID}, halberd.RateLimit{Name: "own", Limit: 7, WindowSeconds: 3600})
	other := w.Project("other")
	of := func(id string, p halberd.ProjectID) halberd.Secret {
		return w.Make(halberd.NewKey{ExternalID: id, Project: p, RateLimits: shared}).Secret
	}
	one, two := of("cust_1", halberd.ProjectID{}), of("cust_1", halberd.ProjectID{})
	ask(w, one, 6)
	if v := ask(w, two, 3); !v.Valid() || left(v)["default"] != 1 || left(v)["own"] != 4 {
		t.Errorf("the second key: %s %v", v.Code, left(v))
	}
	if v := ask(w, one, 2); v.Code != halberd.RateLimited || left(v)["default"] != 1 || left(v)["own"] != 1 {
		t.Errorf("both are spent: %s %v", v.Code, left(v))
	}
	for what, k := range map[string]halberd.Secret{
		"another customer": of("cust_2", halberd.ProjectID{}), "another project": of("cust_1", other.ID),
		"no customer": of("", halberd.ProjectID{}), "none either": of("", halberd.ProjectID{}),
		"the whole organization": w.Make(halberd.NewKey{ExternalID: "cust_1", Wide: true, RateLimits: shared}).Secret,
	} {
		if v := ask(w, k, 1); !v.Valid() || left(v)["default"] != 9 {
			t.Errorf("%s: %s %v", what, v.Code, left(v))
		}
	}
	// Also where the limit is the project's, and for a key made later.
	if _, err := w.UpdateProject(w.Ctx(), w.Admin, other.ID, halberd.ProjectPatch{RateLimits: limited(halberd.RateLimit{Limit: 5, WindowSeconds: 60, Per: halberd.PerExternalID})}, 0); err != nil {
		t.Fatal(err)
	}
	plain := func() halberd.Secret {
		return w.Make(halberd.NewKey{ExternalID: "cust_9", Project: other.ID}).Secret
	}
	ask(w, plain(), 4)
	if v := ask(w, plain(), 1); left(v)["default"] != 0 || !v.Valid() {
		t.Errorf("of the project: %v", left(v))
	}
	if v := ask(w, plain(), 1); v.Code != halberd.RateLimited || v.RetryAfter != 12*time.Second {
		t.Errorf("%s, retry after %v", v.Code, v.RetryAfter)
	}
	for _, bad := range []halberd.Per{"project", "External_ID", " "} {
		_, err := w.Create(w.Ctx(), w.Admin, halberd.NewKey{RateLimits: limited(halberd.RateLimit{Limit: 1, WindowSeconds: 1, Per: bad})})
		w.Refused(err, halberd.CodeInvalid)
	}
}

// What is shared is within what is not, and not the reverse.
func TestASharedLimitIsTheTighter(t *testing.T) {
	w := fixture.New(t)
	alone := halberd.RateLimit{Limit: 10, WindowSeconds: 60}
	shared := alone
	shared.Per = halberd.PerExternalID
	if _, err := w.UpdateProject(w.Ctx(), w.Admin, w.Home, halberd.ProjectPatch{RateLimits: limited(shared)}, 0); err != nil {
		t.Fatal(err)
	}
	admin := w.Holder("admin")
	_, err := w.Create(w.Ctx(), admin, halberd.NewKey{RateLimits: limited(alone)})
	if code := halberd.CodeOf(err); code != halberd.CodeForbidden && code != halberd.CodeScopeEscalation {
		t.Errorf("a limit for each key where the project shares one: %v", err)
	}
	if _, err := w.Create(w.Ctx(), admin, halberd.NewKey{RateLimits: limited(shared)}); err != nil {
		t.Error(err)
	}
}

// Keys that were used once and are idle cost nothing: their limits are
// forgotten when they are whole again, and not before.
func TestLimitsThatAreWholeAreForgotten(t *testing.T) {
	w := fixture.New(t)
	spent := w.Make(halberd.NewKey{RateLimits: limited(halberd.RateLimit{Limit: 1, WindowSeconds: 86400})}).Secret
	if v := ask(w, spent, 1); !v.Valid() {
		t.Fatal(v.Code)
	}
	rate := limited(halberd.RateLimit{Limit: 100, WindowSeconds: 1, Per: halberd.PerExternalID})
	k := w.Make(halberd.NewKey{RateLimits: rate, ExternalID: "0"})
	most := 0
	for i := range 3000 {
		id := string(rune('a'+i%26)) + time.Duration(i).String()
		if _, err := w.Update(w.Ctx(), w.Admin, k.Key.ID, halberd.KeyPatch{ExternalID: halberd.Some(id)}, 0); err != nil {
			t.Fatal(err)
		}
		if v := ask(w, k.Secret, 1); !v.Valid() {
			t.Fatal(v.Code)
		}
		most = max(most, w.LimitsHeldForTest())
		w.Clock.Pass(time.Second)
	}
	if most > 64*16 {
		t.Errorf("%d limits were held at once", most)
	}
	if v := ask(w, spent, 1); v.Code != halberd.RateLimited {
		t.Error("a spent limit was forgotten: " + string(v.Code))
	}
}

// 1,000 requests in a second against 100 in 10 seconds let 100 and what
// comes back through. Retry-After is true to the nanosecond, and a clock that
// goes back an hour sticks nobody for longer than the limit says.
func TestA51_RetryAfterIsTrueAndNobodyIsStuck(t *testing.T) {
	w := fixture.New(t)
	k := w.Make(halberd.NewKey{RateLimits: limited(halberd.RateLimit{Limit: 100, WindowSeconds: 10})}).Secret
	let := 0
	for range 1000 {
		switch v := ask(w, k, 1); v.Code {
		case halberd.Valid:
			let++
		case halberd.RateLimited:
			if v.RetryAfter <= 0 {
				t.Fatal("no Retry-After")
			}
		default:
			t.Fatal(v.Code)
		}
		w.Clock.Pass(time.Millisecond)
	}
	if let != 109 {
		t.Errorf("%d were let through in a second, not the burst of 100 and the 9 that come back", let)
	}
	for _, cost := range []int64{1, 7, 100} {
		for ask(w, k, 1).Code == halberd.Valid {
		}
		v := ask(w, k, cost)
		w.Clock.Pass(v.RetryAfter - 1)
		if ask(w, k, cost).Code == halberd.Valid {
			t.Errorf("cost %d: let through before Retry-After", cost)
		}
		w.Clock.Pass(1)
		if ask(w, k, cost).Code != halberd.Valid {
			t.Errorf("cost %d: refused after Retry-After of %v", cost, v.RetryAfter)
		}
	}
	w.Clock.Pass(-time.Hour) // a clock without a monotonic reading, which Options.Now forbids
	v := ask(w, k, 1)
	if v.Code != halberd.RateLimited || v.RetryAfter > 10*time.Second {
		t.Errorf("%s, retry after %v: a clock that goes back gives nothing", v.Code, v.RetryAfter)
	}
	w.Clock.Pass(v.RetryAfter)
	if v := ask(w, k, 1); !v.Valid() {
		t.Errorf("stuck: %s, retry after %v", v.Code, v.RetryAfter)
	}
}

func TestLimitsOfAnySortAllocateNothing(t *testing.T) {
	w := fixture.New(t)
	var ls []halberd.RateLimit
	for _, name := range []string{"a", "b", "c", "d"} {
		l := halberd.RateLimit{Name: name, Limit: 1 << 20, WindowSeconds: 1}
		if slices.Contains([]string{"b", "d"}, name) {
			l.Per = halberd.PerExternalID
		}
		ls = append(ls, l)
	}
	check := halberd.Check{Secret: w.Make(halberd.NewKey{ExternalID: "cust_1", RateLimits: limited(ls...)}).Secret}
	if n := testing.AllocsPerRun(1000, func() {
		if v, err := w.Verify(t.Context(), check); err != nil || !v.Valid() {
			t.Fatal(v.Code, err)
		}
	}); n != 0 && !racing {
		t.Errorf("%v allocations", n)
	}
}

// Who is told to wait passes afterwards; who never would is told so.
func TestAReasonDoesNotSayToWaitInVain(t *testing.T) {
	w := fixture.New(t)
	k := w.Make(halberd.NewKey{
		RateLimits: limited(halberd.RateLimit{Limit: 10, WindowSeconds: 60}),
		Quota:      halberd.Some(&halberd.Quota{Limit: 15, Refill: halberd.RefillMonth}),
	}).Secret
	quota := w.Make(halberd.NewKey{Quota: halberd.Some(&halberd.Quota{Limit: 15, Refill: halberd.RefillMonth})}).Secret
	ask(w, k, 8)
	ask(w, quota, 8)
	for _, c := range []struct {
		key  halberd.Secret
		cost int64
		code halberd.VerdictCode
		wait bool
	}{
		{k, 3, halberd.RateLimited, true},
		{k, 11, halberd.RateLimited, false},
		{quota, 8, halberd.QuotaExceeded, true},
		{quota, 16, halberd.QuotaExceeded, false},
	} {
		v := ask(w, c.key, c.cost)
		if v.Code != c.code || (v.RetryAfter > 0) != c.wait || waits(v.Reason) != c.wait {
			t.Errorf("cost %d: %s, retry after %v, %q", c.cost, v.Code, v.RetryAfter, v.Reason)
		}
	}
}

func waits(reason string) bool {
	return strings.Contains(reason, ": wait, ") || strings.Contains(reason, ": wait for ")
}
