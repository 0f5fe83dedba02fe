package storagetest

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync"

	"github.com/halberdhq/halberd"
)

var keeperCases = []contract{
	{"there is no pepper until one is kept", func(s *subject) {
		if _, err := s.Pepper(s.Context(), nil); !errors.Is(err, halberd.ErrNotFound) {
			s.Errorf("Pepper: %v", err)
		}
	}},
	{"the first pepper is kept, and later ones are not", func(s *subject) {
		first, second := pepper("first"), pepper("second")
		for _, offered := range [][]byte{first, second, nil} {
			got, err := s.Pepper(s.Context(), offered)
			if err != nil || !bytes.Equal(got, first) {
				s.Errorf("Pepper: %x, %v", got, err)
			}
		}
	}},
	{"a pepper of several layers is kept whole", func(s *subject) {
		want := append(pepper("one"), pepper("two")...)
		for _, offered := range [][]byte{want, nil} {
			if got, err := s.Pepper(s.Context(), offered); err != nil || !bytes.Equal(got, want) {
				s.Errorf("Pepper: %x, %v", got, err)
			}
		}
	}},
	{"one pepper is kept of many offered at once", func(s *subject) {
		var all sync.WaitGroup
		got := make([][]byte, 20)
		for i := range got {
			all.Go(func() {
				var err error
				if got[i], err = s.Pepper(background(), pepper(fmt.Sprint(i))); err != nil {
					s.Errorf("Pepper: %v", err)
				}
			})
		}
		all.Wait()
		for _, p := range got {
			if !bytes.Equal(p, got[0]) {
				s.Errorf("two peppers: %x and %x", p, got[0])
			}
		}
	}},
	{"a pepper may be kept inside an Update", func(s *subject) {
		s.update(func(tx halberd.Tx) error {
			got, err := s.Pepper(s.Context(), pepper("inside"))
			if !bytes.Equal(got, pepper("inside")) {
				s.Errorf("Pepper: %x", got)
			}
			return errors.Join(err, tx.SetMeta("a", "b"))
		})
	}},
	{"tombstones come back in the order they were made", func(s *subject) {
		s.wantTombstones()
		var want []halberd.Tombstone
		for n := 1; n <= 9; n++ {
			want = append(want, tombstone(n))
		}
		s.entomb(want[:1]...)
		s.entomb(want[1:6]...)
		s.entomb()
		s.entomb(want[6:]...)
		s.wantTombstones(want...)
	}},
	{"tombstones made at once are all there", func(s *subject) {
		var all sync.WaitGroup
		for n := range 40 {
			all.Go(func() {
				if err := s.Entomb(background(), []halberd.Tombstone{tombstone(2*n + 1), tombstone(2*n + 2)}); err != nil {
					s.Errorf("Entomb: %v", err)
				}
			})
		}
		all.Wait()
		seen := map[halberd.Tombstone]bool{}
		if _, err := s.Tombstones(s.Context(), func(t halberd.Tombstone) error { seen[t] = true; return nil }); err != nil {
			s.Fatal(err)
		}
		for n := 1; n <= 80; n++ {
			equal(s, "entombed", seen[tombstone(n)], true)
		}
	}},
	{"an error of the reader of tombstones is returned", func(s *subject) {
		s.entomb(tombstone(1))
		if _, err := s.Tombstones(s.Context(), func(halberd.Tombstone) error { return errWanted }); !errors.Is(err, errWanted) {
			s.Errorf("Tombstones: %v", err)
		}
	}},
}

func pepper(text string) []byte {
	p := sha256.Sum256([]byte(text))
	return p[:]
}

func tombstone(n int) halberd.Tombstone {
	return halberd.Tombstone{Key: keyID(n), At: 1_790_000_000 + int64(n), MAC: sha256.Sum256(fmt.Append(nil, "tombstone ", n))}
}

func (s *subject) entomb(ts ...halberd.Tombstone) {
	s.Helper()
	if err := s.Entomb(s.Context(), ts); err != nil {
		s.Fatalf("Entomb: %v", err)
	}
}

func (s *subject) wantTombstones(want ...halberd.Tombstone) {
	s.Helper()
	var got []halberd.Tombstone
	damaged, err := s.Tombstones(s.Context(), func(t halberd.Tombstone) error { got = append(got, t); return nil })
	if err != nil || damaged != 0 {
		s.Fatalf("Tombstones: %d damaged, %v", damaged, err)
	}
	equal(s, "tombstones", fmt.Sprint(got), fmt.Sprint(want))
}
