package storagetest

import (
	"errors"
	"testing"

	"github.com/halberdhq/halberd"
)

// Handle is one process's way to a database that several share.
type Handle interface {
	halberd.Store
	halberd.Cluster
}

// Shared is an empty database, and what the contract of halberd.Cluster does to it.
type Shared struct {
	// Open gives a handle of its own to one more process. RunCluster closes it.
	Open func(t *testing.T) Handle
	// Forget drops the lines of the log up to a revision, which is not the last.
	Forget func(t *testing.T, revision int64)
	// Standby copies the history as it is: the log, and its last revision.
	// promote puts the copy in the place of what was committed since. Records need
	// not be copied.
	Standby func(t *testing.T) (promote func())
}

// RunCluster holds an engine that is a halberd.Cluster against that contract.
// Each handle must pass Run as well.
func RunCluster(t *testing.T, database func(t *testing.T) Shared) {
	for _, group := range []struct {
		name  string
		cases []clusterContract
	}{
		{"history", historyCases},
		{"lost history", lostHistoryCases},
		{"sharing", sharingCases},
		{"rows of nodes", rowCases},
	} {
		t.Run(group.name, func(t *testing.T) {
			for _, c := range group.cases {
				t.Run(c.promise, func(t *testing.T) {
					c.check(&cluster{T: t, Shared: database(t)})
				})
			}
		})
	}
}

type clusterContract struct {
	promise string
	check   func(*cluster)
}

// cluster is the database under test.
type cluster struct {
	*testing.T
	Shared
}

// peer is a handle with what its follower was told.
type peer struct {
	*subject
	halberd.Cluster
	told []halberd.Committed // written by the follower; read it when nothing runs
}

// open opens a handle whose follower notes what it is told, and minds the order.
func (c *cluster) open() *peer {
	c.Helper()
	h := c.Open(c.T)
	p := &peer{subject: &subject{T: c.T, Store: h}, Cluster: h}
	h.Follow(func(told halberd.Committed) {
		if n := len(p.told); n > 0 && told.Revision != p.told[n-1].Revision+1 {
			c.Errorf("told of revision %d after %d", told.Revision, p.told[n-1].Revision)
		}
		p.told = append(p.told, told)
	})
	c.Cleanup(func() {
		if err := h.Close(); err != nil && !errors.Is(err, halberd.ErrClosed) {
			c.Errorf("Close: %v", err)
		}
	})
	return p
}

func (c *cluster) three() (a, b, d *peer) {
	c.Helper()
	return c.open(), c.open(), c.open()
}

func (p *peer) catchUp(want int64) {
	p.Helper()
	applied, err := p.CatchUp(p.Context())
	if err != nil {
		p.Fatalf("CatchUp: %v", err)
	}
	equal(p.subject, "caught up", applied, want)
}

func (p *peer) rewind(want int64) {
	p.Helper()
	revision, err := p.Rewind(p.Context())
	if err != nil {
		p.Fatalf("Rewind: %v", err)
	}
	equal(p.subject, "rewound", revision, want)
}

// wantTold wants the follower to have been told of exactly these revisions.
func (p *peer) wantTold(from, to int64) {
	p.Helper()
	if to < from {
		equal(p.subject, "changes told", len(p.told), 0)
		return
	}
	if equal(p.subject, "changes told", int64(len(p.told)), to-from+1); p.Failed() {
		p.FailNow()
	}
	equal(p.subject, "first revision told", p.told[0].Revision, from)
	equal(p.subject, "last revision told", p.told[len(p.told)-1].Revision, to)
}

// leftBehind wants CatchUp to say that the log does not reach back to here, and
// to tell nothing.
func (p *peer) leftBehind() {
	p.Helper()
	if err := p.toldNothing(); !errors.Is(err, halberd.ErrBehind) {
		p.Errorf("CatchUp: %v, want ErrBehind", err)
	}
}

// replaced wants CatchUp to say that the history is another one, and to tell
// nothing.
func (p *peer) replaced() {
	p.Helper()
	if err := p.toldNothing(); !errors.Is(err, halberd.ErrHistory) || errors.Is(err, halberd.ErrBehind) {
		p.Errorf("CatchUp: %v, want ErrHistory, and be sure", err)
	}
}

func (p *peer) toldNothing() error {
	p.Helper()
	before := len(p.told)
	_, err := p.CatchUp(p.Context())
	equal(p.subject, "changes told", len(p.told), before)
	return err
}

// advance commits a change of nothing.
func (p *peer) advance() {
	p.Helper()
	p.update(func(tx halberd.Tx) error { return shared(p, tx).Advance() })
}

// shared is the transaction of a shared database.
func shared(p *peer, tx halberd.Tx) halberd.ClusterTx {
	p.Helper()
	out, ok := tx.(halberd.ClusterTx)
	if !ok {
		p.Fatal("the transaction is no halberd.ClusterTx")
	}
	return out
}
