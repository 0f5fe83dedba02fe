package halberd

import (
	"context"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"
	"unicode"
)

const (
	// maxUsageBatch bounds how long one batch keeps the store's usage writer.
	maxUsageBatch = 2_000
	// maxUsageWaiting bounds, in batches, what waits in memory for a store that
	// takes no counts.
	maxUsageWaiting = 128
)

// use counts a use of a key. By whom is kept of the first one since the last
// flush: once a second is enough, and costs a check nothing.
func (s *Service) use(ordinal uint32, at int64, from netip.Addr, agent string) {
	if s.tally.Add(ordinal, at) {
		s.uses.Note(ordinal, at, from, agent)
	}
}

// usageFlush is what has left the tally and is not in the store yet. Guarded
// by flushing.
type usageFlush struct {
	writer  [16]byte // of this Service's batches
	number  int64    // of the last batch
	waiting []UsageBatch
	lost    int64 // odd events that found no room, as far as it was said
	sampled int   // uses whose origin was told, in the last flush

	// For Stats, and so not guarded.
	flushes, took, failed, queued, dropped atomic.Int64
}

// stats tells of flushes; odd is what the tally itself dropped.
func (f *usageFlush) stats(odd int64) UsageStats {
	return UsageStats{
		Flushes: f.flushes.Load(), Took: time.Duration(f.took.Load()), Failed: f.failed.Load(),
		Waiting: f.queued.Load(), Dropped: f.dropped.Load() + odd,
	}
}

// flushUsage hands the counts since the last flush to the store, under the
// minute in which it runs. What was taken out of the tally must arrive: a caller
// who goes away meanwhile is not heard, and what the store does not take now
// waits, in its order, for the next time.
func (s *Service) flushUsage(ctx context.Context) error {
	s.flushing.Lock()
	defer s.flushing.Unlock()
	s.gatherUsage()
	f := &s.flushed
	defer func(began time.Time) {
		f.flushes.Add(1)
		f.took.Add(int64(s.clock().Sub(began)))
	}(s.clock())
	for len(f.waiting) > 0 {
		if err := s.store.NoteUsage(context.WithoutCancel(ctx), f.waiting[0]); err != nil {
			f.failed.Add(1)
			return err
		}
		f.queued.Add(-int64(len(f.waiting[0].Counts)))
		f.waiting[0] = UsageBatch{}
		f.waiting = f.waiting[1:]
	}
	f.waiting = nil
	return nil
}

// settleUsage is flushUsage for those who read usage next.
func (s *Service) settleUsage(ctx context.Context) error {
	if err := s.flushUsage(ctx); err != nil {
		return err
	}
	return s.store.AddUsage(context.WithoutCancel(ctx), UsageBatch{})
}

// unfilled takes the last batch back, if it has room for more: otherwise what waits
// would be bounded by its seconds. The first one may be in the store already, and
// must come again as it is.
func (f *usageFlush) unfilled() (b UsageBatch) {
	last := len(f.waiting) - 1
	if last < 1 || max(len(f.waiting[last].Counts), len(f.waiting[last].Uses)) >= maxUsageBatch {
		return b
	}
	b, f.waiting = f.waiting[last], f.waiting[:last]
	f.number--
	f.queued.Add(-int64(len(b.Counts)))
	return b
}

// gatherUsage empties the tally into batches.
func (s *Service) gatherUsage() {
	f := &s.flushed
	minute := s.now().Truncate(time.Minute).Unix()
	b := f.unfilled()
	send := func() {
		if len(f.waiting) >= maxUsageWaiting {
			s.log.Error("usage counts were dropped: too many wait for the store", "counts", len(b.Counts))
			for i := range b.Counts {
				f.dropped.Add(b.Counts[i].Count)
			}
		} else {
			f.number++
			b.Writer, b.Number = f.writer, f.number
			f.waiting = append(f.waiting, b)
			f.queued.Add(int64(len(b.Counts)))
		}
		b = UsageBatch{Counts: make([]UsageCount, 0, maxUsageBatch), Uses: make([]KeyUse, 0, maxUsageBatch)} // as many come, mostly
	}
	sampled := s.sampledUses()
	s.tally.Drain(func(number uint32, kind uint8, odd bool, count uint32, last int64) {
		id, own := s.dir.who(number)
		if !odd {
			kind = uint8(verdictIndex(Valid))
			// Counted here and not by the check: one word that every core writes
			// would be the slowest part of it.
			s.verdicts[kind].Add(int64(count))
			u, ok := sampled[number]
			delete(sampled, number)
			u.Key, u.Organization, u.Project = id, own.organization, own.project
			u.At, u.Sampled = max(u.At, last), ok
			b.Uses = append(b.Uses, u)
		}
		b.Counts = append(b.Counts, UsageCount{
			Key: id, Organization: own.organization, Project: own.project,
			Minute: minute, Verdict: string(verdictNames[kind]), Count: int64(count),
		})
		if len(b.Counts) >= maxUsageBatch {
			send()
		}
	})
	for number, u := range sampled { // noted when its count had just been drained
		id, own := s.dir.who(number)
		u.Key, u.Organization, u.Project, u.Sampled = id, own.organization, own.project, true
		if b.Uses = append(b.Uses, u); len(b.Uses) >= maxUsageBatch {
			send()
		}
	}
	if len(b.Counts)+len(b.Uses) > 0 {
		send()
	}
	if lost := s.tally.Dropped(); lost > f.lost {
		s.log.Error("refused checks of too many different keys at once: some were not counted", "checks", lost-f.lost)
		f.lost = lost
	}
}

// sampledUses is by whom keys were used, by ordinal.
func (s *Service) sampledUses() map[uint32]KeyUse {
	out := make(map[uint32]KeyUse, s.flushed.sampled) // as many as the last time, mostly
	s.uses.Drain(func(number uint32, at int64, from netip.Addr, agent []byte) {
		u := KeyUse{At: at, Agent: cleanAgent(agent)}
		if from.IsValid() {
			u.From = from.Unmap().WithZone("").String()
		}
		if at >= out[number].At {
			out[number] = u
		}
	})
	s.flushed.sampled = len(out)
	return out
}

// cleanAgent makes what a stranger sent fit to be kept and shown. What may hold a
// key, put there by mistake, whole or cut, is not kept at all.
func cleanAgent(b []byte) string {
	if mayHoldKey(b) {
		return ""
	}
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(string(b), ""))
}

// mayHoldKey reports whether an underscore is followed by so many letters and
// digits as no program's name has, and every key. Of a key that was cut short
// of that at the end of a long text, most stays unknown.
func mayHoldKey(text []byte) bool {
	const many = 16
	run := -1 // since the last underscore; -1: there was none
	for _, c := range text {
		switch {
		case c == '_':
			run = 0
		case c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z':
			if run >= 0 {
				run++
			}
		default:
			run = -1
		}
		if run == many {
			return true
		}
	}
	return false
}

// lastUsed is the later of what the store knows and what is still only in
// memory.
func (s *Service) lastUsed(r *KeyRecord) time.Time {
	last := r.LastUsedAt
	if rec := s.dir.keys.Get((*[32]byte)(&r.Digest)); rec != nil {
		last = max(last, s.tally.Last(rec.ordinal))
	}
	return instant(last)
}
