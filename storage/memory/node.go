package memory

import (
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/internal/planted"
	"github.com/halberdhq/halberd/storage/internal/changes"
)

// Node is one process's way to a Database: a halberd.Store and a
// halberd.Cluster.
type Node struct {
	*Store
	woken chan struct{}
	lag   func(context.Context) error // nil: there is none

	told place // how far the follower was told; guarded by the database's mu
}

// place is how far a follower was told: of which revision, and its mark. The
// zero place is before the first revision.
type place struct {
	revision int64
	mark     [16]byte
}

var (
	_ halberd.Store   = (*Node)(nil)
	_ halberd.Cluster = (*Node)(nil)
)

// Open opens the database for a process that never had it open.
func (db *Database) Open() *Node { return db.OpenIn(NewFolder()) }

// OpenIn opens the database for a process that kept a folder.
func (db *Database) OpenIn(folder *Folder) *Node {
	n := &Node{Store: &Store{db: db, folder: folder}, woken: make(chan struct{}, 1)}
	db.mu.Lock()
	defer db.mu.Unlock()
	db.nodes = append(db.nodes, n)
	return n
}

// Close implements halberd.Store. It takes no row out: see Leave.
func (n *Node) Close() error {
	err := n.Store.Close()
	n.db.mu.Lock()
	defer n.db.mu.Unlock()
	n.db.nodes = slices.DeleteFunc(n.db.nodes, func(other *Node) bool { return other == n })
	return err
}

// Lag has fn called after each commit and each reading of the log, before the
// follower is told and while nothing is locked: there a network is slow, or fails.
// Set it before the first use.
func (n *Node) Lag(fn func(ctx context.Context) error) { n.lag = fn }

// Update implements halberd.Store. An error that is halberd.ErrHistory, or Lag's,
// means that fn's changes are there and the follower was not told.
func (n *Node) Update(ctx context.Context, fn func(halberd.Tx) error) error {
	told, err := n.commit(ctx, fn)
	if err != nil || told == nil {
		return err
	}
	if err := n.wait(ctx); err != nil {
		return err
	}
	if planted.Is(planted.ToldLater) {
		return nil
	}
	n.db.mu.Lock()
	defer n.db.mu.Unlock()
	if n.told == told.before {
		n.tell(told.Committed)
		n.told = told.after
		return nil
	}
	if _, err := n.catchUp(); err != nil {
		return fmt.Errorf("what was changed could not be followed: %w", err)
	}
	return nil
}

// committed is a change of one's own, and its place in the history.
type committed struct {
	halberd.Committed
	before, after place
}

// commit returns nil for a transaction that changed nothing.
func (n *Node) commit(ctx context.Context, fn func(halberd.Tx) error) (*committed, error) {
	db := n.db
	db.mu.Lock()
	defer db.mu.Unlock()
	if err := n.usable(ctx); err != nil {
		return nil, err
	}
	t := &clusterTx{tx: tx{reader: reader{&db.state}}}
	if err := t.run(func() error { return fn(t) }); err != nil {
		return nil, err
	}
	if t.changes.Empty() && !t.advanced {
		return nil, nil
	}
	out := &committed{before: db.head}
	out.Committed, out.after = db.append(&t.changes), db.head
	for _, other := range db.nodes {
		if other != n {
			other.wake()
		}
	}
	return out, nil
}

func (n *Node) wait(ctx context.Context) error {
	if n.lag == nil {
		return nil
	}
	return n.lag(ctx)
}

// append makes a revision of changes. Called with mu held, as all that follows
// of the database.
func (db *Database) append(set *changes.Set) halberd.Committed {
	db.revision++
	told := set.Committed(db.revision)
	c := change{revision: db.revision}
	_, _ = rand.Read(c.mark[:]) // never fails
	db.head = place{c.revision, c.mark}
	for i := range told.Keys {
		c.keys = append(c.keys, told.Keys[i].ID)
	}
	for i := range told.Projects {
		c.projects = append(c.projects, told.Projects[i].ID)
	}
	for i := range told.Organizations {
		c.organizations = append(c.organizations, told.Organizations[i].ID)
	}
	for i := range told.Members {
		c.members = append(c.members, told.Members[i].ID)
	}
	db.log = append(db.log, c)
	if len(db.log) > maxLog {
		db.log = db.log[len(db.log)-maxLog:]
	}
	return told
}

