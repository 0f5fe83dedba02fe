package halberd

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash/maphash"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/halberdhq/halberd/internal/index"
)

// quotas spends what quotas give. Uses are taken from the store in chunks, and
// a chunk is spent from memory: a check meets the store when a chunk ends. What
// is taken is on the disk before any of it is spent, so that a crash forfeits
// what was left of a chunk and never gives anything twice.
type quotas struct {
	states index.Lazy[quotaState]
	seeds  *[2]maphash.Seed
	store  Store
	clock  func() time.Time
	peers  func() int64 // processes that share the store, this one too; nil: it is this one's alone

	mu      sync.Mutex // guards closed, and the beginning of fetches
	closed  bool
	fetches sync.WaitGroup

	forfeited Forfeits // found at the start; never changed
}

// Forfeits is what processes that did not end cleanly had taken of quotas and
// may not have spent. It comes back with the refill of each.
type Forfeits struct{ Quotas, Uses int64 }

// open sees what was forfeited.
func (qs *quotas) open(ctx context.Context) error {
	return qs.store.View(ctx, func(r Reader) (err error) {
		qs.forfeited.Quotas, qs.forfeited.Uses, err = r.LentQuotas(qs.clock().Unix())
		return err
	})
}

const (
	quotaWait     = 250 * time.Millisecond // the most a check waits for a chunk
	fetchLimit    = 5 * time.Second        // the most a chunk waits for the store; nobody waits with it that long
	chunkParts    = 8                      // a chunk is this part of what remains
	giveBackLimit = 10 * time.Second       // the most Close waits for what is given back
	giveBatch     = 500                    // quotas given back in one transaction
)

// quotaState is one quota in memory.
type quotaState struct {
	held   atomic.Int64 // taken from the store and not spent; forgotten: this is not the state any more
	taken  atomic.Int64 // in the period, as the store has it
	period atomic.Int64 // its beginning, plus one; 0: not read yet
	until  atomic.Int64 // its end

	mu    sync.Mutex // held to change what a lock-free take only reads
	id    QuotaID    // set with the first fetch
	lent  int64      // this process's part of the record's Lent in the period; written by fetches
	asked time.Time  // when the store was last asked
	fetch *fetch     // under way, or nil
}

const forgotten = math.MinInt64

// fetch is one chunk on its way.
type fetch struct {
	done chan struct{} // closed when the state has it, or err says why not
	err  error
}

func newQuotas(store Store, seeds *[2]maphash.Seed, clock func() time.Time) *quotas {
	qs := &quotas{store: store, seeds: seeds, clock: clock}
	qs.states.Idle = func(st *quotaState) bool { return st.forget(clock().Unix()) }
	return qs
}

// lasting is the end of a period as it is compared: 0 is never.
func lasting(end int64) int64 {
	if end == 0 {
		return math.MaxInt64
	}
	return end
}

// forget gives up a state whose period is over: whatever it held is worth
// nothing any more.
func (st *quotaState) forget(now int64) bool {
	if st.until.Load() > now || !st.mu.TryLock() {
		return false
	}
	defer st.mu.Unlock()
	held := st.held.Load()
	return st.fetch == nil && st.until.Load() <= now && (held == forgotten || st.held.CompareAndSwap(held, forgotten))
}

// shared reports whether other keys may spend the quota as well. They may have
// another refill: each refill is then a quota of its own, or the shorter would
// refill the longer.
func (q *Quota) shared(who *subject) bool { return q.Per != PerKey && who.external != "" }

// quotaKey is where a subject's quota is in memory.
func quotaKey(who *subject, q *Quota, seeds *[2]maphash.Seed) index.LazyKey {
	k := who.words(q.Per, seeds)
	if q.shared(who) {
		k[2] = nameTag(string(q.Refill)) + uint64(q.EverySeconds)
	}
	return k
}

// quotaID is under what name the store knows a subject's quota.
func quotaID(who *subject, q *Quota) QuotaID {
	if !q.shared(who) {
		return sha256.Sum256(append([]byte("key\x00"), who.key[:]...))
	}
	home := append([]byte("external_id\x00"), who.owner.organization[:]...)
	home = append(home, who.owner.project[:]...)
	home = fmt.Appendf(home, "%s %d\x00", q.Refill, q.EverySeconds)
	return sha256.Sum256(append(home, who.external...))
}

// draw is one take from a quota.
type draw struct {
	quota      *Quota
	begin, end int64
	cost       int64
	state      *quotaState // from which it was taken
	period     int64       // and of which period of it
}

