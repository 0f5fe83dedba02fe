package index

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"testing"
)

// Digests that come in their order, batch after batch as from a sorted file, are
// walked to no further than others, also while the table grows.
func TestWalksAreShortWhateverTheOrder(t *testing.T) {
	const batches, each = 20, 5_000
	for name, sorted := range map[string]bool{"in order": true, "in any order": false} {
		var table Table[uint32]
		var worst float64
		for n := range batches {
			batch := make([][32]byte, each)
			for i := range batch {
				batch[i] = sha256.Sum256(binary.BigEndian.AppendUint32(nil, uint32(n*each+i)))
			}
			if sorted {
				slices.SortFunc(batch, func(a, b [32]byte) int { return bytes.Compare(a[:], b[:]) })
			}
			for i, d := range batch {
				table.Put(d, 0)
				if i%(each/10) == 0 {
					worst = max(worst, meanWalk(table.now.Load()))
				}
			}
		}
		if worst > 8 {
			t.Errorf("%s: a walk of %.1f slots in the mean", name, worst)
		}
	}
}

// meanWalk is how many slots a lookup passes before it finds its own.
func meanWalk(g *generation[uint32]) float64 {
	sum, n := 0, 0
	for i := range g.slots {
		if s := g.slots[i].Load(); s != 0 {
			sum += (i - g.home(s) + len(g.slots)) % len(g.slots)
			n++
		}
	}
	return float64(sum) / float64(n)
}
