package halberd_test

import (
	"runtime"
	"testing"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/internal/fixture"
)

// A key that is not being used costs at most 100 bytes of heap, wherever the
// table's growth happens to stand.
func TestAnIdleKeyCostsAtMostAHundredBytes(t *testing.T) {
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	before := heap()
	d := halberd.NewDirectoryForTest()
	most := int64(0)
	for n := 200_000; n <= 300_000; n += 10_000 {
		d.Fill(n)
		most = max(most, (heap()-before)*10/int64(n))
	}
	t.Logf("at most %d.%d bytes a key", most/10, most%10)
	if most > 1000 {
		t.Errorf("%d.%d bytes a key", most/10, most%10)
	}
	runtime.KeepAlive(d)
}

// A-45, for times that 32 bits do not hold: the directory keeps 40.
func TestTimesBeyond32Bits(t *testing.T) {
	w := fixture.New(t)
	day := func(year int) time.Time { return time.Date(year, 2, 3, 4, 5, 6, 0, time.UTC) }
	c := w.Make(halberd.NewKey{
		NotBefore: day(2107), ExpiresAt: halberd.Some(halberd.Expiry{At: day(2123)}),
	})
	for _, step := range []struct {
		to   time.Time
		want halberd.VerdictCode
	}{
		{day(2107).Add(-time.Millisecond), halberd.NotYetValid},
		{day(2107), halberd.Valid},
		{day(2123).Add(-time.Millisecond), halberd.Valid},
		{day(2123), halberd.Expired},
	} {
		for w.Clock.Now().Before(step.to) { // a Duration holds 292 years
			w.Clock.Pass(step.to.Sub(w.Clock.Now()))
		}
		v, err := w.Verify(w.Ctx(), halberd.Check{Secret: c.Secret})
		if err != nil || v.Code != step.want || !v.ExpiresAt.Equal(day(2123)) {
			t.Errorf("at %v: %s, expires %v, %v; want %s", step.to, v.Code, v.ExpiresAt, err, step.want)
		}
	}
}
