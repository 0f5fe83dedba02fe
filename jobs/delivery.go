package jobs

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"time"

	"github.com/riverqueue/river"
)

// Kind implements river.JobArgs.
func (Delivery) Kind() string { return "delivery" }

// InsertOpts implements river.JobArgsWithInsertOpts: one job for each delivery,
// however often it is relayed.
func (Delivery) InsertOpts() river.InsertOpts {
	return river.InsertOpts{
		Queue: deliveriesQueue, MaxAttempts: len(pauses()) + 1,
		UniqueOpts: river.UniqueOpts{ByArgs: true}, // those given up apart: a delivery that still waits gets a new job
	}
}

// pauses are how long is waited after each failed attempt: three days in all, and
// a delivery is tried once more after the last.
func pauses() []time.Duration {
	return []time.Duration{
		5 * time.Second, time.Minute, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour,
		5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 20*time.Hour + 24*time.Minute,
	}
}

// attemptWithin bounds an attempt: what is sent has ten seconds, and the rest is
// reading and writing what became of it.
const attemptWithin = 30 * time.Second

// deliveryWorker tries deliveries.
type deliveryWorker struct {
	river.WorkerDefaults[Delivery]
	runner *Runner
}

// errNotTaken makes river try again: what happened is in the log of deliveries.
var errNotTaken = errors.New("not taken; see the log of deliveries")

// Timeout implements river.Worker.
func (w *deliveryWorker) Timeout(*river.Job[Delivery]) time.Duration { return attemptWithin }

// Work implements river.Worker.
func (w *deliveryWorker) Work(ctx context.Context, job *river.Job[Delivery]) error {
	leave, wait, ok := w.runner.lanes.enter(job.Args.Endpoint)
	if !ok {
		return river.JobSnooze(jitter(wait)) // no attempt is counted
	}
	out := Outcome{}
	defer func() { leave(out.Good || out.Over) }()
	out, err := w.runner.outbox.Attempt(ctx, job.Args, job.Attempt, job.Attempt >= job.MaxAttempts)
	if err != nil { // ours, not the endpoint's: it must not use attempts up
		out.Good = true
		if ctx.Err() == nil {
			w.runner.log.Error("a delivery could not be tried; it is tried again in a moment", "delivery", job.Args.ID, "why", err)
		}
		return river.JobSnooze(jitter(5 * time.Second))
	}
	w.runner.tried(out)
	if out.Over {
		return nil
	}
	w.runner.asked.Store(job.ID, out.RetryAfter)
	return errNotTaken
}

// NextRetry implements river.Worker: the schedule, or what the endpoint asked
// for where that is later.
func (w *deliveryWorker) NextRetry(job *river.Job[Delivery]) time.Time {
	all := pauses()
	pause := jitter(all[min(max(job.Attempt, 1), len(all))-1])
	if asked, ok := w.runner.asked.LoadAndDelete(job.ID); ok {
		pause = max(pause, asked.(time.Duration))
	}
	return w.runner.now().Add(pause)
}

// jitter is a pause a tenth shorter or longer, so that what failed together does
// not come back together.
func jitter(d time.Duration) time.Duration {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails
	fifth := uint64(d / 5)
	if fifth == 0 {
		return d
	}
	return d - d/10 + time.Duration(binary.NativeEndian.Uint64(b[:])%fifth)
}
