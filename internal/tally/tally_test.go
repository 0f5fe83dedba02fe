package tally_test

import (
	"sync"
	"testing"

	"github.com/halberdhq/halberd/internal/tally"
)

// Nothing is lost and nothing counted twice while drains run beside adds.
func TestEveryEventIsHandedOverOnce(t *testing.T) {
	const things, each = 500, 4000
	var ta tally.Tally[string]
	ta.Grow(things)
	got := make([]uint32, things)
	odd := map[uint8]uint32{}
	take := func(n uint32, kind uint8, isOdd bool, count uint32, _ int64) {
		if isOdd {
			odd[kind] += count
		} else {
			got[n] += count
		}
	}
	var adders sync.WaitGroup
	for range 4 {
		adders.Go(func() {
			for i := range uint32(things * each / 4) {
				ta.Add(i%things, int64(i))
				if i%100 == 0 {
					ta.AddOdd(i%things, uint8(i%3))
				}
			}
		})
	}
	done := make(chan struct{})
	go func() { adders.Wait(); close(done) }()
	for running := true; running; {
		select {
		case <-done:
			running = false
		default:
		}
		ta.Drain(take)
	}
	ta.Drain(take)
	for n, c := range got {
		if c != each {
			t.Fatalf("thing %d: %d of %d", n, c, each)
		}
	}
	if sum := odd[0] + odd[1] + odd[2]; sum != things*each/100 {
		t.Errorf("odd events: %d of %d", sum, things*each/100)
	}
}

func TestLastOnlyMovesForward(t *testing.T) {
	var ta tally.Tally[string]
	ta.Grow(1)
	ta.Add(0, 20)
	ta.Add(0, 10)
	if ta.Last(0) != 20 {
		t.Errorf("Last = %d", ta.Last(0))
	}
}

func TestOddEventsAreBounded(t *testing.T) {
	var ta tally.Tally[string]
	ta.Grow(1)
	for i := range uint32(1_000_000) {
		ta.AddOdd(i, 1)
	}
	if ta.Dropped() == 0 {
		t.Error("memory of odd events has no bound")
	}
}

func TestAddAllocatesNothingWhenWarm(t *testing.T) {
	var ta tally.Tally[string]
	ta.Grow(64)
	round := func() {
		for i := range uint32(64) {
			ta.Add(i, 1)
		}
	}
	drop := func(uint32, uint8, bool, uint32, int64) {}
	for range 3 {
		round()
		ta.Drain(drop)
	}
	if n := testing.AllocsPerRun(100, round); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
