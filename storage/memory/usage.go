package memory

import (
	"cmp"
	"context"
	"slices"

	"github.com/halberdhq/halberd"
)

var steps = [...]halberd.UsageStep{halberd.StepMinute, halberd.StepHour, halberd.StepDay}

// sums are the counts of one step. Those that begin before carried are in the
// sums of the next step as well; those before dropped are gone.
type sums struct {
	count            map[slot]int64
	carried, dropped int64
}

// slot is what is counted by itself. subject is the id of a key, a project or
// an organization.
type slot struct {
	start   int64
	subject any
	verdict string
}

// NoteUsage implements halberd.Usage. Adding costs nothing here.
func (s *Store) NoteUsage(ctx context.Context, b halberd.UsageBatch) error { return s.AddUsage(ctx, b) }

// AddUsage implements halberd.Usage.
func (s *Store) AddUsage(ctx context.Context, b halberd.UsageBatch) error {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	if err := s.usable(ctx); err != nil {
		return err
	}
	if b.Writer != [16]byte{} {
		if b.Number <= s.db.batches[b.Writer] {
			return nil
		}
		s.db.batches[b.Writer] = b.Number
	}
	for _, c := range b.Counts {
		s.db.count(0, slot{c.Minute, c.Key, c.Verdict}, c.Count)
		s.db.count(0, slot{c.Minute, c.Organization, c.Verdict}, c.Count)
		if !c.Project.IsZero() {
			s.db.count(0, slot{c.Minute, c.Project, c.Verdict}, c.Count)
		}
	}
	for _, u := range b.Uses {
		old := s.db.lastUsed[u.Key]
		if !u.Sampled {
			u.From, u.Agent = old.From, old.Agent
		}
		if u.At >= old.At {
			s.db.lastUsed[u.Key] = u
		}
	}
	return nil
}

// count adds to the sums of a step, and of the next where the slot's time has
// been carried on already.
func (s *state) count(step int, at slot, n int64) {
	s.usage[step].count[at] += n
	if step+1 < len(steps) && at.start < s.usage[step].carried {
		s.count(step+1, at.in(steps[step+1]), n)
	}
}

// in is the slot of a longer step.
func (at slot) in(step halberd.UsageStep) slot {
	at.start -= at.start % step.Seconds()
	return at
}

// TidyUsage implements halberd.Usage. It does everything at once.
func (s *Store) TidyUsage(ctx context.Context, t halberd.UsageTidying) (more bool, err error) {
	s.db.mu.Lock()
	defer s.db.mu.Unlock()
	if err := s.usable(ctx); err != nil {
		return false, err
	}
	s.db.carry(0, t.Until)
	s.db.carry(1, s.db.usage[0].carried-s.db.usage[0].carried%halberd.StepHour.Seconds())
	s.db.drop(0, min(t.KeepMinutes, s.db.usage[0].carried))
	s.db.drop(1, min(t.KeepHours, s.db.usage[1].carried))
	s.db.drop(2, t.KeepDays)
	return false, nil
}

// carry brings what begins before until into the next step.
func (s *state) carry(step int, until int64) {
	from := &s.usage[step]
	for at, n := range from.count {
		if from.carried <= at.start && at.start < until {
			s.count(step+1, at.in(steps[step+1]), n)
		}
	}
	from.carried = max(from.carried, until)
}

func (s *state) drop(step int, before int64) {
	of := &s.usage[step]
	of.dropped = max(of.dropped, before)
	for at := range of.count {
		if at.start < of.dropped {
			delete(of.count, at)
		}
	}
}

// Usage implements halberd.Reader.
func (r reader) Usage(f halberd.UsageFilter) (list []halberd.UsageSum, droppedBefore int64, err error) {
	step := slices.Index(steps[:], f.Step)
	droppedBefore = r.usage[step].dropped
	type of struct {
		start   int64
		verdict string
	}
	found := map[of]int64{}
	for i := range step + 1 {
		for at, n := range r.usage[i].count {
			if i < step && at.start < r.usage[i].carried {
				continue // counted in the next step
			}
			at = at.in(f.Step)
			if max(f.From, droppedBefore) <= at.start && at.start < f.To && selects(f, at.subject) {
				found[of{at.start, at.verdict}] += n
			}
		}
	}
	for k, n := range found {
		list = append(list, halberd.UsageSum{Start: k.start, Verdict: k.verdict, Count: n})
	}
	slices.SortFunc(list, func(a, b halberd.UsageSum) int {
		return cmp.Or(cmp.Compare(a.Start, b.Start), cmp.Compare(a.Verdict, b.Verdict))
	})
	return list, droppedBefore, nil
}

func selects(f halberd.UsageFilter, subject any) bool {
	switch id := subject.(type) {
	case halberd.KeyID:
		return slices.Contains(f.Keys, id)
	case halberd.ProjectID:
		return len(f.Keys) == 0 && f.Project == id
	case halberd.OrganizationID:
		return len(f.Keys) == 0 && f.Project.IsZero() && (f.Organization == id || f.Organization.IsZero())
	}
	return false
}
