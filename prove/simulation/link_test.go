package simulation

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/storage/memory"
)

// link is one life of a node's way to the database: a halberd.Store and a
// halberd.Cluster over which requests and answers travel, and do not arrive.
// When the life ends, nothing passes any more.
type link struct {
	*memory.Node
	m     *machine
	dead  chan struct{} // closed when the process was killed
	once  sync.Once     // guards the closing of dead
	woken chan struct{}
}

var (
	_ halberd.Store   = (*link)(nil)
	_ halberd.Cluster = (*link)(nil)
)

func newLink(m *machine, n *memory.Node) *link {
	l := &link{Node: n, m: m, dead: make(chan struct{}), woken: make(chan struct{}, 1)}
	n.Lag(l.lag)
	return l
}

// unavailable is what an engine says when it cannot know.
func unavailable(why string) error {
	return &halberd.Error{Code: halberd.CodeUnavailable, Message: "the database cannot be reached", RetryAfter: time.Second, Err: errors.New(why)}
}

var errKilled = errors.New("the process was killed")

// trip is what happens to one request: how long it and its answer travel, and
// whether they arrive.
type trip struct {
	there, back         time.Duration
	lostThere, lostBack bool
	surely              bool          // the answer arrives, even at a machine that was cut off meanwhile
	patience            time.Duration // after which the connection is given up
}

// sleep sleeps, and reports false when the process was killed or ctx ended.
func (l *link) sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		d = time.Microsecond
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
	case <-l.dead:
	}
	return false
}

func (l *link) kill() { l.once.Do(func() { close(l.dead) }) }

func (l *link) killed() bool {
	select {
	case <-l.dead:
		return true
	default:
		return false
	}
}

// arrive takes a request to the database, or says why not.
func (l *link) arrive(ctx context.Context, t *trip) error {
	if !l.m.awake(ctx, l.dead) || !l.sleep(ctx, t.there) {
		return l.gone(ctx)
	}
	if t.lostThere || l.m.isCut() {
		if !l.sleep(ctx, t.patience) {
			return l.gone(ctx)
		}
		return unavailable("the request was lost")
	}
	for {
		switch until, down := l.m.w.database.state(); {
		case down:
			return unavailable("connection refused")
		case until <= 0:
			if l.killed() {
				return l.gone(ctx)
			}
			return nil
		default:
			if !l.sleep(ctx, until) {
				return l.gone(ctx)
			}
		}
	}
}

// answer takes the answer back.
func (l *link) answer(ctx context.Context, t *trip) error {
	if !l.sleep(ctx, t.back) {
		return l.gone(ctx)
	}
	if !t.surely && (t.lostBack || l.m.isCut()) {
		if !l.sleep(ctx, t.patience) {
			return l.gone(ctx)
		}
		return unavailable("the answer was lost")
	}
	if !l.m.awake(ctx, l.dead) {
		return l.gone(ctx)
	}
	return nil
}

func (l *link) gone(ctx context.Context) error {
	if l.killed() {
		return errors.Join(halberd.ErrClosed, errKilled)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return unavailable("the connection was closed")
}

// read is a request that does nothing: who goes away forgets it.
func (l *link) read(ctx context.Context, effect func() error) error {
	t := l.m.trip()
	if err := l.arrive(ctx, &t); err != nil {
		return err
	}
	if err := effect(); err != nil {
		return err
	}
	return l.answer(ctx, &t)
}

// write is a request that does something, even after its caller has gone.
func (l *link) write(ctx context.Context, effect func(*trip) error) error {
	t := l.m.trip()
	done := make(chan error, 1)
	l.m.w.late.Go(func() {
		lasting := context.WithoutCancel(ctx)
		err := l.arrive(lasting, &t)
		if err == nil {
			err = effect(&t)
			if err == nil {
				err = l.answer(lasting, &t)
			}
		}
		done <- err
	})
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-l.dead:
		return l.gone(ctx)
	}
}

// witness is told when the database has a change: it is given in the context of
// whoever makes it.
type witness struct{ committed func(revision int64) }

type witnessKey struct{}

type tripKey struct{}

// Update implements halberd.Store. Once it has begun it waits for the outcome.
func (l *link) Update(ctx context.Context, fn func(halberd.Tx) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	t := l.m.trip()
	lasting := context.WithValue(context.WithoutCancel(ctx), tripKey{}, &t)
	if err := l.arrive(lasting, &t); err != nil {
		return err
	}
	told := false
	onTheWay := context.WithValue(lasting, toldKey{}, &told)
	err := l.Node.Update(onTheWay, func(tx halberd.Tx) error {
		l.m.inside.Add(1)
		defer l.m.inside.Add(-1)
		return fn(tx)
	})
	if err == nil && !told { // it changed nothing that is told
		return l.answer(lasting, &t)
	}
	return err
}

type toldKey struct{}

