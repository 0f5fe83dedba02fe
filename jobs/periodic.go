package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/riverqueue/river"
)

// Task is something that is due every so often, on one node at a time.
type Task struct {
	// Name is for people and metrics: a few words with underscores.
	Name string
	// Every is the time from one run to the next; at least a second.
	Every time.Duration
	// Run does it. It ends when ctx does. An error is logged and counted, and the
	// next run is when it is due.
	Run func(ctx context.Context) error
	// Within bounds one run; zero: ten minutes. On a database that nodes share it is
	// also how long a run of a node that died keeps the others from the next.
	Within time.Duration
}

// taskWithin bounds one run of a Task that does not say.
const taskWithin = 10 * time.Minute

// taskArgs is a run of a Task, as river keeps it.
type taskArgs struct {
	Name string `json:"name"`
}

// Kind implements river.JobArgs.
func (taskArgs) Kind() string { return "task" }

// InsertOpts implements river.JobArgsWithInsertOpts: a run that has not ended is
// not joined by a second one.
func (taskArgs) InsertOpts() river.InsertOpts {
	return river.InsertOpts{
		Queue: tasksQueue, MaxAttempts: 1,
		UniqueOpts: river.UniqueOpts{ByArgs: true, ByState: unfinished()},
	}
}

// periodic are the tasks as river's leader asks for them.
func periodic(tasks []Task) []*river.PeriodicJob {
	var all []*river.PeriodicJob
	for _, t := range tasks {
		all = append(all, river.NewPeriodicJob(river.PeriodicInterval(t.Every),
			func() (river.JobArgs, *river.InsertOpts) { return taskArgs{Name: t.Name}, nil },
			&river.PeriodicJobOpts{ID: t.Name, RunOnStart: true}))
	}
	return all
}

// taskWorker runs them.
type taskWorker struct {
	river.WorkerDefaults[taskArgs]
	runner *Runner
}

// Timeout implements river.Worker.
func (w *taskWorker) Timeout(job *river.Job[taskArgs]) time.Duration {
	for _, t := range w.runner.tasks {
		if t.Name == job.Args.Name && t.Within > 0 {
			return t.Within
		}
	}
	return taskWithin
}

// Work implements river.Worker.
func (w *taskWorker) Work(ctx context.Context, job *river.Job[taskArgs]) error {
	for _, t := range w.runner.tasks {
		if t.Name == job.Args.Name {
			err := t.Run(ctx)
			if errors.Is(ctx.Err(), context.Canceled) {
				return river.JobCancel(ctx.Err()) // the server stops; it is due again at the next start
			}
			if ctx.Err() != nil {
				err = fmt.Errorf("it was ended after %s", w.Timeout(job))
			}
			w.runner.ran(t.Name, err)
			if err != nil {
				w.runner.log.Error("housekeeping failed; it is tried again when it is next due", "task", t.Name, "every", t.Every, "why", err)
				return river.JobCancel(fmt.Errorf("%s: %w", t.Name, err))
			}
			return nil
		}
	}
	return river.JobCancel(fmt.Errorf("there is no task %q in this version", job.Args.Name))
}
