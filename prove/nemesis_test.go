//go:build linux

package prove

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"time"
)

// nemesis does to nodes and to the database what the world does to them. Each of
// its hands holds one fault at a time; together they hold several.
type nemesis struct {
	c     *cluster
	lease time.Duration

	mu     sync.Mutex
	counts map[string]int
}

func newNemesis(c *cluster) *nemesis {
	return &nemesis{c: c, lease: c.lease, counts: map[string]int{}}
}

func (m *nemesis) count(what string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.counts[what]++
}

// run lets go of everything again before it returns.
func (m *nemesis) run(ctx context.Context, seed uint64) {
	var hands sync.WaitGroup
	hands.Go(func() { m.nodes(ctx, rand.New(rand.NewPCG(seed, 1))) })
	hands.Go(func() { m.database(ctx, rand.New(rand.NewPCG(seed, 2))) })
	hands.Go(func() { m.supervise(ctx) })
	hands.Go(func() { m.clocks(ctx, rand.New(rand.NewPCG(seed, 3))) })
	hands.Wait()
}

// span waits for a time between two numbers of leases.
func (m *nemesis) span(ctx context.Context, r *rand.Rand, least, most float64) {
	select {
	case <-ctx.Done():
	case <-time.After(time.Duration((least + r.Float64()*(most-least)) * float64(m.lease))):
	}
}

// nodes are cut off, paused and killed, one at a time and now and then two.
func (m *nemesis) nodes(ctx context.Context, r *rand.Rand) {
	for {
		m.span(ctx, r, 0.2, 1.2)
		if ctx.Err() != nil {
			return
		}
		var both sync.WaitGroup
		first := r.IntN(len(m.c.nodes))
		seeds := [2]uint64{r.Uint64(), r.Uint64()}
		both.Go(func() { m.fault(ctx, m.c.nodes[first], rand.New(rand.NewPCG(seeds[0], 0))) })
		if r.IntN(4) == 0 {
			second := (first + 1 + r.IntN(len(m.c.nodes)-1)) % len(m.c.nodes)
			both.Go(func() { m.fault(ctx, m.c.nodes[second], rand.New(rand.NewPCG(seeds[1], 0))) })
		}
		both.Wait()
	}
}

// supervise starts a node again that has ended by itself, as an init system does: a
// node ends if the database goes away while it starts.
func (m *nemesis) supervise(ctx context.Context) {
	every := time.NewTicker(100 * time.Millisecond)
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
		for _, n := range m.c.nodes {
			if n.revive() {
				m.count("node ended, started by its supervisor")
			}
		}
	}
}

// fault does one thing to a node, holds it for a while, and takes it back.
func (m *nemesis) fault(ctx context.Context, n *node, r *rand.Rand) {
	switch r.IntN(10) {
	case 0, 1, 2:
		m.count("cut, both ways")
		m.c.net.cut(n.number, bothWays)
		m.span(ctx, r, 0.1, 2.5)
		m.c.net.heal(n.number)
	case 3:
		m.count("cut, answers only")
		m.c.net.cut(n.number, answers)
		m.span(ctx, r, 0.1, 2.5)
		m.c.net.heal(n.number)
	case 4: // for a moment, again and again: renewals arrive late
		m.count("cut, flickering")
		for range 6 {
			m.c.net.cut(n.number, answers)
			m.span(ctx, r, 0.1, 0.9)
			m.c.net.heal(n.number)
			m.span(ctx, r, 0, 0.1)
		}
	case 5, 6, 7:
		m.count("node paused")
		n.freeze()
		m.span(ctx, r, 0.1, 2.5)
		n.thaw()
	default:
		m.count("node killed")
		n.kill()
		m.span(ctx, r, 0, 1.5)
		n.start()
	}
}

// database is killed, restarted and paused, more rarely: while it is away, nobody
// revokes.
func (m *nemesis) database(ctx context.Context, r *rand.Rand) {
	for {
		m.span(ctx, r, 2, 8)
		if ctx.Err() != nil {
			return
		}
		switch r.IntN(4) {
		case 0:
			m.count("database killed")
			m.c.pg.restart(syscall.SIGKILL)
		case 1:
			m.count("database restarted")
			m.c.pg.restart(syscall.SIGINT)
		default:
			m.count("database paused")
			m.c.pg.freeze()
			m.span(ctx, r, 0.1, 2)
			m.c.pg.thaw()
		}
	}
}

// clocks are set, by a minute or by a year, either way, and set right again.
func (m *nemesis) clocks(ctx context.Context, r *rand.Rand) {
	steps := []time.Duration{time.Minute, time.Hour, 24 * 365 * time.Hour}
	for {
		m.span(ctx, r, 1, 4)
		if ctx.Err() != nil {
			return
		}
		n, by := m.c.nodes[r.IntN(len(m.c.nodes))], steps[r.IntN(len(steps))]
		if r.IntN(2) == 0 {
			by = -by
		}
		m.count("clock set")
		n.step(by)
		m.span(ctx, r, 0.2, 2)
		n.step(0)
	}
}

// calm says what was done.
func (m *nemesis) calm() (words []string, all int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, what := range sorted(m.counts) {
		words = append(words, fmt.Sprintf("%s %d", what, m.counts[what]))
		all += m.counts[what]
	}
	return words, all
}
