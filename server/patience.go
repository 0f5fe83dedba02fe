package server

import (
	"context"
	"log/slog"
	"time"

	"github.com/halberdhq/halberd/storage/postgres"
)

// patience is how a start does again what failed because the database went away
// meanwhile.
type patience struct {
	log   *slog.Logger
	bound time.Duration // since the first failure
}

// startPatience is as long as an engine waits for a database that was not there
// to begin with.
const startPatience = 30 * time.Second

// The pause between two tries.
const (
	againFirst   = 100 * time.Millisecond
	againLongest = 2 * time.Second
)

// with does one step of a start. again, called after a failure, says whether the
// step may be done once more; nil: it may.
func (p patience) with(ctx context.Context, step func() error, again func() bool) error {
	var since time.Time
	for pause := againFirst; ; pause = min(2*pause, againLongest) {
		err := step()
		if err == nil || ctx.Err() != nil || !postgres.Away(err) || again != nil && !again() {
			return err
		}
		if since.IsZero() {
			since = time.Now()
			p.log.Warn("the database went away during the start: waiting for it", "why", why(err))
		} else if time.Since(since) > p.bound {
			return err
		}
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return err
		}
	}
}
