package server

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/halberdhq/halberd"
	"github.com/halberdhq/halberd/jobs"
)

// startJobs begins the work that nobody waits for. close ends it.
func (in *instance) startJobs(ctx context.Context, c Config, svc *halberd.Service) error {
	r, err := jobs.Start(ctx, jobs.Options{
		Database: in.jobsDatabase(c), Service: svc, Send: in.send, Tasks: in.tasks(svc), Log: in.log, Now: in.now,
	})
	if err != nil && c.shared() {
		return err
	}
	if err != nil {
		return fmt.Errorf("%w: if the file is damaged move it away, and it is made anew from the keys' database", err)
	}
	in.jobs.Store(r)
	return nil
}

// jobsDatabase is where jobs are kept: beside the keys.
func (in *instance) jobsDatabase(c Config) jobs.Database {
	if c.shared() {
		return jobs.PostgreSQL(c.Database, c.databasePassword)
	}
	return jobs.SQLite(filepath.Join(c.Data, jobsFile))
}

// evaluateWithin bounds one look at what was counted. With the rescue of a run whose
// node died it is less than the minutes that the next one catches up with.
const evaluateWithin = 2 * time.Minute

// tasks is the housekeeping that is due every so often, on one node at a time.
func (in *instance) tasks(svc *halberd.Service) []jobs.Task {
	return []jobs.Task{
		{Name: "tidy_usage", Every: time.Minute, Run: func(ctx context.Context) error { return in.tidyAll(ctx, svc) }},
		{Name: "tidy_events", Every: 10 * time.Minute, Run: func(ctx context.Context) error {
			return untilDone(ctx, func() (bool, error) { return svc.TidyEvents(ctx, time.Duration(in.current().EventsDays)*24*time.Hour) })
		}},
		{Name: "evaluate_alerts", Every: time.Minute, Within: evaluateWithin, Run: svc.EvaluateAlerts},
	}
}
