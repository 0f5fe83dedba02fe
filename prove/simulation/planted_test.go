//go:build planted

package simulation

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/halberdhq/halberd/internal/planted"
)

// plantedSeeds is how many worlds a bug may survive. Most are found in the first,
// some in a hundred or two.
const plantedSeeds = 2000

// TestPlantedBugs writes each bug into the code and wants some world to find it:
// a simulation that finds nothing proves nothing otherwise.
func TestPlantedBugs(t *testing.T) {
	caught := 0
	all := planted.Bugs()
	for _, b := range all {
		planted.Plant(b)
		began := time.Now()
		var tried atomic.Int64
		var how atomic.Pointer[string]
		each(t, likes(b), 1, plantedSeeds, func(_ uint64, _ *world, f *findings) bool {
			tried.Add(1)
			if len(f.broken) == 0 {
				return how.Load() != nil
			}
			how.CompareAndSwap(nil, &f.broken[0])
			return true
		})
		took := time.Since(began).Round(time.Millisecond)
		if found := how.Load(); found != nil {
			caught++
			t.Logf("caught in %3d worlds, %6v: %v\n\t%s", tried.Load(), took, b, *found)
		} else {
			t.Errorf("NOT caught in %d worlds, %v: %v", tried.Load(), took, b)
		}
	}
	planted.Plant(planted.None)
	t.Logf("%d of %d planted bugs caught", caught, len(all))
}

// likes is the kind of world in which a bug can matter.
func likes(b planted.Bug) kind {
	switch b {
	case planted.MarkNotCompared, planted.BeatNotCompared, planted.TombstonesNotReplayed:
		return lossy
	case planted.NoMargin, planted.LeaseFromReply, planted.LeaseGrace:
		return ambushed
	}
	return whatever
}
