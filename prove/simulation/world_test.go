package simulation

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/storage/memory"
)

// kind is what a seed's world is like.
type kind uint8

const (
	whatever kind = iota // as the seed says
	stormy               // everything breaks
	calm                 // nothing does: then every node must know everything at once
	lossy                // and once, the database comes back without its last changes
	ambushed             // clocks differ as much as they may, and whoever was just renewed is cut off
)

// mostRate is by how much a machine's clock may run faster or slower. Two
// clocks may then differ by 4.9 %, and the protocol allows for 5 %.
const mostRate = 0.024

// world is three nodes, their database, and those who use and break them.
type world struct {
	kind     kind
	quiet    bool
	steps    bool // the database's clock is set now and then
	lease    time.Duration
	span     time.Duration
	pepper   []byte
	db       *memory.Database
	database *database
	machines []*machine
	history  *history
	late     sync.WaitGroup // what outlives its caller
	seed     uint64
	admin    halberd.Secret
	project  halberd.ProjectID

	promoted atomic.Bool
	breaking atomic.Bool // things break: not at the begin, nor at the end
}

// database is what befalls the database.
type database struct {
	began time.Time

	mu      sync.Mutex
	downTo  time.Time
	stallTo time.Time
	ahead   time.Duration // how far its clock was set forward
}

// state is for a request that has arrived: how long it must wait, or that there is
// nobody.
func (d *database) state() (wait time.Duration, down bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return time.Until(d.stallTo), time.Now().Before(d.downTo)
}

func (d *database) now() time.Time {
	d.mu.Lock()
	defer d.mu.Unlock()
	return epoch.Add(time.Since(d.began) + d.ahead)
}

func (d *database) step(by time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.ahead += by
}

func (d *database) set(what *time.Time, by time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	*what = time.Now().Add(by)
}

// dice is a stream of chance of its own: what one part draws moves no other.
func (w *world) dice(part uint64) *rand.Rand { return rand.New(rand.NewPCG(w.seed, part)) }

// simulate runs the world of a seed and judges it.
func simulate(t *testing.T, seed uint64, like kind) (w *world, f *findings) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		w = newWorld(seed, like)
		w.live()
		longest := w.lease + min(w.lease/5, halberd.LeaseSpare)
		f = judge(w.history, time.Duration(float64(longest)/(1-mostRate))+time.Millisecond)
	})
	return w, f
}

func newWorld(seed uint64, like kind) *world {
	w := &world{seed: seed, history: &history{began: time.Now()}, pepper: make([]byte, halberd.PepperLen)}
	r := w.dice(0)
	for i := range w.pepper {
		w.pepper[i] = byte(r.Uint32())
	}
	w.kind = []kind{calm, lossy, lossy, ambushed, stormy, stormy, stormy, stormy, stormy, stormy}[r.IntN(10)]
	if like != whatever {
		w.kind = like
	}
	w.quiet = w.kind == calm
	w.steps = w.kind == stormy && r.IntN(2) == 0
	w.lease = []time.Duration{time.Second, time.Second, 2 * time.Second}[r.IntN(3)]
	w.span = 25 * w.lease
	if w.kind == ambushed {
		w.lease, w.span = 20*time.Second, 200*time.Second
	}
	w.db, w.database = memory.NewDatabase(), &database{began: time.Now()}
	w.db.Clock(w.database.now)
	for i := range 3 {
		d := w.dice(uint64(10 + i))
		rate := anyRate(d)
		if w.kind == ambushed {
			rate = []float64{-mostRate, mostRate}[i%2]
		}
		w.machines = append(w.machines, &machine{
			w: w, name: fmt.Sprintf("node %d", i+1), clock: newClock(rate, 2*w.lease), folder: memory.NewFolder(), dice: d,
		})
	}
	return w
}

// live is the whole story.
func (w *world) live() {
	ctx, end := context.WithCancel(context.Background())
	var machines sync.WaitGroup
	for _, m := range w.machines {
		machines.Go(func() { m.run(ctx) })
	}
	if !w.settle(ctx) || !w.found(ctx) {
		w.history.flaw("three nodes did not begin")
	} else {
		w.use(ctx)
		if w.settle(ctx) {
			w.last()
		} else {
			w.history.flaw("not every node recovered")
		}
	}
	end()
	machines.Wait()
	w.late.Wait()
}

// settle waits until all nodes answer; false: they do not in time.
func (w *world) settle(ctx context.Context) bool {
	for range 400 {
		ready := 0
		for _, m := range w.machines {
			if l := m.running.Load(); l != nil && l.Ready() == nil {
				ready++
			}
		}
		if ready == len(w.machines) {
			return true
		}
		sleep(ctx, w.lease/5)
	}
	return false
}

