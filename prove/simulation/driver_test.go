package simulation

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/halberdhq/halberd"
)

// What keys of the simulation may do: a question asks for all of it.
var (
	reads  = halberd.Some(halberd.MustScopes("read"))
	writes = halberd.Some(halberd.MustScopes("read", "write"))
)

// driver uses the nodes. Each has its own chance and its own questions.
type driver struct {
	w     *world
	dice  *rand.Rand
	avoid *machine // is not asked for changes; nil: none
}

// a node that runs, or nil.
func (d *driver) pick() (*machine, *life) {
	for {
		if m := d.w.machines[d.dice.IntN(len(d.w.machines))]; m != d.avoid {
			return m, m.running.Load()
		}
	}
}

// rest is a while, in leases.
func (d *driver) rest(ctx context.Context, leases float64) {
	sleep(ctx, time.Duration(d.dice.ExpFloat64()*leases*float64(d.w.lease)))
}

// sometimesAsync: when a change holds is told by the database's clock, which must
// not be set then.
func (d *driver) sometimesAsync() bool { return !d.w.steps && d.dice.IntN(4) == 0 }

// patience is how long a caller waits for an answer.
func (d *driver) patience() time.Duration {
	if d.dice.IntN(4) == 0 && !d.w.quiet {
		return time.Duration((0.2 + d.dice.Float64()) * float64(d.w.lease))
	}
	return 5 * d.w.lease
}

// step is one change of one or more questions.
type step struct {
	name    string
	grants  []*question
	ends    []*question
	final   bool
	isAsync bool // it may be answered before it holds everywhere
	patient bool // it waits until it does
}

// change asks some node for a change. It reports whether it was answered with
// success and whether the database has it.
func (d *driver) change(ctx context.Context, s step, do func(context.Context, *halberd.Service, halberd.Actor) (halberd.Propagation, error)) (answered, committed bool) {
	m, l := d.pick()
	if l == nil {
		return false, false
	}
	wait, patience := d.w.lease/10, d.patience()
	if d.w.quiet { // longer than a node may need that a hint has missed: it polls five times in a lease at least
		wait = d.w.lease / 2
	}
	if s.patient {
		wait, patience = 0, 5*d.w.lease
	}
	by, err := l.Authenticate(ctx, d.w.admin, halberd.Request{Async: s.isAsync, Wait: wait})
	if err != nil {
		d.w.unwanted(m, "authenticate", err)
		return false, false
	}
	h := d.w.history
	var all []*change
	for _, q := range s.grants {
		all = append(all, h.begin(q, change{name: s.name, grants: true, node: m.name}))
	}
	for _, q := range s.ends {
		all = append(all, h.begin(q, change{name: s.name, final: s.final, node: m.name}))
	}
	saw := &witness{committed: func(revision int64) {
		committed = true
		for _, c := range all {
			h.commit(c, revision)
		}
	}}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer cancel()
	ctx = context.WithValue(ctx, witnessKey{}, saw)
	p, err := do(ctx, l.Service, by)
	switch {
	case l.link.killed():
		return false, committed
	case err != nil:
		d.w.unwanted(m, s.name, err)
		return false, committed
	}
	if !p.Confirmed {
		if d.w.quiet {
			h.flaw("%s through %s was not confirmed", s.name, m.name)
		}
		if len(s.ends) > 0 {
			if !s.isAsync || p.EffectiveBy.IsZero() {
				h.flaw("%s through %s ended something, was a success, and is not confirmed", s.name, m.name)
				return false, committed
			}
			if p.EffectiveBy.Sub(d.w.database.now()) > 10*d.w.lease {
				return false, committed // nobody waits that long here
			}
			for d.w.database.now().Before(p.EffectiveBy) {
				sleep(context.Background(), max(p.EffectiveBy.Sub(d.w.database.now()), time.Millisecond))
			}
		}
	}
	for _, c := range all {
		if !committed { // it found nothing to do
			h.commit(c, 0)
		}
		h.complete(c, p.Confirmed)
	}
	for _, q := range append(s.grants, s.ends...) {
		d.hunt(q)
	}
	return true, true
}

// hunt asks every node at once, and again until no lease from before can last.
func (d *driver) hunt(q *question) {
	w := d.w
	for _, m := range w.machines {
		when := []time.Duration{0, 0, 0, 0, 0}
		for i := range when[1:] {
			when[i+1] = time.Duration(d.dice.Float64() * 1.3 * float64(w.lease))
		}
		for i, at := range when {
			w.late.Go(func() {
				sleep(context.Background(), at)
				d.check(q, m, i == 1)
			})
		}
	}
}

