//go:build linux

package prove

import (
	"errors"
	"math/rand/v2"
	"os"
	"sync"
	"time"
)

// target is what the askers may ask.
type target struct {
	question question
	secret   string
	scope    string
}

// targets are what is worth asking now. Most checks are spent where a stale answer
// would be: on what was just ended.
type targets struct {
	mu     sync.Mutex
	places map[question]place
	live   []target
	hot    []target // being ended, or ended not long ago
}

type place struct {
	hot bool
	at  int
}

func newTargets() *targets { return &targets{places: map[question]place{}} }

func (s *targets) list(hot bool) *[]target {
	if hot {
		return &s.hot
	}
	return &s.live
}

// put adds a target, or moves it from one list to the other.
func (s *targets) put(t target, hot bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.takeOut(t.question)
	l := s.list(hot)
	s.places[t.question] = place{hot, len(*l)}
	*l = append(*l, t)
}

func (s *targets) drop(q question) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.takeOut(q)
}

// takeOut is called with mu held.
func (s *targets) takeOut(q question) {
	p, ok := s.places[q]
	if !ok {
		return
	}
	l := s.list(p.hot)
	end := len(*l) - 1
	(*l)[p.at] = (*l)[end]
	s.places[(*l)[p.at].question] = place{p.hot, p.at}
	*l = (*l)[:end]
	delete(s.places, q)
}

func (s *targets) any(r *rand.Rand) (target, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.hot
	if len(l) == 0 || len(s.live) > 0 && r.IntN(3) == 0 {
		l = s.live
	}
	if len(l) == 0 {
		return target{}, false
	}
	return l[r.IntN(len(l))], true
}

// asker asks one node, one check after the other. A node that does not answer at
// once is not waited for: what it says when it goes on again, to what it was
// asked while it stood still, is heard by somebody else, and a new line opened.
type asker struct {
	c       *cluster
	h       *history
	node    *node
	address string
	targets *targets
	rand    *rand.Rand
	pace    time.Duration // between checks; 0: none

	line    *line
	asked   []check
	lent    sync.WaitGroup // lines on which somebody waits
	lentOut chan struct{}  // has room for as many as may wait
	late    []check        // of these; guarded by lateMu
	lateMu  sync.Mutex
}

const (
	patience = 40 * time.Millisecond
	waiting  = 48 // lines to one stopped node, from one asker
	deafness = 12 * time.Second
)

// run asks until done is closed, and then hands in what it was told.
func (a *asker) run(done <-chan struct{}) {
	a.lentOut = make(chan struct{}, waiting)
	tick := time.NewTicker(max(a.pace, time.Microsecond))
	defer tick.Stop()
	for {
		select {
		case <-done:
			if a.line != nil {
				a.line.close()
			}
			a.lent.Wait()
			a.h.add(a.asked)
			a.h.add(a.late)
			return
		case <-tick.C:
		}
		if t, ok := a.targets.any(a.rand); ok {
			a.ask(t)
		}
	}
}

func (a *asker) ask(t target) {
	if a.line == nil {
		var err error
		if a.line, err = dial(a.address, time.Second); err != nil {
			a.line = nil
			pause(5)
			return
		}
	}
	c := check{invoked: a.h.now(), completed: never, question: t.question, node: uint8(a.node.number)}
	if a.line.send(a.c.asker, t.secret, t.scope) != nil {
		a.done(c, silent, errStrange)
		return
	}
	v, err := a.line.receive(time.Now().Add(patience))
	if errors.Is(err, os.ErrDeadlineExceeded) {
		a.lend(c)
		return
	}
	a.done(c, v, err)
}

func (a *asker) done(c check, v verdict, err error) {
	c.verdict = v
	if v != silent {
		c.completed = a.h.now()
	}
	a.asked = append(a.asked, c)
	if err != nil {
		a.line.close()
		a.line = nil
	}
}

// lend leaves the line to somebody who waits longer.
func (a *asker) lend(c check) {
	l := a.line
	a.line = nil
	a.lentOut <- struct{}{}
	a.lent.Go(func() {
		defer func() { <-a.lentOut }()
		defer l.close()
		if v, _ := l.receive(time.Now().Add(deafness)); v != silent {
			c.verdict, c.completed = v, a.h.now()
		}
		a.lateMu.Lock()
		defer a.lateMu.Unlock()
		a.late = append(a.late, c)
	})
}
