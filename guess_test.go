package halberd_test

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/internal/fixture"
	"github.com/halberdhq/halberd/storage/memory"
)

func guarded(t *testing.T) (*halberd.Service, *fixture.Clock, halberd.Secret) {
	t.Helper()
	clock := fixture.NewClock()
	s, err := halberd.New(t.Context(), memory.New(), halberd.Options{Now: clock.Now, FlushEvery: time.Hour, GuessesPerMinute: 30, GuessBurst: 60})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	var root halberd.Secret
	if _, err := s.FirstStart(t.Context(), func(k halberd.Secret) error { root = k; return nil }); err != nil {
		t.Fatal(err)
	}
	return s, clock, root
}

// A-72, Doors: guessing.
func TestBadKeysAreCountedPerAddressAndAGoodKeyIsNeverRefusedForThem(t *testing.T) {
	s, clock, good := guarded(t)
	here, elsewhere := netip.MustParseAddr("203.0.113.7"), netip.MustParseAddr("198.51.100.9")
	ask := func(secret halberd.Secret, from netip.Addr) halberd.Code {
		_, err := s.Authenticate(t.Context(), secret, halberd.Request{ClientIP: from})
		return halberd.CodeOf(err)
	}
	bad := halberd.NewSecret("hb_live_nothing")
	for i := range 60 {
		if got := ask(bad, here); got != halberd.CodeUnauthorized {
			t.Fatalf("guess %d: %s", i, got)
		}
	}
	_, err := s.Authenticate(t.Context(), bad, halberd.Request{ClientIP: here})
	if e, ok := errors.AsType[*halberd.Error](err); !ok || e.Code != halberd.CodeRateLimited || e.RetryAfter != 2*time.Second {
		t.Fatalf("beyond the bound: %#v", err)
	}
	if got := ask(good, here); got != "" {
		t.Errorf("a good key from there: %s", got)
	}
	if got := ask(bad, elsewhere); got != halberd.CodeUnauthorized {
		t.Errorf("another address: %s", got)
	}
	clock.Pass(2 * time.Second)
	if got := ask(bad, here); got != halberd.CodeUnauthorized {
		t.Errorf("after Retry-After: %s", got)
	}
	if got := ask(bad, here); got != halberd.CodeRateLimited {
		t.Errorf("and once more: %s", got)
	}
	// One network of a household is one address, in whatever form it is told.
	for i := range 60 {
		a := netip.MustParseAddr("2001:db8:1:2::").As16()
		a[15] = byte(i)
		ask(bad, netip.AddrFrom16(a))
	}
	if got := ask(bad, netip.MustParseAddr("2001:db8:1:2:ffff::1%eth0")); got != halberd.CodeRateLimited {
		t.Errorf("the same /64: %s", got)
	}
	if got := ask(bad, netip.MustParseAddr("::ffff:203.0.113.7")); got != halberd.CodeRateLimited {
		t.Errorf("the same address, mapped: %s", got)
	}
	if got := s.Stats().Guesses; got != 4 {
		t.Errorf("%d guesses were beyond the bound, not 4", got)
	}
}

// a million addresses cost what one does.
func TestGuessesOfAMillionAddressesTakeNoMoreMemory(t *testing.T) {
	s, _, _ := guarded(t)
	heap := func() uint64 {
		runtime.GC()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	for i := range uint32(1_000_000) {
		var a [4]byte
		binary.BigEndian.PutUint32(a[:], 10<<24+i)
		s.Guessed(netip.AddrFrom4(a))
	}
	if after := heap(); after > before+64<<10 {
		t.Errorf("%d bytes more", after-before)
	}
	if n := testing.AllocsPerRun(100, func() { s.Guessed(netip.MustParseAddr("203.0.113.7")) }); n != 0 {
		t.Errorf("%v allocations a guess", n)
	}
}

func TestTheSoleProjectIsTheOnlyOneOfTheInstance(t *testing.T) {
	w := fixture.New(t)
	sole := func(want halberd.ProjectID) {
		t.Helper()
		got, ok := w.SoleProject()
		if ok != !want.IsZero() || got.Project != want || ok && got.Organization != w.Org {
			t.Errorf("sole project %v, %v; want %v", got, ok, want)
		}
	}
	sole(w.Home)
	second := w.Project("second")
	sole(halberd.ProjectID{})
	if r, ok := w.ReachOf(second.ID); !ok || r != (halberd.Reach{Organization: w.Org, Project: second.ID}) {
		t.Errorf("reach %v, %v", r, ok)
	}
	if _, err := w.UpdateProject(w.Ctx(), w.Admin, second.ID, halberd.ProjectPatch{Name: halberd.Some("renamed")}, 0); err != nil {
		t.Fatal(err)
	}
	sole(halberd.ProjectID{})
	if _, err := w.DeleteProject(w.Ctx(), w.Admin, second.ID, 0); err != nil {
		t.Fatal(err)
	}
	sole(w.Home)
	if _, ok := w.ReachOf(second.ID); ok {
		t.Error("a deleted project has a reach")
	}
	// Another organization's project is one too.
	if _, err := w.CreateOrganization(w.Ctx(), w.Admin, "other"); err != nil {
		t.Fatal(err)
	}
	sole(halberd.ProjectID{})
	w2 := fixture.On(t, w.Store, w.Clock) // as loaded
	if _, ok := w2.SoleProject(); ok {
		t.Error("after a start there is a sole project")
	}
}