// check asks one node one question. A demanding one asks for the state of the last
// change of it, as a caller does who was told of its revision.
func (d *driver) check(q *question, m *machine, demanding bool) verdict {
	l := m.running.Load()
	if l == nil {
		return silent
	}
	h := d.w.history
	c := check{node: m.name, life: l.number}
	if demanding {
		c.atLeast = h.latestOf(q)
	}
	c.at, c.invoked = h.since(), h.now()
	got, err := l.Verify(context.Background(), halberd.Check{Secret: q.secret, Scopes: q.scopes, FiltersResources: true, AtLeast: c.atLeast})
	c.completed = h.now()
	switch {
	case l.link.killed():
		return silent
	case err != nil:
		d.w.unwanted(m, "a check", err)
	case got.Code == halberd.Valid:
		c.verdict = accepted
	case got.Code == halberd.Revoked:
		c.verdict = revoked
	case got.Code == halberd.NotFound:
		c.verdict = unknown
	default:
		c.verdict = refused
	}
	h.checked(q, c)
	return c.verdict
}

// asks asks anything of anybody, the latest most.
func asks(ctx context.Context, d *driver) {
	for ctx.Err() == nil {
		d.rest(ctx, 0.03)
		all := d.w.history.all()
		if len(all) == 0 {
			continue
		}
		back := min(len(all)-1, int(d.dice.ExpFloat64()*4))
		d.check(all[len(all)-1-back], d.w.machines[d.dice.IntN(len(d.w.machines))], d.dice.IntN(4) == 0)
	}
}

// make makes a key, and asks nothing of it that was not known before.
func (d *driver) create(ctx context.Context, name string, n halberd.NewKey) (*question, bool) {
	if n.Project.IsZero() {
		n.Project = d.w.project
	}
	q := d.w.history.ask(name, n.Scopes.Value)
	if at := n.ExpiresAt.Value.At; !at.IsZero() {
		end := d.w.history.expire(q) // maybe before the answer comes
		defer d.w.history.expires(end, at)
	}
	_, committed := d.change(ctx, step{name: "create", grants: []*question{q}},
		func(ctx context.Context, s *halberd.Service, by halberd.Actor) (halberd.Propagation, error) {
			made, err := s.Create(ctx, by, n)
			if !made.Secret.IsZero() {
				d.w.history.about(q, made.Key.ID, made.Secret)
			}
			return made.Propagation, err
		})
	return q, committed && !q.secret.IsZero()
}

// until repeats a change until it is answered with success; the world may end
// before.
func (d *driver) until(ctx context.Context, s step, do func(context.Context, *halberd.Service, halberd.Actor) (halberd.Propagation, error)) bool {
	for ctx.Err() == nil {
		if answered, _ := d.change(ctx, s, do); answered {
			return true
		}
		d.rest(ctx, 0.1)
	}
	return false
}

// revokes makes keys and revokes them.
func revokes(ctx context.Context, d *driver) {
	for ctx.Err() == nil {
		q, made := d.create(ctx, "a key that is revoked", halberd.NewKey{Scopes: reads})
		if !made {
			d.rest(ctx, 0.1)
			continue
		}
		d.rest(ctx, 0.3)
		d.until(ctx, step{name: "revoke", ends: []*question{q}, final: true, isAsync: d.sometimesAsync()},
			func(ctx context.Context, s *halberd.Service, by halberd.Actor) (halberd.Propagation, error) {
				out, err := s.Revoke(ctx, by, q.key, "simulated", 0)
				return out.Propagation, err
			})
		d.rest(ctx, 0.1)
	}
}

// ambushes revokes a key the moment a node was cut off that has just been renewed:
// the other nodes wait for its lease, which has just begun.
func ambushes(ctx context.Context, d *driver) {
	for ctx.Err() == nil {
		q, made := d.create(ctx, "a key that is revoked", halberd.NewKey{Scopes: reads})
		d.rest(ctx, 0.1)
		if !made {
			continue
		}
		d.avoid = d.w.machines[d.dice.IntN(len(d.w.machines))]
		late, stop := context.WithTimeout(ctx, 2*d.w.lease)
		slow := time.Duration(d.dice.IntN(3)) * d.w.lease / 8
		select {
		case <-d.avoid.cutWhenRenewed(2*d.w.lease, slow):
			d.w.history.happened("%s is cut off, and a key revoked elsewhere", d.avoid.name)
		case <-late.Done():
		}
		stop()
		d.until(ctx, step{name: "revoke", ends: []*question{q}, final: true, patient: true},
			func(ctx context.Context, s *halberd.Service, by halberd.Actor) (halberd.Propagation, error) {
				out, err := s.Revoke(ctx, by, q.key, "simulated", 0)
				return out.Propagation, err
			})
		d.avoid.set(&d.avoid.cutTo, 0)
		d.avoid = nil
		d.rest(ctx, 0.5)
	}
}

