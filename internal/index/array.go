package index

import (
	"sync"
	"sync/atomic"
)

// Array is a list of cells that only grows. A cell never moves, so a pointer to
// one stays good. The zero Array is empty and ready. At may run beside Grow.
type Array[T any] struct {
	writer sync.Mutex
	dir    atomic.Pointer[[]*[chunkLen]T]
}

// At returns cell i, which must be below what Grow was last asked for.
func (a *Array[T]) At(i uint32) *T {
	return &(*a.dir.Load())[i>>chunkBits][i&(chunkLen-1)]
}

// Grow makes room for cells 0 to n-1. New cells are zero.
func (a *Array[T]) Grow(n int) {
	a.writer.Lock()
	defer a.writer.Unlock()
	var have []*[chunkLen]T
	if p := a.dir.Load(); p != nil {
		have = *p
	}
	want := (n + chunkLen - 1) / chunkLen
	if len(have) >= want {
		return
	}
	// The directory is replaced, never changed: readers may hold the old one.
	next := make([]*[chunkLen]T, len(have), max(want, len(have)*5/4))
	copy(next, have)
	for len(next) < want {
		next = append(next, new([chunkLen]T))
	}
	a.dir.Store(&next)
}