// take takes cost from a quota, or nothing, and says in v where it stands. An
// error means that it is not known in time.
func (qs *quotas) take(ctx context.Context, v *Verdict, who *subject, d *draw, now time.Time) (took, waited bool, err error) {
	d.begin, d.end = d.quota.period(now)
	k := quotaKey(who, d.quota, qs.seeds)
	v.Quota = Some(QuotaState{Limit: d.quota.Limit, RefillsAt: instant(d.end)})
	if d.state = qs.states.Get(&k); d.state != nil {
		if left, ok := d.quick(); ok {
			v.Quota.Value.Remaining = left
			return true, false, nil
		}
	}
	left, took, waited, err := qs.wait(ctx, &k, who, d)
	v.Quota.Value.Remaining = left
	return took, waited, err
}

// quick takes from what is at hand. It takes no lock: held is read before taken
// and grows after it, so what is spent is never thought less than it is.
func (d *draw) quick() (left int64, ok bool) {
	st := d.state
	for {
		if d.period = st.period.Load(); d.period <= d.begin {
			return 0, false // of a period before this; a later one is as good
		}
		if until := lasting(d.end); st.until.Load() < until {
			st.until.Store(until) // the refill was made rarer since
		}
		held := st.held.Load()
		left = d.quota.Limit - (st.taken.Load() - held) - d.cost
		if held < d.cost || left < 0 {
			return 0, false
		}
		if st.held.CompareAndSwap(held, held-d.cost) {
			return left, true
		}
	}
}

// wait takes where quick could not: it refuses from memory when the quota is
// spent, and else waits for a chunk.
func (qs *quotas) wait(ctx context.Context, k *index.LazyKey, who *subject, d *draw) (left int64, took, waited bool, err error) {
	f, left, took, err := qs.next(k, who, d)
	if f == nil {
		return left, took, false, err
	}
	late := time.NewTimer(quotaWait)
	defer late.Stop()
	for f != nil {
		select {
		case <-f.done:
			if f.err != nil {
				return 0, false, true, quotaUnknown(f.err)
			}
		case <-late.C:
			return 0, false, true, quotaUnknown(context.DeadlineExceeded)
		case <-ctx.Done():
			return 0, false, true, quotaUnknown(ctx.Err())
		}
		f, left, took, err = qs.next(k, who, d)
	}
	return left, took, true, err
}

func quotaUnknown(why error) error {
	return &Error{Code: CodeUnavailable, Message: "the key's quota could not be read in time; try again", RetryAfter: time.Second, Err: why}
}

// next is one look under the lock: taken, refused, or what to wait for. A
// state that was forgotten is given up for the one after it.
func (qs *quotas) next(k *index.LazyKey, who *subject, d *draw) (f *fetch, left int64, took bool, err error) {
	if d.state == nil {
		d.state = qs.states.Make(k)
	}
	st := d.state
	st.mu.Lock()
	defer st.mu.Unlock()
	held := st.held.Load()
	if held == forgotten {
		d.state = nil
		done := make(chan struct{})
		close(done)
		return &fetch{done: done}, 0, false, nil
	}
	if st.period.Load() > d.begin {
		if left, ok := d.quick(); ok {
			return nil, left, true, nil
		}
		held = st.held.Load()
		if left = d.quota.Limit - (st.taken.Load() - held); left < d.cost && !qs.outdated(st) {
			return nil, max(left, 0), false, nil
		}
	}
	if st.fetch == nil {
		st.id = quotaID(who, d.quota)
		if !qs.begin(st, *d.quota, d.begin, d.end, d.cost-held) {
			return nil, 0, false, outward(ErrClosed)
		}
	}
	return st.fetch, 0, false, nil
}

// begin fetches a chunk of at least need on a goroutine of its own: those who
// wait may go away. Called with st.mu held.
func (qs *quotas) begin(st *quotaState, q Quota, begin, end, need int64) bool {
	qs.mu.Lock()
	defer qs.mu.Unlock()
	if qs.closed {
		return false
	}
	f := &fetch{done: make(chan struct{})}
	st.fetch = f
	qs.fetches.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), fetchLimit)
		defer cancel()
		r, got, err := qs.lend(ctx, st, q, begin, end, need)
		st.mu.Lock()
		st.asked = qs.clock()
		if err == nil {
			if st.period.Load() != r.Period+1 {
				st.held.Store(0) // of a period that is over
			}
			st.until.Store(lasting(r.Ends))
			st.taken.Store(r.Taken)
			st.period.Store(r.Period + 1)
			st.held.Add(got)
		}
		f.err, st.fetch = err, nil
		st.mu.Unlock()
		close(f.done)
	})
	return true
}

