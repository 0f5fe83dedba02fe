package index_test

import (
	"encoding/binary"
	"math/bits"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/halberdhq/halberd/internal/index"
)

type value struct{ a, b uint64 }

// digest spreads n over 32 bytes, as a hash would.
func digest(n uint64) (d [32]byte) {
	for i := range 4 {
		hi, lo := bits.Mul64(n+uint64(i)+1, 0x9E3779B97F4A7C15)
		binary.LittleEndian.PutUint64(d[i*8:], hi^lo*0xBF58476D1CE4E5B9)
	}
	return d
}

// A table agrees with a map through inserts, replacements, deletions and growth.
func TestTableAgreesWithAMap(t *testing.T) {
	var table index.Table[value]
	model := map[[32]byte]value{}
	state := uint64(1)
	for step := range uint64(400_000) {
		state = state*6364136223846793005 + 1442695040888963407
		d := digest(state >> 33 % 30_000)
		switch state >> 60 {
		case 0, 1, 2:
			_, had := model[d]
			if table.Delete(d) != had {
				t.Fatalf("step %d: Delete disagrees", step)
			}
			delete(model, d)
		default:
			v := value{step, ^step}
			table.Put(d, v)
			model[d] = v
		}
		probe := digest(state >> 20 % 31_000)
		got := table.Get(&probe)
		if want, had := model[probe]; (got != nil) != had || (had && *got != want) {
			t.Fatalf("step %d: Get = %v; want %v, %v", step, got, want, had)
		}
	}
	if table.Len() != len(model) {
		t.Errorf("Len = %d, want %d", table.Len(), len(model))
	}
	for d, want := range model {
		if got := table.Get(&d); got == nil || *got != want {
			t.Fatalf("lost %x", d[:4])
		}
	}
}

// Digests that share a slot and a tag are still told apart by all 32 bytes.
func TestCollidingDigestsAreToldApart(t *testing.T) {
	var table index.Table[value]
	var d [32]byte
	for i := range byte(200) {
		d[31] = i
		table.Put(d, value{uint64(i), 0})
	}
	for i := range byte(255) {
		d[31] = i
		if v := table.Get(&d); (v != nil) != (i < 200) || (v != nil && v.a != uint64(i)) {
			t.Fatalf("%d: %v", i, v)
		}
	}
}

// A reader beside the writer sees whole values, and what was put before it began.
func TestReadersSeeWholeValues(t *testing.T) {
	var table index.Table[value]
	const keys = 5_000
	var done [keys]atomic.Uint64
	var stop atomic.Bool
	var readers sync.WaitGroup
	for r := range uint64(2) {
		readers.Go(func() {
			for n := r; !stop.Load(); n++ {
				i := n * 7919 % keys
				floor := done[i].Load()
				d := digest(i)
				v := table.Get(&d)
				if (v == nil && floor > 0) || (v != nil && (v.a != v.b || v.a < floor)) {
					t.Errorf("key %d: saw %v after %d was put", i, v, floor)
					return
				}
			}
		})
	}
	for round := uint64(1); round <= 20; round++ {
		for i := range uint64(keys) {
			table.Put(digest(i), value{round, round})
			done[i].Store(round)
		}
	}
	stop.Store(true)
	readers.Wait()
}

func TestArrayCellsStay(t *testing.T) {
	var a index.Array[atomic.Int64]
	a.Grow(1)
	first := a.At(0)
	first.Store(7)
	var grown sync.WaitGroup
	grown.Go(func() {
		for n := 1; n < 100_000; n += 999 {
			a.Grow(n)
		}
	})
	for range 10_000 {
		if a.At(0).Load() != 7 {
			t.Fatal("a cell changed under growth")
		}
	}
	grown.Wait()
	if a.At(0) != first || a.At(99_000).Load() != 0 {
		t.Fatal("a cell moved")
	}
}

func TestGetAllocatesNothing(t *testing.T) {
	var table index.Table[value]
	for i := range uint64(1000) {
		table.Put(digest(i), value{})
	}
	d := digest(5)
	if n := testing.AllocsPerRun(100, func() { table.Get(&d) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkGet(b *testing.B) {
	var table index.Table[[24]byte]
	const n = 1_000_000
	for i := range uint64(n) {
		table.Put(digest(i), [24]byte{})
	}
	b.ReportAllocs()
	i := uint64(0)
	for b.Loop() {
		i += 7919
		d := digest(i % n)
		if table.Get(&d) == nil {
			b.Fatal("lost")
		}
	}
}
