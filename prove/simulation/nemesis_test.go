package simulation

import (
	"context"
	"math"
	"math/rand/v2"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/storage/memory"
)

// nemesis breaks something every now and then.
func (w *world) nemesis(ctx context.Context, r *rand.Rand) {
	var standby *memory.Standby
	upTo := func(leases float64) time.Duration { return time.Duration(r.Float64() * leases * float64(w.lease)) }
	losses := 0
	if w.kind == lossy {
		losses = 1
	}
	for ctx.Err() == nil {
		sleep(ctx, time.Duration(r.ExpFloat64()*float64(w.lease)))
		m := w.machines[r.IntN(len(w.machines))]
		d := upTo(3)
		if losses > 0 && (standby == nil || r.IntN(3) == 0) {
			standby = w.db.Standby()
		}
		switch r.IntN(17) {
		case 0, 1, 2, 3:
			w.history.happened("%s is cut off for %v", m.name, d)
			if r.IntN(2) == 0 { // the worst moment: when a lease has just been granted
				m.cutWhenRenewed(d, 0)
			} else {
				m.set(&m.cutTo, d)
			}
			if r.IntN(4) == 0 {
				at, by := upTo(1), -upTo(1)
				w.late.Go(func() {
					sleep(context.Background(), at)
					w.history.happened("the clock of %s is set by %v", m.name, by)
					m.clock.step(by)
				})
			}
		case 4, 5:
			w.history.happened("%s is paused for %v", m.name, d)
			m.set(&m.pausedTo, d)
		case 6, 7:
			w.history.happened("%s sleeps for %v, and its monotonic clock stands still", m.name, d)
			m.set(&m.pausedTo, d)
			m.clock.suspend()
			w.late.Go(func() {
				sleep(context.Background(), d)
				m.clock.resume()
			})
		case 8, 9:
			w.history.happened("%s is killed, and is down for %v", m.name, d)
			m.kill(d)
		case 10, 11:
			by := []time.Duration{time.Hour, -time.Hour, upTo(1), -upTo(1)}[r.IntN(4)]
			w.history.happened("the clock of %s is set by %v", m.name, by)
			m.clock.step(by)
		case 12:
			w.history.happened("the database is down for %v", d)
			w.database.set(&w.database.downTo, d)
		case 13:
			w.history.happened("the database stands still for %v", d)
			w.database.set(&w.database.stallTo, d)
		case 14:
			w.history.happened("everything takes long for %s, for %v", m.name, d)
			m.set(&m.slowTo, d)
		case 15:
			switch {
			case losses > 0 && w.history.since() > w.span/3:
				losses--
				w.history.happened("the database comes back without its last changes")
				w.promote(standby)
			case w.steps:
				by := []time.Duration{time.Hour, -time.Hour}[r.IntN(2)]
				w.history.happened("the database's clock is set by %v", by)
				w.database.step(by)
			}
		case 16:
			w.forget()
		}
	}
}

// forget cuts the log as far as no active node needs it: who was fenced must load
// again.
func (w *world) forget() {
	n := w.db.Open()
	defer func() { _ = n.Close() }()
	rows, err := n.Nodes(context.Background())
	if err != nil {
		return
	}
	reach := int64(math.MaxInt64)
	for _, r := range rows {
		if r.State == halberd.NodeActive {
			reach = min(reach, r.Applied)
		}
	}
	if reach < math.MaxInt64 {
		w.history.happened("the log is cut before revision %d", reach)
		w.db.Forget(reach - 1)
	}
}

// promote puts the copy in the database's place. What it lost, it may have
// granted again, and may have ended.
func (w *world) promote(s *memory.Standby) {
	w.promoted.Store(true)
	s.Promote()
	h := w.history
	h.mu.Lock()
	h.replaced = h.since()
	h.mu.Unlock()
	for _, q := range h.ever() {
		h.commit(h.begin(q, change{name: "perhaps granted by a database that lost changes", grants: true, node: "the database"}), 0)
		h.begin(q, change{name: "perhaps ended by a database that lost changes", node: "the database"})
	}
	w.judgeLost()
}

// judgeLost marks the revocations that the database does not know any more.
func (w *world) judgeLost() {
	n := w.db.Open()
	defer func() { _ = n.Close() }()
	for _, q := range w.history.all() {
		_ = n.View(context.Background(), func(r halberd.Reader) error {
			k, err := r.Key(q.key)
			w.history.mu.Lock()
			defer w.history.mu.Unlock()
			for _, c := range q.changes {
				c.lost = c.final && (err != nil || k.State != halberd.StateRevoked)
			}
			return nil
		})
	}
}

// heal ends all that was broken, but for clocks.
func (w *world) heal() {
	w.history.happened("all is healed")
	w.breaking.Store(false)
	for _, m := range w.machines {
		for _, what := range []*time.Time{&m.cutTo, &m.pausedTo, &m.slowTo, &m.downTo} {
			m.set(what, 0)
		}
		m.cutWhenRenewed(0, 0)
		m.clock.resume()
	}
	w.database.set(&w.database.downTo, 0)
	w.database.set(&w.database.stallTo, 0)
}
