package simulation

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// A run of `make test` tries this many worlds, a campaign that many.
const (
	shortRun = 150
	campaign = 20_000
)

// TestNothingIsStaleWhateverBreaks runs one world after the other and wants no
// promise broken in any. HALBERD_SEED=<n> tells the story of one of them.
func TestNothingIsStaleWhateverBreaks(t *testing.T) {
	first, seeds := uint64(1), uint64(shortRun)
	if os.Getenv("HALBERD_CAMPAIGN") != "" {
		seeds = campaign
	}
	if text := os.Getenv("HALBERD_SEED"); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		first, seeds = n, 1
	}
	began := time.Now()
	var mu sync.Mutex // guards sum
	var sum findings
	each(t, whatever, first, seeds, func(seed uint64, w *world, f *findings) (enough bool) {
		mu.Lock()
		defer mu.Unlock()
		sum.plus(f)
		if len(f.broken) == 0 && seeds > 1 {
			return false
		}
		t.Log(w.story())
		if len(f.broken) > 0 {
			t.Errorf("seed %d: %d promises broken; all of it again: HALBERD_SEED=%d go test -run '%s$' ./prove/simulation\n%s",
				seed, len(f.broken), seed, t.Name(), strings.Join(f.broken[:min(len(f.broken), 10)], "\n"))
		}
		return true
	})
	t.Logf("%d stale of %d checks after %d ends of rights, %d confirmed grants; %d worlds of 3 nodes, %d early answers that break no promise; %v",
		len(sum.broken), sum.verdicts, sum.ends, sum.grants, sum.worlds, sum.early, time.Since(began).Round(time.Millisecond))
	if seeds > 1 && (sum.verdicts < 1000*sum.worlds || sum.ends < 20*sum.worlds) {
		t.Errorf("hardly anything happened: %+v", sum)
	}
}

// each runs the worlds of some seeds, several at once, until one is enough.
func each(t *testing.T, like kind, first, seeds uint64, judged func(uint64, *world, *findings) (enough bool)) {
	t.Helper()
	var next atomic.Uint64
	next.Store(first)
	t.Run("worlds", func(t *testing.T) {
		for i := range runtime.GOMAXPROCS(0) {
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				for {
					seed := next.Add(1) - 1
					if seed >= first+seeds {
						return
					}
					if w, f := simulate(t, seed, like); judged(seed, w, f) {
						next.Store(first + seeds)
					}
				}
			})
		}
	})
}
