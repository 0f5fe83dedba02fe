package halberd

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/halberdhq/halberd/internal/planted"
)

// node is this process among those that share a store: it holds the lease, says
// what it has applied, and is waited for by whoever changes something. One
// goroutine, run, does all of that; others only read.
type node struct {
	s       *Service
	cluster Cluster
	log     *slog.Logger
	clock   func() time.Time
	name    string
	version string
	length  time.Duration // of a lease: Options.Lease and spare
	spare   time.Duration // what a lease lasts longer than it has to

	lease  atomic.Pointer[lease]       // never nil
	me     atomic.Pointer[Incarnation] // nil: not entered yet
	sealed atomic.Pointer[string]      // why it answers nothing any more; nil: it may
	peers  atomic.Int64                // active nodes, this one too, as last read
	lag    atomic.Int64                // revisions that the last renewal found unapplied
	ahead  atomic.Int64                // nanoseconds of the own clock before the database's, at the last renewal
	nudged chan struct{}               // has a value when somebody cannot wait for the loop's next turn
	roster roster
	waits  waits

	// changed says that the list of nodes may be another one than was read. It is
	// set before the directory's revision says so.
	changed atomic.Bool

	// sharing is the incarnation that may grant its part of limits: the others
	// have made room for it.
	sharing atomic.Pointer[Incarnation]
	life    context.Context // ends with Close

	// These are the loop's.
	entered bool          // under the incarnation me, and active
	current bool          // the directory lacks nothing but what CatchUp will tell of
	told    int64         // the revision last acknowledged
	took    time.Duration // the last renewal
	steady  time.Time     // since when no renewal has failed; zero: the last one did
	watched time.Time     // when the list was last looked at
}

// Of the loop. While the store is quick, a lease is renewed before its spare part
// is over; a slow one is not kept busy with that. A call to the store that takes
// longer than a lease is of no use to it.
const (
	renewalParts = 5 // of Options.Lease: it is renewed as often at least
	renewalRest  = 4 // times what the last renewal took, before the next
	retryFirst   = 20 * time.Millisecond
	retryLongest = time.Second
	callLimit    = 10 * time.Second
	enterLimit   = 10 * time.Minute // a node with millions of keys loads for a while
)

// errSealed ends the loop.
var errSealed = errors.New("the node is sealed")

func newNode(s *Service, c Cluster, o *Options) (*node, error) {
	n := &node{
		s: s, cluster: c, log: s.log, clock: s.clock, name: o.NodeName, version: o.Version, length: o.Lease,
		nudged: make(chan struct{}, 1), roster: roster{cluster: c, clock: s.clock},
	}
	if n.length == 0 {
		n.length = defaultLease
	}
	if n.length < MinLease || n.length > MaxLease {
		return nil, Invalid("lease", "must be from %v to %v", MinLease, MaxLease)
	}
	n.spare = min(n.length/renewalParts, LeaseSpare)
	n.length += n.spare
	if err := checkText("node_name", n.name, maxName); err != nil {
		return nil, err
	}
	n.lease.Store(&lease{})
	n.peers.Store(1)
	n.life, s.stop = context.WithCancel(context.Background())
	return n, nil
}

// is reports whether an incarnation is this node's own.
func (n *node) is(i Incarnation) bool {
	me := n.me.Load()
	return me != nil && *me == i
}

// active is how many nodes there are, this one too.
func (n *node) active() int { return int(n.peers.Load()) }

// noLease is the answer to everything while there is none, and asks for one.
func (n *node) noLease() error {
	if why := n.sealed.Load(); why != nil {
		return &Error{Code: CodeUnavailable, Message: *why, RetryAfter: time.Minute}
	}
	n.nudge()
	return &Error{
		Code: CodeUnavailable, RetryAfter: time.Second,
		Message: "this node may not answer now: it has not reached the database for as long as its lease; try again, or ask another node",
	}
}

func (n *node) nudge() {
	select {
	case n.nudged <- struct{}{}:
	default:
	}
}

// begin makes the node a member, for New: when it returns, the directory is
// filled and the first lease is there.
func (n *node) begin(ctx context.Context) error {
	err := n.enter(ctx)
	if err != nil {
		n.leave()
	}
	if n.active() > 1 {
		n.s.quotas.forfeited = Forfeits{} // what others hold is not lost
	}
	return err
}

// run keeps the node a member until ctx ends.
func (n *node) run(ctx context.Context) {
	retry := retryFirst
	for {
		err := n.turn(ctx)
		switch {
		case ctx.Err() != nil || errors.Is(err, ErrClosed):
			return
		case errors.Is(err, errSealed):
			return
		case err == nil:
			retry = retryFirst
			if !n.entered {
				continue
			}
			timer := time.NewTimer(n.pace() - n.clock().Sub(n.lease.Load().sent))
			select {
			case <-timer.C:
			case <-n.nudged:
			case <-n.cluster.Woken():
			case <-ctx.Done():
			}
			timer.Stop()
		default:
			if retry == retryFirst {
				n.log.Error("this node could not follow the others; it tries again, and answers until its lease ends", "left", n.lease.Load().left(n.clock()), "why", err)
			}
			timer := time.NewTimer(retry)
			select {
			case <-timer.C:
			case <-ctx.Done():
			}
			timer.Stop()
			retry = min(2*retry, retryLongest)
		}
	}
}

