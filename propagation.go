package halberd

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/halberdhq/halberd/internal/planted"
)

// Propagation says how far a change had gone when it was answered. On one node
// it is always confirmed.
type Propagation struct {
	// Confirmed: no node answers by the former state any more. A check that
	// begins now is judged by the change, wherever it is asked.
	Confirmed bool
	Nodes     int           // that had to be reached, this one too
	Waited    time.Duration // for the others
	// EffectiveBy, where a narrowing change is not Confirmed, is when it will be at
	// the latest, by the database's clock.
	EffectiveBy time.Time
}

func oneNode() Propagation { return Propagation{Confirmed: true, Nodes: 1} }

const (
	wideningWait = time.Second           // what only adds is waited for at most this long
	shortestPoll = time.Millisecond      // between two looks at the list of nodes
	longestPoll  = 25 * time.Millisecond // they grow to this
)

// outlasting is how long no lease of the given length lasts, whichever of two
// clocks it is measured on: their rates may differ by a few percent.
func outlasting(lease time.Duration) time.Duration {
	if planted.Is(planted.NoMargin) {
		return lease
	}
	return lease + lease/20
}

// propagate returns when a committed change holds on every node, or as far as its
// effect is waited for. began is a reading of the own clock after the commit was
// answered.
func (n *node) propagate(ctx context.Context, r *Request, e effect, revision int64, began time.Time) (Propagation, error) {
	switch e {
	case unseen:
		return Propagation{Confirmed: true, Nodes: n.active()}, nil
	case widens:
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), wideningWait)
		defer cancel()
		p := n.await(ctx, revision, began)
		n.waits.note(p)
		p.EffectiveBy = time.Time{}
		return p, nil
	}
	waiting := ctx
	if r.Async || r.Wait > 0 {
		var cancel context.CancelFunc
		waiting, cancel = context.WithTimeout(ctx, max(r.Wait, longestPoll))
		defer cancel()
	}
	p := n.await(waiting, revision, began)
	if planted.Is(planted.TimeoutIsSuccess) {
		p.Confirmed = true
	}
	n.waits.note(p)
	if p.Confirmed || r.Async && ctx.Err() == nil {
		return p, nil
	}
	return p, &Error{
		Code: CodeUnavailable, RetryAfter: time.Second, Err: ctx.Err(),
		Message: "the change is made, and holds on every node at " + p.EffectiveBy.Format(time.RFC3339) + " at the latest; this was not waited for: repeat the call to wait again",
	}
}

// silent is a node that has not said that it has applied a revision, as it was
// when the list was first read after the commit.
type silent struct {
	name     string
	renewals int64
	lease    time.Duration
	since    time.Time // it was seen at that number of renewals then, maybe before the commit
}

// await returns once no other node can answer by a state before the revision:
// each has said that it applied it, or has been silent for longer than a lease
// that it got before. A lease that it got later vouches for the revision. How long
// it has been silent is known from all readings of the list, those before the
// commit too, so who gives up and comes back does not begin anew. When ctx ends
// first, it is not confirmed.
func (n *node) await(ctx context.Context, revision int64, began time.Time) Propagation {
	var (
		p     Propagation
		late  map[Incarnation]silent // nil: the list was not read yet
		pause = shortestPoll
	)
	for {
		rows, err := n.roster.read(ctx)
		now := n.clock()
		if errors.Is(err, ErrClosed) {
			p.EffectiveBy = n.effectiveBy(now, began, late)
			return p
		}
		if err == nil {
			still := map[Incarnation]silent{}
			p.Nodes = 1
			for i := range rows {
				r := &rows[i]
				if r.State != NodeActive || n.is(r.Incarnation) {
					continue
				}
				p.Nodes++
				if r.Applied >= revision || planted.Is(planted.OneRevisionShort) && r.Applied >= revision-1 {
					continue
				}
				if was, known := late[r.Incarnation]; known {
					still[r.Incarnation] = was
				} else if late == nil {
					was := silent{r.Name, r.Renewals, r.Lease, r.since}
					if planted.Is(planted.WaitFromSending) && began.Before(was.since) {
						was.since = began
					}
					still[r.Incarnation] = was
				} // else it became active after the commit, and so with it
			}
			late = still
		}
		for who, was := range late {
			if now.Sub(was.since) >= outlasting(was.lease) {
				// Those who come later need not wait for it again. Whether it
				// could be fenced or not, it cannot answer by the former state.
				n.fence(ctx, who, was.name, was.renewals)
				delete(late, who)
			}
		}
		p.Waited = now.Sub(began)
		if planted.Is(planted.NotWaited) || late != nil && len(late) == 0 || late == nil && p.Waited >= outlasting(longestLease) {
			p.Confirmed, p.EffectiveBy = true, time.Time{}
			return p
		}
		p.EffectiveBy = n.effectiveBy(now, began, late)
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return p
		}
		pause = min(2*pause, longestPoll)
	}
}

