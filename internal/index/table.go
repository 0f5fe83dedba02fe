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

// A table is between 3/5 and 3/4 full once it has grown: 10.7 to 13.3 bytes of
// slots an entry, and walks of two or three slots side by side.
func roomy(live int) int { return max(smallest, live*5/3) }
func full(slots int) int { return slots / 4 * 3 }

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
	// A slot is 0 when it was never used, else 32 bits of the digest, its tag,
	// above the number of a record plus one, or `gone` there.
	slots   []atomic.Uint64
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
		chunks: make([]*[chunkLen]record[V], (slots+chunkLen-1)/chunkLen),
	}
}

// tagOf is what a slot keeps of a digest, in its upper half. It is not the begin
// of it: digests that come in their order would fill one end of a table that
// grows long before the other, and be looked for from one end to the other.
func tagOf(d *[32]byte) uint64 { return uint64(binary.BigEndian.Uint32(d[28:])) << 32 }

// home is the slot at which the walk for a tag begins. The tag alone decides it,
// and in order: spreading the slots into a larger table reads the old one from
// end to end and no record.
func (g *generation[V]) home(tag uint64) int { return int(tag >> 32 * uint64(len(g.slots)) >> 32) }

func (g *generation[V]) after(i int) int {
	if i++; i < len(g.slots) {
		return i
	}
	return 0
}

func (g *generation[V]) record(number uint32) *record[V] {
	return &g.chunks[number>>chunkBits][number&(chunkLen-1)]
}

// find returns the slot of d and the record in it, or the slot where the walk
// ended and nil.
func (g *generation[V]) find(d *[32]byte) (*atomic.Uint64, *record[V]) {
	tag := tagOf(d)
	for i := g.home(tag); ; i = g.after(i) {
		slot := &g.slots[i]
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

// Get returns the value under d, nil if there is none. It stays as it is,
// whatever is put later; the caller must not change it. Get takes no lock and
// allocates nothing.
func (t *Table[V]) Get(d *[32]byte) *V {
	g := t.now.Load()
	if g == nil {
		return nil
	}
	if _, r := g.find(d); r != nil {
		return &r.value
	}
	return nil
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
	slot.Store(tagOf(&d) | uint64(number+1))
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
	slot.Store(tagOf(&d) | gone)
	t.live--
	return true
}

// Each calls fn with every entry. No Put or Delete runs meanwhile, so fn must not
// call one.
func (t *Table[V]) Each(fn func(d [32]byte, v *V)) {
	t.writer.Lock()
	defer t.writer.Unlock()
	g := t.now.Load()
	if g == nil {
		return
	}
	for i := range g.slots {
		if s := g.slots[i].Load(); s != 0 && uint32(s) != gone {
			r := g.record(uint32(s) - 1)
			fn(r.digest, &r.value)
		}
	}
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
	if g.used < full(len(g.slots)) && g.records < len(g.chunks)*chunkLen && g.records < len(g.slots) {
		return g
	}
	next := newGeneration[V](roomy(t.live + 1))
	if g.records-t.live < g.records/4 {
		// Few dead records: keep the records where they are and only spread the slots.
		copy(next.chunks, g.chunks)
		next.records = g.records
		for i := range g.slots {
			if s := g.slots[i].Load(); s != 0 && uint32(s) != gone {
				next.put(s)
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
			*next.record(uint32(n)) = *g.record(uint32(s) - 1)
			next.records++
			next.put(s&^gone | uint64(n+1))
		}
	}
	t.now.Store(next)
	return next
}

// put stores what a slot is to hold in the first free one; its digest must be
// absent.
func (g *generation[V]) put(s uint64) {
	i := g.home(s)
	for g.slots[i].Load() != 0 {
		i = g.after(i)
	}
	g.slots[i].Store(s)
	g.used++
}
