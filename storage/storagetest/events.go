package storagetest

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sync"

	"github.com/halberdhq/halberd"
)

func eventID(n int) (id halberd.EventID) {
	binary.BigEndian.PutUint64(id[8:], uint64(n))
	return id
}

// happened is the nth event. Its id says nothing about its place.
func happened(n int, edits ...func(*halberd.EventRecord)) halberd.EventRecord {
	e := halberd.EventRecord{
		ID: eventID(100_000 - n), At: int64(100 + n), Type: "key.updated", Organization: organizationID(1), Project: projectID(1),
		TargetKind: "key", Target: keyID(n).String(), Version: int64(n), Data: `{"label":"ö"}`, To: "whk_a whk_b",
	}
	for _, edit := range edits {
		edit(&e)
	}
	return e
}

var eventCases = []contract{
	{"events come back whole, in the order of their commits, or the reverse", func(s *subject) {
		for n := 1; n <= 5; n++ {
			s.happen(happened(n))
		}
		s.wantEvents(halberd.EventFilter{}, 1, 2, 3, 4, 5)
		s.wantEvents(halberd.EventFilter{Descending: true}, 5, 4, 3, 2, 1)
		s.wantEvents(halberd.EventFilter{Limit: 2}, 1, 2)
		s.view(func(r halberd.Reader) error {
			list, err := r.Events(halberd.EventFilter{})
			if err != nil {
				return err
			}
			want := happened(1)
			want.Seq = list[0].Seq
			equal(s, "event", list[0], want)
			got, err := r.Event(want.ID)
			equal(s, "event by its id", got, want)
			return err
		})
	}},
	{"bare events come back bare, whatever Seq they carried", func(s *subject) {
		s.happen(halberd.EventRecord{Seq: 999, ID: eventID(1), Type: "t"}, halberd.EventRecord{Seq: 999, ID: eventID(2), Type: "t"})
		s.view(func(r halberd.Reader) error {
			got, err := r.Event(eventID(1))
			equal(s, "event", got, halberd.EventRecord{Seq: got.Seq, ID: eventID(1), Type: "t"})
			other, err2 := r.Event(eventID(2))
			if got.Seq < 1 || other.Seq <= got.Seq {
				s.Errorf("seqs %d and %d", got.Seq, other.Seq)
			}
			_, err3 := r.Event(eventID(3))
			equal(s, "absent", err3, halberd.ErrNotFound)
			if err == nil {
				err = err2
			}
			return err
		})
	}},
	{"an event happens once", func(s *subject) {
		s.happen(happened(1))
		s.refused(halberd.ErrConflict, func(tx halberd.Tx) error { return tx.AppendEvent(happened(1)) })
		s.wantEvents(halberd.EventFilter{}, 1)
	}},
	{"every filter of events selects", func(s *subject) {
		s.happen(
			happened(1),
			happened(2, func(e *halberd.EventRecord) { e.Organization = organizationID(2) }),
			happened(3, func(e *halberd.EventRecord) { e.Project = halberd.ProjectID{} }),
			happened(4, func(e *halberd.EventRecord) { e.Type = "key.revoked" }),
			happened(5, func(e *halberd.EventRecord) { e.Type = "key.created" }),
			happened(6, func(e *halberd.EventRecord) { e.Target = keyID(1).String() }),
		)
		s.wantEvents(halberd.EventFilter{Organization: organizationID(2)}, 2)
		s.wantEvents(halberd.EventFilter{Organization: organizationID(1)}, 1, 3, 4, 5, 6)
		s.wantEvents(halberd.EventFilter{Organization: organizationID(1), Project: projectID(1)}, 1, 4, 5, 6)
		s.wantEvents(halberd.EventFilter{Types: []string{"key.created", "key.revoked"}}, 4, 5)
		s.wantEvents(halberd.EventFilter{Types: []string{"key.create"}})
		s.wantEvents(halberd.EventFilter{Target: keyID(1).String()}, 1, 6)
		s.wantEvents(halberd.EventFilter{Target: keyID(1).String(), Organization: organizationID(2)})
		s.wantEvents(halberd.EventFilter{From: 103, To: 105}, 3, 4)
	}},
	{"pages go on after an event, in either direction, and since leaves out what came before", func(s *subject) {
		for n := 1; n <= 6; n++ {
			s.happen(happened(n))
		}
		at := s.seqs()
		s.wantEvents(halberd.EventFilter{After: at[2], Limit: 3}, 3, 4, 5)
		s.wantEvents(halberd.EventFilter{After: at[5], Limit: 3, Descending: true}, 4, 3, 2)
		s.wantEvents(halberd.EventFilter{After: at[6]})
		s.wantEvents(halberd.EventFilter{Since: at[4], Descending: true}, 6, 5)
		s.wantEvents(halberd.EventFilter{Since: at[2], After: at[5], Descending: true}, 4, 3)
		s.wantEvents(halberd.EventFilter{Since: at[2], After: at[4]}, 5, 6)
	}},
	{"a failed transaction leaves no event, and one that counts no revision keeps its events", func(s *subject) {
		s.refused(errWanted, func(tx halberd.Tx) error {
			if err := tx.AppendEvent(happened(1)); err != nil {
				return err
			}
			return errWanted
		})
		s.wantEvents(halberd.EventFilter{})
		s.happen(happened(1)) // the id is free again
		s.wantEvents(halberd.EventFilter{}, 1)
		s.wantRevision(0)
	}},
	{"only the oldest events are dropped, within every bound", func(s *subject) {
		for n := 1; n <= 6; n++ {
			s.happen(happened(n))
		}
		at := s.seqs()
		drop := func(want int, before, through int64, limit int) {
			s.Helper()
			s.update(func(tx halberd.Tx) error {
				n, err := tx.DropEvents(before, through, limit)
				equal(s, "dropped", n, want)
				return err
			})
		}
		drop(0, 101, at[6], 10)
		drop(0, 1000, at[1]-1, 10)
		drop(1, 1000, at[6], 1)
		s.wantEvents(halberd.EventFilter{}, 2, 3, 4, 5, 6)
		drop(1, 1000, at[2], 10)
		s.wantEvents(halberd.EventFilter{}, 3, 4, 5, 6)
		drop(2, 105, at[6], 10)
		s.wantEvents(halberd.EventFilter{}, 5, 6)
		s.refused(errWanted, func(tx halberd.Tx) error {
			if _, err := tx.DropEvents(1000, at[6], 10); err != nil {
				return err
			}
			return errWanted
		})
		s.wantEvents(halberd.EventFilter{}, 5, 6)
		s.view(func(r halberd.Reader) error {
			_, err := r.Event(happened(4).ID)
			equal(s, "dropped", err, halberd.ErrNotFound)
			got, err := r.Event(happened(5).ID)
			equal(s, "kept", got.Version, int64(5))
			return err
		})
	}},
	{"an old event behind a younger one waits for it", func(s *subject) {
		s.happen(happened(1), happened(900), happened(2))
		s.update(func(tx halberd.Tx) error {
			n, err := tx.DropEvents(500, 1<<40, 10)
			equal(s, "dropped", n, 1)
			return err
		})
		s.wantEvents(halberd.EventFilter{}, 900, 2)
	}},
	{"no seq is given twice, also when the newest events were dropped", func(s *subject) {
		s.happen(happened(1), happened(2))
		last := s.seqs()[2]
		s.update(func(tx halberd.Tx) error {
			_, err := tx.DropEvents(1000, last, 10)
			return err
		})
		s.happen(happened(3))
		if got := s.seqs()[3]; got <= last {
			s.Errorf("seq %d after %d", got, last)
		}
	}},
	{"whoever has seen every event up to a seq misses none, with many writers at once", func(s *subject) {
		const writers, each = 4, 40
		var all sync.WaitGroup
		for w := range writers {
			all.Go(func() {
				for i := range each {
					n := 1000*(w+1) + i
					if err := s.Update(background(), func(tx halberd.Tx) error {
						for j := range 2 {
							if err := tx.AppendEvent(happened(10*n + j)); err != nil {
								return err
							}
						}
						if i%7 == 0 {
							return errWanted
						}
						return nil
					}); err != nil && i%7 != 0 {
						s.Errorf("Update: %v", err)
					}
				}
			})
		}
		written := make(chan struct{})
		go func() { all.Wait(); close(written) }()
		seen, after := map[halberd.EventID]bool{}, int64(0)
		read := func() {
			s.view(func(r halberd.Reader) error {
				list, err := r.Events(halberd.EventFilter{After: after})
				for _, e := range list {
					seen[e.ID], after = true, e.Seq
				}
				return err
			})
		}
		for running := true; running; {
			select {
			case <-written:
				running = false
			default:
			}
			read()
		}
		s.view(func(r halberd.Reader) error {
			list, err := r.Events(halberd.EventFilter{})
			for _, e := range list {
				if !seen[e.ID] {
					s.Errorf("event %d, seq %d, appeared behind the reader", e.Version, e.Seq)
				}
			}
			equal(s, "events", len(list), 2*writers*(each-6))
			return err
		})
	}},
}

func (s *subject) happen(events ...halberd.EventRecord) {
	s.Helper()
	s.update(func(tx halberd.Tx) error {
		for _, e := range events {
			if err := tx.AppendEvent(e); err != nil {
				return fmt.Errorf("AppendEvent %d: %w", e.Version, err)
			}
		}
		return nil
	})
}

// seqs are the Seqs of all events, by their number.
func (s *subject) seqs() map[int]int64 {
	s.Helper()
	out := map[int]int64{}
	s.view(func(r halberd.Reader) error {
		list, err := r.Events(halberd.EventFilter{})
		for _, e := range list {
			out[int(e.Version)] = e.Seq
		}
		return err
	})
	return out
}

func (s *subject) wantEvents(f halberd.EventFilter, want ...int) {
	s.Helper()
	s.view(func(r halberd.Reader) error {
		list, err := r.Events(f)
		var got []int
		for _, e := range list {
			got = append(got, int(e.Version))
		}
		if !slices.Equal(got, want) {
			s.Errorf("Events(%+v): %v, want %v", f, got, want)
		}
		return err
	})
}
