package index_test

import (
	"math/bits"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/halberdhq/halberd/internal/index"
)

const marked = -1 << 63

// counters are idle at zero.
func counters() *index.Lazy[atomic.Int64] {
	return &index.Lazy[atomic.Int64]{Idle: func(n *atomic.Int64) bool { return n.CompareAndSwap(0, marked) }}
}

func lazyKey(n uint64) index.LazyKey {
	hi, lo := bits.Mul64(n+1, 0x9E3779B97F4A7C15)
	return index.LazyKey{hi ^ lo*0xBF58476D1CE4E5B9, lo, 7}
}

func TestALazyValueIsMadeOnceAndStays(t *testing.T) {
	l := counters()
	first := lazyKey(0)
	if l.Get(&first) != nil {
		t.Error("there before it was made")
	}
	v := l.Make(&first)
	v.Store(1)
	for n := range uint64(100_000) {
		k := lazyKey(n)
		l.Make(&k).Store(int64(n) + 1)
	}
	if l.Get(&first) != v || l.Make(&first) != v {
		t.Error("it moved")
	}
	for n := range uint64(100_000) {
		k := lazyKey(n)
		if v := l.Get(&k); v == nil || v.Load() != int64(n)+1 {
			t.Fatalf("%d: %v", n, v)
		}
	}
	// Keys that differ in their last word only are apart.
	k := first
	k[2]++
	if l.Get(&k) != nil || l.Make(&k) == v || l.Len() != 100_001 {
		t.Error("taken for another")
	}
}

// What is idle is forgotten when room is needed: a million things that came and
// went leave room for no more than were there at once.
func TestIdleValuesAreForgotten(t *testing.T) {
	l := counters()
	busy := lazyKey(1 << 40)
	l.Make(&busy).Store(5)
	for n := range uint64(1_000_000) {
		k := lazyKey(n)
		l.Make(&k)
	}
	if n := l.Len(); n > 64*16 {
		t.Errorf("%d are held", n)
	}
	if v := l.Get(&busy); v == nil || v.Load() != 5 {
		t.Error("a busy one was forgotten")
	}
	seen := 0
	l.Each(func(*index.LazyKey, *atomic.Int64) { seen++ })
	if seen != l.Len() {
		t.Errorf("Each saw %d of %d", seen, l.Len())
	}
}

// Adding is exact while values are forgotten and made again beneath: whoever
// finds a mark asks again, and nothing is counted on what was forgotten.
func TestNothingIsLostWhileValuesAreForgotten(t *testing.T) {
	l := counters()
	const subjects, rounds = 300, 20_000
	var sum [subjects]atomic.Int64
	change := func(k *index.LazyKey, by int64) {
		v := l.Get(k)
		for {
			if v == nil {
				v = l.Make(k)
			}
			old := v.Load()
			if old == marked {
				v = nil
				continue
			}
			if v.CompareAndSwap(old, old+by) {
				return
			}
		}
	}
	var wg sync.WaitGroup
	for g := range uint64(4) {
		wg.Go(func() {
			for i := range uint64(rounds) {
				n := (i*7919 + g) % subjects
				k := lazyKey(n)
				change(&k, 1)
				sum[n].Add(1)
				other := lazyKey(1000 + i*4 + g) // presses for room
				l.Make(&other)
				if i%3 == 0 {
					change(&k, -1)
					sum[n].Add(-1)
				}
				if i%64 == 0 {
					runtime.Gosched()
				}
			}
		})
	}
	wg.Wait()
	for n := range uint64(subjects) {
		k := lazyKey(n)
		have := int64(0)
		if v := l.Get(&k); v != nil && v.Load() != marked {
			have = v.Load()
		}
		if have != sum[n].Load() {
			t.Fatalf("%d: %d, want %d", n, have, sum[n].Load())
		}
	}
}

func TestGettingALazyValueAllocatesNothing(t *testing.T) {
	l := counters()
	k := lazyKey(3)
	l.Make(&k)
	if n := testing.AllocsPerRun(100, func() { k := lazyKey(3); l.Get(&k).Add(1) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
