package halberd

import (
	"context"
	"crypto/sha256"
	"errors"
	"sync"
	"time"
)

// storedLimits keeps limits that are too small for several nodes to have a part
// of each: they would grant it to the wrong one. Each take is a transaction, of
// which there are few: a limit is small if there are few to grant, and what was
// refused is refused from memory until it comes back.
type storedLimits struct {
	store Store
	now   func() time.Time             // the database's
	since func(*SharedLimit) time.Time // when it began to be kept here; zero: it always was
	slots chan struct{}                // one for each take under way

	mu      sync.Mutex // guards the rest
	closed  bool
	refused map[[16]byte]refusal
	busy    sync.WaitGroup
}

type refusal struct {
	until time.Time // when one unit fits again
	ahead time.Time // when the burst is whole again
}

const (
	storedWait    = 250 * time.Millisecond // the most a check waits
	storedLimit   = 5 * time.Second        // the most a take waits for the store; nobody waits with it that long
	storedAtOnce  = 64
	maxRefusals   = 10_000
	shortestRetry = time.Millisecond
)

func newStoredLimits(s *Service) *storedLimits {
	return &storedLimits{
		store: s.store, now: s.now, slots: make(chan struct{}, storedAtOnce), refused: map[[16]byte]refusal{},
		since: func(m *SharedLimit) time.Time {
			sh := s.limiter.share.now.Load()
			l := readyLimit{RateLimit: RateLimit{Limit: m.Limit, WindowSeconds: int64(m.Window / time.Second)}}
			var from int64
			switch {
			case sh == nil:
				return time.Time{}
			case s.shared != nil: // it granted all, until it was away
				from = sh.since
			case sh.before == 0 || l.small(sh.before):
				return time.Time{}
			default: // each node granted a part
				from = sh.counted
			}
			own := s.clock()
			return s.dated(own).Add(-time.Duration(s.limiter.at(own) - from))
		},
	}
}

// Away implements SharedLimits.
func (k *storedLimits) Away() bool { return false }

// Close implements SharedLimits. It waits for takes under way.
func (k *storedLimits) Close() {
	k.mu.Lock()
	k.closed = true
	k.mu.Unlock()
	k.busy.Wait()
}

// Take implements SharedLimits.
func (k *storedLimits) Take(ctx context.Context, limits []SharedLimit, cost int64) (SharedTake, error) {
	now := k.now()
	if t, refused := k.known(limits, now); refused {
		return t, nil
	}
	type outcome struct {
		t   SharedTake
		err error
	}
	done := make(chan outcome, 1)
	if !k.begin(func(ctx context.Context) {
		t, err := k.take(ctx, limits, cost)
		done <- outcome{t, err}
	}) {
		return SharedTake{}, limitUnknown(errors.New("too many takes at once"))
	}
	late := time.NewTimer(storedWait)
	defer late.Stop()
	select {
	case o := <-done:
		if o.err != nil {
			return SharedTake{}, limitUnknown(o.err)
		}
		return o.t, nil
	case <-late.C:
		return SharedTake{}, limitUnknown(context.DeadlineExceeded)
	case <-ctx.Done():
		return SharedTake{}, limitUnknown(ctx.Err())
	}
}

func limitUnknown(why error) error {
	return &Error{
		Code: CodeUnavailable, RetryAfter: time.Second, Err: why,
		Message: "the key's rate limit could not be read in time; try again",
	}
}

// begin runs fn on a goroutine of its own, while there are few.
func (k *storedLimits) begin(fn func(context.Context)) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return false
	}
	select {
	case k.slots <- struct{}{}:
	default:
		return false
	}
	k.busy.Go(func() {
		defer func() { <-k.slots }()
		ctx, cancel := context.WithTimeout(context.Background(), storedLimit)
		defer cancel()
		fn(ctx)
	})
	return true
}

// known answers from what was refused before.
func (k *storedLimits) known(limits []SharedLimit, now time.Time) (t SharedTake, refused bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for i := range limits {
		r := k.refused[limits[i].Word]
		if now.Before(r.until) {
			refused = true
			t.Retry = max(t.Retry, r.until.Sub(now), shortestRetry)
		}
		t.States = append(t.States, max(r.ahead.Sub(now), 0))
	}
	return t, refused
}

func (k *storedLimits) remember(m *SharedLimit, r refusal) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if len(k.refused) >= maxRefusals {
		clear(k.refused)
	}
	k.refused[m.Word] = r
}

// take is one transaction: in the row, Taken is until when the rate is spent, in
// Unix nanoseconds of the database's clock.
func (k *storedLimits) take(ctx context.Context, limits []SharedLimit, cost int64) (t SharedTake, err error) {
	err = k.store.Update(ctx, func(tx Tx) error {
		now := k.now()
		t = SharedTake{Taken: true, At: now.UnixNano()}
		never := false
		for i := range limits {
			m := &limits[i]
			ahead, err := k.ahead(tx, m, now)
			if err != nil {
				return err
			}
			t.States = append(t.States, ahead)
			switch over := ahead + time.Duration(cost)*m.unit() - m.full(); {
			case cost > m.Burst:
				t.Taken, never = false, true
			case over > 0:
				t.Taken, t.Retry = false, max(t.Retry, over)
				if cost == 1 {
					k.remember(m, refusal{now.Add(over), now.Add(ahead)})
				}
			}
		}
		if never {
			t.Retry = 0
		}
		for i := range limits {
			if !t.Taken {
				return nil
			}
			m := &limits[i]
			t.States[i] += time.Duration(cost) * m.unit()
			if err := tx.PutQuota(QuotaRecord{ID: m.row(), Taken: now.Add(t.States[i]).UnixNano()}); err != nil {
				return err
			}
		}
		return nil
	})
	return t, err
}

// ahead is how far the spent rate lies ahead of now.
func (k *storedLimits) ahead(r Reader, m *SharedLimit, now time.Time) (time.Duration, error) {
	row, err := r.Quota(m.row())
	if err != nil && !errors.Is(err, ErrNotFound) {
		return 0, err
	}
	ahead := time.Duration(row.Taken - now.UnixNano())
	if since := k.since(m); !since.IsZero() { // what was granted until then counts as all of it
		ahead = max(ahead, since.Add(m.full()).Sub(now))
	}
	return min(max(ahead, 0), m.full()), nil
}

// Give implements SharedLimits.
func (k *storedLimits) Give(ctx context.Context, limits []SharedLimit, cost, at int64) error {
	done := make(chan error, 1)
	if !k.begin(func(ctx context.Context) {
		done <- k.store.Update(ctx, func(tx Tx) error {
			now := k.now()
			for i := range limits {
				m := &limits[i]
				ahead, err := k.ahead(tx, m, now)
				if err != nil {
					return err
				}
				back := time.Duration(cost)*m.unit() - time.Duration(max(now.UnixNano()-at, 0))
				if back <= 0 {
					continue
				}
				if err := tx.PutQuota(QuotaRecord{ID: m.row(), Taken: now.Add(ahead - back).UnixNano()}); err != nil {
					return err
				}
			}
			return nil
		})
	}) {
		return ErrClosed
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// row is where the store keeps the limit.
func (m *SharedLimit) row() QuotaID {
	return sha256.Sum256(append([]byte("stored limit\x00"), m.Word[:]...))
}
