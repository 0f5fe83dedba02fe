package jobs

import (
	"context"
	"maps"
	"time"
)

// Stats are what a Runner has done since its start, and what waits.
type Stats struct {
	Tasks              map[string]Run // by name, those of this node
	Delivered, Failed  int64          // attempts of this node
	Relayed            int64          // deliveries made of events by this node
	RelayFailures      int64
	Waiting            map[string]int64 // jobs that are not done, on all nodes, by state: available, running, retryable, …
	WaitingUnavailable bool             // Waiting could not be counted
}

// countEvery bounds how often the database is asked to count.
const countEvery = 5 * time.Second

// Stats counts. Waiting may be some seconds old.
func (r *Runner) Stats(ctx context.Context) Stats {
	s := Stats{
		Delivered: r.delivered.Load(), Failed: r.failed.Load(), Relayed: r.relayed.Load(), RelayFailures: r.relayFails.Load(),
		Waiting: map[string]int64{},
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	s.Tasks = maps.Clone(r.runs)
	if at := r.now(); at.Sub(r.fresh) >= countEvery || at.Before(r.fresh) {
		ctx, stop := context.WithTimeout(ctx, time.Second)
		defer stop()
		found, err := r.db.count(ctx)
		if err != nil {
			s.WaitingUnavailable = true
			return s
		}
		r.waiting, r.fresh = found, at
	}
	for t, n := range r.waiting {
		if t.kind == (deliveryArgs{}).Kind() {
			s.Waiting[t.state] += n
		}
	}
	return s
}
