//go:build linux

package prove

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"sync"
	"time"
)

// owner makes keys and ends them, one after the other, through whichever node
// comes to hand. Nobody else changes its keys, so what it was told is what was
// done to them.
type owner struct {
	c       *cluster
	h       *history
	targets *targets
	rand    *rand.Rand
	tally   *tally
}

// tally counts what owners did. Safe for concurrent use.
type tally struct {
	mu      sync.Mutex
	revoked int
	done    map[string]int
	took    map[string][]time.Duration // of those answered with success at the first try
}

func newTally() *tally { return &tally{done: map[string]int{}, took: map[string][]time.Duration{}} }

func (t *tally) add(what string, took time.Duration, revoked int, atOnce bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.done[what]++
	t.revoked += revoked
	if atOnce {
		t.took[what] = append(t.took[what], took)
	}
}

// errGone is a key that came to nothing: nobody knows whether it is there.
var errGone = errors.New("the key came to nothing")

// held is a key that an owner has, with a question for each thing that it may.
type held struct {
	id, secret  string
	read, write target
}

// run makes and ends keys until ctx does.
func (o *owner) run(ctx context.Context) {
	for ctx.Err() == nil {
		if err := o.life(ctx); err != nil {
			o.wait(ctx, 0, 50*time.Millisecond)
		}
	}
}

func (o *owner) wait(ctx context.Context, least, most time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(least + time.Duration(o.rand.Int64N(int64(most-least)+1))):
	}
}

// life is one key's.
func (o *owner) life(ctx context.Context) error {
	k, err := o.create(ctx)
	if err != nil {
		return err
	}
	o.wait(ctx, 0, 200*time.Millisecond)
	switch o.rand.IntN(8) {
	case 0, 1:
		err = o.switchOff(ctx, k)
	case 2:
		err = o.narrow(ctx, k)
	case 3, 4:
		k, err = o.rotate(ctx, k)
	}
	if err == nil {
		err = o.revoke(ctx, k)
	}
	o.targets.put(k.read, true)
	o.targets.put(k.write, true)
	o.wait(ctx, o.c.lease, 2*o.c.lease) // asked in the meantime, by all
	o.targets.drop(k.read.question)
	o.targets.drop(k.write.question)
	return err
}

// knows makes the questions about a secret.
func (o *owner) knows(id, secret string) held {
	k := held{id: id, secret: secret}
	k.read = target{o.h.ask(id + " may read"), secret, "read"}
	k.write = target{o.h.ask(id + " may write"), secret, "write"}
	return k
}

func (o *owner) create(ctx context.Context) (held, error) {
	n, invoked := o.node(), o.h.now()
	a, err := o.call(ctx, n, http.MethodPost, "/v1/api-keys", `{"label":"proof"}`)
	if err != nil || !a.good() {
		return held{}, errGone
	}
	k := o.knows(a.text("data", "key_id"), a.text("data", "key"))
	o.changed(n, invoked, &a, grants, k.read, k.write)
	o.targets.put(k.read, false)
	o.targets.put(k.write, false)
	o.tally.add("create", time.Duration(o.h.now()-invoked), 0, true)
	return k, nil
}

// effect is what a change does to a question.
type effect int

const (
	grants effect = iota
	refuses
	endsForGood
)

// node is any.
func (o *owner) node() *node { return o.c.nodes[o.rand.IntN(len(o.c.nodes))] }

func (o *owner) call(ctx context.Context, n *node, method, path, body string, headers ...string) (answer, error) {
	ctx, cancel := context.WithTimeout(ctx, 3*o.c.lease+2*time.Second)
	defer cancel()
	return n.ask(ctx, method, path, o.c.admin, body, headers...)
}

// changed notes a change of all the questions. a is the answer; nil: there was
// none that says whether it was done.
func (o *owner) changed(n *node, invoked instant, a *answer, does effect, of ...target) {
	for _, t := range of {
		c := change{question: t.question, grants: does == grants, final: does == endsForGood, invoked: invoked, completed: never, node: uint8(n.number)}
		if a != nil {
			c.completed = o.h.now()
			c.confirmed, _ = a.get("meta", "propagation", "confirmed").(bool)
			if a.status == http.StatusAccepted {
				c.completed, c.confirmed = o.effective(*a), false
			}
		}
		o.h.changed(c)
	}
}

// effective is when a 202 says that it holds everywhere. Times are told in whole
// seconds or finer, by the database's clock, which is this machine's.
func (o *owner) effective(a answer) instant {
	at, err := time.Parse(time.RFC3339Nano, a.text("meta", "propagation", "effective_by"))
	if err != nil {
		o.c.t.Errorf("a 202 without effective_by: %s", a.body)
		return never
	}
	return o.h.now() + instant(time.Until(at))
}

