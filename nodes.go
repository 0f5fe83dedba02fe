package halberd

import (
	"context"
	"errors"
	"time"
)

// sighting is how another node's row was seen, and since when it has not changed.
type sighting struct {
	state    NodeState
	renewals int64
	since    time.Time // by the own clock
}

// staleJoiner is how long a row may stay in NodeJoining.
const staleJoiner = time.Hour

// reckon reads the list of nodes again if it may have changed, and takes this
// node's share of what they share.
func (n *node) reckon(ctx context.Context) error {
	if !n.changed.Swap(false) {
		return nil
	}
	rows, err := n.roster.read(ctx)
	if err != nil {
		n.changed.Store(true)
		return err
	}
	n.count(rows)
	return nil
}

func (n *node) count(rows []NodeRecord) {
	peers := int64(1)
	for i := range rows {
		if rows[i].State == NodeActive && !n.is(rows[i].Incarnation) {
			peers++
		}
	}
	n.peers.Store(peers)
}

// look sees after the list once in a lease: an active node that was not renewed
// for two leases is fenced, so that nobody waits for it, and what is fenced or
// never became active is taken out.
func (n *node) look(ctx context.Context) error {
	now := n.clock()
	if now.Sub(n.watched) < n.length {
		return nil
	}
	rows, err := n.roster.read(ctx)
	if err != nil {
		return err
	}
	n.watched = now
	n.count(rows)
	next := map[Incarnation]sighting{}
	for i := range rows {
		r := &rows[i]
		if n.is(r.Incarnation) {
			continue
		}
		seen, known := n.watch[r.Incarnation]
		if !known || seen.state != r.State || seen.renewals != r.Renewals {
			seen = sighting{r.State, r.Renewals, now}
		}
		next[r.Incarnation] = seen
		switch silent := now.Sub(seen.since); {
		case r.State == NodeActive && silent >= 2*outlasting(r.Lease):
			n.fence(ctx, r.Incarnation, r.Renewals)
		case r.State == NodeFenced && silent >= outlasting(r.Lease), r.State == NodeJoining && silent >= staleJoiner:
			if err := n.cluster.Leave(ctx, r.Incarnation); err != nil {
				return err
			}
		}
	}
	n.watch = next
	return nil
}

// fence is a service to those who come later: who fails to fence has lost
// nothing.
func (n *node) fence(ctx context.Context, who Incarnation, renewals int64) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readLimit)
	defer cancel()
	done, err := n.cluster.Fence(ctx, who, renewals)
	if err != nil && !errors.Is(err, ErrClosed) {
		n.log.Warn("a silent node could not be fenced", "why", err)
	}
	if done {
		n.changed.Store(true)
		n.log.Warn("a node was silent for longer than its lease and was fenced: it enters again by itself once it reaches the database")
	}
}

// waits counts how long changes waited for other nodes.
type waits struct{}

func (w *waits) note(Propagation) {}
