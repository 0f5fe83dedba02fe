package halberd_test

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/storage/memory"
)

// offer is how checks of one key come to three nodes for a minute.
type offer struct {
	name  string
	times float64             // of the limit
	to    func(i, of int) int // the node that the i-th check goes to
	event func(x *several)    // half a minute on; nil: none
	least float64             // of what one node grants
}

// G6: what nodes that share a limit grant less than one node would, of the same
// checks at the same instants. More they never grant. The figures are those of
// docs/operations/many-nodes.md.
func TestHowMuchLessNodesGrantThanOne(t *testing.T) {
	inTurn := func(i, of int) int { return i % of }
	skewed := func(i, _ int) int { return max(0, i%20-17) } // 90, 5 and 5 of a hundred
	chance := rand.New(rand.NewPCG(6, 6))
	for _, o := range []offer{
		{"in turn, five times the limit", 5, inTurn, nil, 0.98},
		{"in turn, the limit", 1, inTurn, nil, 0.98},
		{"at random, the limit", 1, func(_, of int) int { return chance.IntN(of) }, nil, 0.95},
		{"90/5/5, five times the limit", 5, skewed, nil, 0.80},
		{"90/5/5, the limit", 1, skewed, nil, 0.42},
		{"90/5/5, a third of the limit", 1. / 3, skewed, nil, 0.98},
		{"all to one, the limit", 1, func(int, int) int { return 0 }, nil, 0.32},
		{"in turn, five times the limit, one joins", 5, inTurn, func(x *several) { x.join(memory.NewFolder()) }, 0.95},
		{"in turn, five times the limit, one leaves", 5, inTurn, func(x *several) {
			_ = x.nodes[2].Close()
			x.nodes = x.nodes[:2]
		}, 0.93},
		{"in turn, five times the limit, one is killed", 5, inTurn, func(x *several) {
			x.nodes[2].way.cut.Store(true)
			x.nodes = x.nodes[:2]
		}, 0.80},
	} {
		t.Run(o.name, func(t *testing.T) { synctest.Test(t, o.happens) })
	}
}

func (o offer) happens(t *testing.T) {
	const rate, lasts = 100, time.Minute
	limit := limited(halberd.RateLimit{Limit: rate, WindowSeconds: 1, Burst: rate})
	x, one := newSeveral(t, 3), newSeveral(t, 1).nodes[0]
	k, same := x.nodes[0].Make(halberd.NewKey{RateLimits: limit}), one.Make(halberd.NewKey{RateLimits: limit})
	elapse(2 * time.Second) // what a node joined with is whole
	began, asked, several, alone := time.Now(), 0, 0, 0
	event := o.event
	for ; time.Since(began) < lasts; elapse(5 * time.Millisecond) {
		if event != nil && time.Since(began) >= lasts/2 {
			event(x)
			event = nil
		}
		for ; float64(asked) < time.Since(began).Seconds()*rate*o.times; asked++ {
			if x.nodes[o.to(asked, len(x.nodes))].code(k.Secret) == "VALID" {
				several++
			}
			if one.code(same.Secret) == "VALID" {
				alone++
			}
		}
	}
	part := float64(several) / float64(alone)
	t.Logf("%d asked; one node grants %d, three %d: %.1f %%", asked, alone, several, 100*part)
	if several > alone {
		t.Errorf("three nodes grant %d, and one %d", several, alone)
	}
	if part < o.least {
		t.Errorf("three nodes grant %.1f %% of what one does, want %.1f", 100*part, 100*o.least)
	}
}
