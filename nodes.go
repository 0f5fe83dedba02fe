package halberd

import (
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"sync/atomic"
	"time"

	"github.com/halberdhq/halberd/internal/planted"
)

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

func (n *node) count(rows []sighting) {
	me := n.me.Load()
	peers, rank := int64(1), int64(0)
	for i := range rows {
		if r := &rows[i]; r.State == NodeActive && r.Incarnation != *me {
			peers++
			if bytes.Compare(r.Incarnation[:], me[:]) < 0 {
				rank++
			}
		}
	}
	n.peers.Store(peers)
	n.s.limiter.share.divide(peers, rank, n.s.limiter.reading(), peers > 1 && n.sharing.Load() != me)
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
	for i := range rows {
		r := &rows[i]
		if n.is(r.Incarnation) {
			continue
		}
		switch silent := now.Sub(later(r.since, n.steady)); {
		case r.State == NodeActive && (silent >= 2*outlasting(r.Lease) || planted.Is(planted.FencedEarly) && silent >= r.Lease/2):
			n.fence(ctx, r.Incarnation, r.Name, r.Renewals)
		case r.State == NodeFenced && silent >= outlasting(r.Lease), r.State == NodeJoining && silent >= staleJoiner:
			if err := n.cluster.Leave(ctx, r.Incarnation); err != nil {
				return err
			}
		}
	}
	return nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// fence is a service to those who come later: who fails to fence has lost
// nothing.
func (n *node) fence(ctx context.Context, who Incarnation, name string, renewals int64) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), readLimit)
	defer cancel()
	done, err := n.cluster.Fence(ctx, who, renewals)
	if err != nil && !errors.Is(err, ErrClosed) {
		n.log.Warn("a silent node could not be fenced", "name", name, "node_id", who.id(), "why", err)
	}
	if done {
		n.changed.Store(true)
		n.log.Warn("a node was silent for longer than its lease and was fenced: it enters again by itself once it reaches the database", "name", name, "node_id", who.id())
	}
}

// WaitBounds are the upper ends of NodeStats.Waits, the last one being none.
func WaitBounds() []time.Duration { return waitBounds[:] }

var waitBounds = [...]time.Duration{
	2 * time.Millisecond, 5 * time.Millisecond, 10 * time.Millisecond, 25 * time.Millisecond, 50 * time.Millisecond, 100 * time.Millisecond,
	250 * time.Millisecond, time.Second, 2500 * time.Millisecond, 10 * time.Second, 30 * time.Second, 2 * time.Minute,
}

// waits counts how long changes waited for other nodes.
type waits struct {
	up    [len(waitBounds) + 1]atomic.Int64
	sum   atomic.Int64 // nanoseconds
	short atomic.Int64 // not confirmed
}

func (w *waits) note(p Propagation) {
	i := 0
	for i < len(waitBounds) && p.Waited > waitBounds[i] {
		i++
	}
	w.up[i].Add(1)
	w.sum.Add(int64(p.Waited))
	if !p.Confirmed {
		w.short.Add(1)
	}
}

// NodeStats is what one of several nodes can say of itself.
type NodeStats struct {
	Sealed      bool          // it answers nothing until it is restarted
	Lease       time.Duration // how long one lasts
	Left        time.Duration // of the one it holds; 0: none
	Nodes       int           // active ones, this one too
	Lag         int64         // revisions that its last renewal found unapplied
	Waits       []int64       // changes by how long they waited, by WaitBounds
	Waited      time.Duration // all of them together
	Unconfirmed int64         // changes answered before every node had them
	Ahead       time.Duration // of the own clock before the database's; negative: behind it
}

func (n *node) stats() *NodeStats {
	st := &NodeStats{
		Sealed: n.sealed.Load() != nil, Lease: n.length, Left: n.lease.Load().left(n.clock()), Nodes: n.active(), Lag: n.lag.Load(), Ahead: time.Duration(n.ahead.Load()),
		Waited: time.Duration(n.waits.sum.Load()), Unconfirmed: n.waits.short.Load(), Waits: make([]int64, len(n.waits.up)),
	}
	for i := range n.waits.up {
		st.Waits[i] = n.waits.up[i].Load()
	}
	return st
}

// NodeInfo is a row of the list of nodes, as people see it.
type NodeInfo struct {
	Name     string
	This     bool // the node that was asked
	State    NodeState
	Revision int64 // up to which it has applied every change, as far as it has said
	Behind   int64 // revisions of the node that was asked which it has not said it applied
	Lease    time.Duration
	SeenAt   time.Time // of its last renewal, by the database's clock
	Version  string
	Life     string // tells one life of a node from the next
}

// id is what people are shown of an incarnation.
func (i Incarnation) id() string { return hex.EncodeToString(i[:8]) }

// Nodes lists the nodes that share the store. A store of one process has one.
func (s *Service) Nodes(ctx context.Context, by Actor) ([]NodeInfo, error) {
	if err := s.Permit(by, ActionReadNodes); err != nil {
		return nil, err
	}
	revision := s.dir.revision.Load()
	if s.node == nil {
		return []NodeInfo{{Name: s.name, This: true, State: NodeActive, Revision: revision, SeenAt: s.stamp(), Version: s.version}}, nil
	}
	rows, err := s.node.roster.read(ctx)
	if err != nil {
		return nil, outward(err)
	}
	out := make([]NodeInfo, len(rows))
	for i := range rows {
		r := &rows[i]
		out[i] = NodeInfo{
			Name: r.Name, This: s.node.is(r.Incarnation), State: r.State, Revision: r.Applied, Lease: r.Lease, Version: r.Version,
			SeenAt: time.UnixMilli(r.SeenAt).UTC(), Life: r.Incarnation.id(),
		}
		if out[i].This {
			out[i].Revision = max(r.Applied, revision)
		}
		out[i].Behind = max(revision-out[i].Revision, 0)
	}
	return out, nil
}
