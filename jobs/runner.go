package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/riverqueue/river"
)

const (
	deliveriesQueue = "deliveries"
	tasksQueue      = "tasks"

	// relayEvery is how often the outbox is looked into without a hint: other
	// nodes' changes are not hinted at.
	relayEvery = time.Second
	// sweepEvery is how often deliveries without a job are looked for: those of a
	// node that died between the two, or of a jobs database that was lost.
	sweepEvery = 5 * time.Minute
	// stopWithin is how long deliveries under way may go on when the server stops;
	// they are cut off then, and tried again later.
	stopWithin = 3 * time.Second
)

// Options say what a Runner does.
type Options struct {
	Database Database
	// Outbox is where deliveries come from. nil: none are made.
	Outbox Outbox
	// Tasks are what is due every so often.
	Tasks []Task
	// Log is told of what fails. nil discards.
	Log *slog.Logger
	// Now is the clock. nil is time.Now.
	Now func() time.Time
}

// Runner does jobs until it is stopped. Every node has one.
type Runner struct {
	outbox Outbox
	tasks  []Task
	log    *slog.Logger
	now    func() time.Time
	lanes  *lanes
	asked  sync.Map // job id → time.Duration that its endpoint asked for

	db    *opened
	queue queue
	end   context.CancelFunc
	going sync.WaitGroup

	mu    sync.Mutex // guards the next two
	runs  map[string]Run
	fresh time.Time // when waiting was counted

	waiting    map[tally]int64
	delivered  atomic.Int64
	failed     atomic.Int64
	relayed    atomic.Int64
	relayFails atomic.Int64
}

// Run is what is known of a Task on this node.
type Run struct {
	Done, Failed int64
	LastAt       time.Time // of the last run that ended here; zero: none
	LastError    error     // nil: it went well
}

// Start opens the database, makes its tables, and begins. Stop the Runner.
func Start(ctx context.Context, o Options) (*Runner, error) {
	r := &Runner{outbox: o.Outbox, log: o.Log, now: o.Now, runs: map[string]Run{}}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	if r.now == nil {
		r.now = time.Now
	}
	r.lanes = newLanes(r.now)
	r.tasks = o.Tasks
	queues := map[string]river.QueueConfig{tasksQueue: {MaxWorkers: 4}}
	all := river.NewWorkers()
	river.AddWorker(all, &taskWorker{runner: r})
	if r.outbox != nil {
		r.tasks = append(slices.Clip(r.tasks), Task{Name: "sweep_deliveries", Every: sweepEvery, Run: r.sweep})
		river.AddWorker(all, &deliveryWorker{runner: r})
		queues[deliveriesQueue] = river.QueueConfig{MaxWorkers: workers, FetchCooldown: 10 * time.Millisecond}
	}
	for _, t := range r.tasks {
		r.runs[t.Name] = Run{} // it is known before it has run
	}
	quiet := slog.New(quieter{r.log.Handler()})
	var err error
	if r.db, err = o.Database.open(ctx, quiet); err != nil {
		return nil, fmt.Errorf("opening the jobs: %w", err)
	}
	r.queue, err = r.db.client(&river.Config{
		Logger: quiet, Queues: queues, Workers: all, PeriodicJobs: periodic(r.tasks),
		JobTimeout: attemptWithin, RescueStuckJobsAfter: 2 * attemptWithin, SoftStopTimeout: stopWithin,
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("opening the jobs: %w", err), r.db.close())
	}
	own, end := context.WithCancel(context.WithoutCancel(ctx))
	r.end = end
	if err := r.queue.Start(own); err != nil {
		end()
		return nil, errors.Join(fmt.Errorf("starting the jobs: %w", err), r.db.close())
	}
	if r.outbox != nil {
		r.going.Go(func() { r.relay(own) })
	}
	return r, nil
}

// Stop takes no new jobs, lets those under way go on for a moment, and closes the
// database. What was cut off is done later, or by another node.
func (r *Runner) Stop() error {
	ctx, stop := context.WithTimeout(context.Background(), 2*stopWithin)
	defer stop()
	err := r.queue.Stop(ctx)
	if err != nil {
		err = r.queue.StopAndCancel(context.Background())
	}
	r.end()
	r.going.Wait()
	return errors.Join(err, r.db.close())
}

// relay makes jobs of what is in the outbox until ctx ends.
func (r *Runner) relay(ctx context.Context) {
	if err := r.sweep(ctx); err != nil && ctx.Err() == nil {
		r.log.Error("deliveries that waited before the start are looked for later", "why", err)
	}
	tick := time.NewTicker(relayEvery)
	defer tick.Stop()
	for {
		more := true
		for more && ctx.Err() == nil {
			var err error
			if more, err = r.relayOnce(ctx); err != nil && ctx.Err() == nil {
				r.relayFails.Add(1)
				r.log.Error("events wait to be delivered; the next try is in a second", "why", err)
				break
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-r.outbox.Filled():
		}
	}
}

func (r *Runner) relayOnce(ctx context.Context) (more bool, err error) {
	made, more, err := r.outbox.Relay(ctx)
	if err != nil {
		return false, err
	}
	return more, r.remind(ctx, made)
}

// sweep makes jobs of deliveries that have none.
func (r *Runner) sweep(ctx context.Context) error {
	after := ""
	for {
		some, err := r.outbox.Waiting(ctx, after)
		if err != nil || len(some) == 0 {
			return err
		}
		if err := r.remind(ctx, some); err != nil {
			return err
		}
		after = some[len(some)-1].ID
	}
}

// remind inserts jobs; those that are there already stay as they are.
func (r *Runner) remind(ctx context.Context, some []Delivery) error {
	if len(some) == 0 {
		return nil
	}
	params := make([]river.InsertManyParams, len(some))
	for i, d := range some {
		params[i].Args = d
	}
	done, err := r.queue.InsertMany(ctx, params)
	for _, d := range done {
		if !d.UniqueSkippedAsDuplicate {
			r.relayed.Add(1)
		}
	}
	return err
}

// tried counts an attempt.
func (r *Runner) tried(out Outcome) {
	if out.Good {
		r.delivered.Add(1)
	} else {
		r.failed.Add(1)
	}
}

// ran counts a run of a Task.
func (r *Runner) ran(name string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := r.runs[name]
	at.LastAt, at.LastError = r.now(), err
	if err == nil {
		at.Done++
	} else {
		at.Failed++
	}
	r.runs[name] = at
}

// quieter takes river's own talk a level down: an operator has no use for it, and
// what failed is logged here in our words.
type quieter struct{ slog.Handler }

// Handle implements slog.Handler.
func (q quieter) Handle(ctx context.Context, rec slog.Record) error {
	if rec.Level < slog.LevelError {
		rec.Level = slog.LevelDebug
		if !q.Enabled(ctx, rec.Level) {
			return nil
		}
	}
	return q.Handler.Handle(ctx, rec)
}

// WithAttrs implements slog.Handler.
func (q quieter) WithAttrs(a []slog.Attr) slog.Handler { return quieter{q.Handler.WithAttrs(a)} }

// WithGroup implements slog.Handler.
func (q quieter) WithGroup(name string) slog.Handler { return quieter{q.Handler.WithGroup(name)} }
