package jobs

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/riverqueue/river"

	"github.com/halberdhq/halberd"
)

const (
	deliveriesQueue = "deliveries"
	tasksQueue      = "tasks"

	// stopWithin is how long deliveries under way may go on when the server stops;
	// they are cut off then, and tried again later.
	stopWithin = 3 * time.Second
)

// Options say what a Runner does.
type Options struct {
	Database Database
	// Service is what deliveries are made of and noted in. nil: there are none.
	Service *halberd.Service
	// Send carries them; it must be there with a Service.
	Send Send
	// Tasks are what is due every so often.
	Tasks []Task
	// Log is told of what fails. nil discards.
	Log *slog.Logger
	// Now is the clock. nil is time.Now.
	Now func() time.Time

	within time.Duration // zero: attemptWithin
}

// Runner does jobs until it is stopped. Every node has one.
type Runner struct {
	service *halberd.Service
	send    Send
	tasks   []Task
	log     *slog.Logger
	now     func() time.Time
	within  time.Duration // as in Options
	lanes   *lanes

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
	stopping   atomic.Bool // what river then calls an error is its end
}

// Run is what is known of a Task on this node.
type Run struct {
	Done, Failed int64
	LastAt       time.Time // of the last run that ended here; zero: none
	LastError    error     // nil: it went well
}

// Start opens the database, makes its tables, and begins. Stop the Runner.
func Start(ctx context.Context, o Options) (*Runner, error) {
	r := &Runner{service: o.Service, send: o.Send, tasks: o.Tasks, log: o.Log, now: o.Now, within: o.within, runs: map[string]Run{}}
	if r.log == nil {
		r.log = slog.New(slog.DiscardHandler)
	}
	if r.now == nil {
		r.now = time.Now
	}
	r.lanes = newLanes(r.now)
	queues := map[string]river.QueueConfig{tasksQueue: {MaxWorkers: 4}}
	all := river.NewWorkers()
	river.AddWorker(all, &taskWorker{runner: r})
	if r.service != nil {
		river.AddWorker(all, &deliveryWorker{runner: r})
		queues[deliveriesQueue] = river.QueueConfig{MaxWorkers: workers, FetchCooldown: 10 * time.Millisecond}
	}
	for _, t := range r.tasks {
		r.runs[t.Name] = Run{} // it is known before it has run
	}
	quiet := slog.New(quieter{r.log.Handler(), &r.stopping})
	var err error
	if r.db, err = o.Database.open(ctx, quiet); err != nil {
		return nil, fmt.Errorf("opening the jobs: %w", err)
	}
	r.queue, err = r.db.client(&river.Config{
		Logger: quiet, Queues: queues, Workers: all, PeriodicJobs: periodic(r.tasks),
		CompletedJobRetentionPeriod: time.Hour, // the log of deliveries is elsewhere
		JobTimeout:                  attemptWithin, RescueStuckJobsAfter: 2 * attemptWithin, SoftStopTimeout: stopWithin,
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
	if r.service != nil {
		r.going.Go(func() { r.relay(own) })
	}
	return r, nil
}

// Stop takes no new jobs, lets those under way go on for a moment, and closes the
// database. What was cut off is done later, or by another node.
func (r *Runner) Stop() error {
	r.stopping.Store(true)
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

// tried counts an attempt.
func (r *Runner) tried(good bool) {
	if good {
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
type quieter struct {
	slog.Handler
	stopping *atomic.Bool
}

// Handle implements slog.Handler.
func (q quieter) Handle(ctx context.Context, rec slog.Record) error {
	if rec.Level < slog.LevelError || q.stopping.Load() {
		rec.Level = slog.LevelDebug
		if !q.Enabled(ctx, rec.Level) {
			return nil
		}
	}
	return q.Handler.Handle(ctx, rec)
}

// WithAttrs implements slog.Handler.
func (q quieter) WithAttrs(a []slog.Attr) slog.Handler {
	return quieter{q.Handler.WithAttrs(a), q.stopping}
}

// WithGroup implements slog.Handler.
func (q quieter) WithGroup(name string) slog.Handler {
	return quieter{q.Handler.WithGroup(name), q.stopping}
}
