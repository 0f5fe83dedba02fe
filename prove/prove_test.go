//go:build linux

package prove

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// What `make prove` may be told.
const (
	durationVariable = "HALBERD_PROVE_DURATION" // how long faults rage; 10s unless set
	leaseVariable    = "HALBERD_PROVE_LEASE"    // 1s unless set
	seedVariable     = "HALBERD_PROVE_SEED"     // of the faults; by the clock unless set
)

func setting(t *testing.T, name string, unless time.Duration) time.Duration {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return unless
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		t.Fatalf("%s=%q is no duration; write 45s or 10m", name, text)
	}
	return d
}

// TestProve is the proof: first the bugs, which must be found, then the program.
func TestProve(t *testing.T) {
	during, lease := setting(t, durationVariable, 10*time.Second), setting(t, leaseVariable, time.Second)
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv(seedVariable); text != "" {
		if _, err := fmt.Sscan(text, &seed); err != nil {
			t.Fatalf("%s=%q is no number", seedVariable, text)
		}
	}
	pg := shared(t)
	caught, all := provePlants(t, pg)
	c := open(t, plan{lease: lease, on: pg})
	say(t, "three servers on one PostgreSQL, %s, lease %s, seed %d", c.net.name(), lease, seed)

	h := newHistory()
	l := begin(c, h, seed)
	pause(500) // connections are made
	healthy := l.timeRevokes(c.nodes, 100)
	say(t, "revoke, three healthy nodes: %s", healthy)
	say(t, "revoke, one node cut off a moment before (at most %s): %s", time.Duration(1.05*float64(lease))+500*time.Millisecond, l.timeCutOff(4))

	l.own(24)
	m := newNemesis(c)
	ctx, cancel := context.WithTimeout(t.Context(), during)
	defer cancel()
	m.run(ctx, seed)
	c.recover()
	l.rest() // owners finish; what they ended is asked everywhere once more
	l.end()

	j := judge(h)
	words, faults := m.calm()
	say(t, "faults: %d (%s)", faults, strings.Join(words, ", "))
	l.report(t, &j)
	for _, group := range [][]finding{j.stale, j.backward, j.lost} {
		for _, f := range group[:min(len(group), 5)] {
			t.Errorf("%s", f.in(h))
		}
	}
	if l.tally.revoked == 0 || j.verdicts == 0 || j.granted == 0 {
		t.Error("nothing was proved: no revocation, or no verdict")
	}
	if t.Failed() {
		for _, n := range c.nodes {
			t.Logf("node %d says:\n%s", n.number, n.log.without("msg=request"))
		}
	}
	verdictLine <- fmt.Sprintf("%d stale of %d checks after %d revocations; %d of %d planted bugs caught",
		len(j.stale)+len(j.backward), j.checks, l.tally.revoked, caught, all)
}

// load is everybody who asks and changes.
type load struct {
	c       *cluster
	h       *history
	targets *targets
	tally   *tally
	seed    uint64

	done    chan struct{}
	askers  sync.WaitGroup
	cease   context.CancelFunc
	working context.Context
	owners  sync.WaitGroup
}

const (
	askersOfNode = 4
	pace         = 3 * time.Millisecond // of one asker, where the machine keeps up
)

// begin lets the askers ask.
func begin(c *cluster, h *history, seed uint64) *load {
	return beginWith(c, h, seed, askersOfNode, pace)
}

func beginWith(c *cluster, h *history, seed uint64, askers int, pace time.Duration) *load {
	l := &load{c: c, h: h, targets: newTargets(), tally: newTally(), seed: seed, done: make(chan struct{})}
	l.working, l.cease = context.WithCancel(context.Background())
	for i := range askers * len(c.nodes) {
		n := c.nodes[i%len(c.nodes)]
		a := &asker{c: c, h: h, node: n, address: n.public, targets: l.targets, rand: rand.New(rand.NewPCG(seed, uint64(100+i))), pace: pace}
		if i/len(c.nodes)%2 == 0 {
			a.address = n.checks
		}
		l.askers.Go(func() { a.run(l.done) })
	}
	return l
}