// effectiveBy is when the last of those who are silent has no lease any more, in
// whole seconds.
func (n *node) effectiveBy(now, began time.Time, late map[Incarnation]silent) time.Time {
	end := began.Add(outlasting(longestLease))
	if late != nil {
		end = now
		for _, was := range late {
			if at := was.since.Add(outlasting(was.lease)); at.After(end) {
				end = at
			}
		}
	}
	at := n.lease.Load().latest(now).Add(end.Sub(now)).UTC()
	if whole := at.Truncate(time.Second); whole.Before(at) {
		at = whole.Add(time.Second)
	}
	return at
}

// roster reads the list of nodes for all who wait at once: whoever comes while a
// reading runs shares the next one. A reading that began before may not show
// what they wait for.
type roster struct {
	cluster Cluster
	clock   func() time.Time
	seen    map[Incarnation]sighting // by the last reading; of the one that runs
	mu      sync.Mutex               // guards next, running and closed
	next    *reading                 // not begun; nil: nobody asks
	running bool
	closed  bool
	busy    sync.WaitGroup
}

type reading struct {
	done chan struct{} // closed when rows and err are set
	rows []sighting
	err  error
}

// sighting is a row of the list, and since when it has shown its state and its
// number of renewals, by the own clock: when a reading that found it so came back.
// A renewal that it counts was sent before that.
type sighting struct {
	NodeRecord
	since time.Time
}

// readLimit bounds one reading: whoever waits for it asks again.
const readLimit = 2 * time.Second

// read returns the list as it is at some time after the call began. Its caller
// must not change it.
func (r *roster) read(ctx context.Context) ([]sighting, error) {
	r.mu.Lock()
	if r.closed {
		r.mu.Unlock()
		return nil, ErrClosed
	}
	if r.next == nil {
		r.next = &reading{done: make(chan struct{})}
	}
	mine := r.next
	if !r.running {
		r.running = true
		r.busy.Go(r.run)
	}
	r.mu.Unlock()
	select {
	case <-mine.done:
		return mine.rows, mine.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// run reads while somebody asks.
func (r *roster) run() {
	for {
		r.mu.Lock()
		now := r.next
		r.next = nil
		r.running = now != nil
		r.mu.Unlock()
		if now == nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), readLimit)
		rows, err := r.cluster.Nodes(ctx)
		cancel()
		if now.err = err; err == nil {
			now.rows = r.sight(rows, r.clock())
		}
		close(now.done)
	}
}

// sight compares the list with the last one.
func (r *roster) sight(rows []NodeRecord, now time.Time) []sighting {
	list, seen := make([]sighting, len(rows)), make(map[Incarnation]sighting, len(rows))
	for i := range rows {
		s := sighting{rows[i], now}
		if was, known := r.seen[s.Incarnation]; known && was.State == s.State && was.Renewals == s.Renewals {
			s.since = was.since
		}
		list[i], seen[s.Incarnation] = s, s
	}
	r.seen = seen
	return list
}

// close waits for the reading that runs, if any; nobody reads afterwards.
func (r *roster) close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.busy.Wait()
}