// lend takes a chunk from the store. A period that the store knows to be later
// is kept: a clock that went back refills nothing.
func (qs *quotas) lend(ctx context.Context, st *quotaState, q Quota, begin, end, need int64) (r QuotaRecord, got int64, err error) {
	lent := int64(0)
	err = qs.store.Update(ctx, func(tx Tx) error {
		if r, err = tx.Quota(st.id); err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		if err != nil || r.Period < begin {
			r = QuotaRecord{ID: st.id, Period: begin}
		}
		if r.Ends = max(r.Ends, end); end == 0 {
			r.Ends = 0 // never
		}
		remaining := max(q.Limit-r.Taken, 0)
		if need > remaining {
			got = 0 // this will be refused; what is left is for those it is enough for
			return nil
		}
		parts := int64(chunkParts)
		if qs.peers != nil {
			parts *= qs.peers()
		}
		got = max(need, remaining/parts)
		r.Taken += got
		mine := got
		same := st.period.Load() == r.Period+1
		if same {
			mine += max(st.held.Load(), 0)
		}
		switch {
		case qs.peers == nil:
			r.Lent = mine
		case same:
			r.Lent += mine - st.lent
		default:
			r.Lent += mine
		}
		lent = mine
		return tx.PutQuota(r)
	})
	if err == nil && got > 0 {
		st.lent = lent
	}
	return r, got, err
}

// outdated reports whether another process may have given back since the store
// was asked. Called with st.mu held.
func (qs *quotas) outdated(st *quotaState) bool {
	return qs.peers != nil && qs.peers() > 1 && qs.clock().Sub(st.asked) >= time.Second
}

// give returns what a take took, for a check that was refused further on.
func (d *draw) give() {
	d.state.mu.Lock()
	defer d.state.mu.Unlock()
	if d.state.period.Load() == d.period && d.state.held.Load() != forgotten {
		d.state.held.Add(d.cost)
	}
}

// left is where the quota of a key stands, without taking anything.
func (qs *quotas) left(r Reader, who *subject, q *Quota, now time.Time) (QuotaState, error) {
	begin, end := q.period(now)
	out := QuotaState{Limit: q.Limit, Remaining: q.Limit, RefillsAt: instant(end)}
	k := quotaKey(who, q, qs.seeds)
	if st := qs.states.Get(&k); st != nil {
		st.mu.Lock()
		held, taken, current := st.held.Load(), st.taken.Load(), st.period.Load() > begin
		st.mu.Unlock()
		if current && held != forgotten {
			out.Remaining = max(q.Limit-taken+held, 0)
			return out, nil
		}
	}
	row, err := r.Quota(quotaID(who, q))
	if errors.Is(err, ErrNotFound) {
		return out, nil
	}
	if err == nil && row.Period >= begin {
		out.Remaining = max(q.Limit-row.Taken, 0)
	}
	return out, err
}

// close gives back what is at hand; nothing is fetched any more. What cannot be
// given back in time is forfeited.
func (qs *quotas) close(ctx context.Context) error {
	qs.mu.Lock()
	qs.closed = true
	qs.mu.Unlock()
	qs.fetches.Wait()
	type back struct {
		id                 QuotaID
		period, held, lent int64
	}
	var all []back
	qs.states.Each(func(_ *index.LazyKey, st *quotaState) {
		st.mu.Lock()
		defer st.mu.Unlock()
		if st.period.Load() == 0 || st.held.Load() == forgotten {
			return
		}
		all = append(all, back{st.id, st.period.Load() - 1, st.held.Swap(0), st.lent})
	})
	for len(all) > 0 {
		part := all[:min(len(all), giveBatch)]
		all = all[len(part):]
		if err := qs.store.Update(ctx, func(tx Tx) error {
			for _, b := range part {
				r, err := tx.Quota(b.id)
				if errors.Is(err, ErrNotFound) || err == nil && r.Period != b.period {
					continue
				}
				if err != nil {
					return err
				}
				if b.held == 0 && r.Lent == 0 {
					continue
				}
				r.Taken -= b.held
				if r.Lent -= b.lent; qs.peers == nil {
					r.Lent = 0
				}
				if err := tx.PutQuota(r); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return err
		}
	}
	return nil
}

// CarryQuotas sees to it that to has given away at least what from has, quota by
// quota: a store that is older hands nothing out twice. It returns how many
// quotas it moved forward.
func CarryQuotas(ctx context.Context, from, to Store) (moved int, err error) {
	for after := (QuotaID{}); ; {
		var page []QuotaRecord
		if err := from.View(ctx, func(r Reader) error {
			page, err = r.Quotas(after, giveBatch)
			return err
		}); err != nil || len(page) == 0 {
			return moved, err
		}
		after = page[len(page)-1].ID
		n := 0
		if err := to.Update(ctx, func(tx Tx) error {
			for _, r := range page {
				old, err := tx.Quota(r.ID)
				if err != nil && !errors.Is(err, ErrNotFound) {
					return err
				}
				if err == nil && (old.Period > r.Period || old.Period == r.Period && old.Taken >= r.Taken) {
					continue
				}
				n++
				if err := tx.PutQuota(r); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			return moved, err
		}
		moved += n
	}
}
