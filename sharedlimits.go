package halberd

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"math/bits"
	"time"
)

// SharedLimits keeps where rate limits stand in one place that every node asks,
// so that they hold exactly for all nodes together. limits/redis is one.
type SharedLimits interface {
	// Take takes cost from every limit, or from none. It waits a bounded time, and
	// while the place is known to be away it does not wait at all. An error means
	// that it is not known whether anything was taken.
	Take(ctx context.Context, limits []SharedLimit, cost int64) (SharedTake, error)
	// Give returns what a Take took, for a check that was refused further on. at is
	// the Take's.
	Give(ctx context.Context, limits []SharedLimit, cost, at int64) error
	// Away reports whether the place is known to be away.
	Away() bool
	// Close ends it. Everything after it is an error.
	Close()
}

// SharedLimit is one limit of one subject.
type SharedLimit struct {
	Word   [16]byte // names its state, the same on every node
	Limit  int64    // per window
	Window time.Duration
	Burst  int64
}

// SharedTake is what became of a Take.
type SharedTake struct {
	Taken  bool
	Retry  time.Duration   // if not: when the same cost would fit everywhere; 0: never
	States []time.Duration // of each limit: until it is whole again
	At     int64           // when it was taken, by a clock that only the place knows
}

// unit is what one unit costs, rounded up; full, what the burst does.
func (m *SharedLimit) unit() time.Duration {
	return (m.Window + time.Duration(m.Limit) - 1) / time.Duration(m.Limit)
}

func (m *SharedLimit) full() time.Duration {
	over, full := bits.Mul64(uint64(m.unit()), uint64(m.Burst))
	if over != 0 || full > 1<<62 {
		return 1 << 62
	}
	return time.Duration(full)
}

// sharedWord names the state of a subject's limit on every node alike.
func sharedWord(who *subject, l *readyLimit) (word [16]byte) {
	var b []byte
	if l.Per == PerKey || who.external == "" {
		b = append([]byte("limit of a key\x00"), who.key[:]...)
	} else {
		b = append([]byte("limit of an external_id\x00"), who.owner.organization[:]...)
		b = append(b, who.owner.project[:]...)
		b = append(append(b, who.external...), 0)
	}
	sum := sha256.Sum256(binary.LittleEndian.AppendUint64(b, l.tag))
	copy(word[:], sum[:])
	return word
}

// small reports whether a limit is too small for so many nodes to have a part of
// it each: below ten a minute for every node. Up to three of them it is the same,
// so that no limit is kept elsewhere because a node comes or goes.
func (l *readyLimit) small(nodes int64) bool {
	return l.Limit*60 < 10*max(nodes, 3)*l.WindowSeconds
}

// spendShared is spend where others than this node's memory keep some limits.
func (s *Service) spendShared(ctx context.Context, k SharedLimits, theirs, own []readyLimit, v *Verdict, who *subject, limits []readyLimit, quota *Quota, m moment, cost int64) (VerdictCode, error) {
	asked := make([]SharedLimit, len(theirs))
	for i := range theirs {
		l := &theirs[i]
		asked[i] = SharedLimit{sharedWord(who, l), l.Limit, l.window(), l.Burst}
	}
	t, err := k.Take(ctx, asked, cost)
	switch {
	case err != nil && k == s.shared:
		s.fallBack()
		return s.spendAlone(ctx, v, who, limits, quota, m, cost)
	case err != nil:
		return "", err
	case k == s.shared:
		s.alone.Store(false)
	}
	code := RateLimited
	if t.Taken {
		var rest Verdict
		code, err = s.spendOwn(ctx, &rest, who, own, quota, m, cost)
		v.Quota, v.RetryAfter = rest.Quota, rest.RetryAfter
		v.RateLimits = rest.RateLimits
		if code != Valid {
			_ = k.Give(context.WithoutCancel(ctx), asked, cost, t.At) // what is not given back comes back with time
			for i := range asked {
				t.States[i] = max(t.States[i]-time.Duration(cost)*asked[i].unit(), 0)
			}
		}
	} else {
		s.limiter.look(v, who, own, s.limiter.at(m.own), cost)
		v.RetryAfter = t.Retry
	}
	v.RateLimits = ToldLimits(inOrder(limits, asked, theirs, t.States, &v.RateLimits))
	return code, err
}

// inOrder is the states of limits, of which some are told of and the others are
// this node's.
func inOrder(limits []readyLimit, asked []SharedLimit, theirs []readyLimit, ahead []time.Duration, own *LimitStates) []LimitState {
	out := make([]LimitState, 0, len(limits))
	told, rest := 0, 0
	for i := range limits {
		if told < len(theirs) && theirs[told].Name == limits[i].Name {
			a := &asked[told]
			out = append(out, LimitState{
				Name: limits[i].Name, Limit: a.Limit, Window: a.Window,
				Remaining: int64(max(a.full()-ahead[told], 0) / a.unit()), Reset: ahead[told],
			})
			told++
		} else if rest < own.Len() {
			out = append(out, own.At(rest))
			rest++
		}
	}
	return out
}

// fallBack begins this node's own parts, beside what the shared place granted
// until now: with nothing to spend.
func (s *Service) fallBack() {
	if !s.alone.Load() && s.alone.CompareAndSwap(false, true) {
		s.limiter.share.spent(s.limiter.reading())
	}
}

// spendAlone is spend by this node's own part, with what is too small for it kept
// by the store.
func (s *Service) spendAlone(ctx context.Context, v *Verdict, who *subject, limits []readyLimit, quota *Quota, m moment, cost int64) (VerdictCode, error) {
	if s.stored == nil {
		return s.spendOwn(ctx, v, who, limits, quota, m, cost)
	}
	var small, own []readyLimit
	nodes := s.limiter.share.count()
	for i := range limits {
		if !limits[i].small(nodes) {
			continue
		}
		small = append(small, limits[i])
	}
	if small != nil {
		for i := range limits {
			if !limits[i].small(nodes) {
				own = append(own, limits[i])
			}
		}
		return s.spendShared(ctx, s.stored, small, own, v, who, limits, quota, m, cost)
	}
	return s.spendOwn(ctx, v, who, limits, quota, m, cost)
}
