//go:build linux

package prove

import (
	"fmt"
	"math"
	"slices"
	"sync"
	"time"
)

// A history is everything that a run did and was told, on one clock: the
// monotonic clock of the program that runs the proof. No node's clock and no
// database's is asked, because these are what is stepped, stopped and doubted.

// instant is nanoseconds since the run began. never is later than everything.
type instant int64

const never instant = math.MaxInt64

// question is what is asked of a secret again and again: may it do this one
// thing? It is numbered, and what it means stands in book.
type question int32

// verdict is what a node said to a question.
type verdict uint8

const (
	silent    verdict = iota // no answer, or one that says nothing: 503, 500, a cut connection
	accepted                 // VALID
	unknown                  // NOT_FOUND
	revoked                  // REVOKED
	forbidden                // INACTIVE, INSUFFICIENT_SCOPE: what can be taken back
)

func (v verdict) refuses() bool { return v == unknown || v == revoked || v == forbidden }

// check is one question put to one node.
type check struct {
	invoked, completed instant
	question           question
	node               uint8
	verdict            verdict
}

// change is what somebody did to what a question is about. Whoever makes the
// changes of one question makes them one after the other.
type change struct {
	question question
	grants   bool // or refuses
	invoked  instant
	// completed is when the success was told, or promised for (a 202's
	// effective_by); never: it was not, and the change may happen at any time
	// after invoked, or not at all.
	completed instant
	// confirmed: the answer said that every node knows. A refusal that completed
	// without it promises just the same; a grant does not.
	confirmed bool
	final     bool // no grant takes it back: a revocation, a secret that was replaced
	node      uint8
}

// history is safe for concurrent use.
type history struct {
	began time.Time

	mu      sync.Mutex
	changes []change
	checks  [][]check // one slice for each that asks; appended to without the lock
	book    []string  // what each question is, for people
}

func newHistory() *history { return &history{began: time.Now()} }

func (h *history) now() instant { return instant(time.Since(h.began)) }

// ask makes a new question.
func (h *history) ask(words string) question {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.book = append(h.book, words)
	return question(len(h.book) - 1)
}

func (h *history) changed(c change) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.changes = append(h.changes, c)
}

// add takes the checks of one that has finished asking.
func (h *history) add(c []check) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.checks = append(h.checks, c)
}

// finding is a check that breaks a promise.
type finding struct {
	what  string
	check check
	by    change // the change that it contradicts
}

func (f finding) in(h *history) string {
	at := func(i instant) string {
		if i == never {
			return "never"
		}
		return time.Duration(i).Round(time.Microsecond).String()
	}
	return fmt.Sprintf("%s: %s on node %d, asked %s, answered %s; changed through node %d from %s to %s", f.what, h.book[f.check.question],
		f.check.node, at(f.check.invoked), at(f.check.completed), f.by.node, at(f.by.invoked), at(f.by.completed))
}

// judgement is what a history comes to.
type judgement struct {
	checks, verdicts int // asked; answered with a verdict
	refusals         int // changes that end a right and were answered with success
	unconfirmed      int // grants that were answered without all nodes
	stale            []finding
	backward         []finding // a node that went back behind its own REVOKED
	lost             []finding // refused though granted, and every node knew
	granted          int       // checks that a confirmed grant speaks for, refused or not
	early            int       // accepted after another node said REVOKED, before the answer: no promise is broken
}

// judge is the rule, exactly. A check is stale if and only if it was accepted,
// was asked after a refusal was answered with success, and nothing that could
// have granted it again was under way since that refusal was asked for.
func judge(h *history) judgement {
	j := judgement{}
	changes := make([][]change, len(h.book))
	for _, c := range h.changes {
		changes[c.question] = append(changes[c.question], c)
		switch {
		case !c.grants && c.completed != never:
			j.refusals++
		case c.grants && c.completed != never && !c.confirmed:
			j.unconfirmed++
		}
	}
	for _, of := range changes {
		slices.SortFunc(of, func(a, b change) int { return int(a.invoked - b.invoked) })
	}
	checks := make([][]check, len(h.book))
	for _, some := range h.checks {
		for _, c := range some {
			j.checks++
			if c.verdict != silent {
				j.verdicts++
				checks[c.question] = append(checks[c.question], c)
			}
		}
	}
	for q := range checks {
		for _, c := range checks[q] {
			j.weigh(c, changes[q])
		}
		j.order(checks[q], changes[q])
	}
	return j
}

// weigh holds one verdict against the changes of its question.
func (j *judgement) weigh(c check, changes []change) {
	if c.verdict == accepted {
		if by, ok := settled(c, changes, false); ok {
			j.stale = append(j.stale, finding{"accepted after its end was confirmed", c, by})
		}
	}
	if by, ok := settled(c, changes, true); ok {
		j.granted++
		if c.verdict.refuses() {
			j.lost = append(j.lost, finding{"refused although every node knew it", c, by})
		}
	}
}

// settled finds the change that decides a check: the last of its kind that was
// answered before the check was asked, unless one of the other kind may have
// come after it and before the check's answer.
func settled(c check, changes []change, grants bool) (by change, ok bool) {
	for _, one := range changes {
		if one.grants == grants && one.final && one.completed < c.invoked {
			return one, true
		}
		if one.grants == grants && one.completed < c.invoked && (!grants || one.confirmed) && (!ok || one.completed > by.completed) {
			by, ok = one, true
		}
	}
	if !ok {
		return by, false
	}
	for _, other := range changes {
		if other.grants != grants && other.invoked < c.completed && other.completed > by.invoked {
			return by, false
		}
	}
	return by, true
}

// order looks for a node that said REVOKED, which is for good, and accepted
// afterwards. Between nodes the same is counted only: until the revocation is
// answered, they may differ.
func (j *judgement) order(checks []check, changes []change) {
	first := map[uint8]instant{}
	anywhere := never
	for _, c := range checks {
		if c.verdict == revoked {
			if at, ok := first[c.node]; !ok || c.completed < at {
				first[c.node] = c.completed
			}
			anywhere = min(anywhere, c.completed)
		}
	}
	for _, c := range checks {
		if c.verdict != accepted {
			continue
		}
		if at, ok := first[c.node]; ok && c.invoked > at {
			j.backward = append(j.backward, finding{"accepted by the node that had said REVOKED", c, last(changes)})
		} else if c.invoked > anywhere {
			j.early++
		}
	}
}

func last(changes []change) change {
	if len(changes) == 0 {
		return change{}
	}
	return changes[len(changes)-1]
}
