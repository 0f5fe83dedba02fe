package halberd

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Cluster is what an engine fills, besides Store, when several processes share
// what it keeps. A Store that is no Cluster belongs to one process, which needs
// nobody's leave to answer.
//
// Follow's function is told of every committed change, whichever node made it,
// in the order of their revisions and without a gap: before Update returns for
// the node's own, and by CatchUp for the others'. A record it is told of may be
// newer than its revision, never older.
//
// Engines know nothing of leases: who may answer until when, and who must be
// waited for, is the ground's business (node.go). They keep rows and tell what
// is in them.
type Cluster interface {
	// Enter adds a row for an incarnation that was not there before, in
	// NodeJoining. Nobody waits for it yet.
	Enter(ctx context.Context, n NodeRecord) error

	// CatchUp tells Follow's function of what was committed since it was last
	// told, and returns the revision it has been told of. The changes of every
	// Update that returned before CatchUp was called are among them.
	// ErrBehind: the log does not reach back that far; Rewind helps. ErrHistory:
	// what the store says of the last revision told of is something else than was
	// told. In both cases nothing was told.
	CatchUp(ctx context.Context) (applied int64, err error)

	// Rewind makes ready for Load by a node that was left behind: what CatchUp
	// tells next begins after the revision it returns, and Load, called after
	// Rewind, hands out records at least as new as that.
	Rewind(ctx context.Context) (revision int64, err error)

	// Renew counts one more renewal of an incarnation and notes what it has
	// applied, in a write that is as durable as a change: a database that lost
	// its place cannot take it. It answers with what is true as of that write.
	// ErrFenced: there is no such incarnation, or nobody waits for it any more.
	// ErrHistory: the store's history does not hold the last revision that Follow's
	// function was told of. Then nothing was noted: its number may be another
	// change's by now, which who reads the row must not take for applied.
	Renew(ctx context.Context, b Beat) (Grant, error)

	// Acknowledge notes what an incarnation has applied. It may be lost in a
	// crash, and then only delays. Its errors are Renew's.
	Acknowledge(ctx context.Context, b Beat) error

	// Nodes lists every row, as it is after every Update, Renew, Enter, Fence and
	// Leave that has returned anywhere.
	Nodes(ctx context.Context) ([]NodeRecord, error)

	// Fence marks an incarnation NodeFenced if it is still at the given number of
	// renewals: from then on it is not renewed. It reports whether it did.
	Fence(ctx context.Context, incarnation Incarnation, renewals int64) (bool, error)

	// Leave takes an incarnation's row out.
	Leave(ctx context.Context, incarnation Incarnation) error

	// Woken has a value after something was committed elsewhere, or soon after, or
	// never: it is a hint, and nothing depends on it. Nobody else reads it.
	Woken() <-chan struct{}
}

// ClusterTx is what the Tx of a Cluster's Update is as well.
type ClusterTx interface {
	Tx
	// Activate makes a joining row active in the transaction, which takes a
	// revision for it: a revoker whose commit comes later finds the row among
	// those it must wait for. ErrFenced: it is not there, or not joining.
	Activate(incarnation Incarnation) error
	// Advance makes the transaction take a revision even if it changes nothing: a
	// repeated revocation must be waited for anew.
	Advance() error
}

// Incarnation names one life of a node: drawn at random each time it enters.
type Incarnation [16]byte

// NodeState is what others think of a node.
type NodeState string

// The states of a node.
const (
	NodeJoining NodeState = "joining" // it loads; it answers nothing, and nobody waits for it
	NodeActive  NodeState = "active"
	NodeFenced  NodeState = "fenced" // it was silent for longer than its lease; it must enter again
)

// NodeRecord is a row of the list of nodes.
type NodeRecord struct {
	Incarnation Incarnation
	Name        string // for people: the host, or what the operator calls it
	State       NodeState
	Applied     int64         // the revision up to which it has applied every change
	Renewals    int64         // how often it was renewed
	Lease       time.Duration // how long it answers after a renewal
	Version     string        // of the program
	SeenAt      int64         // of the last renewal, by the database's clock, in Unix milliseconds
	FencedAt    int64         // 0: it is not
}

// Beat is what a node says of itself when it renews or acknowledges.
type Beat struct {
	Incarnation Incarnation
	Applied     int64
}

// Grant is what a renewal found.
type Grant struct {
	Revision int64     // of the last change committed before the renewal
	Now      time.Time // by the database's clock, never less than any Grant before it told
}

// Errors of a Cluster.
var (
	// ErrFenced: the incarnation is over; enter again.
	ErrFenced = errors.New("the node was fenced")
	// ErrHistory: what the store says of the past is not what the node was told.
	ErrHistory = errors.New("the store's history does not continue what the node has applied")
	// ErrBehind is an ErrHistory of which that is not sure: the log begins later.
	ErrBehind = fmt.Errorf("%w as far as its log reaches back", ErrHistory)
)