// lag is the answer's way when the database has done something that the follower
// is to be told of.
func (l *link) lag(ctx context.Context) error {
	if w, ok := ctx.Value(witnessKey{}).(*witness); ok {
		var revision int64 // that of the change, or a later one
		_ = l.Node.View(context.WithoutCancel(ctx), func(r halberd.Reader) (err error) {
			revision, err = r.Revision()
			return err
		})
		if l.m.w.promoted.Load() {
			revision = 0 // two histories have this number
		}
		w.committed(revision)
	}
	if told, ok := ctx.Value(toldKey{}).(*bool); ok {
		*told = true
	}
	t, ok := ctx.Value(tripKey{}).(*trip)
	if !ok {
		return nil
	}
	return l.answer(ctx, t)
}

// CatchUp implements halberd.Cluster.
func (l *link) CatchUp(ctx context.Context) (applied int64, err error) {
	t := l.m.trip()
	if err := l.arrive(ctx, &t); err != nil {
		return 0, err
	}
	return l.Node.CatchUp(context.WithValue(ctx, tripKey{}, &t))
}

// View implements halberd.Store.
func (l *link) View(ctx context.Context, fn func(halberd.Reader) error) error {
	return l.read(ctx, func() error {
		return l.Node.View(ctx, func(r halberd.Reader) error {
			l.m.inside.Add(1)
			defer l.m.inside.Add(-1)
			return fn(r)
		})
	})
}

// Load implements halberd.Store.
func (l *link) Load(ctx context.Context, parts int, since int64, each func([]halberd.KeyRecord) error) error {
	var batches [][]halberd.KeyRecord
	if err := l.read(ctx, func() error {
		return l.Node.Load(ctx, 1, since, func(b []halberd.KeyRecord) error {
			batches = append(batches, append([]halberd.KeyRecord(nil), b...))
			return nil
		})
	}); err != nil {
		return err
	}
	for _, b := range batches { // as they were when they were read, however long ago
		if err := each(b); err != nil {
			return err
		}
	}
	return nil
}

// Rewind implements halberd.Cluster.
func (l *link) Rewind(ctx context.Context) (revision int64, err error) {
	err = l.read(ctx, func() error {
		revision, err = l.Node.Rewind(ctx)
		return err
	})
	return revision, err
}

// Nodes implements halberd.Cluster.
func (l *link) Nodes(ctx context.Context) (rows []halberd.NodeRecord, err error) {
	err = l.read(ctx, func() error {
		rows, err = l.Node.Nodes(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	return rows, nil
}

// Enter implements halberd.Cluster.
func (l *link) Enter(ctx context.Context, n halberd.NodeRecord) error {
	return l.write(ctx, func(*trip) error { return l.Node.Enter(context.WithoutCancel(ctx), n) })
}

// Renew implements halberd.Cluster.
func (l *link) Renew(ctx context.Context, b halberd.Beat) (halberd.Grant, error) {
	var g atomic.Pointer[halberd.Grant]
	err := l.write(ctx, func(t *trip) error {
		got, err := l.Node.Renew(context.WithoutCancel(ctx), b)
		g.Store(&got)
		if err == nil {
			l.m.w.history.told(got.Now)
			l.m.granted(t)
		}
		return err
	})
	if err != nil {
		return halberd.Grant{}, err
	}
	return *g.Load(), nil
}

// Acknowledge implements halberd.Cluster.
func (l *link) Acknowledge(ctx context.Context, b halberd.Beat) error {
	return l.write(ctx, func(*trip) error { return l.Node.Acknowledge(context.WithoutCancel(ctx), b) })
}

// Fence implements halberd.Cluster.
func (l *link) Fence(ctx context.Context, i halberd.Incarnation, renewals int64) (bool, error) {
	var did atomic.Bool
	err := l.write(ctx, func(*trip) error {
		done, err := l.Node.Fence(context.WithoutCancel(ctx), i, renewals)
		did.Store(done)
		return err
	})
	return did.Load() && err == nil, err
}

// Leave implements halberd.Cluster.
func (l *link) Leave(ctx context.Context, i halberd.Incarnation) error {
	return l.write(ctx, func(*trip) error { return l.Node.Leave(context.WithoutCancel(ctx), i) })
}

// Entomb implements halberd.Keeper: the folder is on the machine, and no way to
// the database is needed.
func (l *link) Entomb(ctx context.Context, ts []halberd.Tombstone) error {
	if l.killed() {
		return halberd.ErrClosed
	}
	return l.Node.Entomb(ctx, ts)
}

// Woken implements halberd.Cluster.
func (l *link) Woken() <-chan struct{} { return l.woken }

// wake passes hints on, as long as the process lives.
func (l *link) wake() {
	for {
		select {
		case <-l.Node.Woken():
		case <-l.dead:
			return
		}
		t := l.m.trip()
		if t.lostBack || l.m.isCut() {
			continue
		}
		if !l.sleep(context.Background(), t.back) {
			return
		}
		select {
		case l.woken <- struct{}{}:
		default:
		}
	}
}