// ends makes a change that ends something, and repeats it through other nodes until
// it is answered with success: every try that came to nothing may still happen.
func (o *owner) ends(ctx context.Context, what, method, path, body string, revokes int, of ...target) (a answer, err error) {
	for _, t := range of {
		o.targets.put(t, true)
	}
	does := refuses
	if method == http.MethodDelete {
		does = endsForGood
	}
	for try := 0; ctx.Err() == nil; try++ {
		n, invoked := o.node(), o.h.now()
		var headers []string
		if try == 0 && method == http.MethodDelete && o.rand.IntN(10) == 0 {
			headers = []string{"Prefer", "respond-async"}
		}
		a, err := o.call(ctx, n, method, path, body, headers...)
		switch {
		case err != nil || a.status >= 500:
			o.changed(n, invoked, nil, does, of...)
			o.wait(ctx, 5*time.Millisecond, 50*time.Millisecond)
			continue
		case !a.good():
			return a, fmt.Errorf("%s: %d %s", what, a.status, a.body)
		}
		o.changed(n, invoked, &a, does, of...)
		if a.status == http.StatusAccepted {
			o.tally.add(what+", 202", 0, revokes, false)
		} else {
			o.tally.add(what, time.Duration(o.h.now()-invoked), revokes, try == 0)
		}
		return a, nil
	}
	return a, ctx.Err()
}

// ctx is for what has no other end.
func (o *owner) ctx() context.Context { return context.Background() }

// revokeThrough is revoke by one node, without a repetition.
func (o *owner) revokeThrough(ctx context.Context, k held, n *node) error {
	o.targets.put(k.read, true)
	o.targets.put(k.write, true)
	invoked := o.h.now()
	a, err := o.call(ctx, n, http.MethodDelete, "/v1/api-keys/"+k.id, "")
	if err != nil || a.status != http.StatusOK {
		o.changed(n, invoked, nil, endsForGood, k.read, k.write)
		return fmt.Errorf("revoking through node %d: %d %s %w", n.number, a.status, a.body, err)
	}
	o.changed(n, invoked, &a, endsForGood, k.read, k.write)
	o.tally.add("revoke", 0, 1, false)
	return nil
}

// revoke ends a key for good.
func (o *owner) revoke(ctx context.Context, k held) error {
	_, err := o.ends(ctx, "revoke", http.MethodDelete, "/v1/api-keys/"+k.id, "", 1, k.read, k.write)
	return o.sane(err)
}

// switchOff stops a key for a while, through one node, and lets it go on through
// another.
func (o *owner) switchOff(ctx context.Context, k held) error {
	path := "/v1/api-keys/" + k.id
	if _, err := o.ends(ctx, "deactivate", http.MethodPatch, path, `{"active":false}`, 0, k.read, k.write); err != nil {
		return o.sane(err)
	}
	o.wait(ctx, 0, o.c.lease)
	n, invoked := o.node(), o.h.now()
	a, err := o.call(ctx, n, http.MethodPatch, path, `{"active":true}`)
	if err != nil || !a.good() {
		o.changed(n, invoked, nil, grants, k.read, k.write)
	} else {
		o.changed(n, invoked, &a, grants, k.read, k.write)
	}
	o.wait(ctx, 0, 100*time.Millisecond)
	return nil
}

// narrow takes a scope.
func (o *owner) narrow(ctx context.Context, k held) error {
	_, err := o.ends(ctx, "narrow", http.MethodPatch, "/v1/api-keys/"+k.id, `{"scopes":["read"]}`, 0, k.write)
	o.wait(ctx, 0, 200*time.Millisecond)
	return o.sane(err)
}

// rotate gives the key another secret, and none of the former's days.
func (o *owner) rotate(ctx context.Context, k held) (held, error) {
	n, invoked := o.node(), o.h.now()
	o.targets.put(k.read, true)
	o.targets.put(k.write, true)
	a, err := o.call(ctx, n, http.MethodPost, "/v1/api-keys/"+k.id+"/rotate", `{"overlap_seconds":0}`)
	if unheard := err != nil || !a.good(); unheard { // then the former secret goes on, or nobody has the new one
		o.changed(n, invoked, nil, endsForGood, k.read, k.write)
		return k, nil
	}
	o.changed(n, invoked, &a, endsForGood, k.read, k.write)
	o.tally.add("rotate", time.Duration(o.h.now()-invoked), 0, true)
	next := o.knows(k.id, a.text("data", "key"))
	o.changed(n, invoked, &a, grants, next.read, next.write)
	o.targets.put(next.read, false)
	o.targets.put(next.write, false)
	former := k
	go func() { // it stays worth asking for a while
		<-time.After(2 * o.c.lease)
		o.targets.drop(former.read.question)
		o.targets.drop(former.write.question)
	}()
	o.wait(ctx, 0, 200*time.Millisecond)
	return next, nil
}

// sane reports a refusal that no fault explains.
func (o *owner) sane(err error) error {
	if err != nil && !errors.Is(err, context.Canceled) && !errors.Is(err, context.DeadlineExceeded) && !strings.Contains(err.Error(), "429") {
		o.c.t.Errorf("%v", err)
	}
	return err
}
