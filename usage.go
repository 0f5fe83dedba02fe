package halberd

import (
	"context"
	"net/netip"
	"time"
)

// use counts a use of a key. By whom is kept of the first one since the last
// flush: once a second is enough, and costs a check nothing.
func (s *Service) use(ordinal uint32, at int64, from netip.Addr, agent string) {
	if s.tally.Add(ordinal, at) {
		s.uses.Note(ordinal, at, from, agent)
	}
}

// flushUsage hands the counts since the last flush to the store, under the
// minute in which it runs. What was taken out of the tally must arrive: a caller
// who goes away meanwhile is not heard.
func (s *Service) flushUsage(ctx context.Context) error {
	s.flushing.Lock()
	defer s.flushing.Unlock()
	type odd struct {
		number uint32
		kind   uint8
		count  uint32
		last   int64
	}
	var counted []odd
	s.tally.Drain(func(number uint32, kind uint8, isOdd bool, count uint32, last int64) {
		if !isOdd {
			kind = uint8(verdictIndex(Valid))
			// Counted here and not by the check: one word that every core writes
			// would be the slowest part of it.
			s.verdicts[kind].Add(int64(count))
		}
		counted = append(counted, odd{number, kind, count, last})
	})
	s.uses.Drain(func(uint32, int64, netip.Addr, []byte) {})
	if len(counted) == 0 {
		return nil
	}
	minute := s.now().Truncate(time.Minute).Unix()
	counts := make([]UsageCount, 0, len(counted))
	for _, o := range counted {
		id, own := s.dir.who(o.number)
		counts = append(counts, UsageCount{
			Key: id, Organization: own.organization, Project: own.project,
			Minute: minute, Verdict: string(verdictNames[o.kind]), Count: int64(o.count), LastUsedAt: o.last,
		})
	}
	return s.store.AddUsage(context.WithoutCancel(ctx), counts)
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