func (c *change) place() place { return place{c.revision, c.mark} }

// committed is a line of the log as a follower is told of it.
func (s *state) committed(c *change) halberd.Committed {
	out := halberd.Committed{Revision: c.revision}
	for _, id := range c.keys {
		out.Keys = append(out.Keys, *s.keys[id])
	}
	for _, id := range c.projects {
		out.Projects = append(out.Projects, s.projects[id])
	}
	for _, id := range c.organizations {
		out.Organizations = append(out.Organizations, s.organizations[id])
	}
	for _, id := range c.members {
		out.Members = append(out.Members, s.members[id])
	}
	return out
}

// after is the part of the log that comes after a place.
func (s *state) after(p place) ([]change, error) {
	switch {
	case p == s.head:
		return nil, nil
	case p == place{} && len(s.log) > 0 && s.log[0].revision == 1:
		return s.log, nil
	}
	at, found := slices.BinarySearchFunc(s.log, p.revision, func(c change, r int64) int { return cmp.Compare(c.revision, r) })
	switch {
	case p.revision > s.head.revision, found && s.log[at].mark != p.mark && !planted.Is(planted.MarkNotCompared):
		return nil, halberd.ErrHistory
	case !found:
		return nil, halberd.ErrBehind
	}
	return s.log[at+1:], nil
}

// catchUp is called with mu held.
func (n *Node) catchUp() (int64, error) {
	rest, err := n.db.after(n.told)
	if err != nil {
		return 0, err
	}
	for i := range rest {
		n.tell(n.db.committed(&rest[i]))
		n.told = rest[i].place()
	}
	return n.told.revision, nil
}

func (n *Node) tell(c halberd.Committed) {
	if n.follow != nil {
		n.follow(c)
	}
}

func (n *Node) wake() {
	select {
	case n.woken <- struct{}{}:
	default:
	}
}

// change does what a single statement would.
func (n *Node) change(ctx context.Context, fn func(db *Database) error) error {
	n.db.mu.Lock()
	defer n.db.mu.Unlock()
	if err := n.usable(ctx); err != nil {
		return err
	}
	return fn(n.db)
}

// Enter implements halberd.Cluster.
func (n *Node) Enter(ctx context.Context, r halberd.NodeRecord) error {
	return n.change(ctx, func(db *Database) error {
		if _, there := db.rows[r.Incarnation]; there {
			return halberd.ErrConflict
		}
		r.State, r.Renewals, r.SeenAt, r.FencedAt = halberd.NodeJoining, 0, db.now().UnixMilli(), 0
		db.rows[r.Incarnation] = r
		return nil
	})
}

// CatchUp implements halberd.Cluster.
func (n *Node) CatchUp(ctx context.Context) (applied int64, err error) {
	type line struct {
		halberd.Committed
		at place
	}
	var read []line
	var from place
	if err := n.change(ctx, func(db *Database) error {
		from = n.told
		rest, err := db.after(from)
		for i := range rest {
			read = append(read, line{db.committed(&rest[i]), rest[i].place()})
		}
		return err
	}); err != nil {
		return 0, err
	}
	if err := n.wait(ctx); err != nil {
		return 0, err
	}
	n.db.mu.Lock()
	defer n.db.mu.Unlock()
	for i := range read {
		if n.told != from { // told of meanwhile, by an Update
			from = read[i].at
			continue
		}
		n.tell(read[i].Committed)
		n.told, from = read[i].at, read[i].at
	}
	return n.told.revision, nil
}

// Rewind implements halberd.Cluster.
func (n *Node) Rewind(ctx context.Context) (revision int64, err error) {
	err = n.change(ctx, func(db *Database) error {
		n.told = db.head
		revision = n.told.revision
		return nil
	})
	return revision, err
}