// found makes the first organization, through the first node that can.
func (w *world) found(ctx context.Context) bool {
	for range 20 {
		for _, m := range w.machines {
			l := m.running.Load()
			if l == nil {
				continue
			}
			var secret halberd.Secret
			if _, err := l.FirstStart(ctx, func(k halberd.Secret) error { secret = k; return nil }); secret.IsZero() {
				w.history.happened("no first start: %v", err)
				continue
			}
			w.admin = secret
			by, err := l.Authenticate(ctx, secret, halberd.Request{})
			if err != nil {
				return false
			}
			p, err := l.CreateProject(ctx, by, halberd.NewProject{Name: "load", KeyCeiling: halberd.Some(10_000)})
			w.project = p.ID
			return err == nil
		}
		sleep(ctx, w.lease)
	}
	return false
}

// use runs those who use the nodes, and who breaks them, for the span.
func (w *world) use(ctx context.Context) {
	ctx, stop := context.WithTimeout(ctx, w.span)
	defer stop()
	var all sync.WaitGroup
	drivers := []func(context.Context, *driver){
		revokes, revokes, revokes, toggles, narrows, rotates, suspends, expires,
	}
	if w.kind == ambushed {
		drivers = append(drivers, ambushes)
	}
	for i, drive := range drivers {
		all.Go(func() { drive(ctx, &driver{w: w, dice: w.dice(uint64(100 + i))}) })
	}
	for i := range 2 {
		all.Go(func() { asks(ctx, &driver{w: w, dice: w.dice(uint64(200 + i))}) })
	}
	if w.kind != calm && w.kind != ambushed {
		w.breaking.Store(true)
		all.Go(func() { w.nemesis(ctx, w.dice(300)) })
	}
	all.Wait()
	w.heal()
}

// last asks everything of every node again, once all of them answer: by then
// each must say what the database says.
func (w *world) last() {
	sleep(context.Background(), 3*w.lease)
	d := &driver{w: w}
	for _, q := range w.history.all() {
		for _, m := range w.machines {
			v := d.check(q, m, false)
			if want, known := w.truth(q); known && v != silent && (v == accepted) != want {
				w.history.flaw("in the end, %s answers %d to %q; %s", m.name, v, q.name, q.past())
			}
		}
	}
}

// truth is whether a question is granted, as the database has it. In a lossy
// world only what was revoked with success is known: it stays so.
func (w *world) truth(q *question) (granted, known bool) {
	w.history.mu.Lock()
	defer w.history.mu.Unlock()
	var latest *change
	for _, c := range q.changes {
		if c.final && c.completed != never {
			return false, true
		}
		if c.committed != never && (latest == nil || c.committed > latest.committed) {
			latest = c
		}
		if c.final && c.committed == never {
			return false, false // tried: the node that tried refuses it, and will revoke it
		}
	}
	return latest != nil && latest.grants, latest != nil && !w.promoted.Load()
}

// watch looks after a process from outside, as an operator does.
func (w *world) watch(m *machine, l *life) {
	if !l.sealed.Load() {
		return
	}
	if !w.promoted.Load() {
		w.history.flaw("%s sealed itself, and the database lost nothing", m.name)
	}
	sleep(context.Background(), 2*w.lease)
	w.history.happened("%s is restarted after it sealed itself", m.name)
	m.kill(time.Millisecond)
}

// story is all that was done to the machines, and what they said to it.
func (w *world) story() string {
	var b strings.Builder
	fmt.Fprintf(&b, "seed %d: kind %d, leases of %v, the database's clock is set: %v\n", w.seed, w.kind, w.lease, w.steps)
	for _, m := range w.machines {
		fmt.Fprintf(&b, "the clock of %s runs at %v\n", m.name, m.clock.rate)
	}
	for _, e := range w.history.events {
		fmt.Fprintf(&b, "%12v %s\n", e.at.Round(time.Microsecond), e.what)
	}
	return b.String()
}

// unwanted is an error of a call: where nothing is broken there is none.
func (w *world) unwanted(m *machine, what string, err error) {
	if w.quiet {
		w.history.flaw("%s through %s: %v", what, m.name, err)
	}
}

// logger hears what a node tells its operator.
func (w *world) logger(m *machine, sealed *atomic.Bool) *slog.Logger {
	return slog.New(&ear{w, m, sealed})
}

// ear is a slog.Handler.
type ear struct {
	w      *world
	m      *machine
	sealed *atomic.Bool
}

func (*ear) Enabled(_ context.Context, level slog.Level) bool { return level >= slog.LevelWarn }

func (e *ear) Handle(_ context.Context, r slog.Record) error {
	if strings.HasPrefix(r.Message, "SEALED") {
		e.sealed.Store(true)
	}
	text := r.Message
	r.Attrs(func(a slog.Attr) bool { text += " " + a.String(); return true })
	e.w.history.happened("%s: %s", e.m.name, text)
	return nil
}

func (e *ear) WithAttrs([]slog.Attr) slog.Handler { return e }
func (e *ear) WithGroup(string) slog.Handler      { return e }
