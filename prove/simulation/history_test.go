package simulation

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/halberdhq/halberd"
)

// instant is a place in the order in which things happened: the program's own
// count, which no clock of a node has a part in. never is later than all.
type instant int64

const never instant = math.MaxInt64

// question is what is asked of a secret again and again: may it do this one thing?
type question struct {
	name    string
	key     halberd.KeyID
	secret  halberd.Secret
	scopes  []halberd.Scope
	changes []*change // one driver makes them, one after the other
	checks  []check
}

// change grants what a question asks for, or ends it.
type change struct {
	name    string
	grants  bool
	final   bool // for good: a revocation
	lost    bool // the database lost it, though it was final
	node    string
	invoked instant
	// committed is when the database had it, at the time at: a grant or an end that
	// never got there is none. never: it did not, or not yet.
	committed instant
	at        time.Duration
	revision  int64 // that of the commit, or a later one; 0: not known
	// completed is when its success was answered; never: it was not.
	completed instant
	confirmed bool // the answer said that every node knows
}

// check is one question put to one node.
type check struct {
	node               string
	life               int // of the node
	invoked, completed instant
	at                 time.Duration // when it was asked
	atLeast            int64         // the revision that was asked for; 0: none
	verdict            verdict
}

type verdict uint8

const (
	silent   verdict = iota // an error: no answer to rely on
	accepted                // VALID
	refused                 // anything else that is not REVOKED
	revoked
	unknown // NOT_FOUND
)

// history is what happened in one run. Safe for concurrent use.
type history struct {
	began time.Time
	count atomic.Int64

	mu        sync.Mutex
	questions []*question
	events    []event // what was done to the machines, for people
	flaws     []string
	replaced  time.Duration // when the database came back without its last changes; 0: it did not
	latest    time.Time     // the latest time of the database that any node was told
	ending    map[*change]time.Time
}

type event struct {
	at   time.Duration
	what string
}

// past is what became of a question. Called when nothing runs any more.
func (q *question) past() string {
	var b strings.Builder
	for _, c := range q.changes {
		fmt.Fprintf(&b, "%s through %s [%d, committed %d at %v, ..%d, lost %v]; ", c.name, c.node, c.invoked, c.committed, c.at, c.completed, c.lost)
	}
	return b.String()
}

func (h *history) now() instant { return instant(h.count.Add(1)) }

func (h *history) since() time.Duration { return time.Since(h.began) }

func (h *history) ask(name string, scopes halberd.Scopes) *question {
	q := &question{name: name}
	for _, one := range scopes.Strings() {
		q.scopes = append(q.scopes, halberd.Scope(one))
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.questions = append(h.questions, q)
	return q
}

// about tells what a question is about, once it is known. Nobody asks it before.
func (h *history) about(q *question, key halberd.KeyID, secret halberd.Secret) {
	h.mu.Lock()
	defer h.mu.Unlock()
	q.key, q.secret = key, secret
}

// all is every question that can be asked, in the order in which they came up.
func (h *history) all() []*question {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(h.questions), func(q *question) bool { return q.secret.IsZero() })
}

// ever is every question, also those that nobody can ask.
func (h *history) ever() []*question {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Clone(h.questions)
}

// begin notes a change that is asked for.
func (h *history) begin(q *question, c change) *change {
	c.invoked, c.committed, c.completed = h.now(), never, never
	h.mu.Lock()
	defer h.mu.Unlock()
	q.changes = append(q.changes, &c)
	return &c
}

// commit notes that the database has it.
func (h *history) commit(c *change, revision int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c.revision = revision
	c.committed, c.at = h.now(), h.since()
}

// latestOf is the revision of the last change of a question.
func (h *history) latestOf(q *question) (revision int64) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, c := range q.changes {
		if c.committed != never {
			revision = max(revision, c.revision)
		}
	}
	return revision
}

// complete notes the answer of success.
func (h *history) complete(c *change, confirmed bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	c.completed, c.confirmed = h.now(), confirmed
}

// expire notes that a question ends by itself from now on, and expires at which
// time of the database: once the key is there.
func (h *history) expire(q *question) *change {
	return h.begin(q, change{name: "expire", final: true, node: "the database"})
}

func (h *history) expires(c *change, at time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ending == nil {
		h.ending = map[*change]time.Time{}
	}
	h.ending[c] = at
}

// told notes a time of the database that a node was told, and returns the latest.
// What has expired by then has ended: no time that is told later lies before, and a
// second makes up for the rates of clocks.
func (h *history) told(now time.Time) time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	if now.After(h.latest) {
		h.latest = now
		for c, at := range h.ending {
			if !now.Before(at.Add(time.Second)) {
				delete(h.ending, c)
				c.committed, c.at = h.now(), h.since()
			}
		}
	}
	return h.latest
}

func (h *history) checked(q *question, c check) {
	h.mu.Lock()
	defer h.mu.Unlock()
	q.checks = append(q.checks, c)
}

func (h *history) happened(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events = append(h.events, event{h.since(), fmt.Sprintf(format, args...)})
}

// flaw notes a broken promise that is not one of a check.
func (h *history) flaw(format string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.flaws = append(h.flaws, fmt.Sprintf("%v: ", h.since())+fmt.Sprintf(format, args...))
}
