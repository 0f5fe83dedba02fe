package simulation

import (
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestSimulation is the short run: some hundred seeds. One of them alone, with
// all that happened: HALBERD_SEED=<n>. All of a campaign: HALBERD_CAMPAIGN=1.
func TestSimulation(t *testing.T) {
	first, seeds := uint64(1), 200
	if os.Getenv("HALBERD_CAMPAIGN") != "" {
		seeds = 20_000
	}
	if text := os.Getenv("HALBERD_SEED"); text != "" {
		n, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		first, seeds = n, 1
	}
	began := time.Now()
	var sum findings
	for seed := first; seed < first+uint64(seeds); seed++ {
		w, f := simulate(t, seed)
		sum.checks += f.checks
		sum.verdicts += f.verdicts
		sum.ends += f.ends
		sum.grants += f.grants
		sum.early += f.early
		if len(f.broken) > 0 {
			t.Errorf("seed %d (%d): %d promises broken:\n%s", seed, w.kind, len(f.broken), strings.Join(f.broken[:min(len(f.broken), 5)], "\n"))
		}
		if seeds == 1 || len(f.broken) > 0 && testing.Verbose() {
			for _, e := range w.history.events {
				t.Logf("%12v %s", e.at, e.what)
			}
		}
		if t.Failed() {
			break
		}
	}
	t.Logf("%d seeds: %d checks, %d verdicts, %d ends answered, %d grants confirmed, %d early; %v", seeds, sum.checks, sum.verdicts, sum.ends, sum.grants, sum.early, time.Since(began).Round(time.Millisecond))
}
