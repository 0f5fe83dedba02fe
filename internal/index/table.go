// Package index holds the lookup structures of a check: Table, from a digest to
// a small value, and Array, from a number to a cell. Both are read without
// locks while one writer changes them, allocate nothing on a read, and hold no
// pointers per entry, so that the garbage collector need not walk millions of
// them. The package knows nothing of keys.
package index

import (
	"encoding/binary"
	"sync"
	"sync/atomic"
)

const (
	chunkBits = 12
	chunkLen  = 1 << chunkBits

	smallest = 1 << 10 // slots of an empty table
	gone     = 1<<32 - 1
)

// Table maps 32-byte digests, which must be uniformly distributed, to values of
// V, which should be small and free of pointers. The zero Table is empty and
// ready. Readers and one writer at a time may run at once: a reader sees an
// entry as it was before a change or as it is after, never a mixture.
type Table[V any] struct {
	writer sync.Mutex
	live   int // entries; guarded by writer
	now    atomic.Pointer[generation[V]]
}

// generation is one open-addressing table. Slots change by one atomic store;
// records never change once a slot names them.
type generation[V any] struct {
	// A slot is 0 when it was never used, else 32 bits of the digest above the
	// number of a record plus one, or `gone` there.
	slots   []atomic.Uint64
	mask    uint64
	chunks  []*[chunkLen]record[V] // len is fixed; entries appear before a slot names them
	used    int                    // slots not 0; the writer's
	records int                    // records handed out; the writer's
}

type record[V any] struct {
	digest [32]byte
	value  V
}

func newGeneration[V any](slots int) *generation[V] {
	return &generation[V]{
		slots:  make([]atomic.Uint64, slots),
		mask:   uint64(slots - 1),
		chunks: make([]*[chunkLen]record[V], (slots+chunkLen-1)/chunkLen),
	}
}

func place(d *[32]byte) (start uint64, tag uint64) {
	return binary.LittleEndian.Uint64(d[0:8]), uint64(binary.LittleEndian.Uint32(d[8:12])) << 32
}

func (g *generation[V]) record(number uint32) *record[V] {
	return &g.chunks[number>>chunkBits][number&(chunkLen-1)]
}

// find returns the slot of d and the record in it, or the slot where the walk
// ended and nil.
func (g *generation[V]) find(d *[32]byte) (*atomic.Uint64, *record[V]) {
	start, tag := place(d)
	for i := start; ; i++ {
		slot := &g.slots[i&g.mask]
		s := slot.Load()
		if s == 0 {
			return slot, nil
		}
		if s&^gone != tag || uint32(s) == gone {
			continue
		}
		if r := g.record(uint32(s) - 1); r.digest == *d {
			return slot, r
		}
	}
}

// Get returns the value under d. It takes no lock and allocates nothing.
func (t *Table[V]) Get(d *[32]byte) (v V, ok bool) {
	g := t.now.Load()
	if g == nil {
		return v, false
	}
	_, r := g.find(d)
	if r == nil {
		return v, false
	}
	return r.value, true
}

// Put sets the value under d. When it returns, every Get that begins later
// sees it.
func (t *Table[V]) Put(d [32]byte, v V) {
	t.writer.Lock()
	defer t.writer.Unlock()
	g := t.room()
	slot, old := g.find(&d)
	number := g.records
	if g.chunks[number>>chunkBits] == nil {
		g.chunks[number>>chunkBits] = new([chunkLen]record[V])
	}
	*g.record(uint32(number)) = record[V]{digest: d, value: v}
	g.records++
	if old == nil {
		g.used++
		t.live++
	}
	_, tag := place(&d)
	slot.Store(tag | uint64(number+1))
}

// Delete removes d and reports whether it was there.
func (t *Table[V]) Delete(d [32]byte) bool {
	t.writer.Lock()
	defer t.writer.Unlock()
	g := t.now.Load()
	if g == nil {
		return false
	}
	slot, old := g.find(&d)
	if old == nil {
		return false
	}
	_, tag := place(&d)
	slot.Store(tag | gone)
	t.live--
	return true
}

// Len is the number of entries.
func (t *Table[V]) Len() int {
	t.writer.Lock()
	defer t.writer.Unlock()
	return t.live
}

// room returns a generation that takes one more record: the present one, or a
// new one of the size that the live entries need, with the dead left behind.
// Readers stay on the old one until the new one is complete.
func (t *Table[V]) room() *generation[V] {
	g := t.now.Load()
	if g == nil {
		g = newGeneration[V](smallest)
		t.now.Store(g)
		return g
	}
	if g.used < len(g.slots)/4*3 && g.records < len(g.chunks)*chunkLen && g.records < len(g.slots) {
		return g
	}
	slots := smallest
	for slots/2 < t.live+1 {
		slots *= 2
	}
	next := newGeneration[V](slots)
	if g.records-t.live < g.records/4 {
		// Few dead records: keep the records where they are and only spread the slots.
		copy(next.chunks, g.chunks)
		next.records = g.records
		for i := range g.slots {
			if s := g.slots[i].Load(); s != 0 && uint32(s) != gone {
				next.put(&g.record(uint32(s)-1).digest, uint32(s))
			}
		}
	} else {
		for i := range g.slots {
			s := g.slots[i].Load()
			if s == 0 || uint32(s) == gone {
				continue
			}
			n := next.records
			if next.chunks[n>>chunkBits] == nil {
				next.chunks[n>>chunkBits] = new([chunkLen]record[V])
			}
			r := next.record(uint32(n))
			*r = *g.record(uint32(s) - 1)
			next.records++
			next.put(&r.digest, uint32(n+1))
		}
	}
	t.now.Store(next)
	return next
}

// put names a record in the first free slot; d must be absent.
func (g *generation[V]) put(d *[32]byte, numberPlusOne uint32) {
	start, tag := place(d)
	i := start
	for g.slots[i&g.mask].Load() != 0 {
		i++
	}
	g.slots[i&g.mask].Store(tag | uint64(numberPlusOne))
	g.used++
}
