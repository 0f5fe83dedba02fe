package server

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/halberdhq/halberd"
)

const (
	tidyEvery = time.Minute
	// tidyPause is between two parts: the rest of the machine comes first.
	tidyPause = 50 * time.Millisecond
)

// tidyUsage carries counts on and drops old ones until ctx ends.
func (in *instance) tidyUsage(ctx context.Context, svc *halberd.Service) {
	tick := time.NewTicker(tidyEvery)
	defer tick.Stop()
	for {
		if err := in.tidyAll(ctx, svc); err != nil && ctx.Err() == nil && !errors.Is(err, halberd.ErrClosed) {
			in.log.Error("usage counts were not carried on to longer steps; they are right, and take more room", "why", err)
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

func (in *instance) tidyAll(ctx context.Context, svc *halberd.Service) error {
	for {
		c := in.current()
		more, err := svc.TidyUsage(ctx, halberd.UsageRetention{
			Minutes: c.UsageDaysByMinute, Hours: c.UsageDaysByHour, Days: c.UsageDaysByDay,
		})
		if err != nil || !more {
			return err
		}
		select {
		case <-time.After(tidyPause):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// completeUsage fills the retention's defaults in. What is kept by a step must be
// kept by the longer ones, too: otherwise a longer look back would show less.
func (c *Config) completeUsage() error {
	for _, d := range []struct {
		name  string
		days  *int
		usual int
		above *int
	}{
		{"usage_days_by_minute", &c.UsageDaysByMinute, 2, nil},
		{"usage_days_by_hour", &c.UsageDaysByHour, 90, &c.UsageDaysByMinute},
		{"usage_days_by_day", &c.UsageDaysByDay, 730, &c.UsageDaysByHour},
	} {
		least := 1
		if d.above != nil {
			least = *d.above
		}
		if *d.days == 0 {
			*d.days = max(d.usual, least)
		}
		if n := *d.days; n < least || n > 36_500 {
			return fmt.Errorf("%s must be %d to 36500 (a longer step is kept no shorter), and is %d", d.name, least, n)
		}
	}
	return nil
}
