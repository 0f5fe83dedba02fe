package memory

import (
	"cmp"
	"slices"

	"github.com/halberdhq/halberd"
)

func (r reader) Event(id halberd.EventID) (halberd.EventRecord, error) {
	seq, found := r.eventSeqs[id]
	if !found {
		return halberd.EventRecord{}, halberd.ErrNotFound
	}
	return r.events[r.eventsAfter(seq-1)], nil
}

// eventsAfter is where the events begin whose Seq is greater.
func (r reader) eventsAfter(seq int64) int {
	i, _ := slices.BinarySearchFunc(r.events, seq+1, func(e halberd.EventRecord, want int64) int { return cmp.Compare(e.Seq, want) })
	return i
}

func (r reader) Events(f halberd.EventFilter) ([]halberd.EventRecord, error) {
	list := r.events[r.eventsAfter(f.Since):]
	order := slices.All(list)
	if f.Descending {
		order = slices.Backward(list)
	}
	var out []halberd.EventRecord
	for _, e := range order {
		passed := f.After == 0 || f.Descending && e.Seq < f.After || !f.Descending && e.Seq > f.After
		if !passed || !eventMatches(f, &e) {
			continue
		}
		out = append(out, e)
		if f.Limit > 0 && len(out) == f.Limit {
			break
		}
	}
	return out, nil
}

func eventMatches(f halberd.EventFilter, e *halberd.EventRecord) bool {
	return (f.Organization.IsZero() || e.Organization == f.Organization) &&
		(f.Project.IsZero() || e.Project == f.Project) &&
		(len(f.Types) == 0 || slices.Contains(f.Types, e.Type)) &&
		(f.Target == "" || e.Target == f.Target) &&
		(f.From == 0 || e.At >= f.From) &&
		(f.To == 0 || e.At < f.To)
}

func (t *tx) AppendEvent(e halberd.EventRecord) error {
	if _, found := t.eventSeqs[e.ID]; found {
		return halberd.ErrConflict
	}
	former, seq := t.events, t.lastSeq
	t.undo = append(t.undo, func() { t.events, t.lastSeq = former, seq })
	t.lastSeq++
	e.Seq = t.lastSeq
	set(t, t.eventSeqs, e.ID, e.Seq)
	t.events = append(t.events, e)
	return nil
}

func (t *tx) DropEvents(before, through int64, limit int) (int, error) {
	n := 0
	for n < len(t.events) && n < limit && t.events[n].At < before && t.events[n].Seq <= through {
		drop(t, t.eventSeqs, t.events[n].ID)
		n++
	}
	former := t.events
	t.undo = append(t.undo, func() { t.events = former })
	t.events = t.events[n:]
	return n, nil
}