func (l *load) owner(number int) *owner {
	return &owner{c: l.c, h: l.h, targets: l.targets, rand: rand.New(rand.NewPCG(l.seed, uint64(1000+number))), tally: l.tally}
}

// own lets n owners make and end keys.
func (l *load) own(n int) {
	for i := range n {
		o := l.owner(i)
		l.owners.Go(func() { o.run(l.working) })
	}
}

// rest lets owners finish, and a lease pass in which what they ended is asked.
func (l *load) rest() {
	l.cease()
	l.owners.Wait()
	l.c.leases(1.5)
}

func (l *load) end() {
	l.cease()
	l.owners.Wait()
	close(l.done)
	l.askers.Wait()
}

// timeRevokes makes keys and revokes them one by one, through each of the nodes in
// turn.
func (l *load) timeRevokes(nodes []*node, n int) spans {
	var took spans
	o := l.owner(500)
	for i := range n {
		k, err := o.create(l.working)
		if err != nil {
			l.c.t.Errorf("creating a key on healthy nodes: %v", err)
			return took
		}
		if d, ok := l.timed(o, k, nodes[i%len(nodes)]); ok {
			took = append(took, d)
		}
	}
	return took
}

// timed revokes a key through a node and says how long that took.
func (l *load) timed(o *owner, k held, through *node) (time.Duration, bool) {
	invoked := o.h.now()
	if err := o.revokeThrough(l.working, k, through); err != nil {
		l.c.t.Error(err)
		return 0, false
	}
	return time.Duration(o.h.now() - invoked), true
}

// timeCutOff revokes a key when a node has just been cut off, n times.
func (l *load) timeCutOff(n int) spans {
	var took spans
	o := l.owner(501)
	for i := range n {
		l.c.awaitReady()
		k, err := o.create(l.working)
		if err != nil {
			l.c.t.Errorf("creating a key on healthy nodes: %v", err)
			return took
		}
		l.c.net.cut(i%len(l.c.nodes), bothWays)
		if d, ok := l.timed(o, k, l.c.nodes[(i+1)%len(l.c.nodes)]); ok {
			took = append(took, d)
		}
		l.c.net.heal(i % len(l.c.nodes))
	}
	l.c.awaitReady()
	return took
}

func (l *load) report(t *testing.T, j *judgement) {
	l.tally.mu.Lock()
	defer l.tally.mu.Unlock()
	var words []string
	for _, what := range sorted(l.tally.done) {
		words = append(words, fmt.Sprintf("%s %d", what, l.tally.done[what]))
	}
	say(t, "changes answered with success: %s", strings.Join(words, ", "))
	for _, what := range sorted(l.tally.took) {
		say(t, "  %s, under the faults: %s", what, spans(l.tally.took[what]))
	}
	say(t, "checks: %d asked, %d answered with a verdict, the others with 503 or not at all", j.checks, j.verdicts)
	say(t, "of what every node knew to be good: %d checks, %d refused", j.granted, len(j.lost))
	say(t, "nodes that went back behind their own REVOKED: %d; accepted elsewhere before a revocation's answer: %d, which is no breach", len(j.backward), j.early)
}

// spans are times that something took.
type spans []time.Duration

func (s spans) at(part float64) time.Duration {
	if len(s) == 0 {
		return 0
	}
	s = slices.Sorted(slices.Values(s))
	return s[min(int(part*float64(len(s))), len(s)-1)]
}

func (s spans) String() string {
	round := func(d time.Duration) time.Duration { return d.Round(100 * time.Microsecond) }
	return fmt.Sprintf("p50 %s, p99 %s, least %s, most %s, of %d", round(s.at(0.5)), round(s.at(0.99)), round(s.at(0)), round(s.at(1)), len(s))
}

func sorted[K cmp.Ordered, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }

// say writes a line of the report.
func say(t *testing.T, format string, args ...any) {
	t.Helper()
	fmt.Fprintf(os.Stdout, "  "+format+"\n", args...)
}
