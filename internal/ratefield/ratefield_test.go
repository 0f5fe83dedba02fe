package ratefield_test

import (
	"math"
	"net/http"
	"testing"
	"time"

	"github.com/dunglas/httpsfv"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/internal/ratefield"
)

func set(retry time.Duration, limits ...halberd.LimitState) http.Header {
	h := http.Header{}
	states := halberd.ToldLimits(limits)
	ratefield.Set(h, &states, retry)
	return h
}

func TestTheFieldsReadAsTheDraftWritesThem(t *testing.T) {
	h := set(0,
		halberd.LimitState{Name: "default", Limit: 100, Window: time.Minute, Remaining: 50, Reset: 29*time.Second + 1},
		halberd.LimitState{Name: "day", Limit: 1000, Window: 24 * time.Hour, Remaining: 999, Reset: 86400 * time.Millisecond})
	if got, want := h.Get("RateLimit-Policy"), `"default";q=100;w=60, "day";q=1000;w=86400`; got != want {
		t.Errorf("RateLimit-Policy: %s, want %s", got, want)
	}
	if got, want := h.Get("RateLimit"), `"default";r=50;t=30, "day";r=999;t=87`; got != want {
		t.Errorf("RateLimit: %s, want %s", got, want)
	}
}

func TestWithoutLimitsThereAreNoFields(t *testing.T) {
	if h := set(0); len(h) != 0 {
		t.Error(h)
	}
	if h := set(0, halberd.LimitState{Name: "a\r\nX-Auth-Key-Id: k", Limit: 1}); len(h) != 0 {
		t.Error(h)
	}
}

// What a Retry-After says and what t says must not differ: t is never later.
func TestARefusalsResetIsNotLaterThanItsRetry(t *testing.T) {
	h := set(1500*time.Millisecond,
		halberd.LimitState{Name: "a", Limit: 100, Window: time.Minute, Reset: time.Minute},
		halberd.LimitState{Name: "b", Limit: 100, Window: time.Minute, Remaining: 99, Reset: time.Second})
	if got, want := h.Get("RateLimit"), `"a";r=0;t=2, "b";r=99;t=1`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if ratefield.Seconds(1500*time.Millisecond) != 2 {
		t.Error("not rounded up")
	}
}

// Whatever a limit is called and wherever it stands, the fields parse to exactly
// that, by somebody else's reading of the RFC.
func FuzzTheFieldsAreStructured(f *testing.F) {
	f.Add("default", int64(100), int64(time.Minute), int64(50), int64(30*time.Second), int64(0))
	f.Add(`a "quoted" \ name`, int64(1), int64(0), int64(-1), int64(-1), int64(1))
	f.Add("line\nbreak", int64(math.MaxInt64), int64(math.MaxInt64), int64(math.MaxInt64), int64(math.MaxInt64), int64(math.MaxInt64))
	f.Add("ü", int64(1), int64(1), int64(1), int64(1), int64(0))
	f.Fuzz(func(t *testing.T, name string, limit, window, remaining, reset, retry int64) {
		other := halberd.LimitState{Name: "other", Limit: 7, Window: time.Second, Remaining: 3, Reset: 1}
		h := set(time.Duration(retry), halberd.LimitState{
			Name: name, Limit: limit, Window: time.Duration(window), Remaining: remaining, Reset: time.Duration(reset),
		}, other)
		policy, err := httpsfv.UnmarshalList(h.Values("RateLimit-Policy"))
		if err != nil {
			t.Fatal(err)
		}
		state, err := httpsfv.UnmarshalList(h.Values("RateLimit"))
		if err != nil {
			t.Fatal(err)
		}
		if len(policy) != len(state) {
			t.Fatalf("%d policies, %d states", len(policy), len(state))
		}
		for i, m := range policy {
			p, s := m.(httpsfv.Item), state[i].(httpsfv.Item)
			if p.Value != s.Value || p.Value != name && p.Value != "other" {
				t.Errorf("%q and %q for %q", p.Value, s.Value, name)
			}
		}
		if last := state[len(state)-1].(httpsfv.Item); last.Value != "other" {
			t.Errorf("the last is %q", last.Value)
		}
		if r, _ := state[0].(httpsfv.Item).Params.Get("r"); len(state) == 2 && r != min(max(remaining, 0), 999_999_999_999_999) {
			t.Errorf("r=%v of %d", r, remaining)
		}
	})
}

func TestOnlyTheResultIsAllocated(t *testing.T) {
	states := halberd.ToldLimits([]halberd.LimitState{
		{Name: "default", Limit: 100, Window: time.Minute, Remaining: 50, Reset: time.Second},
		{Name: "day", Limit: 1000, Window: 24 * time.Hour, Remaining: 50, Reset: time.Second},
	})
	h := http.Header{}
	ratefield.Set(h, &states, 0)
	if n := testing.AllocsPerRun(100, func() { ratefield.Set(h, &states, 0) }); n > 2 { // the text, and the list that holds it
		t.Errorf("%v allocations", n)
	}
	var room [256]byte
	if n := testing.AllocsPerRun(100, func() { ratefield.AppendPolicy(ratefield.AppendLimit(room[:0], &states, 0), &states) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