// pace is how long after a renewal the next one is due.
func (n *node) pace() time.Duration {
	return min(max(n.spare*2/3, renewalRest*n.took), (n.length-n.spare)/renewalParts)
}

// turn does what is due.
func (n *node) turn(ctx context.Context) error {
	if !n.entered {
		return n.enter(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, min(callLimit, n.length))
	defer cancel()
	l := n.lease.Load()
	if now := n.clock(); l.holds(now) && now.Sub(l.sent) < n.pace() {
		return n.follow(ctx)
	}
	if err := n.renew(ctx); err != nil {
		n.steady = time.Time{}
		return err
	}
	if !n.entered {
		return nil
	}
	if n.steady.IsZero() {
		n.steady = n.clock()
	}
	return n.look(ctx)
}

// follow applies what others changed, and says so.
func (n *node) follow(ctx context.Context) error {
	if err := n.catchUp(ctx); err != nil {
		return err
	}
	if err := n.reckon(ctx); err != nil {
		return err
	}
	return n.acknowledge(ctx)
}

// catchUp applies what others changed. A history that does not continue what was
// applied seals the node: as long as it is active, the log reaches back to it.
func (n *node) catchUp(ctx context.Context) error {
	_, err := n.cluster.CatchUp(ctx)
	if errors.Is(err, ErrHistory) {
		return n.seal(err)
	}
	return err
}

// acknowledge says what has been applied. Whoever reads it may rely on this
// node's share of the limits being that of the list of nodes at that revision.
func (n *node) acknowledge(ctx context.Context) error {
	applied := n.s.dir.revision.Load()
	if applied == n.told {
		return nil
	}
	if err := n.reckon(ctx); err != nil {
		return err
	}
	switch err := n.cluster.Acknowledge(ctx, Beat{*n.me.Load(), applied}); {
	case errors.Is(err, ErrFenced):
		return n.fenced()
	case errors.Is(err, ErrHistory):
		return n.seal(err)
	case err != nil:
		return err
	}
	n.told = applied
	// Revocations that others made belong into this node's journal too.
	if err := n.s.entomb(ctx); err != nil {
		n.log.Error("revocations made on other nodes could not be written to the journal yet", "why", err)
	}
	return nil
}

// renew gets a lease. It counts from before it was asked for, and is taken only
// once everything is applied that was committed before it was granted.
func (n *node) renew(ctx context.Context) error {
	applied := n.s.dir.revision.Load()
	sent := n.clock()
	g, err := n.cluster.Renew(ctx, Beat{*n.me.Load(), applied})
	if planted.Is(planted.LeaseFromReply) {
		sent = n.clock()
	}
	switch {
	case errors.Is(err, ErrFenced):
		return n.fenced()
	case errors.Is(err, ErrHistory):
		return n.seal(err)
	case err != nil && planted.Is(planted.FailedRenewalCounts):
		g = Grant{applied, n.lease.Load().at(sent)}
	case err != nil:
		return fmt.Errorf("renew the lease: %w", err)
	}
	n.compare(sent, n.clock(), g.Now)
	n.told = max(n.told, applied)
	n.lag.Store(g.Revision - applied)
	if planted.Is(planted.AcknowledgedUnapplied) {
		_ = n.cluster.Acknowledge(ctx, Beat{*n.me.Load(), g.Revision})
	}
	if n.s.dir.revision.Load() < g.Revision && !planted.Is(planted.LaggingGranted) {
		if err := n.catchUp(ctx); err != nil {
			return err
		}
		if now := n.s.dir.revision.Load(); now < g.Revision {
			return fmt.Errorf("the lease was granted at revision %d, and this node has reached %d", g.Revision, now)
		}
	}
	if err := n.reckon(ctx); err != nil {
		return err
	}
	length := n.length
	if planted.Is(planted.LeaseGrace) {
		length += length / 5
	}
	n.lease.Store(newLease(sent, length, g.Now))
	n.took = n.clock().Sub(sent)
	return n.acknowledge(ctx)
}

// clockSlack is how far clocks may be apart without a word.
const clockSlack = time.Minute

// compare says when the own clock and the database's come to be far apart, and
// when they do no more. No verdict depends on it: what begins and ends does so by
// the database's, and leases by how long they last.
func (n *node) compare(sent, back, database time.Time) {
	ahead := time.Duration(0)
	if d := time.Duration(sent.UnixNano() - database.UnixNano()); d > 0 {
		ahead = d
	} else if d := time.Duration(back.UnixNano() - database.UnixNano()); d < 0 {
		ahead = d
	}
	was := time.Duration(n.ahead.Swap(int64(ahead)))
	switch far := ahead.Abs() > clockSlack; {
	case far == (was.Abs() > clockSlack):
	case far:
		n.log.Warn("THE CLOCK of this machine is not the database's: checks go by the database's; set the one that is wrong, and keep both right with NTP", "ahead", ahead)
	default:
		n.log.Info("the clock of this machine is the database's again", "ahead", ahead)
	}
}

// fenced gives up the incarnation: the next turn enters again.
func (n *node) fenced() error {
	n.entered = false
	n.lease.Store(n.lease.Load().over())
	n.log.Warn("this node was silent for longer than its lease and was fenced: it enters again")
	return nil
}

// enter makes the node active under a new incarnation and gets its first lease.
// The order is what makes it safe: a change that is committed before it becomes
// active is told of then, and whoever changes something later waits for it.
func (n *node) enter(ctx context.Context) (err error) {
	ctx, cancel := context.WithTimeout(ctx, enterLimit)
	defer cancel()
	var me Incarnation
	_, _ = rand.Read(me[:]) // never fails
	if err := n.cluster.Enter(ctx, NodeRecord{
		Incarnation: me, Name: n.name, State: NodeJoining, Applied: n.s.dir.revision.Load(), Lease: n.length, Version: n.version,
	}); err != nil {
		return fmt.Errorf("enter the list of nodes: %w", err)
	}
	n.me.Store(&me)
	defer func() {
		if err != nil && !n.entered {
			n.leave()
		}
	}()
	if err := n.fill(ctx); err != nil {
		return err
	}
	if err := n.s.update(ctx, func(tx Tx) error {
		if planted.Is(planted.NeverActivated) {
			return nil
		}
		return clusterTx(tx).Activate(me)
	}); err != nil {
		return fmt.Errorf("become active: %w", err)
	}
	n.changed.Store(true)
	n.entered, n.told = true, 0
	n.steady = time.Time{}
	if err := n.reckon(ctx); err != nil {
		return err
	}
	if n.active() == 1 {
		n.sharing.Store(&me) // all of each limit is its own, and later its part
	} else {
		// The revision is at least that at which the node became active. Keys
		// without limits need not wait for it.
		revision, began := n.s.dir.revision.Load(), n.clock()
		n.s.done.Go(func() {
			if n.await(n.life, revision, began).Confirmed {
				n.sharing.Store(&me)
				n.changed.Store(true)
				n.nudge()
			}
		})
	}
	return n.renew(ctx)
}

// fill brings the directory to the present: from the log as far as it reaches
// back, else from the records.
func (n *node) fill(ctx context.Context) error {
	if n.current {
		switch _, err := n.cluster.CatchUp(ctx); {
		case errors.Is(err, ErrHistory) && !errors.Is(err, ErrBehind):
			return n.seal(err)
		case !errors.Is(err, ErrHistory):
			return err
		}
		n.current = false // until the load below is complete: what CatchUp tells of then begins after it
	}
	applied := n.s.dir.revision.Load() // before the store is asked: a change of one's own may come in between
	revision, err := n.cluster.Rewind(ctx)
	if err != nil {
		return fmt.Errorf("find the present revision: %w", err)
	}
	if revision < applied {
		return n.seal(fmt.Errorf("the store is at revision %d, and this node has applied %d: %w", revision, applied, ErrHistory))
	}
	if planted.Is(planted.ReloadLeftOut) && n.s.dir.filled {
		n.current = true
		n.s.dir.revision.Store(revision)
		return nil
	}
	load := n.s.load
	if n.s.dir.revision.Load() == 0 {
		load = n.s.fill
	}
	if err = load(ctx, revision); err != nil {
		return err
	}
	n.current = true
	if id, back := n.s.dir.regress(); back {
		return n.seal(fmt.Errorf("the key %s was revoked and is good in the store, or was made and is not there: %w", id, ErrHistory))
	}
	return nil
}

// seal ends the node's answers for good: the store went back to before something
// that this node has applied, so that what was revoked may be good in it again.
// What was revoked lives on in this node's journal, which the next start replays.
func (n *node) seal(why error) error {
	text := "this node is sealed: its database went back in time, perhaps because a standby without the last changes was promoted; " +
		"let an operator look at it, and restart the server: it then revokes again what its journal says was revoked"
	n.sealed.Store(&text)
	n.lease.Store(n.lease.Load().over())
	n.log.Error("SEALED: the database went back in time, to before changes that this node has applied. Nothing is answered until the server is restarted; "+
		"keys revoked since are in revoked.log and are revoked again then, other changes are lost", "why", why)
	if err := n.s.entomb(context.Background()); err != nil {
		n.log.Error("revocations made on other nodes could not be written to the journal", "why", err)
	}
	return errors.Join(errSealed, why)
}

// end is for Close, after run: nothing is answered any more, so nobody need wait.
func (n *node) end() {
	n.lease.Store(n.lease.Load().over())
	n.roster.close()
	n.leave()
}

func (n *node) leave() {
	me := n.me.Load()
	if me == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), readLimit)
	defer cancel()
	if err := n.cluster.Leave(ctx, *me); err != nil {
		n.log.Warn("this node could not leave the list of nodes: the next revocation waits for it once", "why", err)
	}
}
