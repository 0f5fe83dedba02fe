package jobs

import (
	"context"
	"time"

	"github.com/riverqueue/river"

	"github.com/halberdhq/halberd"
)

const (
	// relayEvery is how often the outbox is looked into without a hint, and what is
	// due to be tried again: other nodes' changes are not hinted at.
	relayEvery = time.Second
	// othersAfter is how long what another node has made is left to that node.
	othersAfter = 3 * time.Second
	// sweepEvery is how often all that is due is looked at again: deliveries of a
	// node that died, or of a jobs database that was lost.
	sweepEvery = 5 * time.Minute
	// pumpPage bounds one reading and one inserting.
	pumpPage = 500
)

// relay makes deliveries of events, and jobs of deliveries that are due, until ctx
// ends.
func (r *Runner) relay(ctx context.Context) {
	tick := time.NewTicker(relayEvery)
	defer tick.Stop()
	// Two readers of one list: the first goes on to the present as soon as there is
	// something new, the second follows at a distance and finds what came in behind
	// the first.
	var own, all halberd.Delivery
	swept, fresh := r.now(), true
	for {
		made, err := r.relayAll(ctx)
		if fresh || made > 0 {
			err = firstError(err, r.pump(ctx, &own, r.now()))
		}
		if now := r.now(); now.Sub(swept) >= sweepEvery || now.Before(swept) {
			swept, all = now, halberd.Delivery{}
		}
		err = firstError(err, r.pump(ctx, &all, r.now().Add(-othersAfter)))
		if err != nil && ctx.Err() == nil {
			r.relayFails.Add(1)
			r.log.Error("what is to be delivered waits; the next try is in a second", "why", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			fresh = false
		case <-r.service.OutboxFilled():
			fresh = true
		}
	}
}

func (r *Runner) relayAll(ctx context.Context) (made int, err error) {
	for more := true; more && err == nil; {
		var n int
		n, more, err = r.service.Relay(ctx)
		made += n
	}
	r.relayed.Add(int64(made))
	return made, err
}

// pump makes a job of each delivery that is due until a time and comes after at,
// which it moves on.
func (r *Runner) pump(ctx context.Context, at *halberd.Delivery, until time.Time) error {
	for {
		due, err := r.service.DueDeliveries(ctx, *at, until, pumpPage)
		if err != nil || len(due) == 0 {
			return err
		}
		params := make([]river.InsertManyParams, len(due))
		for i, d := range due {
			params[i].Args = deliveryArgs{ID: d.ID.String(), Attempts: d.Attempts, Endpoint: d.Webhook.String()}
		}
		if _, err := r.queue.InsertMany(ctx, params); err != nil {
			return err
		}
		if *at = due[len(due)-1]; len(due) < pumpPage {
			return nil
		}
	}
}

func firstError(a, b error) error {
	if a != nil {
		return a
	}
	return b
}
