package simulation

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// findings are the broken promises of one run, and what was looked at.
type findings struct {
	worlds           int
	checks, verdicts int
	ends             int // that were answered with success
	grants           int // that were confirmed
	early            int // accepted after another node said REVOKED, before the answer: no promise is broken
	broken           []string
}

func (f *findings) plus(g *findings) {
	f.worlds++
	f.checks += g.checks
	f.verdicts += g.verdicts
	f.ends += g.ends
	f.grants += g.grants
	f.early += g.early
	f.broken = append(f.broken, g.broken...)
}

func (f *findings) add(kind string, q *question, c *check, by *change) {
	f.broken = append(f.broken, fmt.Sprintf("%s: %q asked of %s (life %d) at %v [%d..%d], answered %d; %s through %s [%d, committed %d at %v, ..%d]",
		kind, q.name, c.node, c.life, c.at, c.invoked, c.completed, c.verdict, by.name, by.node, by.invoked, by.committed, by.at, by.completed))
}

// judge holds every check against the changes. overdue is how long after a commit
// no lease from before it can last.
//
// A database that lost changes may have lost renewals, too, and nobody waits for a
// lease that is not in it: until none of those can last, checks are not judged.
// Afterwards they are again.
func judge(h *history, overdue time.Duration) *findings {
	h.mu.Lock()
	defer h.mu.Unlock()
	f := &findings{broken: slices.Clone(h.flaws)}
	for _, q := range h.questions {
		for _, c := range q.changes {
			switch {
			case c.completed == never:
			case c.grants && c.confirmed:
				f.grants++
			case !c.grants:
				f.ends++
			}
		}
		slices.SortFunc(q.changes, func(a, b *change) int { return cmp.Compare(a.committed, b.committed) })
		for i := range q.checks {
			f.checks++
			c := &q.checks[i]
			if c.verdict == silent {
				continue
			}
			f.verdicts++
			if h.replaced == 0 || c.at < h.replaced || c.at > h.replaced+overdue {
				f.stale(q, c, overdue)
				f.lost(q, c)
			}
		}
		f.backward(q)
	}
	return f
}

// stale is the rule, exactly. A check that was accepted breaks it if and only if it
// was asked after an end was answered with success, and no grant was committed
// between that end and the check's answer.
//
// It is too old when it asked for the revision of an end, answered or not, and was
// accepted. And it is overdue, whether the end was answered or not, when it was asked
// later than any lease from before the end's commit can last.
func (f *findings) stale(q *question, c *check, overdue time.Duration) {
	if c.verdict != accepted {
		return
	}
	for _, end := range q.changes {
		if end.grants || end.committed == never || grantedAfter(q, end, c) {
			continue
		}
		switch {
		case end.completed < c.invoked:
			f.add("STALE", q, c, end)
			return
		case c.atLeast >= end.revision && end.revision > 0 && end.committed < c.invoked && !end.lost:
			f.add("TOO OLD", q, c, end)
			return
		case c.at > end.at+overdue && end.committed < c.invoked:
			f.add("OVERDUE", q, c, end)
			return
		}
	}
}

func grantedAfter(q *question, end *change, c *check) bool {
	return (!end.final || end.lost) && slices.ContainsFunc(q.changes, func(g *change) bool {
		return g.grants && g.committed > end.committed && g.committed < c.completed
	})
}

// lost: refused although a grant was confirmed before, and nobody so much as
// tried to end it since.
func (f *findings) lost(q *question, c *check) {
	if c.verdict == accepted {
		return
	}
	for _, g := range q.changes {
		if !g.grants || !g.confirmed || g.completed >= c.invoked {
			continue
		}
		if !slices.ContainsFunc(q.changes, func(end *change) bool {
			return !end.grants && (end.committed > g.committed || end.committed == never) && end.invoked < c.completed
		}) {
			f.add("LOST", q, c, g)
			return
		}
	}
}

// backward: a node said REVOKED, which is for good, and accepts afterwards, be it
// in another life. Nodes that differ before the answer break nothing. What the
// database lost, a node knows as long as it lives.
func (f *findings) backward(q *question) {
	type where struct {
		node string
		life int
	}
	lost := slices.ContainsFunc(q.changes, func(c *change) bool { return c.lost })
	of := func(c *check) where {
		if lost {
			return where{c.node, c.life}
		}
		return where{c.node, 0}
	}
	first := map[where]instant{}
	anywhere := never
	for i := range q.checks {
		if c := &q.checks[i]; c.verdict == revoked {
			if at, ok := first[of(c)]; !ok || c.completed < at {
				first[of(c)] = c.completed
			}
			anywhere = min(anywhere, c.completed)
		}
	}
	for i := range q.checks {
		c := &q.checks[i]
		if c.verdict != accepted {
			continue
		}
		if at, ok := first[of(c)]; ok && c.invoked > at {
			f.add("BACKWARD", q, c, q.changes[len(q.changes)-1])
		} else if c.invoked > anywhere {
			f.early++
		}
	}
}
