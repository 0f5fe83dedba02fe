package simulation

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/storage/memory"
)

// machine is where one node runs, life after life. Its folder stays.
type machine struct {
	w      *world
	name   string
	clock  *clock
	folder *memory.Folder

	// inside counts what runs inside the database and takes no time: whoever reads
	// the clock there is not paused, for the database's lock is held.
	inside atomic.Int64

	mu       sync.Mutex // guards what follows
	dice     *rand.Rand
	pausedTo time.Time // nothing runs before
	cutTo    time.Time // nothing passes to the database or back before
	slowTo   time.Time // everything takes long before
	downTo   time.Time // it is not started before
	cutLater time.Duration
	slowly   time.Duration
	cutNow   chan struct{} // closed when that happens

	life    int
	running atomic.Pointer[life] // nil: it is down, or starting
	alive   atomic.Pointer[link] // of the life that runs or starts
}

// life is a process that answers.
type life struct {
	*halberd.Service
	number int
	link   *link
	sealed *atomic.Bool
}

// now is the clock as the process reads it. A paused process reads nothing, and
// one that has read may be paused before it goes on.
func (m *machine) now() time.Time {
	if m.inside.Load() > 0 {
		return m.clock.read()
	}
	l := m.alive.Load()
	var dead chan struct{}
	if l != nil {
		dead = l.dead
	}
	rest := func() {
		if d := m.preempted(); d > 0 && l != nil {
			l.sleep(context.Background(), d)
		}
	}
	rest()
	m.awake(context.Background(), dead)
	at := m.clock.read()
	rest()
	return at
}

// preempted is how long a goroutine that is about to read the clock, or has just
// read it, does not run: hardly ever, and then long.
func (m *machine) preempted() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.w.breaking.Load() || m.dice.IntN(400) > 0 {
		return 0
	}
	return m.upTo(2 * m.w.lease)
}

// upTo is a random duration. Called with mu held.
func (m *machine) upTo(d time.Duration) time.Duration {
	return time.Duration(m.dice.Int64N(int64(d)) + 1)
}

// awake waits out a pause; false: the process was killed, or ctx ended.
func (m *machine) awake(ctx context.Context, dead chan struct{}) bool {
	for {
		m.mu.Lock()
		d := time.Until(m.pausedTo)
		m.mu.Unlock()
		if d <= 0 {
			return true
		}
		t := time.NewTimer(d)
		select {
		case <-t.C:
		case <-dead:
			t.Stop()
			return false
		case <-ctx.Done():
			t.Stop()
			return false
		}
	}
}

func (m *machine) isCut() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return time.Now().Before(m.cutTo)
}

// trip draws what happens to a request.
func (m *machine) trip() trip {
	m.mu.Lock()
	defer m.mu.Unlock()
	t := trip{there: m.upTo(2 * time.Millisecond), back: m.upTo(2 * time.Millisecond), patience: m.upTo(2 * m.w.lease)}
	if !m.w.breaking.Load() {
		return t
	}
	switch n := m.dice.IntN(80); {
	case n == 0:
		t.lostThere = true
	case n == 1:
		t.lostBack = true
	case n == 2 || time.Now().Before(m.slowTo) && n%2 == 0:
		t.there = m.upTo(m.w.lease)
	case n == 3 || time.Now().Before(m.slowTo):
		t.back = m.upTo(m.w.lease)
	}
	return t
}

// run keeps a process running until the world ends.
func (m *machine) run(ctx context.Context) {
	for ctx.Err() == nil {
		if d := m.untilUp(); d > 0 {
			sleep(ctx, d)
			continue
		}
		l, err := m.start(ctx)
		if err != nil {
			sleep(ctx, 200*time.Millisecond)
			continue
		}
		m.w.history.happened("%s answers (life %d)", m.name, l.number)
		m.running.Store(l)
		for m.running.Load() == l && !l.link.killed() && ctx.Err() == nil { // it may have been killed before it was stored
			sleep(ctx, 50*time.Millisecond)
			m.w.watch(m, l)
		}
		m.running.CompareAndSwap(l, nil)
		_ = l.Close()
		l.link.kill()
	}
}

func (m *machine) untilUp() time.Duration {
	m.mu.Lock()
	defer m.mu.Unlock()
	return time.Until(m.downTo)
}

func (m *machine) start(ctx context.Context) (*life, error) {
	m.mu.Lock()
	m.life++
	number := m.life
	m.mu.Unlock()
	link := newLink(m, m.w.db.OpenIn(m.folder))
	m.w.late.Go(link.wake)
	m.alive.Store(link)
	sealed := new(atomic.Bool)
	ctx, cancel := context.WithTimeout(ctx, 20*m.w.lease)
	defer cancel()
	s, err := halberd.New(ctx, link, halberd.Options{
		Pepper: m.w.pepper, Now: m.now, FlushEvery: 24 * time.Hour, Lease: m.w.lease, NodeName: m.name, Logger: m.w.logger(m, sealed),
	})
	if err != nil {
		m.w.history.happened("%s cannot start: %v", m.name, err)
		link.kill()
		_ = link.Close()
		return nil, err
	}
	return &life{Service: s, number: number, link: link, sealed: sealed}, nil
}

// kill ends the process that runs or starts, as kill -9 does.
func (m *machine) kill(down time.Duration) {
	m.mu.Lock()
	m.downTo = time.Now().Add(down)
	m.mu.Unlock()
	if l := m.alive.Load(); l != nil {
		l.kill()
	}
	m.running.Store(nil)
}

// cutWhenRenewed cuts the machine off once its next renewal was granted, but for
// the answer to that, which may take long. Then the channel is closed, unless
// somebody else asked for it meanwhile.
func (m *machine) cutWhenRenewed(d, slow time.Duration) <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cutLater, m.slowly, m.cutNow = d, slow, make(chan struct{})
	return m.cutNow
}

// granted is when that happens.
func (m *machine) granted(t *trip) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.cutLater > 0 {
		m.cutTo, m.cutLater = time.Now().Add(m.cutLater), 0
		t.back, t.surely = t.back+m.slowly, true
		close(m.cutNow)
	}
}

func (m *machine) set(what *time.Time, d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	*what = time.Now().Add(d)
}

// sleep sleeps unless ctx ends first.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