// flips ends a right and grants it again, for ever.
func (d *driver) flips(ctx context.Context, name string, q *question, set func(ctx context.Context, s *halberd.Service, by halberd.Actor, on bool) (halberd.Propagation, error)) {
	for on := false; ctx.Err() == nil; on = !on {
		d.rest(ctx, 0.4)
		s := step{name: name, ends: []*question{q}, isAsync: d.sometimesAsync()}
		if on {
			s = step{name: name + ", undone", grants: []*question{q}}
		}
		d.until(ctx, s, func(ctx context.Context, s *halberd.Service, by halberd.Actor) (halberd.Propagation, error) {
			return set(ctx, s, by, on)
		})
	}
}

// one makes the key that a driver goes on with.
func (d *driver) one(ctx context.Context, name string, n halberd.NewKey) *question {
	for ctx.Err() == nil {
		if q, made := d.create(ctx, name, n); made {
			return q
		}
		d.rest(ctx, 0.2)
	}
	return nil
}

func toggles(ctx context.Context, d *driver) {
	q := d.one(ctx, "a key that is deactivated", halberd.NewKey{Scopes: reads})
	if q == nil {
		return
	}
	d.flips(ctx, "deactivate", q, func(ctx context.Context, s *halberd.Service, by halberd.Actor, on bool) (halberd.Propagation, error) {
		out, err := s.Update(ctx, by, q.key, halberd.KeyPatch{Active: halberd.Some(on)}, 0)
		return out.Propagation, err
	})
}

func narrows(ctx context.Context, d *driver) {
	q := d.one(ctx, "a scope that is taken", halberd.NewKey{Scopes: writes})
	if q == nil {
		return
	}
	d.flips(ctx, "narrow", q, func(ctx context.Context, s *halberd.Service, by halberd.Actor, on bool) (halberd.Propagation, error) {
		scopes := reads
		if on {
			scopes = writes
		}
		out, err := s.Update(ctx, by, q.key, halberd.KeyPatch{Scopes: scopes}, 0)
		return out.Propagation, err
	})
}

// rotates gives a key one secret after the other. The old one ends with the
// change that grants the new one.
func rotates(ctx context.Context, d *driver) {
	q := d.one(ctx, "a secret that is replaced", halberd.NewKey{Scopes: reads})
	for q != nil && ctx.Err() == nil {
		d.rest(ctx, 0.4)
		next := d.w.history.ask(q.name, reads.Value)
		answered, committed := d.change(ctx, step{name: "rotate", ends: []*question{q}, grants: []*question{next}},
			func(ctx context.Context, s *halberd.Service, by halberd.Actor) (halberd.Propagation, error) {
				out, err := s.Rotate(ctx, by, q.key, 0, 0)
				if !out.Secret.IsZero() {
					d.w.history.about(next, q.key, out.Secret)
				}
				return out.Propagation, err
			})
		switch {
		case answered, committed && !next.secret.IsZero():
			q = next
		case committed:
			q = d.one(ctx, q.name, halberd.NewKey{Scopes: reads})
		}
	}
}

// suspends suspends a project with a key in it.
func suspends(ctx context.Context, d *driver) {
	var home halberd.ProjectID
	for home.IsZero() && ctx.Err() == nil {
		d.change(ctx, step{name: "create a project"}, func(ctx context.Context, s *halberd.Service, by halberd.Actor) (halberd.Propagation, error) {
			p, err := s.CreateProject(ctx, by, halberd.NewProject{Name: "suspended at times"})
			home = p.ID
			return p.Propagation, err
		})
		d.rest(ctx, 0.1)
	}
	if home.IsZero() {
		return
	}
	q := d.one(ctx, "a key of a project that is suspended", halberd.NewKey{Project: home, Scopes: reads})
	if q == nil {
		return
	}
	d.flips(ctx, "suspend the project", q, func(ctx context.Context, s *halberd.Service, by halberd.Actor, on bool) (halberd.Propagation, error) {
		p, err := s.UpdateProject(ctx, by, home, halberd.ProjectPatch{Active: halberd.Some(on)}, 0)
		return p.Propagation, err
	})
}

// expires makes keys that end by themselves, soon, by the database's clock.
func expires(ctx context.Context, d *driver) {
	for ctx.Err() == nil {
		at := d.w.history.told(time.Time{}).Truncate(time.Second).Add(time.Duration(2+d.dice.IntN(8)) * time.Second)
		q, made := d.create(ctx, "a key that expires", halberd.NewKey{Scopes: reads, ExpiresAt: halberd.Some(halberd.Expiry{At: at})})
		if made {
			d.hunt(q)
		}
		d.rest(ctx, 2)
	}
}
