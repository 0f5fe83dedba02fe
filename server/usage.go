package server

import (
	"context"
	"fmt"
	"time"

	"github.com/halberdhq/halberd"
)

// tidyPause is between two parts: the rest of the machine comes first.
const tidyPause = 50 * time.Millisecond

// tidyAll carries counts on to longer steps and drops old ones.
func (in *instance) tidyAll(ctx context.Context, svc *halberd.Service) error {
	return untilDone(ctx, func() (bool, error) {
		c := in.current()
		return svc.TidyUsage(ctx, halberd.UsageRetention{
			Minutes: c.UsageDaysByMinute, Hours: c.UsageDaysByHour, Days: c.UsageDaysByDay,
		})
	})
}

// untilDone does one part after another, with pauses, until there is no more.
func untilDone(ctx context.Context, part func() (more bool, err error)) error {
	for {
		more, err := part()
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
	if c.EventsDays == 0 {
		c.EventsDays = int(halberd.EventRetention / (24 * time.Hour))
	}
	if n := c.EventsDays; n < 1 || n > 3650 {
		return fmt.Errorf("events_days must be 1 to 3650, and is %d", n)
	}
	return nil
}