// Renew implements halberd.Cluster.
func (n *Node) Renew(ctx context.Context, b halberd.Beat) (g halberd.Grant, err error) {
	err = n.change(ctx, func(db *Database) error {
		r, err := n.beating(b)
		if err != nil {
			return err
		}
		g = halberd.Grant{Revision: db.revision, Now: db.now()}
		if planted.Is(planted.GrantOfTheBeat) {
			g.Revision = b.Applied
		}
		r.Renewals++
		r.Applied = max(r.Applied, b.Applied)
		r.SeenAt = g.Now.UnixMilli()
		db.rows[b.Incarnation] = r
		return nil
	})
	return g, err
}

// beating is the row that a beat is about, if it may be noted. Called with mu
// held.
func (n *Node) beating(b halberd.Beat) (halberd.NodeRecord, error) {
	r, there := n.db.rows[b.Incarnation]
	if !there || r.State == halberd.NodeFenced && !planted.Is(planted.FencedRenews) {
		return r, halberd.ErrFenced
	}
	if _, err := n.db.after(n.told); err != nil && !planted.Is(planted.BeatNotCompared) {
		return r, err
	}
	return r, nil
}

// now is the database's clock, as if it never went back.
func (db *Database) now() time.Time {
	if now := db.clock().Round(0); now.After(db.latest) || planted.Is(planted.DatabaseTimeBack) {
		db.latest = now
	}
	return db.latest
}

// Acknowledge implements halberd.Cluster.
func (n *Node) Acknowledge(ctx context.Context, b halberd.Beat) error {
	return n.change(ctx, func(db *Database) error {
		r, err := n.beating(b)
		if err != nil {
			return err
		}
		r.Applied = max(r.Applied, b.Applied)
		db.rows[b.Incarnation] = r
		return nil
	})
}

// Nodes implements halberd.Cluster. The rows are in the order of their names.
func (n *Node) Nodes(ctx context.Context) (list []halberd.NodeRecord, err error) {
	err = n.change(ctx, func(db *Database) error {
		list = slices.SortedFunc(maps.Values(db.rows), func(a, b halberd.NodeRecord) int {
			return cmp.Or(cmp.Compare(a.Name, b.Name), bytes.Compare(a.Incarnation[:], b.Incarnation[:]))
		})
		return nil
	})
	return list, err
}

// Fence implements halberd.Cluster.
func (n *Node) Fence(ctx context.Context, incarnation halberd.Incarnation, renewals int64) (fenced bool, err error) {
	err = n.change(ctx, func(db *Database) error {
		r, there := db.rows[incarnation]
		if !there || r.State == halberd.NodeFenced || r.Renewals != renewals && !planted.Is(planted.FencedAnyway) {
			return nil
		}
		r.State, r.FencedAt = halberd.NodeFenced, db.now().UnixMilli()
		db.rows[incarnation] = r
		fenced = true
		return nil
	})
	return fenced, err
}

// Leave implements halberd.Cluster.
func (n *Node) Leave(ctx context.Context, incarnation halberd.Incarnation) error {
	return n.change(ctx, func(db *Database) error {
		delete(db.rows, incarnation)
		return nil
	})
}

// Woken implements halberd.Cluster.
func (n *Node) Woken() <-chan struct{} { return n.woken }

// clusterTx is a transaction of a database that is shared.
type clusterTx struct {
	tx
	advanced bool
}

var _ halberd.ClusterTx = (*clusterTx)(nil)

// Activate implements halberd.ClusterTx.
func (t *clusterTx) Activate(incarnation halberd.Incarnation) error {
	r, there := t.rows[incarnation]
	if !there || r.State != halberd.NodeJoining {
		return halberd.ErrFenced
	}
	r.State = halberd.NodeActive
	set(&t.tx, t.rows, incarnation, r)
	t.advanced = true
	return nil
}

// Advance implements halberd.ClusterTx.
func (t *clusterTx) Advance() error {
	t.advanced = true
	return nil
}
