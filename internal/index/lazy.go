package index

import (
	"sync"
	"sync/atomic"
)

// LazyKey names a value of a Lazy. Its first two words must be uniformly
// distributed together, and out of the reach of who might choose them badly.
type LazyKey [3]uint64

// Lazy holds values that are made when they are first asked for and forgotten
// when they say nothing any more, so that what is idle costs nothing. Finding
// one takes no lock and allocates nothing. The zero Lazy is empty; Idle must be
// set before the first Make.
type Lazy[V any] struct {
	// Idle reports whether a value may be forgotten, and if so marks it, so that
	// whoever still holds it sees that it was and asks Make for the next one.
	// It is called when room is needed, with a lock held.
	Idle   func(*V) bool
	shards [lazyShards]lazyShard[V]
}

const (
	lazyShards   = 64 // each makes room for itself: none stands still for long
	lazySmallest = 16 // slots of a shard that has a value
)

type lazyShard[V any] struct {
	now  atomic.Pointer[[]atomic.Pointer[lazyValue[V]]] // a power of two of slots, replaced to grow
	mu   sync.Mutex                                     // of the writer
	used int                                            // slots taken; guarded by mu
	_    [40]byte                                       // shards on lines of their own
}

// lazyValue never moves: a pointer to its value stays good.
type lazyValue[V any] struct {
	key   LazyKey
	value V
}

func (k *LazyKey) place() uint64 { return (k[0] ^ k[1] ^ k[2]) * 0x9E3779B97F4A7C15 >> 20 }

// Get returns the value of k, or nil.
func (l *Lazy[V]) Get(k *LazyKey) *V {
	p := k.place()
	slots := l.shards[p%lazyShards].now.Load()
	if slots == nil {
		return nil
	}
	if _, v := findLazy(*slots, k, p); v != nil {
		return &v.value
	}
	return nil
}

// Make returns the value of k: the one there is, or a zero one. What Idle has
// marked is not returned once Make began.
func (l *Lazy[V]) Make(k *LazyKey) *V {
	p := k.place()
	s := &l.shards[p%lazyShards]
	s.mu.Lock()
	defer s.mu.Unlock()
	slots := s.now.Load()
	if slots == nil || s.used >= len(*slots)/4*3 {
		slots = s.room(slots, l.Idle)
	}
	slot, v := findLazy(*slots, k, p)
	if v == nil {
		v = &lazyValue[V]{key: *k}
		s.used++
		slot.Store(v)
	}
	return &v.value
}

// Len is how many values are held.
func (l *Lazy[V]) Len() (n int) {
	for i := range l.shards {
		s := &l.shards[i]
		s.mu.Lock()
		n += s.used
		s.mu.Unlock()
	}
	return n
}

// Each hands every value to fn, which must not call the Lazy.
func (l *Lazy[V]) Each(fn func(*LazyKey, *V)) {
	for i := range l.shards {
		slots := l.shards[i].now.Load()
		if slots == nil {
			continue
		}
		for j := range *slots {
			if v := (*slots)[j].Load(); v != nil {
				fn(&v.key, &v.value)
			}
		}
	}
}

// findLazy returns the slot of k and the value in it, or the free slot where the
// walk ended and nil. A quarter of the slots is always free.
func findLazy[V any](slots []atomic.Pointer[lazyValue[V]], k *LazyKey, place uint64) (*atomic.Pointer[lazyValue[V]], *lazyValue[V]) {
	mask := uint64(len(slots) - 1)
	for i := place / lazyShards; ; i++ {
		slot := &slots[i&mask]
		v := slot.Load()
		if v == nil || v.key == *k {
			return slot, v
		}
	}
}

// room replaces the slots by new ones, without what is idle. Readers may hold
// the old ones: what they find there is the same value, or marked.
func (s *lazyShard[V]) room(old *[]atomic.Pointer[lazyValue[V]], idle func(*V) bool) *[]atomic.Pointer[lazyValue[V]] {
	var live []*lazyValue[V]
	if old != nil {
		for i := range *old {
			if v := (*old)[i].Load(); v != nil && !idle(&v.value) {
				live = append(live, v)
			}
		}
	}
	n := lazySmallest
	for n/2 < len(live)+1 {
		n *= 2
	}
	next := make([]atomic.Pointer[lazyValue[V]], n)
	for _, v := range live {
		slot, _ := findLazy(next, &v.key, v.key.place())
		slot.Store(v)
	}
	s.used = len(live)
	s.now.Store(&next)
	return &next
}
