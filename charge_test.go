package halberd_test

import (
	"errors"
	"testing"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/internal/fixture"
	"github.com/halberdhq/halberd/storage/memory"
)

func paced(t *testing.T, perMinute, burst int) *fixture.World {
	t.Helper()
	clock := fixture.NewClock()
	return fixture.With(t, memory.New(), clock, halberd.Options{ManagementPerMinute: perMinute, ManagementBurst: burst})
}

func TestACredentialsCallsHaveAPace(t *testing.T) {
	w := paced(t, 60, 3)
	other := w.Holder("read")
	for left := int64(2); left >= 0; left-- {
		st, err := w.Charge(w.Admin)
		if err != nil || st.Len() != 1 {
			t.Fatal(st, err)
		}
		if l := st.At(0); l.Name != "management" || l.Limit != 60 || l.Window != time.Minute || l.Remaining != left {
			t.Errorf("%+v, want %d left", l, left)
		}
	}
	st, err := w.Charge(w.Admin)
	e, _ := errors.AsType[*halberd.Error](err)
	if e == nil || e.Code != halberd.CodeRateLimited || e.RetryAfter != time.Second || st.At(0).Remaining != 0 {
		t.Fatalf("%v %+v", err, st.At(0))
	}
	if _, err := w.Charge(other); err != nil {
		t.Errorf("another credential: %v", err)
	}
	if _, err := w.Charge(halberd.Root("hb")); err != nil {
		t.Errorf("the program itself: %v", err)
	}
	w.Clock.Pass(e.RetryAfter)
	if _, err := w.Charge(w.Admin); err != nil {
		t.Errorf("when it said: %v", err)
	}
}

// A key's own limits and its pace are two things, whatever they are called.
func TestThePaceIsNotOneOfTheKeysLimits(t *testing.T) {
	w := paced(t, 60, 1)
	key := w.Make(halberd.NewKey{RateLimits: halberd.Some(halberd.RateLimits{{Name: "management", Limit: 1, WindowSeconds: 60}})}).Secret
	by := w.Actor(key)
	if _, err := w.Charge(by); err != nil {
		t.Fatal(err)
	}
	if got := w.Code(key); got != halberd.Valid {
		t.Errorf("the check is %s", got)
	}
}

func TestWithoutALimitNothingIsKept(t *testing.T) {
	w := fixture.New(t)
	for range 1000 {
		if st, err := w.Charge(w.Admin); err != nil || st.Len() != 0 {
			t.Fatal(st, err)
		}
	}
	if n := w.LimitsHeldForTest(); n != 0 {
		t.Errorf("%d words", n)
	}
}
