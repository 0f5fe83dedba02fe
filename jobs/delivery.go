package jobs

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"time"

	"github.com/riverqueue/river"
	"github.com/riverqueue/river/rivertype"

	"github.com/halberdhq/halberd"
)

// Send carries one delivery to its address, once, and says what became of it. It
// returns within thirty seconds.
type Send func(ctx context.Context, o halberd.Outgoing) Receipt

// Receipt is what became of one try to send.
type Receipt struct {
	Status     int           // of the answer; 0: there was none
	Gone       bool          // the endpoint wants no more, ever
	RetryAfter time.Duration // what it asked for; zero: nothing
	Error      string        // a sentence for whoever owns the webhook; "": it was taken
}

// deliveryArgs is one try of one delivery, as river keeps it. What is sent, and
// whether it still may be, is read when it is its turn.
type deliveryArgs struct {
	ID       string `json:"id" river:"unique"`
	Attempts int64  `json:"attempts" river:"unique"` // before this one
	Endpoint string `json:"endpoint"`                // whose lane it takes
}

// Kind implements river.JobArgs.
func (deliveryArgs) Kind() string { return "delivery" }

// InsertOpts implements river.JobArgsWithInsertOpts: one job for each try, however
// often it is found due.
func (deliveryArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{
		Queue:      deliveriesQueue,
		UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: unfinished()},
	}
}

// unfinished are the states of jobs that are still to be done.
func unfinished() []rivertype.JobState {
	return []rivertype.JobState{
		rivertype.JobStateAvailable, rivertype.JobStatePending, rivertype.JobStateRunning, rivertype.JobStateScheduled, rivertype.JobStateRetryable,
	}
}

// pauses are how long is waited after each failed try: three days in all.
func pauses() []time.Duration {
	return []time.Duration{
		5 * time.Second, time.Minute, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour,
		5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 20*time.Hour + 24*time.Minute,
	}
}

const (
	// attemptWithin bounds a try: sending has thirty seconds, and the rest is
	// reading and writing what became of it.
	attemptWithin = 45 * time.Second
	// noteWithin bounds the writing when the server stops meanwhile.
	noteWithin = 5 * time.Second
)

// deliveryWorker tries deliveries.
type deliveryWorker struct {
	river.WorkerDefaults[deliveryArgs]
	runner *Runner
}

// Timeout implements river.Worker.
func (w *deliveryWorker) Timeout(*river.Job[deliveryArgs]) time.Duration {
	return cmp.Or(w.runner.within, attemptWithin)
}

// Work implements river.Worker.
func (w *deliveryWorker) Work(ctx context.Context, job *river.Job[deliveryArgs]) error {
	r := w.runner
	leave, wait, ok := r.lanes.enter(job.Args.Endpoint)
	if !ok {
		return river.JobSnooze(jitter(wait))
	}
	good := true
	defer func() { leave(good) }()
	id, err := halberd.ParseDeliveryID(job.Args.ID)
	if err != nil {
		return river.JobCancel(err)
	}
	o, ok, err := r.service.OpenDelivery(ctx, id)
	if err != nil {
		return r.later(ctx, id, err)
	}
	if !ok || o.Attempts != job.Args.Attempts {
		return nil // somebody else did it, or it is not to be sent any more
	}
	at := r.now()
	got := r.send(ctx, o)
	good = got.Error == ""
	if !good && errors.Is(ctx.Err(), context.Canceled) {
		good = true // the server stops: nothing is known of the endpoint
		return river.JobSnooze(time.Second)
	}
	r.tried(good)
	ctx, stop := context.WithTimeout(context.WithoutCancel(ctx), noteWithin)
	defer stop()
	err = r.service.FinishDelivery(ctx, id, halberd.Attempt{
		At: at, Took: r.now().Sub(at), Status: got.Status, Error: got.Error, Gone: got.Gone, NextAt: nextAt(r.now(), o.Attempts, got),
	})
	if err != nil { // it is sent again, under the same id
		return r.later(ctx, id, err)
	}
	return nil
}

// later puts off what our own side could not do: that costs the endpoint no try.
func (r *Runner) later(ctx context.Context, id halberd.DeliveryID, err error) error {
	if ctx.Err() == nil {
		r.log.Error("a delivery could not be read or noted; it is tried again in a moment", "delivery", id, "why", err)
	}
	return river.JobSnooze(jitter(5 * time.Second))
}

// nextAt is when a delivery is tried again that was tried so often before; zero:
// never, or there is no need.
func nextAt(now time.Time, before int64, got Receipt) time.Time {
	all := pauses()
	if got.Error == "" || got.Gone || before >= int64(len(all)) {
		return time.Time{}
	}
	return now.Add(max(jitter(all[before]), got.RetryAfter))
}

// jitter is a pause up to a tenth shorter or longer, so that what failed together
// does not come back together.
func jitter(d time.Duration) time.Duration {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	fifth := uint64(d / 5)
	if fifth == 0 {
		return d
	}
	return d - d/10 + time.Duration(binary.NativeEndian.Uint64(b[:])%fifth)
}
